"""What release 0.1 left behind in the rarer cases is opened and verified: see `keep_cases` for what each holds."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledger.proofs.trust import parse
from service import operating
from service.bundles import verify_bundle
from service.log import members
from service.settlement.carrying import carried
from service.settlement.step import read_book
from service.statements import recomputing
from service.workspace import Workspace
from tests.support import ROOT

CASES = ROOT / "tests" / "golden" / "cases-0.1.0"
LATER = datetime(2026, 9, 1, tzinfo=UTC)
NAMES = ("coin", "currency", "keys", "logs", "money")
BUNDLES = sorted(path.relative_to(CASES).as_posix() for name in NAMES for path in (CASES / name).glob("**/*.bundle"))
UNSAFE = (  # with the month that lost money, who lost it, and how much
    ("failed_after_reversal", "2026-07", "M6", {"p-ann": 600_000_000}),
    ("never_posted", "2026-06", "M7", {"p-ann": 600_000_000, "p-bob": 200_000_000}),
)


@pytest.fixture(params=NAMES)
def case(request: pytest.FixtureRequest) -> Path:
    return CASES / str(request.param)


def opened(case: Path, folder: Path) -> Workspace:
    """A copy of the case's workspace, opened two months later, and of the one whose log it registered, if it did."""
    shutil.copytree(case / "workspace", folder / "home")
    if (case / "second").exists():
        shutil.copytree(case / "second", folder / "second")
    for key in folder.glob("*/keys/*"):
        key.chmod(0o600)  # git keeps no more of a file's mode than whether it runs
    ws = Workspace.open(folder / "home", clock=lambda: LATER)
    if (folder / "second").exists():
        members.remember(ws, "example.org/second", folder / "second")
        settings = folder / "second" / "settle.toml"
        settings.write_text(re.sub('home = ".*"', f'home = "{ws.home}"', settings.read_text()))
    return ws


@pytest.mark.parametrize("name", BUNDLES)
def test_a_bundle_of_0_1_verifies(name: str) -> None:
    """If this fails, a proof that 0.1 handed out over an honest month is called a forgery."""
    trust = parse((CASES / name.split("/", maxsplit=1)[0] / "trust.json").read_bytes())
    report = verify_bundle((CASES / name).read_bytes(), trust)
    assert report.ok, report.steps[-1]


def test_a_period_of_0_1_is_computed_again(case: Path) -> None:
    """If this fails, an auditor comes to other bytes over a month that 0.1 settled honestly."""
    trust = parse((case / "trust.json").read_bytes())
    for period in sorted((case / "periods").iterdir()):
        assert recomputing.recompute(period, trust).ok, period.name


def test_a_workspace_of_0_1_opens(case: Path, tmp_path: Path) -> None:
    """If this fails, an update closes an operator's workspace or calls its honest log damaged."""
    ws = opened(case, tmp_path)
    assert operating.fsck(ws).ok
    assert not read_book(ws).voids
    ws.close()


@pytest.mark.parametrize(("name", "period", "finding", "lost"), UNSAFE, ids=["M6", "M7"])
def test_a_month_in_which_0_1_lost_money_is_refused_and_put_right(
    name: str, period: str, finding: str, lost: dict[str, int], tmp_path: Path
) -> None:
    """If this fails, an auditor passes a month in which payees lost money, or nobody ever pays it."""
    case = CASES / "unsafe" / name
    again = recomputing.recompute(case / "periods" / period, parse((case / "trust.json").read_bytes()))
    assert not again.ok
    assert len(again.problems) == len(lost)
    for party, problem in zip(lost, again.problems, strict=True):
        assert f"finding {finding}" in problem
        assert party in problem
    ws = opened(case, tmp_path)
    book = read_book(ws)
    waiting = carried(ws.log, book, period="2026-08", pool="default", currency="EUR").corrections
    assert {each.party: each.micros for each in waiting if each.kind == "returned"} == lost
    assert operating.fsck(ws).ok
    ws.close()
