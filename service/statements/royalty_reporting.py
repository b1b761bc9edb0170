"""A party's statement of a month as a royalty report of the DSR family."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ledger.types import Period, format_time
from payouts.statements.statement import PoolStatement
from service.statements.statements import state
from service.trade.dsr import royalty

if TYPE_CHECKING:
    from service.workspace import Workspace


def royalty_report(ws: Workspace, party: str, period: str) -> bytes:
    """The report of what a party earned; held and suspended money stands in its statement alone."""
    stated = state(ws, party, period)
    month = Period.parse(period)
    operator = ws.registry.personal("party", ws.operator)
    recipient = ws.registry.personal("party", party)
    runs = "-".join(pool.run[:8] for pool in stated.pools)
    return royalty.write(
        royalty.RoyaltyReport(
            message=f"{period}-{party}-{runs}",
            created=format_time(ws.clock()),
            start=month.start.date().isoformat(),
            end=(month.end - timedelta(days=1)).date().isoformat(),
            sender=royalty.RoyaltySender(
                party=str(operator.get("dpid") or ws.operator),
                name=ws.settings.text("payouts.issuer_name") or ws.operator,
                recipient=str(recipient.get("dpid") or party),
                recipient_name=stated.name or party,
            ),
            summaries=tuple(map(_summary, stated.pools)),
        )
    )


def _summary(pool: PoolStatement) -> royalty.RoyaltySummary:
    lines = tuple(
        royalty.RoyaltyLine(
            track=earning.track,
            title=earning.track_title,
            units=earning.units,
            source=earning.source,
            aspect=earning.aspect,
            share=earning.share,
            micros=earning.micros,
        )
        for earning in pool.earnings
    )
    earned = sum(line.micros for line in lines)
    return royalty.RoyaltySummary(pool=pool.pool, currency=pool.currency, earned_micros=earned, lines=lines)
