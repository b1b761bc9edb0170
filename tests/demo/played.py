"""The demo's month played once for every test that looks at it, with a copy of the workspace taken on the way."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.commands.demo import serving
from service.demo import sounds
from service.demo.steps import Sent, Story
from service.demo.story import tell
from tests.cli.support import settle

EVENTS = 1500
TIES = 2
"""Micro-units that a tie moves: measured over seven demos."""

Answered = tuple[int, Any]


@dataclass
class Played:
    """A finished demo: its closing answer, what every step of it answered, and the month before it was closed."""

    home: Path
    opened: Path
    """A copy of the workspace from before the close: the same month, to be settled in another way."""
    steps: list[Answered] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)
    catalogue: dict[str, str] = field(default_factory=dict)
    planted: list[sounds.Planted] = field(default_factory=list)

    def run(self, words: Sequence[str]) -> Answered:
        if words[2:4] == ["period", "close"]:
            shutil.copytree(self.home, self.opened)
        answer = settle("--json", *words)
        self.steps.append((answer.code, answer.json if answer.out.strip() else None))
        return self.steps[-1]

    @contextmanager
    def serve(self, home: Path) -> Iterator[Callable[[Sent], Answered]]:
        """A real server over the workspace; its answers are kept among those of the commands."""
        with serving(home) as request:

            def kept(sent: Sent) -> Answered:
                self.steps.append(request(sent))
                return self.steps[-1]

            yield kept

    def copies(self) -> list[Answered]:
        """The answers, to be changed at will."""
        return copy.deepcopy(self.steps)


def play(folder: Path) -> Played:
    """The whole story, through the command line as the demo tells it."""
    played = Played(folder / "month", folder / "opened")
    played.home.mkdir()
    played.told = tell(Story(home=played.home, run=played.run, serve=played.serve, say=lambda _: None, events=EVENTS))
    played.catalogue, played.planted = sounds.catalogue(folder / "audio"), sounds.tracks(folder / "tracks")
    return played


def assert_same_month(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Two demos say the same, but for ties: those are broken by the period root, and each log has its own.

    Who gets what two remainders tie for may differ, and nothing else: a micro-unit, or under Shapley a part in 10^9 of
    a track's weight, which is two micro-units here.
    """
    amounts = {name for name in one if name.endswith("_micros")}
    elsewhere = {"paths", "rules", "seconds", "forgeries", "fraud", "correction"}
    assert {n: f for n, f in one.items() if n not in amounts | elsewhere} == {
        n: f for n, f in other.items() if n not in amounts | elsewhere
    }
    assert all(abs(one[name] - other[name]) <= TIES for name in amounts)
    attempts, streams, lines = (
        [[forgery["attempt"] for forgery in month["forgeries"]] for month in (one, other)],
        [month["fraud"]["streams"] for month in (one, other)],
        [month["correction"]["lines"] for month in (one, other)],
    )
    assert all(first == second for first, second in (attempts, streams, lines))
    assert one["rules"].keys() == other["rules"].keys()
    for rule, lines in one["rules"].items():
        assert lines.keys() == other["rules"][rule].keys()
        assert all(abs(micros - other["rules"][rule][holder]) <= TIES for holder, micros in lines.items()), rule
