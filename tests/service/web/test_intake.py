"""Events over HTTP: good rows in, bad rows named, a retry answered as what it is."""

from __future__ import annotations

import base64
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest

from ledger.ingest.receipts import receipts
from ledger.proofs.keys import PrivateKey
from ledger.proofs.verify import verify_bundle
from service.log.batches import sign_file
from service.log.sources import settle_source
from service.web.guard.limits import Limits
from tests.service.month import Month
from tests.service.web.serving import bearer, client, lines, row, served_month, token


@pytest.fixture
def june(tmp_path: Path) -> Month:
    return served_month(tmp_path / "home")


def post(web: Any, secret: str, body: bytes, **headers: str) -> Any:
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    sent = bearer(secret) | {"content-type": "application/x-ndjson"} | more
    return web.post("/v1/sources/acme/events", content=body, headers=sent)


def test_good_rows_are_taken_and_bad_ones_named(june: Month) -> None:
    """If this fails, a platform does not learn from the answer alone what became of each of its rows."""
    secret = token(june, "ann")
    with client(june) as web:
        body = lines(row("a"), row("b", track="nowhere"), row("c", source="other"), row("d"))
        done = post(web, secret, body).json()
        assert (done["read"], done["accepted"], done["quarantined"]) == (4, 2, 2)
        assert [(one["line"], one["kind"]) for one in done["refused"]] == [(2, "unknown-track"), (3, "other-source")]
        ((first, count),) = done["ranges"]
        assert (count, done["size"]) == (2, first + 2)
        assert done["checkpoint"].encode() == june.ws.log.checkpoint()
        again = post(web, secret, body)
        assert (again.status_code, again.json()["duplicates"], again.json()["accepted"]) == (200, 2, 0)
        changed = post(web, secret, lines(row("a", units=2))).json()
        assert (changed["conflicts"], changed["refused"][0]["kind"]) == (1, "conflict")
        assert post(web, secret, b"").json()["read"] == 0, "an empty hour is no error"


def test_every_form_is_read(june: Month) -> None:
    """If this fails, a platform must convert its files before it can hand them in."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    secret, file = token(june, "ann"), io.BytesIO()
    pq.write_table(pa.Table.from_pylist([row("p-1"), row("p-2")]), file)
    table = ",".join(row("")) + "\n" + ",".join(map(str, row("c-1").values())) + "\n"
    with client(june) as web:
        assert post(web, secret, gzip.compress(lines(row("g-1"))), content_encoding="gzip").json()["accepted"] == 1
        assert post(web, secret, table.encode(), content_type="text/csv; charset=utf-8").json()["accepted"] == 1
        parquet = post(web, secret, file.getvalue(), content_type="application/vnd.apache.parquet")
        assert parquet.json()["accepted"] == 2
        assert post(web, secret, b"x", content_type="image/png").status_code == 415


def test_receipts_prove_the_events_that_were_sent(june: Month) -> None:
    """If this fails, a platform cannot keep proof of what it handed in."""
    secret = token(june, "ann")
    with client(june) as web:
        index = post(web, secret, lines(row("a"), row("b"))).json()["ranges"][0][0]
        path = "/v1/sources/acme/receipts"
        one = web.get(path, params={"event_id": "a"}, headers=bearer(secret)).json()
        many = web.post(path, json={"event_ids": ["b", "a", "x"]}, headers=bearer(secret)).json()
        assert [entry["index"] for entry in many["receipts"]] == [index + 1, index]
        assert (many["missing"], many["receipts"][1]) == (["x"], one["receipts"][0])
        ((_, receipt),) = receipts(june.ws.log, [("acme", "a", index)])
        assert one["receipts"][0]["receipt"].encode() == receipt
        proven = web.get("/v1/log/proof", params={"event": "acme:a"})
        assert verify_bundle(proven.content, june.ws.trust).ok


def test_a_signed_batch_is_taken_whole_and_counted_as_signed(june: Month, tmp_path: Path) -> None:
    """If this fails, a platform that signs must hand its batches in as files."""
    key = PrivateKey.from_seed(b"\x07" * 32)
    settle_source(june.ws, "acme", party="ann", public=key.public.raw.hex(), signed=True)
    file, out = tmp_path / "events.ndjson", tmp_path / "events.batch"
    file.write_bytes(lines(row("a"), row("b")))
    sign_file(file, key, source="acme", log=june.ws.log.origin, previous=None, out=out)
    secret = token(june, "ann")
    with client(june) as web:
        headers = bearer(secret) | {
            "content-type": "application/x-ndjson",
            "settle-batch": base64.b64encode(out.read_bytes()).decode(),
        }
        assert post(web, secret, file.read_bytes()).json()["quarantined"] == 2, "the source takes signed events only"
        tampered = web.post("/v1/sources/acme/batches", content=lines(row("a"), row("b", units=5)), headers=headers)
        assert tampered.status_code == 422
        done = web.post("/v1/sources/acme/batches", content=file.read_bytes(), headers=headers).json()
        assert (done["accepted"], done["batch"]) == (2, 1)
        again = web.post("/v1/sources/acme/batches", content=file.read_bytes(), headers=headers).json()
        assert (again["duplicates"], again["batch"]) == (2, 1)


def test_limits_name_their_cause_and_keep_nothing(june: Month) -> None:
    """If this fails, one caller can fill the memory, or is turned away without learning why."""
    secret, size = token(june, "ann"), june.ws.log.head().size
    limits = Limits(body_bytes=2000, plain_bytes=4000, rows=4, events_per_second=3)

    def refused(answer: Any) -> tuple[int, str]:
        assert answer.headers["content-type"] == "application/problem+json"
        return answer.status_code, answer.json()["cause"]

    with client(june, limits) as web:
        assert refused(post(web, secret, b" " * 2001)) == (413, "body-bytes")
        bomb = gzip.compress(b"\n" * 1_000_000)
        assert refused(post(web, secret, bomb, content_encoding="gzip")) == (413, "plain-bytes")
        assert refused(post(web, secret, b"\n" * 5)) == (413, "rows")
        assert refused(post(web, secret, gzip.compress(b"{}")[:-4], content_encoding="gzip")) == (400, "encoding")
        assert refused(post(web, secret, gzip.compress(b"{}"))) == (415, "encoding")
        nested = gzip.compress(gzip.compress(b"{}"))
        assert refused(post(web, secret, nested, content_encoding="gzip")) == (415, "encoding")
        assert refused(post(web, secret, b"x", content_encoding="br")) == (415, "encoding")
        assert june.ws.log.head().size == size
        assert post(web, secret, lines(row("a"), row("b"), row("c"))).status_code == 200
        late = post(web, secret, lines(row("d"), row("e"), row("f")))
        assert refused(late) == (429, "rate")
        assert int(late.headers["retry-after"]) >= 1


def test_rows_in_quarantine_are_their_platforms_alone(june: Month) -> None:
    """If this fails, a platform cannot see what waits, or sees another's rows."""
    ann, cy = token(june, "ann"), token(june, "cy")
    with client(june) as web:
        post(web, ann, lines(row("a", track="nowhere")))
        rows = web.get("/v1/sources/acme/quarantine", headers=bearer(ann)).json()
        assert (rows["waiting"], json.loads(rows["rows"][0]["raw"])["event_id"]) == (1, "a")
        assert web.get("/v1/sources/other/quarantine", headers=bearer(cy)).json()["waiting"] == 0
        assert web.get("/v1/sources/acme/quarantine", headers=bearer(cy)).status_code == 404
