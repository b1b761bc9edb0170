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
    free = dict(parts)
    suspended = _taken(free, [dispute for dispute in disputes if dispute.like is not None], local[0].subject)
    held = _taken(free, [dispute for dispute in disputes if dispute.like is None], local[0].subject)
    state: SharesState = "contested" if suspended else "disputed" if held else "confirmed"
    return Shares(state, parts, held, suspended)


def _taken(free: dict[str, int], disputes: Sequence[Dispute], subject: str) -> tuple[tuple[str, int], ...]:
    """Take from the holders' parts what these disputes claim, one after the other; return what each holder lost.

    A dispute takes from the holder it names, or from all in proportion to what earlier ones left them: whole ppm, those
    that rounding leaves over to the largest remainders, equal ones in the order of party ids.
    """
    taken: dict[str, int] = {}
    for dispute in disputes:
        parts = {party: part for party, part in free.items() if part and dispute.party in (None, party)}
        whole = sum(parts.values())
        claimed = min(dispute.claimed(subject), whole)
        losses = {party: claimed * part // whole for party, part in parts.items()}
        most_cut = sorted(parts, key=lambda party: (-(claimed * parts[party] % whole), party))
        for party in most_cut[: claimed - sum(losses.values())]:
            losses[party] += 1
        for party, ppm in losses.items():
            free[party] -= ppm
            taken[party] = taken.get(party, 0) + ppm
    return tuple((party, ppm) for party, ppm in sorted(taken.items()) if ppm)


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
