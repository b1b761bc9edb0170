"""Largest remainder: the only routine that rounds exact rationals to integers with a given sum.

Round every share down; the units left over go to the largest remainders, equal remainders in the order of SHA-256(salt
|| id). A share without a remainder never gets a unit, so rounding never breaks an integer cap. A larger pool may take a
unit from somebody (the Alabama paradox): the guarantee is floor <= amount <= ceiling, not house monotonicity.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


def tie_break(salt: bytes, name: str) -> bytes:
    """Return a name's rank in ties; the salt is fixed before the names' owners can know it."""
    return hashlib.sha256(salt + name.encode()).digest()


@dataclass(frozen=True, slots=True)
class Cutoff:
    """The cut-off of a division: the last share that gets a leftover unit, as its remainder and its tie-break."""

    remainder: int
    tie: bytes

    def admits(self, remainder: int, salt: bytes, name: str) -> bool:
        """Return whether a share with this remainder is at or before the cut-off."""
        if remainder != self.remainder:
            return remainder > self.remainder
        return tie_break(salt, name) <= self.tie


def round_shares(
    names: Sequence[str], numerators: Sequence[int], denominator: int, *, salt: bytes
) -> tuple[list[int], Cutoff | None]:
    """Round `numerators[i] / denominator`, which must sum to an integer; return the integers and the cut-off.

    The result for a name depends only on the set of (name, share), not on their order.
    """
    out: list[int] = []
    remainders: list[int] = []
    for numerator in numerators:
        whole, remainder = divmod(numerator, denominator)
        out.append(whole)
        remainders.append(remainder)
    left, inexact = divmod(sum(remainders), denominator)
    if inexact:
        raise ValueError(f"shares sum to {sum(numerators)}/{denominator}, which is not an integer")
    if left == 0:
        return out, None
    threshold = sorted(remainders, reverse=True)[left - 1]
    tied: list[int] = []
    for position, remainder in enumerate(remainders):
        if remainder > threshold:
            out[position] += 1
            left -= 1
        elif remainder == threshold:
            tied.append(position)
    tied.sort(key=lambda position: (tie_break(salt, names[position]), names[position]))
    for position in tied[:left]:
        out[position] += 1
    return out, Cutoff(threshold, tie_break(salt, names[tied[left - 1]]))


def divide(total: int, weights: Mapping[str, int], *, salt: bytes) -> dict[str, int]:
    """Divide `total` in proportion to the weights; the parts sum to it exactly; not all weights may be zero."""
    return divided_at(total, weights, salt=salt)[0]


def divided_at(total: int, weights: Mapping[str, int], *, salt: bytes) -> tuple[dict[str, int], Cutoff | None]:
    """Do the same; also return the cut-off, from which each name's part follows by its own weight."""
    names = list(weights)
    whole = sum(weights.values())
    if whole <= 0:
        raise ValueError(f"weights sum to {whole}; expected more than zero")
    if len(names) == 1:
        return {names[0]: total}, None
    amounts, cutoff = round_shares(names, [total * weights[name] for name in names], whole, salt=salt)
    return dict(zip(names, amounts, strict=True)), cutoff
