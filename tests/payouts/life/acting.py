"""Acts and the books made of them, for tests of the book."""

from __future__ import annotations

from typing import Any

from ledger.errors import VerificationError
from ledger.proofs.canon import encode
from ledger.proofs.tree import leaf_hash
from ledger.types import Leaf
from payouts.accounts.clauses import Advance, Agreed, PaidIn, Rate, Reserve, Withholding
from payouts.accounts.payment_states import Outcome
from payouts.life.book import Book, fold
from payouts.life.line_disputes import LineDispute
from payouts.life.mandates import Instalment, Mandate
from payouts.life.records import (
    Act,
    Approve,
    Close,
    Expire,
    Hold,
    LogSize,
    Pay,
    Payment,
    Publish,
    Release,
    Reverse,
    Run,
)

AT = "2026-07-02T09:00:00Z"
LATER = "2026-07-02T09:00:01Z"
RUNS = ("a" * 64, "b" * 64, "c" * 64)
PEOPLE = ("operator", "carol", "dan")
DOC = "d" * 64


def believe(_: int, body: Leaf) -> str:
    """Every signature is good, a key `k-NAME` is that person's: what is left to check is the rules."""
    return str(body.get("key")).removeprefix("k-")


def admit_anybody(_: int, __: LineDispute, ___: Run) -> None:
    """Everybody is entitled: what is left to check is the rules."""


def believe_documents(_: int, __: Instalment, ___: Mandate) -> None:
    """Every instalment has its document: what is left to check is the rules."""


def doubt(index: int, _: Leaf) -> str:
    raise VerificationError(f"nobody signed {index}")


def as_leaf(record: Act | Close) -> Leaf:
    return record.leaf() if isinstance(record, Close) else {**record.leaf(), "key": record.key, "sig": "c2ln"}


def book_of(*records: Act | Close) -> Book:
    leaves = [as_leaf(record) for record in records]
    hashed = ((n, leaf_hash(encode(dict(one))), one) for n, one in enumerate(leaves))
    return fold(hashed, believe, admit_anybody, believe_documents)


def close(period: str = "2026-06", *, registry_size: int = 0) -> Close:
    logs = (LogSize(origin="o", size=0, root="0" * 64),)
    return Close(at=AT, period=period, logs=logs, registry_size=registry_size)


def run(name: str = RUNS[0], **changed: Any) -> Run:
    given_: dict[str, Any] = {
        "period": "2026-06",
        "pool": "default",
        "sequence": 1,
        "by": "operator",
        "key": "k-operator",
    }
    return Run(at=AT, run=name, engine="log", statement=DOC, **(given_ | changed))


MAKES: dict[str, Any] = {"at": AT, "by": "operator", "key": "k-operator"}


def hold(name: str = "hold-1", until: str | None = LATER) -> Hold:
    return Hold(**MAKES, id=name, scope="party", subject="ann", reason="fraud", until=until)


def expire(held: str = "hold-1", at: str = LATER, name: str = "expire-1") -> Expire:
    return Expire(at=at, by="operator", key="k-operator", id=name, hold=held)


def release(held: str = "hold-1", name: str = "release-1") -> Release:
    return Release(**MAKES, id=name, hold=held, note="n")


def reverse(undone: str = RUNS[0], name: str = "reverse-1") -> Reverse:
    return Reverse(**MAKES, id=name, run=undone, reason="wrong")


def both(one: Act, name: str) -> tuple[Act, Act]:
    """An act, and a second person's signature under it."""
    return one, approve(name, document=leaf_hash(encode(dict(as_leaf(one)))).hex())


def approve(subject: str = RUNS[0], by: str = "carol", key: str = "", document: str = DOC) -> Approve:
    return Approve(at=AT, by=by, key=key or f"k-{by}", subject=subject, document=document, demo=False)


def publish(name: str = RUNS[0]) -> Publish:
    return Publish(at=AT, by="operator", key="k-operator", run=name, statement=DOC)


def pay(name: str = RUNS[0], batch: int = 1) -> Pay:
    return Pay(at=AT, by="operator", key="k-operator", run=name, via="file", batch=batch, statement=DOC)


PAID: tuple[Act | Close, ...] = (close(), run(), approve(), publish(), pay())


def payment(outcome: Outcome) -> Payment:
    return Payment(at=AT, by="operator", key="k-operator", run=RUNS[0], party="ann", outcome=outcome, reference="")


def agreed(outcome: Outcome, heard: int = 0) -> Approve:
    claim = payment(outcome)
    return approve(claim.claim(heard), document=leaf_hash(encode(dict(as_leaf(claim)))).hex())


AGREED = tuple(
    Agreed.of(period="2026-06", note="contract 1", clause=clause)
    for clause in (
        Advance(party="ann", pool="default", currency="EUR", micros=10**20, ppm=1),
        Reserve(party="ann", ppm=1_000_000, months=1),
        Withholding(party="bob", ppm=150_000, territory="SE"),
        PaidIn(party="bob", currency="USD"),
        Rate(currency="EUR", to="USD", rate="7/6", date="2026-06-30"),
    )
)
