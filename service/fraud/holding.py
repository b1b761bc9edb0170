"""Hold a month's suspects: their streams' money is held, and other streams of the same tracks are paid."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ledger.errors import InputError
from ledger.proofs import canon, dsse
from ledger.types import format_time
from payouts.life.listener_holds import LISTENERS_TYPE, HeldListener, HeldListeners, read_listeners
from payouts.life.records import Hold
from service.fraud.suspects import suspicions
from service.settlement.holds import end_of, name_of
from service.settlement.step import DecidedStep, signed, take

if TYPE_CHECKING:
    from datetime import datetime

    from ledger.types import Period
    from payouts.life.book import Book
    from service.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspectsHeld:
    """A hold on listeners: their number, and the number of their streams in the month.

    `id` is empty if every suspect was spared or is held already.
    """

    id: str
    period: str
    scorer: str
    listeners: int
    streams: int
    already_listeners: int


def hold_suspects(
    ws: Workspace, period: Period, *, scorer: str, until: datetime | None = None, spared: Collection[str] = ()
) -> SuspectsHeld:
    """Hold the streams of the month's suspects, except spared ones and those in an open or rejected hold."""
    suspects = suspicions(ws, period, scorer=scorer, shown=None).suspects
    if unknown := set(spared) - {suspect.listener for suspect in suspects}:
        raise InputError(f"listener {min(unknown)!r} is not a suspect of {period}; see settle fraud score {period}")
    maker, at = ws.signer("operator"), format_time(ws.clock())
    end, witnesses = end_of(ws, at, until)

    def decide(book: Book) -> DecidedStep[SuspectsHeld]:
        bearing = [*book.open_holds(), *(book.holds[name] for name in book.rejected())]
        names = {
            (listener.source, listener.listener)
            for hold in bearing
            if hold.statement is not None
            for listener in read_listeners(ws.log.blob(hold.statement), hold.statement).listeners
        }
        chosen = [
            suspect
            for suspect in suspects
            if suspect.listener not in spared and (suspect.source, suspect.listener) not in names
        ]
        already = sum((suspect.source, suspect.listener) in names for suspect in suspects)
        answer = SuspectsHeld(
            id="",
            period=str(period),
            scorer=scorer,
            listeners=len(chosen),
            streams=sum(suspect.streams for suspect in chosen),
            already_listeners=already,
        )
        if not chosen:
            return DecidedStep(answer)
        listeners = [
            HeldListener(
                source=suspect.source,
                listener=suspect.listener,
                points=suspect.points,
                reasons=tuple(suspect.reasons),
            )
            for suspect in chosen
        ]
        document = HeldListeners(period=str(period), scorer=scorer, listeners=tuple(sorted(listeners)))
        envelope = dsse.sign(LISTENERS_TYPE, canon.encode(document.payload()), [maker])
        nth = sum(hold.scope == "listeners" and hold.subject == str(period) for hold in book.holds.values())
        record = Hold(
            at=at,
            by=ws.operator,
            key=maker.public.id,
            id=name_of("hold", scope="listeners", statement=envelope.digest, nth=nth),
            scope="listeners",
            subject=str(period),
            reason="fraud",
            until=end,
            witnesses=witnesses,
            statement=envelope.digest,
        )
        return DecidedStep(replace(answer, id=record.id), leaves=[signed(record, maker)], blobs=[envelope.encode()])

    return take(ws, decide)
