"""A generator asks, generates, declares and attaches, over HTTP; at the end against the real server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.log.fsck import fsck
from ledger.proofs import canon, vector
from ledger.proofs.keys import PrivateKey
from ledger.registry import acts
from ledger.registry.declared import findings
from service.attribution.vectors import record
from service.client import Client, Permission, ServiceError
from service.log import batches
from service.log.ingesting import ingest_file, quarantined
from service.log.sources import settle_source
from service.registry.registering import act
from service.settlement import life
from service.web.guard.limits import Limits
from tests.docs.consoles import play
from tests.docs.test_documents import environment
from tests.service.month import Month, asked
from tests.service.web.serving import bearer, client, row, served_month, serving, token
from tests.support import ROOT

KEY = PrivateKey.from_seed(b"g" * 32)
SHARE = 600_000


@pytest.fixture
def june(tmp_path: Path) -> Month:
    """Ann operates model mdl@1, speaks for acme, and may declare."""
    june = served_month(tmp_path / "home")
    settle_source(june.ws, "acme", public=KEY.public.raw.hex(), declares=True)
    return june


class Generator:
    """Ann's requests to the app in this process."""

    def __init__(self, june: Month, web: Any) -> None:
        self.web, self.secret = web, bearer(token(june, "ann"))

    def ask(self, subject: str = "rec-1", **changed: Any) -> str:
        question = {"subject": subject, "use": "condition", "model": "mdl@1"} | changed
        answer = self.web.post("/v1/decisions/ann", headers=self.secret, json=question)
        assert answer.status_code == 200, answer.text
        receipt: str = answer.json()["receipt"]
        return receipt

    def declare(self, track: str, *receipts: str, recording: str = "rec-1", **changed: Any) -> Any:
        source = {"recording": recording, "ppm": SHARE, "use": "condition"}
        declared = {"track": track, "model": "mdl", "model_version": "1", "sources": [source], "decisions": receipts}
        return self.web.post("/v1/sources/acme/vectors", headers=self.secret, json=declared | changed)


def test_a_declaration_with_its_permission_pays(june: Month) -> None:
    """If this fails, a generator that asked first and declared what it used is not believed, or its track is lost."""
    with client(june) as web:
        generator = Generator(june, web)
        answer = generator.declare("acme:trk-9", generator.ask(track="acme:trk-9")).json()
        assert (answer["assigned"], answer["findings"]) == (True, [])
        assert generator.declare("acme:trk-9", *_receipts(june, answer["digest"])).json() == answer
    ws = june.reopened()
    assert ws.log.assignments()["acme:trk-9"][0] == answer["digest"]
    assert (ws.registry.view().track("acme:trk-9").model, ws.registry.view().track("acme:trk-9").version) == (
        "mdl",
        "1",
    )
    assert fsck(ws.log).ok


def _receipts(june: Month, digest: str) -> tuple[str, ...]:
    return vector.read_statement(june.reopened().log.blob(digest)).decisions


def _attempts(june: Month, generator: Generator) -> Iterator[tuple[str, str, Any]]:
    """By the word for it and the track: the answer to each declaration that does not serve."""
    yield "refused", "acme:trk-a", generator.declare("acme:trk-a", generator.ask("rec-4"), recording="rec-4")
    yield "replayed", "acme:trk-b", generator.declare("acme:trk-b", generator.ask(track="acme:trk-a"))
    yield "replayed", "acme:trk-c", generator.declare("acme:trk-c", generator.ask("rec-2"))
    question = {"subject": "rec-1", "use": "condition", "model": "mdl@1"}
    others = generator.web.post("/v1/decisions/bob", headers=bearer(token(june, "operator")), json=question).json()
    yield "replayed", "acme:trk-d", generator.declare("acme:trk-d", others["receipt"])
    receipt = generator.ask()
    yield "altered", "acme:trk-e", generator.declare("acme:trk-e", receipt[:-1] + ("0" if receipt[-1] != "0" else "1"))
    assert generator.declare("acme:trk-f", receipt).json()["assigned"]
    more = [{"recording": "rec-1", "ppm": SHARE + 1, "use": "condition"}]
    yield "altered", "acme:trk-f", generator.declare("acme:trk-f", receipt, sources=more)
    june.now += timedelta(hours=25)
    yield "expired", "acme:trk-g", generator.declare("acme:trk-g", receipt)


