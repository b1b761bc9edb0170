"""Payments as a state machine, driven by every order of answers that a bank or a chain may give."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from payouts.accounts.payment import Route
from payouts.accounts.payment_states import FROM, HandedOver, Outcome, PartyPayment, PaymentNews, follow

MICROS = 600
OUTCOMES: tuple[Outcome, ...] = tuple(FROM)


class Payments(RuleBasedStateMachine):
    """One payment, and the bank or chain beside it, which says anything at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.transfer = PartyPayment(micros=MICROS)
        self.index = 0
        self.arrived = False

    @rule(route=st.sampled_from(("file", "chain")), posts=st.booleans())
    @precondition(lambda self: self.transfer.due)
    def hand_over(self, route: Route, posts: bool) -> None:
        assert self.transfer.moved == 0, "what settled or is on its way is handed over again"
        self.index += 2
        posted = self.index - 1 if route == "chain" and posts else None
        batch = HandedOver(index=self.index, batch=self.index, route=route, parties=frozenset({"p"}), posted=posted)
        self.transfer.hand_over(batch)

    @rule(outcome=st.sampled_from(OUTCOMES), reference=st.sampled_from(("", "entry-1", "0xabc")))
    def hear(self, outcome: Outcome, reference: str) -> None:
        self.index += 1
        before = self.transfer.state
        posted = bool(self.transfer.attempts) and self.transfer.attempts[-1].posted is not None
        self.transfer.hear(PaymentNews(index=self.index, party="p", outcome=outcome, reference=reference))
        if self.transfer.state == before:
            return
        assert before in FROM[outcome]
        if outcome in ("failed", "returned"):
            assert not posted, "what a chain has posted stays claimable"
        if outcome == "written-off" and posted and before == "handed over":
            assert reference.startswith("0x"), "only the contract writes off what it owes"

    @invariant()
    def nothing_twice_and_nothing_lost(self) -> None:
        one = self.transfer
        assert one.moved <= MICROS
        assert not one.overpaid
        owed = one.state in ("written-off", "returned")
        on_its_way = any(attempt.alive for attempt in one.attempts)
        assert one.due + owed + on_its_way == 1, "it is paid or under way, may be sent, or is owed: one of them"


TestPayments = Payments.TestCase
TestPayments.settings = settings(max_examples=150, stateful_step_count=20, deadline=None)
TestPayments.__doc__ = "If this fails, some order of a bank's or a chain's answers pays a payee twice or not at all."


def after(*heard: Outcome, batches: int = 1) -> PartyPayment:
    """A payment by file after so many hand-overs, then these answers."""
    handed = [HandedOver(index=n, batch=n, route="file", parties=frozenset({"p"})) for n in range(batches)]
    said = [PaymentNews(index=9 + n, party="p", outcome=one, reference="entry") for n, one in enumerate(heard)]
    return follow({"p": MICROS}, [*handed, *said])["p"]


@pytest.mark.parametrize(
    ("heard", "state", "due", "moved"),
    [
        ((), "handed over", False, MICROS),
        (("failed",), "failed", True, 0),
        (("failed", "settled"), "settled", False, MICROS),
        (("failed", "written-off"), "written-off", False, 0),
        (("settled", "failed"), "settled", False, MICROS),
        (("settled", "returned"), "returned", False, 0),
        (("settled", "returned", "returned"), "returned", False, 0),
    ],
)
def test_what_follows_from_a_banks_answers(heard: tuple[Outcome, ...], state: str, due: bool, moved: int) -> None:
    """If this fails (findings M2 and M3), a payment that settled or was written off is sent again."""
    one = after(*heard)
    assert (one.state, one.due, one.moved) == (state, due, moved)


def test_what_release_0_1_sent_twice_counts_twice() -> None:
    """If this fails, money that an old log shows to have left twice is not seen."""
    assert after(batches=2).overpaid == MICROS
