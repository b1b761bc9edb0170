"""A month paid by influence inside a model, by commands alone: from the bank to a dispute that retraining settles.

The model is a toy, so nothing here says how good the estimate is (`make bench-influence` does): only that what was
estimated is what was signed, paid and proven.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from attribution.influence.details import owner_shares, shares_follow
from ledger.proofs.vector import read_statement
from tests.attribution.influence.small import HELD_OUT, study_registry, works, write_study
from tests.cli.support import settle_json

pytestmark = pytest.mark.slow  # trains some twenty small models

OWNERS = [party["id"] for party in study_registry()["parties"]]
TRACKS = [work.id for work in works(48)[HELD_OUT:]]


def registry() -> dict[str, Any]:
    return study_registry() | {
        "tracks": [{"id": name, "model": "m", "version": "1"} for name in TRACKS],
        "payees": [
            {"party": owner, "method": "bank", "account": f"ACC-{owner}", "from": "2020-01-01"} for owner in OWNERS
        ],
    }


def written(folder: Path) -> Path:
    """The study's folder; beside it the registry and a month of events."""
    study = folder / "study"
    study.mkdir()
    write_study(study)
    (folder / "registry.json").write_text(json.dumps(registry()), encoding="utf-8")
    events = [
        {
            "source": "acme",
            "event_id": f"e-{n}",
            "track": name,
            "occurred_at": "2026-06-03T10:00:00Z",
            "territory": "SE",
            "units": n + 1,
            "listener": "u-1",
        }
        for n, name in enumerate(TRACKS)
    ]
    (folder / "june.ndjson").write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
    return study


@pytest.fixture
def settle(tmp_path: Path) -> Callable[..., Any]:
    return partial(settle_json, home=tmp_path / "home")


def test_a_month_is_paid_by_what_retraining_would_change(tmp_path: Path, settle: Callable[..., Any]) -> None:
    """If this fails, an operator who opens a model cannot pay by it, or a dispute of influence has no exact answer."""
    torch.set_num_threads(1)
    study = written(tmp_path)
    settle("init", "--origin", "example.org/influence", "--no-passphrase")
    settle("registry", "import", tmp_path / "registry.json")
    assert settle("influence", "bank", study)["trained"] == 6
    assert settle("influence", "bank", study)["trained"] == 0, "what is trained stays"
    fitted = settle("influence", "fit", study)
    assert settle("influence", "report", study) == fitted

    tracks = study / "tracks.jsonl"
    answers = settle("influence", "score", study, tracks)
    scored = {answer["vector"]["track"]: answer["vector"]["recording"] for answer in answers}
    (tmp_path / "declared.json").write_text(json.dumps({"track": TRACKS[0], "sources": []}), encoding="utf-8")
    settle("attribute", "--declared", tmp_path / "declared.json", "--no-assign")
    signed = settle("attribute", tracks, "--method", "influence", "--study", study)
    assert {answer["track"]: answer["vector"]["recording"] for answer in signed} == scored, (
        "what is signed is estimated"
    )

    (doors,) = settle("report", TRACKS[0])["beside"]
    assert (doors["method"], doors["agreed_ppm"]) == ("declared", scored[TRACKS[0]]["unattributed"])

    case = settle("evidence", TRACKS[0], "--out", tmp_path / "case")
    details = (tmp_path / "case" / "details.json").read_bytes()
    statement = read_statement((tmp_path / "case" / "vector.json").read_bytes())
    assert (case["rerun_same"], statement.params_sha256) == (True, hashlib.sha256(details).hexdigest())
    raised = json.loads(details)
    raised["owners"][0]["share_ppm"] += 1_000
    assert not shares_follow(raised, 50), "a share that does not follow from base and contrast"
    assert sum(owner_shares(raised, 1_000_000).values()) == pytest.approx(1)
    assert (tmp_path / "case" / "influence.md").is_file()

    settle("ingest", tmp_path / "june.ndjson", "--source", "acme")
    settle("approver", "add", "carol")
    settle("period", "close", "2026-06")
    run = settle("run", "--period", "2026-06", "--pool", "1000.00", "--currency", "EUR")
    settle("approve", run["run"], "--as", "carol", "--yes")
    settle("publish", run["run"])
    statements = {owner: settle("statement", owner, "--period", "2026-06")["pools"][0] for owner in OWNERS}
    owner_of = {work.id: work.owner for work in works(48)}
    paid = {(line["track"], line["source"]): line["ppm"] for owner in OWNERS for line in statements[owner]["earnings"]}
    assert paid == {
        (track, source["id"]): source["ppm"] for track, part in scored.items() for source in part["sources"]
    }
    for owner, statement in statements.items():
        assert {owner_of[line["source"]] for line in statement["earnings"]} <= {owner}

    trust = tmp_path / "home" / "trust.json"
    for owner in OWNERS:
        if statements[owner]["earnings"]:
            settle("statement", owner, "--period", "2026-06", "--format", "bundle", "--out", tmp_path / "s.bundle")
            assert settle("verify", tmp_path / "s.bundle", "--trust", trust)["ok"]
    settle("period", "export", "2026-06", "--out", tmp_path / "june")
    assert settle("period", "recompute", tmp_path / "june", "--trust", trust)["ok"]

    price = settle("influence", "dispute", study, tracks, "--owner", "owner-1", "--seeds", "2", "--dry-run")
    assert (price["trainings"], price["trained"]) == (6, 0)
    exact = settle("influence", "dispute", study, tracks, "--owner", "owner-1", "--seeds", "2")
    assert exact["producer_seed"] not in exact["seeds"]
    (tmp_path / "exact.json").write_text(json.dumps(exact), encoding="utf-8")
    claimed = ("--about", "influence", "--claimant", "owner-1", "--amount", "1.00", "--subject", TRACKS[0])
    opened = settle(
        "dispute", "open", "2026-06", *claimed, "--text", "more of it is ours", "--evidence", tmp_path / "exact.json"
    )
    outcome = "--upheld=1.00" if exact["contrast_ppm"] > 0 else "--rejected"
    settle("dispute", "resolve", opened["id"], outcome, "--text", "retrained without the owner", "--as", "carol")
    assert settle("dispute", "show", opened["id"])["state"] in ("upheld", "rejected")
