"""The demo's month computed again by a program that shares nothing with the engine, from exported files alone."""

from __future__ import annotations

import csv
import io
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from service.demo import world
from tests.cli.support import settle, settle_json
from tests.demo.played import Played
from tests.independent.exported import Exported
from tests.independent.month import Heading, Month

pytestmark = pytest.mark.slow

RULES = {
    "pro-rata": (),
    "thresholded": ("--param", "min_influence=150000", "--param", "below=redistribute", "--param", "reserve=10000"),
    "shapley-capped": ("--param", "tau=400000", "--param", "kappa=170000"),
}
HOLDERS = [f"holder-{n:02d}" for n in range(1, 9)]
HELD = "holder-03"
FIGURES = ("opening", "earned", "net", "carried")


@dataclass(frozen=True)
class Settled:
    """What a run handed out: the export, and every holder's statement in two formats."""

    exported: Exported
    statements: dict[str, dict[str, Any]]
    tables: dict[str, list[dict[str, str]]]


@pytest.fixture(scope="module", params=RULES)
def settled(request: pytest.FixtureRequest, played: Played, tmp_path_factory: pytest.TempPathFactory) -> Settled:
    """The demo's month under a rule: one holder's money held, one track without a vector, handed out as files."""
    rule = str(request.param)
    folder = tmp_path_factory.mktemp(rule)
    home = folder / "home"
    shutil.copytree(played.opened, home)
    _complicate(home, folder)
    settle_json("period", "close", world.PERIOD, home=home)
    run = settle_json(
        "run",
        "--period",
        world.PERIOD,
        "--pool",
        "25000.01",
        "--currency",
        world.CURRENCY,
        "--rule",
        rule,
        *RULES[rule],
        home=home,
    )["run"]
    settle_json("approve", run, "--as", "approver", home=home)
    settle_json("publish", run, home=home)
    settle_json("period", "export", world.PERIOD, "--out", folder / "audit", home=home)
    settle_json("registry", "export", "--out", folder / "registry.json", home=home)
    words = ("--period", world.PERIOD, "--format")
    return Settled(
        Exported(folder / "audit", folder / "registry.json"),
        {one: json.loads(settle("statement", one, *words, "json", home=home).out) for one in HOLDERS},
        {
            one: list(csv.DictReader(io.StringIO(settle("statement", one, *words, "csv", home=home).out)))
            for one in HOLDERS
        },
    )


def _complicate(home: Path, folder: Path) -> None:
    settle_json("hold", "open", "--party", HELD, "--reason", "legal", home=home)
    unheard = {"id": "trk-99", "title": "Never attributed", "model": "model-1", "version": "1"}
    (folder / "more.json").write_text(json.dumps({"tracks": [unheard]}))
    settle_json("registry", "import", folder / "more.json", home=home)
    event = {
        "source": world.SOURCE,
        "event_id": "late",
        "track": "trk-99",
        "occurred_at": "2026-06-30T23:59:59Z",
        "territory": "SE",
        "units": 7,
    }
    busy = event | {"event_id": "busy", "track": "trk-01", "units": 500, "listener": "busy"}
    (folder / "more.ndjson").write_text(f"{json.dumps(event)}\n{json.dumps(busy)}\n")
    assert settle_json("ingest", folder / "more.ndjson", home=home)["unresolved"] == 1
    assert settle_json("fraud", "hold", world.PERIOD, home=home)["streams"] >= 500


def test_every_line_and_total_of_the_run(settled: Settled) -> None:
    """If this fails, the engine and a reading of the documents by somebody else come to different money."""
    (run,) = settled.exported.runs
    month = Month(settled.exported, run)
    published = {
        Heading(row["group"], row["party"], row["state"], row["reason"], row["ref"]): int(row["micros"])
        for row in settled.exported.table(run, "lines")
    }
    assert month.lines == published
    assert {name: int(run["result"][name]) for name in month.totals} == month.totals
    assert month.totals["held"] > 0
    assert month.totals["suspense"] > 0
    assert {"fraud", "legal"} <= {heading.reason for heading in month.lines if heading.state == "held"}


def test_every_figure_of_every_statement(settled: Settled) -> None:
    """If this fails, a holder is told another amount than the exported month makes of it, in JSON or in CSV."""
    (run,) = settled.exported.runs
    month = Month(settled.exported, run)
    for party, told in settled.statements.items():
        (pool,) = told["pools"]
        again = month.statement(party)
        earnings = again["earnings"]
        assert {name: pool[name] for name in again if name != "earnings"} | {"earnings": earnings} == again
        shown = [{name: row[name] for name in own} for row, own in zip(pool["earnings"], earnings, strict=True)]
        assert shown == earnings
        assert sum(row["micros"] for row in pool["waiting"]) == again["held_micros"]
        assert {row["reason"] for row in pool["waiting"]} <= {"fraud", *(["legal"] if party == HELD else [])}
        rows = settled.tables[party]
        assert [int(row["micros"]) for row in rows if row["row"] == "earning"] == [
            one["micros"] for one in again["earnings"]
        ]
        figures = {
            row["row"]: int(row["micros"]) for row in rows if row["row"] in {"opening", "earned", "net", "carried"}
        }
        assert figures == {name: again[f"{name}_micros"] for name in figures}
        assert len(figures) == 4


def test_the_checker_notices_a_micro_unit(settled: Settled) -> None:
    """If this fails, the agreement above means nothing: the checker repeats what it reads."""
    (run,) = settled.exported.runs
    inputs = run["inputs"]
    more = {
        **run,
        "inputs": {**inputs, "terms": {**inputs["terms"], "micros": str(int(inputs["terms"]["micros"]) + 1)}},
    }
    true, other = Month(settled.exported, run), Month(settled.exported, more)
    assert sum(other.totals.values()) == sum(true.totals.values()) + 1
    assert other.totals != true.totals
