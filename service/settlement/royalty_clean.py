"""The royalty-clean certificate of a track: licences, unattributed part, and what became of the money, until when.

It is refused, with every reason, unless the track is clear for release and all that published months owe for it is
paid, with the bank, or kept for somebody.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ledger.errors import ConflictError
from ledger.proofs import canon, dsse
from ledger.registry.facts import ClearFact
from ledger.registry.intake import Planned
from ledger.types import Digest, Period, format_time
from payouts.division.breakdown import break_down
from payouts.life.book import Book
from service.registry.deciding import judge
from service.registry.signing import signer
from service.settlement.money_states import ESCROWED, MoneyStates
from service.settlement.pools import check_apart
from service.settlement.runs import again
from service.settlement.step import read_book
from service.settlement.stored import Stored, load

if TYPE_CHECKING:
    from service.workspace import Workspace

ROYALTY_CLEAN_TYPE: Final = "application/vnd.settle.royalty-clean+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoyaltyClean:
    """Whether a track is royalty-clean, with every reason against it; `certificate` is the digest of the signed one.

    `money` sums what the published months earned by the track, by where it is. `until` is when the last of them ends.
    """

    track: str
    clean: bool
    reasons: tuple[str, ...]
    until: str | None
    vector: Digest | None
    trained_on: int
    trained_without: int
    unlicensed_ppm: int
    unattributed_ppm: int
    months: tuple[str, ...]
    money: tuple[dict[str, Any], ...]
    certificate: Digest | None


def certify(ws: Workspace, track: str) -> RoyaltyClean:
    """`settle certificate`: sign the certificate, or say why there is none."""
    view = ws.registry.view()
    verdict = judge(ws, view, track)
    book = read_book(ws)
    standing = [load(ws.log, run) for run in book.standing()]
    published = sorted({stored.record.period for stored in standing})
    pools = sorted({(stored.record.period, stored.record.pool, stored.currency) for stored in standing})
    money, problems = _money(ws, book, standing, track)
    reasons = [*verdict.reasons, *_unpublished(ws, book, standing), *problems]
    if not money:
        reasons.append("no published month has money of this track; before release, settle registry clear is the check")
    until = format_time(Period.parse(published[-1]).end) if published else None
    rows = tuple(
        {"currency": currency, "state": state, "micros": str(micros)}
        for (currency, state), micros in sorted(money.items())
    )
    certificate = None
    if not reasons:
        who, now = signer(ws), format_time(ws.clock())
        payload = {
            "v": 1,
            "type": "royalty-clean",
            "origin": ws.log.origin,
            "size": view.size,
            "issued_at": now,
            "track": track,
            "vector": verdict.vector,
            "trained_on": verdict.trained_on,
            "trained_without": verdict.trained_without,
            "unlicensed_ppm": verdict.unlicensed_ppm,
            "unlicensed_limit_ppm": verdict.limit_ppm,
            "unattributed_ppm": verdict.unattributed_ppm,
            "unattributed_limit_ppm": verdict.unattributed_limit_ppm,
            "months": published,
            "pools": [{"month": month, "pool": pool, "currency": currency} for month, pool, currency in pools],
            "until": until,
            "money": list(rows),
        }
        envelope = dsse.sign(ROYALTY_CLEAN_TYPE, canon.encode(payload), [who.key])
        fact = ClearFact(id=envelope.digest, track=track, vector=verdict.vector or "")
        ws.registry.register([Planned(fact)], who, known=view.size, at=now, blobs=[envelope.encode()])
        certificate = envelope.digest
    return RoyaltyClean(
        track=track,
        clean=not reasons,
        reasons=tuple(reasons),
        until=until,
        vector=verdict.vector,
        trained_on=verdict.trained_on,
        trained_without=verdict.trained_without,
        unlicensed_ppm=verdict.unlicensed_ppm,
        unattributed_ppm=verdict.unattributed_ppm,
        months=tuple(published),
        money=rows,
        certificate=certificate,
    )


def _unpublished(ws: Workspace, book: Book, standing: list[Stored]) -> list[str]:
    """A reason for each closed month without a published run, and for each pool that was calculated and is unpaid."""
    pools = {(stored.record.period, stored.record.pool, stored.currency) for stored in standing}
    months = {period for period, *_ in pools}
    waiting = {
        (stored.record.period, stored.record.pool, stored.currency)
        for run in book.runs.values()
        if run.period in months and _may_be_published(ws, book, stored := load(ws.log, run))
    }
    return [f"month {month} is closed and not published" for month in sorted(set(book.closes) - months)] + [
        f"pool {pool} of {month} in {currency} is calculated and no run of it is published"
        for month, pool, currency in sorted(waiting - pools)
    ]


def _may_be_published(ws: Workspace, book: Book, stored: Stored) -> bool:
    """Whether a run's streams are not those of a published pool: a calculation for comparison owes nobody anything."""
    try:
        check_apart(ws.log, book, stored.record.run, stored.terms, stored.rule)
    except ConflictError:
        return False
    return True


def _money(ws: Workspace, book: Book, standing: list[Stored], track: str) -> tuple[Counter[tuple[str, str]], list[str]]:
    """What the runs divided for the track, by currency and by where it is, and what speaks against a certificate."""
    sums: Counter[tuple[str, str]] = Counter()
    problems: set[str] = set()
    money = MoneyStates(ws, book, standing)
    for stored in standing:
        for line, pieces in break_down(again(ws, stored), stored.outcome):
            micros = sum(piece.micros for piece in pieces if piece.track == track)
            if not micros:
                continue
            state, problem = (ESCROWED, "") if line.state != "allocated" else money.state(stored, line.party)
            if problem:
                problems.add(problem)
            else:
                sums[stored.currency, state] += micros
    return sums, sorted(problems)
