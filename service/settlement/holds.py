"""Open and release holds; propose adjustments and reversals, which two people sign.

Opening a hold needs one person, because it only stops money; it may have an end date. To release a hold, adjust a
balance or reverse a run, one person proposes and another approves: `settle approve ID --as PARTY`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ledger.errors import ConflictError, InputError, StateError
from ledger.proofs import canon
from ledger.types import Digest, Period, format_time
from payouts.life.book import Book
from payouts.life.ends import quorum_of
from payouts.life.listener_holds import Reject
from payouts.life.records import HOLD_REASONS, SCOPES, Adjust, Expire, Hold, Release, Reverse, Scope
from payouts.money import parse_amount, scale
from payouts.statements.statement import held_line
from service.registry.naming import unknown_party
from service.settlement.finding import find_run
from service.settlement.step import DecidedStep, read_book, signed, take
from service.settlement.stored import load
from service.witness.asking import seen_at

if TYPE_CHECKING:
    from service.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldShown:
    """A hold and its state: open, release or rejection proposed, released or rejected (by `release`), ended."""

    id: str
    scope: str
    subject: str
    reason: str
    opened_at: str
    opened_by: str
    until: str | None
    state: str
    release: str | None
    already: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """A proposal that another person must approve: `settle approve ID --as PARTY`."""

    id: str
    kind: str
    by: str
    approved: bool
    already: bool


def name_of(kind: str, **content: Any) -> str:
    """Return an id derived from the content, so that repeating an action has no effect."""
    return f"{kind}-{canon.digest(canon.encode(content))[:20]}"


# --- holds --------------------------------------------------------------------------------------


def open_hold(ws: Workspace, *, scope: str, subject: str, reason: str, until: datetime | None = None) -> HoldShown:
    """Block payments that concern a party, a source, a track or a platform; nothing is recomputed.

    With `until` it may end by itself from then on, by the clocks of trust.json's witnesses if the policy requires any;
    without, two people must release it.
    """
    if scope not in SCOPES or scope == "listeners":
        raise InputError(f"a hold is about one of {', '.join(SCOPES)}, not {scope!r}; on listeners: settle fraud hold")
    if reason not in HOLD_REASONS:
        raise InputError(f"reason {reason!r}: expected one of {', '.join(HOLD_REASONS)}")
    if not subject:
        raise InputError(f"a hold names the {scope} it is about")
    if scope == "party" and subject not in ws.registry.view().parties:
        raise unknown_party(ws, subject)
    about: Scope = SCOPES[SCOPES.index(scope)]
    maker = ws.signer("operator")
    at = format_time(ws.clock())
    end, witnesses = end_of(ws, at, until)

    def decide(book: Book) -> DecidedStep[HoldShown]:
        same = [
            hold for hold in book.holds.values() if (hold.scope, hold.subject, hold.reason) == (scope, subject, reason)
        ]
        for hold in same:
            if hold in book.open_holds() and (hold.until is None or hold.until == end):
                return DecidedStep(shown(book, hold, already=True))
        name = name_of("hold", scope=scope, subject=subject, reason=reason, nth=len(same))
        record = Hold(
            at=at,
            by=ws.operator,
            key=maker.public.id,
            id=name,
            scope=about,
            subject=subject,
            reason=reason,
            until=end,
            witnesses=witnesses,
        )
        return DecidedStep(shown(book, record, already=False), leaves=[signed(record, maker)])

    return take(ws, decide)


def end_of(ws: Workspace, at: str, until: datetime | None) -> tuple[str | None, str | None]:
    """Return a new hold's end, and the witnesses whose clocks decide it, if trust.json requires witnesses."""
    end = None if until is None else format_time(until)
    if end is not None and end <= at:
        raise InputError(f"a hold until {end} would be over already: it is {at}")
    policy = ws.trust.policy
    unwitnessed = end is None or policy.satisfied(())
    return end, None if unwitnessed else policy.encode().decode("utf-8", "surrogateescape")


def list_holds(ws: Workspace, *, everything: bool = False) -> list[HoldShown]:
    """Return open holds, oldest first; optionally all holds."""
    book = read_book(ws)
    chosen = list(book.holds.values()) if everything else book.open_holds()
    return [shown(book, hold, already=False) for hold in chosen]


