"""Two logs at the command line, from registration to a month that an outsider computes again."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.support import settle, settle_json
from tests.cli.test_ledger import home, template  # noqa: F401  fixtures
from tests.ledger.ingest.streams import lines, row


def test_two_logs_and_one_run(home: Path, tmp_path: Path) -> None:  # noqa: F811  the fixture above
    """If this fails, an operator cannot settle over two logs, or does so over one of them without noticing."""
    second = tmp_path / "second"
    settle_json("init", "--no-passphrase", "--origin", "example.org/second", home=second)
    assert settle("ledger", "logs", "add", tmp_path / "none", home=home).code == 4
    assert settle_json("ledger", "logs", "add", second, home=home)["origin"] == "example.org/second"
    shown = settle_json("source", "set", "beta", "--log", "example.org/second", home=home)
    assert (shown["source"], shown["log"]) == ("beta", "example.org/second")
    for name, place in (("acme", home), ("beta", second)):
        file = tmp_path / f"{name}.ndjson"
        file.write_bytes(lines(*(row(f"e-{n}", source=name) for n in range(3))))
        assert settle_json("ingest", file, home=place)["accepted"] == 3
    assert settle_json("ingest", tmp_path / "beta.ndjson", home=home, code=5)["quarantined"] == 3
    kept = settle_json("quarantine", "list", home=home)
    assert {(one["kind"], "assigned to log example.org/second" in one["reason"]) for one in kept} == {("source", True)}
    assert [one["sources"] for one in settle_json("ledger", "logs", "list", home=home)] == [[], ["beta"]]
    closed = settle_json("period", "close", "2026-06", home=home)
    assert [one["origin"] for one in closed["logs"]] == ["example.org/log", "example.org/second"]
    terms = ("--period", "2026-06", "--pool", "60.00", "--currency", "EUR")
    unsealed = settle_json("run", *terms, home=home, code=4)
    assert "run `settle segments seal`" in unsealed["error"]["message"]
    settle_json("segments", "seal", home=second)
    second.rename(tmp_path / "away")
    assert "no workspace in" in settle_json("run", *terms, home=home, code=4)["error"]["message"]
    settle_json("ledger", "logs", "add", tmp_path / "away", home=home)
    done = settle_json("run", *terms, home=home)
    assert done["units"] == 6
    settle_json("approve", done["run"], "--as", "approver", home=home)
    settle_json("publish", done["run"], home=home)
    out = tmp_path / "out"
    assert settle_json("period", "export", "2026-06", "--out", out, home=home)["logs"] == [
        "example.org/log",
        "example.org/second",
    ]
    trust = tmp_path / "trust.json"
    trust.write_bytes((home / "trust.json").read_bytes())
    assert settle_json("period", "recompute", out, "--trust", trust)["ok"]
    about = json.loads((out / "period.json").read_text())
    assert about["origin"] == "example.org/log"
