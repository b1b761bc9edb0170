"""Acknowledge a CWR file: compare each of its works with what the registry has of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ledger import units
from ledger.errors import InputError
from ledger.files import write_whole
from ledger.registry.model import Instant
from ledger.registry.view import View
from ledger.tabular import Lettering
from ledger.types import format_time
from service.registry.messages import identified
from service.trade.cwr import answers, works
from service.trade.cwr.records import WORKS, CwrSender, CwrTransaction, lines, transactions

if TYPE_CHECKING:
    from service.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class CwrAcknowledged:
    """How many works of a file are registered whole, with shares that wait, and not at all."""

    file: str
    out: Path
    accepted: int
    changed: int
    rejected: int


def acknowledge(ws: Workspace, path: Path, out: Path, *, sender: str, right: str | None) -> CwrAcknowledged:
    """Write the acknowledgement of a file that was imported; made again, it has the state of then."""
    lookup, view = identified(ws), ws.registry.view()
    original: CwrSender | None = None
    now = format_time(ws.clock())
    results: list[answers.CwrAnswer] = []
    reading = works.CwrReading()
    with path.open("rb") as file:
        for item in transactions(lines(file, str(path), Lettering()), str(path)):
            if isinstance(item, CwrSender):
                original = item
            elif original is not None and item.kind in WORKS:
                own = works.work_id(original, item.records[0], lookup)
                rows = works.work_rows(str(path), original, item, lookup=lookup, reading=reading, right=right)
                shares = [row.value for row in rows if row.list == "shares"]
                results.append(_answer(view, item, own, shares, at=now))
    if original is None:
        raise InputError(f"{path} holds no work")
    name = ws.settings.text("payouts.issuer_name") or ws.operator
    at = ws.clock().strftime("%Y%m%dT%H%M%S")
    write_whole(out, answers.write(original, results, sender=sender, name=name, at=at))
    counts = Counter(result.status for result in results)
    return CwrAcknowledged(
        file=path.name,
        out=out,
        accepted=counts[answers.ACCEPTED],
        changed=counts[answers.CHANGED],
        rejected=counts[answers.REJECTED],
    )


def _answer(
    view: View, item: CwrTransaction, own: str, shares: list[dict[str, str]], *, at: Instant
) -> answers.CwrAnswer:
    if own not in view.works:
        return answers.CwrAnswer(transaction=item, work="", status=answers.REJECTED, reason="the work is in quarantine")
    # Only confirmed shares pay, so that a sender is told of one that waits, or that is registered as another.
    paying = {
        (line.party, line.territory, line.ppm)
        for line in view.shares_of.get((own, "publishing"), ())
        if line.state == "confirmed" and line.start <= at < line.end
    }
    missing = [row for row in shares if (row["party"], row["territory"], _ppm(row["ppm"])) not in paying]
    if not missing:
        return answers.CwrAnswer(transaction=item, work=own, status=answers.ACCEPTED)
    reason = f"{len(missing)} of {len(shares)} shares are not registered and confirmed, such as {missing[0]['ppm']}"
    return answers.CwrAnswer(transaction=item, work=own, status=answers.CHANGED, reason=reason)


def _ppm(text: str) -> int | None:
    """A share as the registry has it; None for a text that says why it could not be registered."""
    try:
        return units.ppm(text)
    except InputError:
        return None
