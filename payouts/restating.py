"""A past month divided again with what is known by now: who would have earned what, who did, and why they differ.

Knowledge is replaced in steps, each with everything before it: today's vectors, then today's registry, then today's
holds. What a step changes for a holder is taken apart by track, source or hold, in integers that add up to the
difference. All of it is before deductions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from payouts.compute import Inputs, Line, Outcome
from payouts.division.breakdown import break_down

Knowledge = Literal["vector", "registry", "hold"]
"""What a step replaces."""

CAUSES: Final = {
    "vector": "new influence vector of {}",
    "share": "shares in {}",
    "dispute": "dispute over {}",
    "permission": "permission for {}",
    "hold": "hold {}",
    "pool": "what others in the pool are due",
    "release": "already released from hold {}",
    "restatement": "already booked by {}",
}
"""Why a holder's amount differs; what is named is a track, a recording or work, or an id."""
CAUSES_NAMED: Final = 3
"""Causes that a reason names; the restatement itself lists them all."""

Freed = Callable[[Line], bool]
"""Whether money that the registry holds was let go by two people, so that it counts as earned."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Cause:
    """What one piece of newer knowledge makes of a holder's amount."""

    kind: str
    about: str
    micros: int

    def __str__(self) -> str:
        return CAUSES.get(self.kind, self.kind + " of {}").format(self.about)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restated:
    """A state of knowledge: what the pool was divided by, and what it came to. The first is the original run."""

    step: Knowledge | None
    inputs: Inputs
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class RestatedLine:
    """One holder before deductions: what reached them or waits for the next run, what would be right, and why."""

    holder: str
    was_micros: int
    now_micros: int
    difference_micros: int
    was_held_micros: int
    now_held_micros: int
    causes: tuple[Cause, ...]

    @property
    def reason(self) -> str:
        """The largest causes in words."""
        ordered = sorted(self.causes, key=lambda cause: -abs(cause.micros))
        named = list(dict.fromkeys(map(str, ordered)))
        more = f"; and {len(named) - CAUSES_NAMED} more" if len(named) > CAUSES_NAMED else ""
        return "; ".join(named[:CAUSES_NAMED]) + more


def restated_lines(
    states: Sequence[Restated], booked: Mapping[str, Sequence[Cause]], freed: Freed
) -> tuple[RestatedLine, ...]:
    """Every holder whose amount or held money differs, by id. `booked`: what reached them since the original run.

    The causes of a line add up to its difference.
    """
    first, last = states[0].outcome, states[-1].outcome
    was, now = first.allocated_by_party(), earned(last, freed)
    was_held, now_held = held(first, lambda _: False), held(last, freed)
    for party, causes in booked.items():
        was[party] = was.get(party, 0) + sum(cause.micros for cause in causes)
        released = sum(cause.micros for cause in causes if cause.kind == "release")
        was_held[party] = was_held.get(party, 0) - released
    parties = sorted(
        party
        for party in {*was, *now, *was_held, *now_held}
        if was.get(party, 0) != now.get(party, 0) or was_held.get(party, 0) != now_held.get(party, 0)
    )
    causes_of: dict[str, list[Cause]] = defaultdict(list)
    for party in parties:
        causes_of[party] += [
            Cause(kind=cause.kind, about=cause.about, micros=-cause.micros) for cause in booked.get(party, ())
        ]
    original = _pieces(states[0], parties, lambda _: False)
    for state in states[1:]:
        restated = _pieces(state, parties, freed if state is states[-1] else lambda _: False)
        for party in parties:
            causes_of[party] += _causes(state.step, original[party], restated[party])
        original = restated
    return tuple(
        RestatedLine(
            holder=party,
            was_micros=was.get(party, 0),
            now_micros=now.get(party, 0),
            difference_micros=now.get(party, 0) - was.get(party, 0),
            was_held_micros=was_held.get(party, 0),
            now_held_micros=now_held.get(party, 0),
            causes=_together(causes_of[party]),
        )
        for party in parties
    )


def earned(outcome: Outcome, freed: Freed) -> dict[str, int]:
    """What each party has earned, with what two people let go of what the registry holds."""
    sums: dict[str, int] = defaultdict(int, outcome.allocated_by_party())
    for line in outcome.lines:
        if line.state == "held" and freed(line):
            sums[line.party] += line.micros
    return {party: micros for party, micros in sums.items() if micros}


def held(outcome: Outcome, freed: Freed) -> dict[str, int]:
    """What is held of each party."""
    sums: dict[str, int] = defaultdict(int)
    for line in outcome.lines:
        if line.state == "held" and not freed(line):
            sums[line.party] += line.micros
    return sums


@dataclass(slots=True)
class _Piece:
    """What a party has through one track and source: earned weight and money, and what holds the rest of it."""

    weight: int = 0
    micros: int = 0
    blocks: frozenset[tuple[str, str]] = frozenset()


_Pieces = dict[tuple[str, str], _Piece]


def _pieces(state: Restated, parties: Collection[str], freed: Freed) -> Mapping[str, _Pieces]:
    out: dict[str, _Pieces] = {party: {} for party in parties}
    for line, pieces in break_down(state.inputs, state.outcome, set(parties)):
        for piece in pieces:
            part = out[line.party].setdefault((piece.track or piece.via, piece.source), _Piece())
            if line.state == "allocated" or freed(line):
                part.weight += piece.weight
                part.micros += piece.micros
            if line.state == "held":
                part.blocks |= {(line.reason, line.ref)}
    return out


def _causes(step: Knowledge | None, before: _Pieces, after: _Pieces) -> Iterator[Cause]:
    for track, source in sorted({*before, *after}):
        was, now = before.get((track, source), _Piece()), after.get((track, source), _Piece())
        if was.micros == now.micros:
            continue
        if was.weight == now.weight:
            yield Cause(kind="pool", about="", micros=now.micros - was.micros)
        else:
            kind, about = _named(step, track, source, was.blocks ^ now.blocks)
            yield Cause(kind=kind, about=about, micros=now.micros - was.micros)


def _named(step: Knowledge | None, track: str, source: str, blocks: Collection[tuple[str, str]]) -> tuple[str, str]:
    """What changed, and what it is about, from the step and from what holds money before or after it alone."""
    if step == "vector":
        return "vector", track
    reason, ref = min(blocks, default=("", ""))
    if step == "hold":
        return "hold", ref or reason or source
    return (reason if reason in CAUSES else "share"), source


def _together(causes: Iterable[Cause]) -> tuple[Cause, ...]:
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for cause in causes:
        sums[cause.kind, cause.about] += cause.micros
    return tuple(
        Cause(kind=kind, about=about, micros=micros) for (kind, about), micros in sorted(sums.items()) if micros
    )
