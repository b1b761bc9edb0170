"""Decide who owns a right at a time in a territory: one pure rule for settlement, decisions and pages."""

from __future__ import annotations

from collections.abc import Sequence

from ledger.registry.model import WORLD, Dispute, Instant, Share, Shares, SharesState
from ledger.types import MILLION


def resolve(lines: Sequence[Share], disputes: Sequence[Dispute], *, territory: str, at: Instant) -> Shares:
    """Return the shares of one (subject, right): confirmed rows in force; a territory's rows replace WORLD's."""
    live = [line for line in lines if line.state == "confirmed" and line.start <= at < line.end]
    local = [line for line in live if line.territory == territory]
    if not local:
        local = [line for line in live if line.territory == WORLD]
    if len(local) == 1:
        parts: tuple[tuple[str, int], ...] = ((local[0].party, local[0].ppm),)
    else:
        sums: dict[str, int] = {}
        for line in local:
            sums[line.party] = sums.get(line.party, 0) + line.ppm
        parts = tuple(sorted(sums.items()))
    total = sum(ppm for _, ppm in parts)
    if total != MILLION:
        return Shares("conflict" if total > MILLION else "short", parts)
    if not disputes:
        return Shares("confirmed", parts)
    if any(dispute.like is not None for dispute in disputes):
        return Shares("contested", parts)
    disputed_ppm = _disputed(parts, disputes)
    state: SharesState = "disputed" if disputed_ppm else "confirmed"
    return Shares(state, parts, disputed_ppm)


def _disputed(parts: Sequence[tuple[str, int]], disputes: Sequence[Dispute]) -> tuple[str, ...]:
    """Return the holders whose part is held: all of them if a dispute names no party."""
    if any(dispute.party is None for dispute in disputes):
        return tuple(party for party, _ in parts)
    named = {dispute.party for dispute in disputes}
    return tuple(party for party, _ in parts if party in named)


def overclaimed(lines: Sequence[Share]) -> frozenset[str]:
    """Return the ids of the confirmed rows of one (subject, right) whose sum exceeds 1,000,000 at some instant.

    Sums grow only where a row starts, so checking each start checks every instant.
    """
    confirmed = [line for line in lines if line.state == "confirmed"]
    subjects: set[str] = set()
    for territory in {line.territory for line in confirmed}:
        rows = [line for line in confirmed if line.territory == territory]
        if sum(row.ppm for row in rows) <= MILLION:
            continue
        for instant in {row.start for row in rows}:
            live = [row for row in rows if row.start <= instant < row.end]
            if sum(row.ppm for row in live) > MILLION:
                subjects.update(row.id for row in live)
    return frozenset(subjects)
