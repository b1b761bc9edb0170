"""The royalty-clean certificate of a track: licences, unattributed part, and what became of the money, until when.

It is refused, with every reason, unless the track is clear for release and all that published months owe for it is
paid, with the bank, or kept for somebody.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ledger.proofs import canon, dsse
from ledger.registry.facts import ClearFact
from ledger.registry.intake import Planned
from ledger.types import Digest, Period, format_time
from payouts.division.breakdown import break_down
from payouts.life.records import Run
from service.registry.deciding import judge
from service.registry.signing import signer
from service.settlement.payment_list import ListedPayment, PaymentFilter, payments
from service.settlement.runs import again
from service.settlement.step import read_book
from service.settlement.stored import load

if TYPE_CHECKING:
    from service.workspace import Workspace

ROYALTY_CLEAN_TYPE: Final = "application/vnd.settle.royalty-clean+json"
PAID, ON_ITS_WAY, CARRIED, ESCROWED = "paid", "with the bank", "carried over", "escrowed"
"""Where money may be: escrowed is what is held, blocked or in suspense; it is somebody's, and not yet decided whose."""
_STATES: Final = {"settled": PAID, "handed over": ON_ITS_WAY, "blocked": ESCROWED}
_OPEN: Final = {
    "to be paid": "settle pay pays it",
    "failed": "settle pay sends it again",
    "returned": "the bank sent it back",
    "written-off": "it was written off",
}


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
    runs = sorted(book.standing(), key=lambda run: (run.period, run.pool, run.sequence))
    published = sorted({run.period for run in runs})
    reasons = list(verdict.reasons)
    reasons += [f"month {month} is closed and not published" for month in sorted(set(book.closes) - set(published))]
    money, problems = _money(ws, runs, track)
    reasons += problems
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


def _money(ws: Workspace, runs: list[Run], track: str) -> tuple[Counter[tuple[str, str]], list[str]]:
    """What the runs divided for the track, by currency and by where it is, and what speaks against a certificate."""
    sums: Counter[tuple[str, str]] = Counter()
    problems: list[str] = []
    listed = payments(ws, PaymentFilter())
    for number, run in enumerate(runs):
        stored = load(ws.log, run)
        for line, pieces in break_down(again(ws, stored), stored.outcome):
            micros = sum(piece.micros for piece in pieces if piece.track == track)
            if not micros:
                continue
            if line.state != "allocated":
                sums[stored.currency, ESCROWED] += micros
                continue
            payment = _payment(listed, runs[number:], run.pool, line.party)
            state = CARRIED if payment is None else _STATES.get(payment.state, "")
            if payment is not None and not state:
                problems.append(
                    f"the payment of {run.period} to {line.party} is {payment.state}: {_OPEN[payment.state]}"
                )
                continue
            sums[stored.currency, state] += micros
    return sums, sorted(set(problems))


def _payment(listed: list[ListedPayment], runs: list[Run], pool: str, party: str) -> ListedPayment | None:
    """The party's first payment from this run on: a balance below the minimum is paid with a later one."""
    following = [run.run for run in runs if run.pool == pool]
    of_party = {payment.run: payment for payment in listed if payment.party == party}
    return next((of_party[run] for run in following if run in of_party), None)
