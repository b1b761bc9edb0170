"""Batches of payments: what may leave follows from what was published and what happened, and nothing else is taken."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from ledger.errors import VerificationError
from payouts.accounts.batches import Payable, check_batch
from payouts.accounts.payment import Instruction, batch_payload, reference
from payouts.accounts.payment_states import HandedOver, Outcome, PaymentNews, follow

RUN, ACCOUNT = "ab" * 32, "cd" * 32
INTENTS: tuple[dict[str, Any], ...] = (
    {"party": "ann", "micros": "600", "route": "file", "sent": {"currency": "JPY", "micros": "7"}},
    {"party": "bob", "micros": "200", "route": "file"},
    {"party": "cy", "micros": "90", "route": "chain"},
)


def batch(v: int = 2) -> dict[str, Any]:
    """The batch that pays ann and bob by file."""
    instructions = [
        Instruction(
            party=row["party"],
            micros=int(row["micros"]),
            reference=reference(RUN, row["party"]),
            account=ACCOUNT,
            sent=row.get("sent"),
        )
        for row in INTENTS[:2]
    ]
    return batch_payload(RUN, "file", 1, instructions, v=v)


def at(due: tuple[str, ...] = ("ann", "bob", "cy"), attempt: int = 1, **more: Any) -> Payable:
    """The three payments, each after so many failed attempts, those that are not due settled."""
    history: list[HandedOver | PaymentNews] = []
    for n in range(attempt if len(due) < 3 else attempt - 1):
        history.append(HandedOver(index=2 * n, batch=n, route="file", parties=frozenset({"ann", "bob", "cy"})))
        for party in ("ann", "bob", "cy"):
            outcome: Outcome = "settled" if party not in due and n == attempt - 1 else "failed"
            history.append(PaymentNews(index=2 * n + 1, party=party, outcome=outcome))
    payments = follow({row["party"]: int(row["micros"]) for row in INTENTS}, history)
    rest: dict[str, Any] = {"stopped": (), "accounts": dict.fromkeys(payments, ACCOUNT)} | more
    return Payable(run=RUN, intents=INTENTS, payments=payments, **rest)


def check(payload: dict[str, Any], where: Payable | None = None) -> None:
    check_batch(payload, where or at(), via="file", number=1)


def test_a_batch_of_what_is_due_holds() -> None:
    """If this fails, an honest batch of payments is called forged, or one that leaves a blocked payee out."""
    check(batch())
    check(batch_payload(RUN, "file", 1, at().instructions("file")))
    alone = batch()
    del alone["payments"][1]
    alone["micros"] = "600"
    check(alone)
    again = batch_payload(RUN, "file", 1, at(attempt=2).instructions("file"))
    assert [one["reference"] for one in again["payments"]] == [reference(RUN, name, 2) for name in ("ann", "bob")]
    check(again, at(attempt=2))
    with pytest.raises(VerificationError):
        check(again, at(attempt=3))


def test_a_batch_of_0_1_holds_in_a_log_without_accounts() -> None:
    """If this fails, honest payments of release 0.1, whose accounts no log committed to, are called forged."""
    old = batch(v=1)
    check(old, at(accounts=None))
    check(old, at(attempt=2, accounts=None))  # it wrote the first attempt's reference under every attempt
    with pytest.raises(VerificationError):
        check(old)
    with pytest.raises(VerificationError):
        check(batch(), at(accounts=None))


FALSE_BATCHES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a micro-unit more": lambda made: made["payments"][1].update(micros="201"),
    "the sum": lambda made: made.update(micros="801"),
    "twice": lambda made: made["payments"].append(made["payments"][1]),
    "by another route": lambda made: made["payments"][1].update(party="cy", micros="90"),
    "to a stranger": lambda made: made["payments"][1].update(party="mallory"),
    "under another reference": lambda made: made["payments"][0].update(reference="ST1"),
    "other money": lambda made: made["payments"][0]["sent"].update(micros="8"),
    "unconverted": lambda made: made["payments"][0].pop("sent"),
    "out of order": lambda made: made["payments"].reverse(),
    "another batch": lambda made: made.update(batch=2),
    "a number in another form": lambda made: made.update(batch=True),
    "to another account": lambda made: made["payments"][0].update(account="ef" * 32),
    "as release 0.1 wrote it": lambda made: made.update(v=1),
}


@pytest.mark.parametrize("false", FALSE_BATCHES)
def test_a_batch_of_anything_else_is_refused(false: str) -> None:
    """If this fails (finding V12), an operator signs for other payments than were published, and no audit sees it."""
    made = deepcopy(batch())
    FALSE_BATCHES[false](made)
    with pytest.raises(VerificationError):
        check(made)


@pytest.mark.parametrize(
    "where",
    [at(due=("ann",)), at(stopped=("bob",)), at(accounts={"ann": ACCOUNT})],
    ids=["paid before", "held", "without an account"],
)
def test_a_batch_pays_nobody_to_whom_nothing_may_leave(where: Payable) -> None:
    """If this fails (finding V12), a payment that arrived, or is stopped, stands in a batch, and no audit sees it."""
    with pytest.raises(VerificationError, match="pays bob, and no payment to it by file"):
        check(batch(), where)