def test_what_does_not_serve_is_named_and_kept_as_evidence(june: Month) -> None:
    """If this fails, a track pays by a permission that was refused, had ended, was another's or was made up."""
    with client(june) as web:
        answers = [(kind, track, answer.json()) for kind, track, answer in _attempts(june, Generator(june, web))]
    ws = june.reopened()
    logged = {canon.decode(entry.body)["statement"] for entry in ws.log.entries(types={"vector"})}
    for kind, track, answer in answers:
        assert ({finding["kind"] for finding in answer["findings"]}, answer["assigned"]) == ({kind}, False)
        assert ws.log.assignments().get(track, (None,))[0] != answer["digest"]
        assert answer["digest"] in logged
        evidence = vector.read_statement(ws.log.blob(answer["digest"]))
        assert (evidence.track, evidence.recording.sources[0].basis) == (track, "declared")
        # Derived from the log alone, whoever reads it later.
        derived = [finding.kind for finding in findings(ws.registry.view(), evidence)]
        assert derived == ([] if track == "acme:trk-f" else [finding["kind"] for finding in answer["findings"]])


def test_a_revocation_after_the_answer_ends_it(june: Month) -> None:
    """If this fails, a holder's revocation means nothing to a generator that asked just before."""
    with client(june) as web:
        generator = Generator(june, web)
        receipt = generator.ask()
        june.now += timedelta(minutes=1)
        act(june.ws, None, lambda view, author: acts.revoke(view, author, grant="g-rec-1-ann", when=author.at))
        june.now += timedelta(minutes=1)
        answer = generator.declare("acme:trk-9", receipt).json()
    assert {finding["kind"] for finding in answer["findings"]} == {"expired", "refused"}
    assert not answer["assigned"]


@pytest.mark.parametrize("depth", [100, 500, 900, 100_000])
@pytest.mark.parametrize("field", ["", '{"track": "trk-9", "model": "mdl", "model_version": "1", "sources": '])
def test_a_body_that_is_no_declaration_is_refused(june: Month, depth: int, field: str) -> None:
    """If this fails, a few bytes of a platform end in an internal error."""
    with client(june) as web:
        secret = bearer(token(june, "ann"))
        nested = field + "[" * depth + "]" * depth + "}" * bool(field)
        for body in (b'"\xff"', b'{"track": "\\ud800"}', b"", nested.encode()):
            answer = web.post("/v1/sources/acme/vectors", headers=secret, content=body)
            assert (answer.status_code, answer.json()["cause"]) == (400, "input"), body[:80]
        long = web.post("/v1/sources/acme/vectors", headers=secret, content=b"[" + b" " * (1 << 20))
        assert (long.status_code, long.json()["cause"]) == (413, "body-bytes")


def test_declarations_are_counted_before_they_are_read(june: Month) -> None:
    """If this fails, bodies that are refused cost as much time as their sender likes."""
    with client(june, Limits(receipts_per_second=2)) as web:
        secret = bearer(token(june, "ann"))
        answers = [web.post("/v1/sources/acme/vectors", headers=secret, content=b"[") for _ in range(8)]
        assert {answer.status_code for answer in answers} == {400, 429}


def test_only_the_operator_of_a_model_declares_for_it(june: Month) -> None:
    """If this fails, a platform directs the money of tracks that others' models made."""
    other = bearer(token(june, "cy"))
    with client(june) as web:
        generator = Generator(june, web)
        assert generator.declare("acme:trk-9", model="nobody").status_code == 400
        assert "at most 1,000" in generator.declare("acme:trk-9", *["0" * 64] * 1_001).text
        settle_source(june.ws, "other", declares=True)
        declared = {"track": "acme:trk-9", "model": "mdl", "model_version": "1", "sources": []}
        assert web.post("/v1/sources/other/vectors", headers=other, json=declared).status_code == 400
        assert web.post("/v1/sources/acme/vectors", headers=other, json=declared).status_code == 404
        settle_source(june.ws, "acme", declares=False)
        assert generator.declare("acme:trk-9").status_code == 409
    assert "acme:trk-9" not in june.reopened().registry.view().tracks


