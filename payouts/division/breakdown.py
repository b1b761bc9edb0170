"""Explanations: each line taken apart by track, source, aspect and basis, in integers that add up to the line."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from payouts.allocate import divide
from payouts.compute import Heading, Inputs, Line, Outcome, contributions, heading, prepare


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Piece:
    """Part of a line. `track` is empty and `via` names the style group or training set where tracks were summed."""

    track: str
    source: str
    aspect: str
    basis: str
    via: str
    weight: int
    micros: int


Why = tuple[str, str, str, str, str]


def break_down(
    inputs: Inputs, outcome: Outcome, parties: Collection[str] | None = None
) -> Iterator[tuple[Line, tuple[Piece, ...]]]:
    """Yield each line of these parties (None: of everybody) with its pieces, in the order of the outcome's lines.

    The kernels are computed again from the inputs; pieces sum to the line by largest remainder.
    """
    totals: dict[Heading, dict[Why, int]] = {
        (line.group, line.party, line.state, line.reason, line.ref): defaultdict(int)
        for line in outcome.lines
        if parties is None or line.party in parties
    }
    for claim, track, weight in contributions(inputs, prepare(inputs)):
        pieces = totals.get(heading(claim))
        if pieces is not None:
            pieces[track, claim.source, claim.aspect, claim.basis, claim.via] += weight
    for line in outcome.lines:
        reasons = totals.get((line.group, line.party, line.state, line.reason, line.ref))
        if reasons is not None:
            yield line, _pieces(line, reasons, inputs.period_root)


def _pieces(line: Line, weights: dict[Why, int], salt: bytes) -> tuple[Piece, ...]:
    if sum(weights.values()) != line.weight:
        raise ValueError(
            f"line {line.group} {line.party}: pieces weigh {sum(weights.values())} of {line.weight}; other inputs?"
        )
    micros = divide(line.micros, {"\0".join(why): weight for why, weight in weights.items()}, salt=salt)
    return tuple(
        Piece(
            track=why[0],
            source=why[1],
            aspect=why[2],
            basis=why[3],
            via=why[4],
            weight=weight,
            micros=micros["\0".join(why)],
        )
        for why, weight in sorted(weights.items())
    )
