"""V3, V6, V8, V10, V11, B: what the verifier, the audit and the reading of the log refuse to believe."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ledger.proofs import bundle, checkpoint, keyfile, leaf, tree, trust, vector
from ledger.proofs.bundle import PlacedLeaf
from ledger.proofs.keys import PrivateKey
from ledger.proofs.verify import verify_bundle
from ledger.types import AspectVector, Influence, InfluenceVector
from tests.attacks.victim import ORIGIN, Victim, allocated, declared
from tests.cli.support import settle


def test_v3_an_assignment_signed_by_nobody_known_pays_nobody(victim: Victim) -> None:
    """If this fails, whoever holds the log key alone decides who is paid, and every check says OK."""
    ws, stranger = victim.open(), PrivateKey.generate()
    influence = Influence(id="rec-2", ppm=1_000_000, basis="declared", low=1_000_000, high=1_000_000, use="condition")
    forged = vector.sign(
        InfluenceVector(
            track="trk-1", recording=AspectVector(sources=(influence,), unattributed=0), method="declared", version="1"
        ),
        stranger,
    )
    ws.log.append(
        [
            leaf.vector(ws.clock(), track="trk-1", statement=forged.digest, method="declared"),
            leaf.assign(ws.clock(), track="trk-1", vector=forged.digest, signer=stranger),
        ],
        blobs=[forged.encode()],
    )
    ws.close()
    victim.stream("e-7", units=997)
    assert victim.settle("ledger", "fsck").code != 0
    run = (
        victim.settle("run", "--period", "2026-06", "--pool", "1000.00", "--currency", "EUR", "--engine", "log")
        if (victim.settle("period", "close", "2026-06").code == 0)
        else victim.settle("period", "close", "2026-06")
    )
    if run.code == 0:
        assert allocated(run.json) == {"p-ann": 600_000_000, "p-bob": 200_000_000}


def test_v8_an_old_assignment_appended_again_has_no_effect(victim: Victim) -> None:
    """If this fails, whoever holds the log key alone undoes a correction by repeating what it replaced."""
    victim.do("attribute", "--declared", victim.write("corrected.json", declared(rec_2=900_000)))
    ws = victim.open()
    first = next(iter(ws.log.entries(types={"assign"})))
    ws.log.append([leaf.decode(first.body)])
    ws.close()
    victim.stream("e-7", units=997)
    run = victim.calculate()
    assert allocated(run)["p-ann"] < 10_000_000  # Ann's are three of a thousand units


def test_v6_a_retired_log_key_signs_no_new_history(victim: Victim) -> None:
    """If this fails, who finds a retired log key proves events that never were."""
    stolen = keyfile.load(victim.home / "keys" / "log.json", lambda: b"")
    victim.do("key", "rotate", "log")
    log = trust.parse((victim.home / "trust.json").read_bytes()).logs[0]
    size = next(key.until for key in log.keys if key.public.id == stolen.public.id)
    assert size is not None
    event = leaf.encode(
        leaf.event(
            source="acme",
            event_id="never-streamed",
            track="trk-1",
            occurred_at="2026-06-09T00:00:00Z",
            territory="SE",
            units=1_000_000_000,
            vector=None,
        )
    )
    hashes = [tree.leaf_hash(b"x%d" % n) for n in range(size)]
    hashes[5] = tree.leaf_hash(event)

    def read(level: int, n: int) -> bytes:
        return tree.fold(b"".join(hashes[n << level : (n + 1) << level]))

    signed = checkpoint.sign(ORIGIN, size, tree.root(size, read), stolen)
    path = victim.home.parent / "forged.bundle"
    path.write_bytes(
        bundle.event(checkpoint=signed, event=PlacedLeaf(5, event, tuple(tree.prove_inclusion(5, size, read))))
    )
    assert victim.verify(path).code == 3


def test_v10_the_folder_of_a_download_names_no_trust(published: Victim, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a forger's archive brings the keys by which it is checked."""
    path = published.bundle("p-ann")
    monkeypatch.chdir(published.home)
    monkeypatch.delenv("SETTLE_HOME", raising=False)
    assert settle("--json", "verify", path).code == 2


def test_v11_hostile_nesting_costs_linear_time() -> None:
    """If this fails, a bundle of some kilobytes keeps the verifier busy for hours."""
    before = time.process_time()
    assert not verify_bundle(b"[" * 25 + b'"' + b'\\"' * 16_000, None).ok
    assert time.process_time() - before < 1


@pytest.mark.parametrize("name", ["DEA122600005", "rec-33"])
def test_b_absence_is_proved_of_no_name_but_a_registered_recording(victim: Victim, tmp_path: Path, name: str) -> None:
    """If this fails, an ISRC or a typing error is proof that a recording was not trained on, though it was."""
    shares = {"subject": "rec-3", "party": "p-ann", "right": "master", "ppm": 1_000_000, "state": "confirmed"}
    grant = {"id": "g-3", "grantor": "p-ann", "subject": "rec-3", "uses": ["train"], "decision": "allow"}
    document = {
        "recordings": [{"id": "rec-3", "isrc": "DEA122600005", "title": "Green"}],
        "shares": [shares],
        "grants": [grant],
        "models": [{"id": "mdl-3", "version": "1", "operator": "p-ann", "training": ["rec-3"]}],
    }
    victim.do("registry", "import", victim.write("third.json", document))
    out = tmp_path / "proof.bundle"
    proved = victim.settle("registry", "model", "prove", name, "--model", "mdl-3@1", "--out", out)
    assert proved.code != 0 or proved.json["member"]
