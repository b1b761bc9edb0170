"""What was answered to each query, kept line by line as it comes, so that a run goes on where it was cut off."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np

from attribution.lab import evaluate
from ledger.types import MILLION, AspectVector

ENOUGH: Final = 60
"""A row of fewer queries is indicative."""
Stated = Mapping[str, Sequence[int]]
"""By source: its share, and the least and the most it is stated to be, in ppm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A query's truth, what the method signs of each aspect, whose manner it reports, what the peer names."""

    number: int
    truth: Mapping[str, float]
    aspect: str
    own: str | None
    aspects: Mapping[str, Stated]
    manner: str | None
    peer: Sequence[str] | None
    seconds: float

    @property
    def shares(self) -> dict[str, float]:
        return {name: stated[0] / MILLION for name, stated in self.aspects[self.aspect].items()}

    @property
    def hits(self) -> float:
        return evaluate.top_hits(self.shares, self.truth)

    @property
    def ratio(self) -> float:
        return sum(self.shares.get(name, 0.0) for name in self.truth) / sum(self.truth.values())

    @property
    def others(self) -> bool:
        """Whether somebody is claimed who is not in it."""
        return bool(self.shares.keys() - self.truth.keys())

    @property
    def held(self) -> list[bool]:
        """For each claim, whether the true share is in its stated interval."""
        return [
            stated[1] - 1 <= MILLION * self.truth.get(name, 0.0) <= stated[2] + 1
            for name, stated in self.aspects[self.aspect].items()
        ]

    @property
    def missed(self) -> int:
        """True sources of which nothing is claimed."""
        return len(self.truth.keys() - self.aspects[self.aspect].keys())

    @property
    def peer_hits(self) -> float | None:
        return None if self.peer is None else len(set(self.peer[:3]) & set(self.truth)) / min(3, len(self.truth))


def stated(vector: AspectVector) -> Stated:
    return {source.id: (source.ppm, source.low, source.high) for source in vector.sources}


def read(path: Path) -> list[Answer]:
    """The answers that were kept; a last line that was cut off is asked again."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []
    whole = [line for line in lines if line.endswith("\n")]
    if len(whole) < len(lines):
        path.write_text("".join(whole), encoding="utf-8")
    return [Answer(**json.loads(line)) for line in whole]


def keep(path: Path, answer: Answer) -> None:
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(asdict(answer)) + "\n")


HEAD: Final = (
    "| query | n | top-3 of what is claimed (95 %) | share over true share (95 %) | somebody else claimed"
    " | intervals hold, of claims | Chromaprint | CPU s |\n|---|---|---|---|---|---|---|---|"
)


def row_of(name: str, answers: Sequence[Answer]) -> str:
    """A row of the table of queries."""
    held = [value for answer in answers for value in answer.held]
    peer = [answer.peer_hits for answer in answers if answer.peer_hits is not None]
    cells = [
        name if len(answers) >= ENOUGH else f"{name}, indicative",
        str(len(answers)),
        _hit_rate([answer.hits for answer in answers]),
        str(evaluate.bootstrap([answer.ratio for answer in answers])),
        f"{np.mean([answer.others for answer in answers]):.2f}",
        f"{np.mean(held):.2f}" if held else "",
        f"{np.mean(peer):.2f}" if peer else "",
        f"{np.mean([answer.seconds for answer in answers]):.2f}",
    ]
    return f"| {' | '.join(cells)} |"


def _hit_rate(hits: Sequence[float]) -> str:
    """Exact bounds where each query has one source; bootstrapped where a part of several can be right."""
    return bounds([hit == 1 for hit in hits]) if set(hits) <= {0.0, 1.0} else str(evaluate.bootstrap(hits))


def intervals(answers: Sequence[Answer]) -> str:
    """How often stated intervals hold, in recordings; a missed source has none that could."""
    held = [value for answer in answers for value in answer.held]
    every = held + [False] * sum(answer.missed for answer in answers)
    of_claims, of_all = (evaluate.bootstrap([float(value) for value in values]) for values in (held, every))
    return (
        f"Stated 90 % intervals hold: {of_claims} of {len(held)} claims; with missed sources {of_all} of {len(every)}"
    )


def rates(title: str, found: Mapping[str, Sequence[bool]]) -> str:
    rows = [
        f"| {name}{'' if len(values) >= ENOUGH else ', indicative'} | {len(values)} | {bounds(values)} |"
        for name, values in found.items()
        if values
    ]
    return "\n".join([f"| {title} | n | rate (95 %) |\n|---|---|---|", *rows])


def bounds(values: Sequence[bool]) -> str:
    """A rate with its exact 95 % bounds (Clopper and Pearson): where nothing happened, something still may."""
    from scipy.stats import beta

    count, hits = len(values), sum(values)
    low = beta.ppf(0.025, hits, count - hits + 1) if hits else 0.0
    high = beta.ppf(0.975, hits + 1, count - hits) if hits < count else 1.0
    return f"{hits / count:.2f} ({low:.2f}-{high:.2f})"


def of_strangers(answers: Sequence[Answer], styles: frozenset[str]) -> dict[str, list[bool]]:
    """Tracks of which nothing is indexed: who is named, and which style groups."""

    def groups(answer: Answer) -> set[str]:
        return {name.removeprefix("style:") for name in answer.aspects["style"]}

    def named(answer: Answer) -> bool:
        return bool(answer.aspects["recording"] or answer.aspects["composition"])

    def wrong(answer: Answer) -> bool:
        return bool(groups(answer) - {str(answer.own)})

    own = [answer for answer in answers if answer.own in styles]
    away = [answer for answer in answers if answer.own not in styles]
    return {
        "somebody named: by the catalogue's people": [named(answer) for answer in own],
        "somebody named: by others": [named(answer) for answer in away],
        "a style group that is not theirs: by the catalogue's people": [wrong(answer) for answer in own],
        "a style group that is not theirs: by others": [wrong(answer) for answer in away],
        "their own style group": [str(answer.own) in groups(answer) for answer in own],
        "reported in the manner of another group": [answer.manner not in (None, answer.own) for answer in answers],
        "reported in the manner of their own group": [answer.manner == answer.own for answer in own],
        "somebody named by Chromaprint": [bool(answer.peer) for answer in answers if answer.peer is not None],
    }
