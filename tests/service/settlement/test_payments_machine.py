"""Money of several months under any order of answers, reversals, holds, accounts, new runs and crashes, for real.

Payees are paid by bank or on a chain, and on account before a month is over; that a chain has a batch is said by the
`post` leaf that the operator signs.

The model knows nothing but what each standing run earned a payee. At every hand-over all that was ever handed over and
did not come back is at most that; when all is booked, what was earned is paid, on its way, due or carried.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from ledger.errors import SettleError
from ledger.proofs import leaf
from ledger.types import Period
from payouts.accounts.payment import ROUTES, Route
from payouts.accounts.payment_states import FROM, Outcome, PartyPayment
from service.live import mandates
from service.live import paying as early
from service.registry.people import approve_payee, propose_payee
from service.settlement import holds, life, paying
from service.settlement.carrying import instalment_payments, posting_name, transfers
from service.settlement.step import read_book
from service.settlement.stored import Stored, load
from tests.service.month import Month, asked, month, published

PARTIES = ("ann", "bob")
OUTCOMES: tuple[Outcome, ...] = tuple(FROM)
POOLS = ("400.00", "1000.00", "1700.00")


@cache
def settled_june() -> tuple[TemporaryDirectory[str], int]:
    """June, published: made once, copied for every example."""
    folder = TemporaryDirectory(prefix="settle-machine-")
    june = month(Path(folder.name) / "home")
    published(june)
    june.ws.close()
    return folder, june.events


class Money(RuleBasedStateMachine):
    """Finance, its bank and its second person, who do anything at any time."""

    @initialize()
    def begin(self) -> None:
        template, events = settled_june()
        self.folder = TemporaryDirectory(prefix="settle-machine-")
        shutil.copytree(template.name, self.folder.name, dirs_exist_ok=True)
        self.month = Month(Path(self.folder.name) / "home", events=events)
        self.period = Period.parse("2026-06")
        self.accounts = 0

    def teardown(self) -> None:
        if hasattr(self, "month"):
            self.post(also_reversed=True)
            self.next_month("1000.00")
            self.everything_is_somewhere()
            self.month.ws.close()
            self.folder.cleanup()

    # --- what the log says -----------------------------------------------------------------------

    def runs(self, *, standing: bool) -> list[Stored]:
        book = read_book(self.month.ws)
        return [
            load(self.month.ws.log, book.runs[run]) for run in book.published if not (standing and book.reversed(run))
        ]

    def payments(self, stored: Stored) -> dict[str, PartyPayment]:
        return transfers(self.month.ws.log, read_book(self.month.ws), stored)

    def earned(self) -> Counter[str]:
        """What standing runs gave each payee, money whose hold ended among it."""
        total: Counter[str] = Counter()
        for stored in self.runs(standing=True):
            for party, account in stored.accounts.items():
                released = sum(one.micros for one in account.corrections if one.kind == "release")
                total[party] += account.earned + released
        return total

    def moved(self) -> Counter[str]:
        total: Counter[str] = Counter()
        for stored in self.runs(standing=False):
            total.update({party: one.moved for party, one in self.payments(stored).items()})
        total.update(self.on_account())
        return total

    def on_account(self) -> Counter[str]:
        """What instalments handed over and did not come back."""
        book, total = read_book(self.month.ws), Counter[str]()
        for record in book.mandates.instalments.values():
            payments = instalment_payments(self.month.ws.log, book, record)
            total.update({party: payment.moved for party, payment in payments.items()})
        return total

    def everything_is_somewhere(self) -> None:
        """After a run that booked all there was: earned = moved + due + carried, for every payee."""
        placed = self.moved()
        standing = self.runs(standing=True)
        for stored in standing:
            placed.update({party: one.micros for party, one in self.payments(stored).items() if one.due})
        carried = {party: one.carried for party, one in standing[-1].accounts.items()}
        for party, earned in self.earned().items():
            assert earned == placed[party] + carried.get(party, 0), party

    # --- what people and the bank do ---------------------------------------------------------------

    def tried(self, step: Callable[[], object]) -> None:
        """A step that may be refused; what it did is judged by the laws."""
        with suppress(SettleError):
            step()

    @rule(route=st.sampled_from(ROUTES))
    def pay(self, route: Route) -> None:
        before = self.moved()
        for stored in self.runs(standing=True):
            self.tried(partial(paying.pay, self.month.ws, stored.record.run, route))
        self.nobody_has_too_much(before)

    @rule(also_reversed=st.booleans())
    def post(self, *, also_reversed: bool) -> None:
        """The chain has every batch by now; also those of runs that were reversed while they were on their way."""
        book, before = read_book(self.month.ws), self.moved()
        posted = {leaf.decode(entry.body)["run"] for entry in self.month.ws.log.entries(types={"post"})}
        names = [
            name
            for run, batches in book.batches.items()
            for batch in batches
            if batch.via == "chain" and (also_reversed or not book.reversed(run))
            if (name := posting_name(run, batch.batch)) not in posted
        ]
        signer = self.month.ws.signer("operator")
        if names:
            made = (leaf.make("post", self.month.now, run=name, by="operator", chain_id=1) for name in names)
            self.month.ws.log.append([leaf.sign(body, signer) for body in made])
        if not also_reversed:
            self.nobody_has_too_much(before)

    @rule(streams=st.integers(1, 9), price=st.sampled_from(("0.50", "20.00", "300.00")), hours=st.integers(0, 2))
    def pay_early(self, streams: int, price: str, hours: int) -> None:
        """An instalment of the month that plays, at any price; what the month does not bear out is a debt."""
        ws, before = self.month.ws, self.on_account()
        self.month.now += timedelta(hours=hours)
        plays = f"{self.month.now:%Y-%m-%d}T00:00:00Z"
        self.month.stream(["trk-1"] * streams + ["trk-2"], at=plays)

        def agree() -> None:
            proposal = mandates.propose(
                ws, currency="EUR", rule="pro-rata", params={"price": price}, early_ppm=700_000, hour="900.00",
                party="400.00", hours=1, via="file", until="2027-01-01", note="trial",
            )  # fmt: skip
            life.approve(ws, proposal.id, "approver")

        self.tried(agree)
        for mandate in read_book(ws).mandates.mandates:
            self.tried(partial(early.pay, ws, mandate))
        held = {hold.subject for hold in read_book(ws).open_holds()}
        for party, micros in self.on_account().items():
            assert micros == before[party] or party not in held, f"{party} is paid early although it is held"

    @rule(party=st.sampled_from(PARTIES), outcome=st.sampled_from(OUTCOMES), nth=st.integers(0, 3))
    def hear_of_an_instalment(self, party: str, outcome: Outcome, nth: int) -> None:
        """The bank says anything of any payment on account; a second person approves it."""
        instalments = list(read_book(self.month.ws).mandates.instalments)
        if not instalments:
            return
        name = instalments[nth % len(instalments)]

        def say() -> None:
            answer = paying.confirm(self.month.ws, name, party, outcome, note="entry 9")
            if answer.id is not None and not answer.approved:
                life.approve(self.month.ws, answer.id, "approver")

        self.tried(say)

    def nobody_has_too_much(self, before: Counter[str]) -> None:
        earned, on_account = self.earned(), self.on_account()
        for party, micros in self.moved().items():
            by_runs = micros - on_account[party]
            assert micros == before[party] or by_runs <= earned[party], f"{party} is handed more than it earned"

    @rule(party=st.sampled_from(PARTIES), method=st.sampled_from(("bank", "chain")))
    def change_account(self, party: str, method: str) -> None:
        """A payee is paid to another account, or in another way, from some hours on."""
        self.accounts += 1
        account = f"0x{self.accounts:040x}" if method == "chain" else f"NEW-{self.accounts}"
        row: dict[str, str | None] = {"party": party, "method": method, "account": account}

        def change() -> None:
            approve_payee(self.month.ws, propose_payee(self.month.ws, row, None).id, "approver")

        self.tried(change)

    @rule(party=st.sampled_from(PARTIES), outcome=st.sampled_from(OUTCOMES), nth=st.integers(0, 5))
    def hear(self, party: str, outcome: Outcome, nth: int) -> None:
        """The bank says anything of any payment, also of a run that was reversed; a second person approves it."""
        runs = self.runs(standing=False)
        stored = runs[nth % len(runs)]
        run = stored.record.run
        payments = self.payments(stored)
        if party not in payments:
            return  # what it was owed was under the minimum: the run pays it nothing
        before = payments[party].state

        def say() -> None:
            heard = paying.confirm(self.month.ws, run, party, outcome, note="entry 7")
            if heard.id is not None and not heard.approved:
                life.approve(self.month.ws, heard.id, "approver")

        self.tried(say)
        after = self.payments(stored)[party].state
        assert after == before or (after == outcome and before in FROM[outcome])

    @rule(pool=st.sampled_from(POOLS))
    def reverse(self, pool: str) -> None:
        """The newest month is undone as a whole and settled anew."""
        run = self.runs(standing=True)[-1].record
        undo = holds.reverse(self.month.ws, run.run, reason="wrong pool")
        life.approve(self.month.ws, undo.id, "approver")
        self.settle(run.period, pool)

    @rule(pool=st.sampled_from(POOLS))
    @precondition(lambda self: self.period < Period.parse("2026-09"))
    def next_month(self, pool: str) -> None:
        self.period = self.period.next()
        ends = self.period.end
        self.month.now = datetime(ends.year, ends.month, 3, 9, tzinfo=UTC)
        self.month.stream(["trk-1"] * 2 + ["trk-2"], at=f"{self.period}-09T10:00:00Z")
        life.close(self.month.ws, str(self.period))
        self.settle(str(self.period), pool)

    def settle(self, period: str, pool: str) -> None:
        run = life.run(self.month.ws, asked(period=period, pool=pool)).run
        life.approve(self.month.ws, run, "approver")
        life.publish(self.month.ws, run)

    @rule(party=st.sampled_from(PARTIES))
    def hold(self, party: str) -> None:
        """Money of a party is held, and let go again by the next call."""
        for opened in holds.list_holds(self.month.ws):
            life.approve(self.month.ws, holds.release(self.month.ws, opened.id, note="cleared").id, "approver")
            return
        holds.open_hold(self.month.ws, scope="party", subject=party, reason="fraud")

    @rule(files_too=st.booleans())
    def crash(self, *, files_too: bool) -> None:
        """The process ends anywhere; the payment files may be lost with it."""
        self.month.ws.close()
        if files_too:
            shutil.rmtree(self.month.home / "payments", ignore_errors=True)
        self.month.ws = self.month.reopened()


def played(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Money,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_nobody_is_paid_twice_and_nothing_is_lost() -> None:
    """If this fails, some order of answers, reversals and crashes pays a payee twice, or loses its money."""
    played(examples=2, steps=8)


@pytest.mark.slow
def test_nobody_is_paid_twice_and_nothing_is_lost_in_many_orders() -> None:
    """If this fails, some rare order of answers, reversals and crashes pays a payee twice, or loses its money."""
    played(examples=18, steps=20)