def shown(book: Book, hold: Hold, *, already: bool) -> HoldShown:
    """Return a hold for a command's output."""
    endings: list[Release | Reject] = [*book.releases.values(), *book.rejects.values()]
    proposals = [ending for ending in endings if ending.hold == hold.id]
    lifted, rejected = book.lifted().get(hold.id), book.rejected().get(hold.id)
    ended = lifted in book.expiries
    if proposals and not (lifted or rejected):
        state = "rejection proposed" if isinstance(proposals[-1], Reject) else "release proposed"
    else:
        state = "ended" if ended else "released" if lifted else "rejected" if rejected else "open"
    return HoldShown(
        id=hold.id,
        scope=hold.scope,
        subject=hold.subject,
        reason=hold.reason,
        opened_at=hold.at,
        opened_by=hold.by,
        until=hold.until,
        state=state,
        release=None if ended else lifted or rejected or (proposals[-1].id if proposals else None),
        already=already,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """The ended holds, and holds whose date has come by this clock but not yet by a witness's."""

    ended: tuple[str, ...]
    unseen: tuple[str, ...]


def expire(ws: Workspace) -> Expired:
    """End every open hold that has reached its date. Its money is paid as after a release."""
    maker = ws.signer("operator")
    at = format_time(ws.clock())

    def decide(book: Book) -> DecidedStep[Expired]:
        records, unseen = [], []
        for hold in book.open_holds():
            if hold.until is None or hold.until > at:
                continue
            quorum = quorum_of(hold)
            shown = None if quorum is None else seen_at(ws.log, quorum, hold.until)
            if quorum is not None and shown is None:
                unseen.append(hold.id)
                continue
            record = Expire(
                at=at,
                by=ws.operator,
                key=maker.public.id,
                id=name_of("expire", hold=hold.id),
                hold=hold.id,
                checkpoint=None if shown is None else shown.decode(),
            )
            records.append(record)
        for name, dispute in book.disputes.files.items():
            if dispute.holds_money and dispute.admitted is not None and dispute.admitted.until <= at:
                records.append(
                    Expire(at=at, by=ws.operator, key=maker.public.id, id=name_of("expire", hold=name), hold=name)
                )
        expired = Expired(ended=tuple(end.hold for end in records), unseen=tuple(unseen))
        return DecidedStep(expired, leaves=[signed(record, maker) for record in records])

    return take(ws, decide)


def release(ws: Workspace, hold_id: str, *, note: str) -> Proposed:
    """Propose to release a hold, or to end terms.

    After approval, held money is paid with the pool's next run, a blocked payment at once; ended terms apply to no
    later run.
    """
    said(note, "a release")
    maker = ws.signer("operator")
    at = format_time(ws.clock())

    def decide(book: Book) -> DecidedStep[Proposed]:
        if not (hold_id in book.holds or hold_id in book.agreements or _held_in(ws, book, hold_id)):
            raise InputError(
                f"{hold_id!r} is not a hold, terms or held money; see settle hold list, settle terms list, "
                "settle statement PARTY"
            )
        name = name_of("release", hold=hold_id)
        if name in book.releases:
            return DecidedStep(
                Proposed(id=name, kind="release", by=book.releases[name].by, already=True, approved=book.approved(name))
            )
        record = Release(at=at, by=ws.operator, key=maker.public.id, id=name, hold=hold_id, note=note)
        return DecidedStep(proposed(record.id, "release", ws), leaves=[signed(record, maker)])

    return take(ws, decide)


def reject(ws: Workspace, hold_id: str, *, note: str) -> Proposed:
    """Propose to leave the streams named by a hold on listeners out of every later calculation."""
    said(note, "a rejection")
    maker = ws.signer("operator")
    at = format_time(ws.clock())

    def decide(book: Book) -> DecidedStep[Proposed]:
        hold = book.holds.get(hold_id)
        if hold is None or hold.scope != "listeners":
            raise InputError(
                f"{hold_id!r} is not a hold on listeners; only streams can be rejected: see settle hold list"
            )
        if hold_id in book.lifted():
            raise StateError(f"hold {hold_id} has ended; hold its listeners again first: settle fraud hold")
        name = name_of("reject", hold=hold_id)
        if name in book.rejects:
            return DecidedStep(
                Proposed(id=name, kind="reject", by=book.rejects[name].by, already=True, approved=book.approved(name))
            )
        record = Reject(at=at, by=ws.operator, key=maker.public.id, id=name, hold=hold_id, note=note)
        return DecidedStep(proposed(record.id, "reject", ws), leaves=[signed(record, maker)])

    return take(ws, decide)


def _held_in(ws: Workspace, book: Book, name: str) -> bool:
    """Return whether the registry, without a hold, holds money of a published run under this `run/party/reason`."""
    run = name.partition("/")[0]
    if run not in book.published:
        return False
    lines = load(ws.log, book.runs[run]).outcome.lines
    return any(
        line.state == "held" and not line.ref and held_line(run, line.party, line.reason) == name for line in lines
    )


def proposed(name: str, kind: str, ws: Workspace) -> Proposed:
    """Return the result for the maker."""
    return Proposed(id=name, kind=kind, by=ws.operator, approved=False, already=False)


def said(text: str, what: str) -> None:
    """Refuse a proposal that gives no reason."""
    if not text.strip():
        raise InputError(f"{what} needs a reason; the ledger contains it, and auditors and holders can read it")


# --- corrections --------------------------------------------------------------------------------


def adjust(
    ws: Workspace, party: str, *, period: str, amount: str, currency: str, reason: str, line: str, pool: str = "default"
) -> Proposed:
    """Propose a correction of a published line, booked with the named later period; the line itself stays."""
    said(reason, "an adjustment")
    Period.parse(period)
    scale(currency)
    micros = parse_amount(amount)
    if not micros:
        raise InputError("an adjustment of nothing; give an amount such as -12.50")
    if party not in ws.registry.view_of(party).parties:
        raise unknown_party(ws, party)
    maker = ws.signer("operator")
    at = format_time(ws.clock())

    def decide(book: Book) -> DecidedStep[Proposed]:
        run = find_run(book, line)
        if run.run not in book.published:
            raise StateError(f"run {run.run[:16]} is {book.state_of(run.run)}; only published lines need adjustments")
        if period <= run.period:
            raise StateError(f"run {run.run[:16]} is of {run.period}; an adjustment is booked in a later period")
        if currency != (of_run := load(ws.log, run).currency):
            raise InputError(
                f"run {run.run[:16]} is in {of_run}; an adjustment of it is in {of_run}, not in {currency}"
            )
        content = {
            "party": party,
            "period": period,
            "micros": str(micros),
            "currency": currency,
            "pool": pool,
            "reason": reason,
            "line": run.run,
        }
        name = name_of("adjust", **content)
        if name in book.adjusts:
            return DecidedStep(
                Proposed(id=name, kind="adjust", by=book.adjusts[name].by, approved=book.approved(name), already=True)
            )
        record = Adjust(
            at=at,
            by=ws.operator,
            key=maker.public.id,
            id=name,
            period=period,
            pool=pool,
            currency=currency,
            party=party,
            micros=micros,
            reason=reason,
            line=run.run,
        )
        return DecidedStep(proposed(name, "adjust", ws), leaves=[signed(record, maker)])

    return take(ws, decide)


def reverse(ws: Workspace, run_id: Digest, *, reason: str) -> Proposed:
    """Propose to undo the newest published run of its pool as a whole; approved, the period is run again."""
    said(reason, "a reversal")
    maker = ws.signer("operator")
    at = format_time(ws.clock())

    def decide(book: Book) -> DecidedStep[Proposed]:
        run = find_run(book, run_id)
        name = name_of("reverse", run=run.run)
        if name in book.reverses:
            return DecidedStep(
                Proposed(id=name, kind="reverse", by=book.reverses[name].by, approved=book.approved(name), already=True)
            )
        if run.run not in book.published:
            raise StateError(f"run {run.run[:16]} is {book.state_of(run.run)}; there is nothing to reverse")
        last = book.standing(run.pool)[-1]
        if last.run != run.run:
            raise ConflictError(
                f"run {last.run[:16]} of {last.period} builds on run {run.run[:16]}; correct it by adjustments instead"
            )
        record = Reverse(at=at, by=ws.operator, key=maker.public.id, id=name, run=run.run, reason=reason)
        return DecidedStep(proposed(name, "reverse", ws), leaves=[signed(record, maker)])

    return take(ws, decide)