def test_a_generator_cannot_take_an_id_that_another_platform_streams(june: Month, tmp_path: Path) -> None:
    """If this fails, a generator registers the ids of another platform's streams, and they pay its recordings."""
    settle_source(june.ws, "other", party="cy")
    settle_source(june.ws, "acme:eu", party="cy")
    file = tmp_path / "other.ndjson"
    file.write_text(json.dumps(row("o-1", source="other", track="trk-new")))
    assert ingest_file(june.ws, file, source="other").quarantined == 1
    # A draft: its id is registered, and nobody has said yet whose it is.
    record(june.ws, [vector.from_declared({"track": "trk-draft", "sources": []})], assign=False, seconds=[0.0])
    with client(june) as web:
        generator = Generator(june, web)
        for track in ("trk-new", "trk-later", "trk-draft", "acme", "acmetrk", "other:trk-1", "acme:eu:trk-1"):
            answer = generator.declare(track, generator.ask(track=track))
            assert (answer.status_code, "ids that begin with acme:" in answer.text) == (400, True), track
        assert generator.declare("acme:trk-new", generator.ask(track="acme:trk-new")).json()["assigned"]
    ws = june.reopened()
    assert {name for name, track in ws.registry.view().tracks.items() if track.model and name.endswith("new")} == {
        "acme:trk-new"
    }
    assert set(ws.log.assignments()) & {"trk-new", "trk-later", "trk-draft"} == set()


def test_an_event_names_a_declaration_that_its_batch_covers(june: Month, tmp_path: Path) -> None:
    """If this fails, a platform cannot choose per event among declared vectors, or does so without signing for it."""
    declared = [
        vector.from_declared({"track": "trk-3", "sources": [{"recording": r, "ppm": SHARE}]})
        for r in ("rec-1", "rec-2")
    ]
    digests = [record(june.ws, [one], assign=False, seconds=[0.0])[0].digest for one in declared]
    rows = [row(f"n-{n}", track="trk-3", vector=digest) for n, digest in enumerate(digests)]
    file, signed = tmp_path / "acme.ndjson", tmp_path / "acme.batch"
    file.write_text("".join(json.dumps(each) + "\n" for each in rows))
    assert ingest_file(june.reopened(), file).quarantined == 2
    batches.sign_file(file, KEY, source="acme", log=june.ws.log.origin, previous=None, out=signed)
    done = ingest_file(june.reopened(), file, batch_file=signed)
    assert (done.accepted, done.quarantined) == (2, 0)
    assert ingest_file(june.reopened(), file, batch_file=signed).duplicates == 2
    ws = june.reopened()
    assert fsck(ws.log).problems == []
    assert all(ws.log.reading().pays("trk-3", digest, ws.log.head().size, "acme") for digest in digests)
    june.ws = ws
    life.close(june.ws, "2026-06")
    lines = {line.holder: line.micros for line in life.run(june.ws, asked(params={"sources": "acme"})).lines}
    # Of 12 streams six are of trk-1 (.6 and .2); each of the two named vectors brings its recording .6 of one stream.
    assert (lines["ann"], lines["bob"]) == (350_000_000, 150_000_000)


def test_an_event_with_another_digest_waits_in_quarantine(june: Month, tmp_path: Path) -> None:
    """If this fails, an altered digest in an event is taken for the vector that was declared."""
    file, signed = tmp_path / "acme.ndjson", tmp_path / "acme.batch"
    values = ["0" * 64, "0" * 63, "A" * 64, []]
    file.write_text("".join(json.dumps(row(f"n-{n}", track="trk-3", vector=v)) + "\n" for n, v in enumerate(values)))
    assert ingest_file(june.ws, file).quarantined == 4
    file.write_text(json.dumps(row("n-9", track="trk-3", vector=values[0])))
    batches.sign_file(file, KEY, source="acme", log=june.ws.log.origin, previous=None, out=signed)
    assert ingest_file(june.ws, file, batch_file=signed).quarantined == 1
    reasons = [waiting.reason for waiting in quarantined(june.ws)]
    for words, count in (("expected", 3), ("did not sign for this vector", 1), ("holds no vector", 1)):
        assert sum(words in reason for reason in reasons) == count


