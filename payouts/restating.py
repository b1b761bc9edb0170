"""Compute a past month again with today's data: correct amounts, earned amounts, and the causes of differences.

Knowledge is replaced in steps, each with everything before it: today's vectors, then today's registry, then today's
holds. What a step changes for a holder is taken apart by track, source or hold, in integers that add up to the
difference. All of it is before deductions.

An award from a dispute of the run counts as received as far as today's knowledge gives the claimant the same money.
What it gives beyond that stands as two people decided it.
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
    "award": "already awarded in dispute {}",
}
"""Why a holder's amount differs; what is named is a track, a recording or work, or an id."""
CAUSES_NAMED: Final = 3
"""Causes that a reason names; the restatement itself lists them all."""

Freed = Callable[[Line], bool]
"""Whether money that the registry holds was let go by two people, so that it counts as earned."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Cause:
    """The effect of one change of data on a holder's amount."""

    kind: str
    about: str
    micros: int

    def __str__(self) -> str:
        return CAUSES.get(self.kind, self.kind + " of {}").format(self.about)


@dataclass(frozen=True, slots=True, kw_only=True)
class Award:
    """What the outcome of a dispute moved from one party of the run to another, and what it was about."""

    dispute: str
    claimant: str
    against: str
    """Empty where nobody's money was contested."""
    names: frozenset[str]
    """The track, recordings or works that were disputed; empty for a line as a whole."""
    micros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Restated:
    """One step of the restatement: the inputs of a division, and its outcome. The first is the original run."""

    step: Knowledge | None
    inputs: Inputs
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class RestatedLine:
    """One holder before deductions: the amount booked so far, the correct amount, and the causes."""

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
    """Return the holders whose amount or held money differs, by id. `booked`: amounts since the original run.

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


def explained_awards(states: Sequence[Restated], awards: Sequence[Award], freed: Freed) -> dict[str, int]:
    """Return by dispute the part of its award that today's data gives the claimant too.

    It is what the disputed tracks and sources bring the claimant more than in the original run: entitled to, and not
    held. Awards about the same share that amount; those about a line as a whole come after the more precise ones.
    """
    claimants = {award.claimant for award in awards}
    if not claimants:
        return {}
    gains = _gains(states, claimants, freed)
    explained: dict[str, int] = {}
    before: list[tuple[Award, set[tuple[str, str]]]] = []
    for award in sorted(awards, key=lambda award: not award.names):
        disputed = {piece for piece in gains[award.claimant] if not award.names or award.names & set(piece)}
        gain = min(sum(gains[award.claimant][piece][side] for piece in disputed) for side in (0, 1))
        shared = sum(
            explained[other.dispute]
            for other, pieces in before
            if other.claimant == award.claimant and pieces & disputed
        )
        explained[award.dispute] = max(0, min(award.micros, gain - shared))
        before.append((award, disputed))
    return explained


def _gains(
    states: Sequence[Restated], claimants: Collection[str], freed: Freed
) -> dict[str, dict[tuple[str, str], tuple[int, int]]]:
    """By claimant, and by track and source: what is earned more than in the original run, and what is due more.

    Due is what is earned or held: money that was held and is released was due before and is no new knowledge.
    """
    earned_was, due_was = (_pieces(states[0], claimants, count) for count in (lambda _: False, lambda _: True))
    earned_now, due_now = (_pieces(states[-1], claimants, count) for count in (freed, lambda _: True))
    nothing = _Piece()
    return {
        party: {
            piece: (
                earned_now[party].get(piece, nothing).micros - earned_was[party].get(piece, nothing).micros,
                due_now[party].get(piece, nothing).micros - due_was[party].get(piece, nothing).micros,
            )
            for piece in sorted({*due_was[party], *due_now[party]})
        }
        for party in claimants
    }


def award_causes(award: Award, explained: int) -> dict[str, Cause]:
    """The explained part of an award as something booked: received by its claimant, paid by the other side."""
    moved = {award.claimant: explained, award.against: -explained}
    return {
        party: Cause(kind="award", about=award.dispute, micros=micros)
        for party, micros in moved.items()
        if party and micros
    }


def earned(outcome: Outcome, freed: Freed) -> dict[str, int]:
    """Return each party's earnings, with money of the registry's holds that two people released."""
    sums: dict[str, int] = defaultdict(int, outcome.allocated_by_party())
    for line in outcome.lines:
        if line.state == "held" and freed(line):
            sums[line.party] += line.micros
    return {party: micros for party, micros in sums.items() if micros}


def held(outcome: Outcome, freed: Freed) -> dict[str, int]:
    """Return each party's held money."""
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
    """Return the kind and the subject of a change, from the step and from holds that exist only before or after it."""
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
