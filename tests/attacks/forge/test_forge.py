"""The forging machine: changed histories, signed again with all of the operator's keys, and none of them accepted."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import pytest

from ledger.errors import SettleError
from tests.attacks.forge.accepted import unshown
from tests.attacks.forge.changes import Forger, Forgery
from tests.attacks.forge.history import NOTHING, Body, Change, History
from tests.attacks.forge.judge import Refusal, judged, recomputed, verified
from tests.months.plan import plan
from tests.months.played import Quarter, base, copied

FEW = 120
"""Forgeries in the default suite. Bundles judge each in hundredths of a second; ten need the month computed again."""
PLANS = (0, 3, 6, 9, 12, 18, 24, 29, 31, 47)
EACH = int(os.environ.get("SETTLE_FORGERIES", "100"))
"""Forgeries a history in the slow suite; `make forge` takes 500, 5,000 in all, in hours."""
DIGESTS = ("the tables are the ones committed to", "the bundle is one canonical document of a known kind")
"""Steps that compare digests alone. The forger makes every digest again, so no forgery is refused by one."""

LATER = Refusal(by="", step="", detail="")
"""Not judged here: left to the slow suite."""


@dataclass
class Campaign:
    """What became of many forgeries of one history."""

    steps: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    accepted: list[Forgery] = field(default_factory=list)
    unshown: Counter[str] = field(default_factory=Counter)
    tried: int = 0
    unmade: int = 0
    seconds: float = 0.0

    def run(self, honest: History, count: int, random: Random, judge: Callable[[History], Refusal | None]) -> Campaign:
        """So many forgeries, every other one approved in good faith."""
        before = time.process_time()
        forger = Forger(honest, random)
        while self.tried < count:
            forgery = forger.draw(approved=self.tried % 2 == 0)
            try:
                forged = honest.forged(forgery.change, approved=forgery.approved)
            except (SettleError, ValueError, LookupError, AttributeError, TypeError):
                self.unmade += 1  # what should follow from the change cannot even be derived: no such history
                continue
            if (forged.bodies, forged.blobs) == (honest.bodies, honest.blobs):
                continue
            refusal = judge(forged)
            if refusal is LATER:
                continue
            self.tried += 1
            self.take(forgery, honest, refusal)
        self.seconds = time.process_time() - before
        return self

    def take(self, forgery: Forgery, honest: History, refusal: Refusal | None) -> None:
        if refusal is not None:
            self.steps[forgery.name.partition(".")[0], refusal.by, refusal.step] += 1
        elif (why := unshown(forgery, honest)) is not None:
            self.unshown[why] += 1
        else:
            self.accepted.append(forgery)

    def __str__(self) -> str:
        steps: Counter[tuple[str, str]] = Counter()
        for (_, by, step), count in self.steps.items():
            steps[by, step] += count
        lines = [
            f"{self.tried} forgeries, {self.tried / self.seconds:.1f} a CPU second, {self.unmade} could not be made"
        ]
        lines += [f"{count:6}  {by}: {step}" for (by, step), count in steps.most_common()]
        lines += [f"{count:6}  not shown: {why}" for why, count in self.unshown.most_common()]
        return "\n".join(lines)


def history(number: int, folder: Path) -> History:
    """The honest history of a plan, in one log."""
    chosen = replace(plan(number), logs=1)
    (folder / "base").mkdir(parents=True)
    quarter = Quarter(chosen, copied(base(folder / "base", chain=chosen.chain, logs=1), folder / "quarter")).play()
    made = History.of(quarter.ws)
    quarter.ws.close()
    return made


@pytest.fixture(scope="session")
def honest(tmp_path_factory: pytest.TempPathFactory) -> History:
    return history(3, tmp_path_factory.mktemp("honest"))


def test_what_is_signed_again_unchanged_is_the_same(honest: History, tmp_path: Path) -> None:
    """If this fails, forgeries are refused for being clumsy, and the machine proves nothing."""
    again = honest.forged(NOTHING, approved=False)
    assert (again.bodies, again.blobs) == (honest.bodies, honest.blobs)
    assert judged(again, tmp_path / "period") is None


def check(campaign: Campaign) -> None:
    print(campaign)
    assert not campaign.accepted, [forgery.name for forgery in campaign.accepted]
    assert not [key for key in campaign.steps if key[2] in DIGESTS]


def test_no_forgery_is_accepted(honest: History, tmp_path: Path) -> None:
    """If this fails, an operator changes a fact or a micro-unit, signs again, and bundles or recomputation say OK."""
    left = [10]

    def judge(forged: History) -> Refusal | None:
        refusal = verified(forged)
        if refusal is None and left[0]:
            left[0] -= 1
            return recomputed(forged, tmp_path / "period")
        return refusal or LATER

    check(Campaign().run(honest, FEW, Random(14), judge))


def listed(honest: History, how: str) -> Change:
    """June's list of held listeners, changed: streams of nobody, of another month, or of none at all are held."""
    place = next(body["statement"] for body in honest.bodies if body.get("scope") == "listeners")
    changes: dict[str, Callable[[Body], Body]] = {
        "another listener": lambda now: now | {"listeners": [now["listeners"][0] | {"listener": "ab" * 32}]},
        "another source": lambda now: now | {"listeners": [now["listeners"][0] | {"source": "gamma"}]},
        "another month": lambda now: now | {"period": "2026-05"},
        "nobody": lambda now: now | {"listeners": []},
    }
    return Change(kind="statement", place=place, edit=changes[how])