@pytest.mark.slow
def test_a_generator_s_day_against_the_real_server(june: Month, tmp_path: Path) -> None:
    """If this fails, the client that generators take along cannot ask, declare or attach on the real server."""
    secret = token(june, "ann")
    with serving(tmp_path / "home") as server:
        with closing(Client(f"http://{server.host}:{server.port}", secret, source="acme")) as generator:
            permissions = generator.ask(["rec-1", "rec-2", "rec-4"], licensee="ann", model="mdl@1", track="acme:trk-9")
            assert [permission.allowed for permission in permissions] == [True, True, False]
            allowed: list[Permission] = [permission for permission in permissions if permission.allowed]
            declared = generator.declare("acme:trk-9", {"rec-1": SHARE, "rec-2": 100_000}, allowed)
            assert declared.assigned
            refused = generator.declare("acme:trk-8", {"rec-4": SHARE}, permissions)
            assert [(f["kind"], f["about"]) for f in refused.findings if f["about"] == "rec-4"] == [
                ("refused", "rec-4")
            ]
            named = [
                row("n-1", track="acme:trk-9", vector=declared.digest),
                row("n-2", track="acme:trk-9", vector="0" * 64),
                row("n-3", track="acme:trk-9", vector={"sources": [{"recording": "rec-1", "ppm": SHARE}]}),
                row("n-4", track="acme:trk-8", vector=refused.digest),
            ]
            (taken,) = generator.send(named)
            assert taken["accepted"] == 1
            assert [refusal["kind"] for refusal in taken["refused"]] == ["vector"] * 3
            file, signed = tmp_path / "acme.ndjson", tmp_path / "acme.batch"
            file.write_text(json.dumps(row("n-5", track="acme:trk-9", vector=declared.digest)))
            batches.sign_file(file, KEY, source="acme", log="example.org/test", previous=None, out=signed)
            assert generator.send_batch(file.read_bytes(), signed.read_bytes())["accepted"] == 1
            with pytest.raises(ValueError, match="no permission for rec-3"):
                generator.declare("acme:trk-9", {"rec-3": 1}, allowed)
        stranger = Client(f"http://{server.host}:{server.port}", secret, source="other")
        with closing(stranger), pytest.raises(ServiceError, match="404 not-found"):
            stranger.declare("acme:trk-7", {"rec-1": 1}, allowed)
    ws = june.reopened()
    assert ws.log.assignments()["acme:trk-9"][0] == declared.digest
    assert fsck(ws.log).problems == []


@pytest.mark.slow
def test_the_program_of_the_how_to_runs(tmp_path: Path) -> None:
    """If this fails, a generator that copies the program of docs/howto-generator.md does not get what the page says."""
    page = ROOT / "docs" / "howto-generator.md"
    play(page, tmp_path, environment(tmp_path))
    program = re.search(r"(?ms)^```python\n(.*?)^```$", page.read_text(encoding="utf-8"))
    assert program is not None
    with serving(tmp_path) as server:
        access = {
            "SETTLE_URL": f"http://{server.host}:{server.port}",
            "SETTLE_TOKEN": json.loads((tmp_path / "key.json").read_text())["token"],
            "PYTHONPATH": str(ROOT),
        }
        done = subprocess.run(
            [sys.executable, "-c", program[1]], env=os.environ | access, capture_output=True, text=True, check=True
        )
    first, second, last = done.stdout.splitlines()
    assert first.startswith("rec-1; allow; ")
    assert second.startswith("rec-2; deny; ")
    assert last == "True 1"