@pytest.mark.slow
@pytest.mark.parametrize("how", ["another listener", "another source", "another month", "nobody"])
def test_a_changed_list_of_held_listeners_is_refused(honest: History, how: str, tmp_path: Path) -> None:
    """If this fails, an operator holds or frees streams by a list with which the approved run was not made."""
    forged = honest.forged(listed(honest, how), approved=True)
    refusal = judged(forged, tmp_path / "period")
    assert refusal is not None
    assert (refusal.by, refusal.step in DIGESTS) == ("recompute", False)
    print(refusal)


def freed_usage(rows: list[Body]) -> list[Body]:
    """The streams under a hold, in the row of the same track that no hold is on."""
    held = next(row for row in rows if row.get("hold"))
    key = [name for name in held if name not in ("hold", "units", "count", "gross")]
    paid = next(row for row in rows if not row.get("hold") and all(row[name] == held[name] for name in key))
    sums = {name: str(int(paid[name]) + int(held[name])) for name in ("units", "count")}
    return [row | sums if row is paid else row for row in rows if row is not held]


def freed_lines(rows: list[Body]) -> list[Body]:
    """A line that the hold holds, in its party's line that is paid."""
    held = next(row for row in rows if row["ref"].startswith("hold-") and row["reason"] == "fraud")
    whose = (held["group"], held["party"], "allocated")
    paid = next(row for row in rows if (row["group"], row["party"], row["state"]) == whose)
    sums = {name: str(int(paid[name]) + int(held[name])) for name in ("weight", "micros")}
    return [row | sums if row is paid else row for row in rows if row is not held]


@pytest.mark.slow
@pytest.mark.parametrize(("table", "edit"), [("usage", freed_usage), ("lines", freed_lines)])
def test_streams_are_not_moved_out_of_a_hold(
    honest: History, table: str, edit: Callable[[list[Body]], list[Body]], tmp_path: Path
) -> None:
    """If this fails, an operator pays a farm's streams in a run whose inputs say that they are held."""
    run = honest.payload(honest.bodies[honest.places("run")[0]]["statement"])
    change = Change(kind="rows", place=run["tables"][table]["sha256"], edit=edit, follows=table == "lines")
    assert judged(honest.forged(change, approved=True), tmp_path / "period") is not None


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("number", PLANS)
def test_no_forgery_of_any_month_is_accepted(number: int, tmp_path: Path) -> None:
    """If this fails, some change under some terms, rules or corrections is accepted by bundles and recomputation."""
    month = history(number, tmp_path / "honest")
    campaign = Campaign().run(month, EACH, Random(number), lambda forged: judged(forged, tmp_path / "period"))
    check(campaign)
