"""A machine that drives the pool and its model in any order of steps, and compares them.

Every rule but `wait` sends one transaction. What it must come to, the model says beforehand: the refusal
or the success, the events, who gets how much. Rules that must be refused are valid but for one thing, so
that no other check can refuse for the one under test.
"""

from __future__ import annotations

from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from contracts.effects import posting_digest
from contracts.merkle import keccak
from tests.contracts.evm import Result
from tests.contracts.model import MAX_PAUSE, PAYEES, Model, Standing
from tests.contracts.world import DAY, DORMANCY, GUARDIAN, NOTICE, PUBLISHER, WINDOW, Row, Tree, World, account, payee

payees = st.integers(0, PAYEES - 1)
amounts = st.lists(st.integers(0, 500), min_size=PAYEES, max_size=PAYEES)


class PoolMachine(RuleBasedStateMachine):
    """Subclasses set `world`; each example starts from a fresh snapshot of it."""

    world: ClassVar[World]

    @initialize(more=amounts, wait=st.booleans())
    def start(self, more: list[int], wait: bool) -> None:
        self._sandbox = self.world.evm.sandbox()
        self._sandbox.__enter__()
        self.model = Model()
        self.replay: dict[str, Any] = {"claimed": {}, "posted": {}}
        self.vetoed: list[Tree] = []
        self.rechecked = 0
        self.post(more=more, moved=None, over=False, spare=0)
        if wait:
            self.settle_pending()

    def teardown(self) -> None:
        if hasattr(self, "_sandbox"):
            self._sandbox.__exit__(None, None, None)

    # --- helpers

    @property
    def now(self) -> int:
        return self.world.evm.now

    def pending(self) -> bool:
        return self.now < self.model.latest.active_at

    def paused(self) -> bool:
        return self.now < self.model.paused_until

    def send(self, who: str, name: str, *arguments: Any) -> Result:
        result = self.world.pool.send(getattr(self.world, who), name, *arguments)
        for event in self.world.pool.events(result):
            self.replayed(*event)
        return result

    def refused(self, who: str, name: str, *arguments: Any, why: str) -> None:
        result = self.send(who, name, *arguments)
        assert not result.ok, f"{name} was accepted; it should be refused: {why}"
        assert why in result.reason, f"{name}: refused for {result.reason!r}, expected {why!r}"

    def accepted(self, who: str, name: str, *arguments: Any) -> Result:
        result = self.send(who, name, *arguments)
        assert result.ok, f"{name} was refused: {result.reason}"
        return result

    def mint(self, amount: int) -> None:
        self.world.mint(amount)
        self.model.deposited += amount

    def fund_for(self, total: int) -> None:
        self.mint(max(0, total - self.model.taken - self.model.balance))

    def next_tree(self, more: list[int], moved: int | None) -> Tree:
        """The rows of the standing tree with more on top, and one payee's account replaced."""
        rows: list[Row] = list(self.model.latest.tree.rows) if self.model.latest.tree else []
        rows = rows or [(payee(n), account(n), 1) for n in range(PAYEES)]
        rows = [(who, where, owed + extra) for (who, where, owed), extra in zip(rows, more, strict=True)]
        if moved is not None:
            rows[moved] = (rows[moved][0], account(100 + 10 * moved + self.model.sequence), rows[moved][2])
        return self.world.tree(rows)

    def post_arguments(self, tree: Tree, total: int | None = None) -> list[Any]:
        sequence = self.model.sequence + 1
        ledger = [keccak(b"ledger %d" % sequence), self.model.size + 1]
        return [sequence, keccak(b"period %d" % sequence), tree.root, *ledger, tree.total if total is None else total]

    def settle_pending(self) -> None:
        if self.pending():
            self.world.evm.now = self.model.latest.active_at

    def end_pause(self) -> None:
        self.world.evm.now = max(self.now, self.model.paused_until)

    def owed(self, standing: Standing) -> list[int]:
        """Payees whom this root owes something that its total covers."""
        rows = standing.tree.rows if standing.tree else ()
        room = standing.total - self.model.taken
        return [n for n, row in enumerate(rows) if 0 < row[2] - self.model.claimed[n] <= room]

    def expect_paid(self, n: int, row: Row) -> None:
        amount = row[2] - self.model.claimed[n]
        self.model.claimed[n] = row[2]
        self.model.paid += amount
        self.model.balances[row[1]] = self.model.balances.get(row[1], 0) + amount

    # --- posting

    @rule(more=amounts, moved=st.none() | payees, over=st.booleans(), spare=st.integers(0, 50))
    def post(self, more: list[int], moved: int | None, over: bool, spare: int) -> None:
        """A valid posting; at times its tree sums to more than its total."""
        self.settle_pending()
        tree = self.next_tree(more, moved)
        total = max(self.model.latest.total, tree.total // 2 if over else tree.total)
        self.fund_for(total + spare)
        arguments = self.post_arguments(tree, total)
        self.accepted("publisher", "post", *arguments)
        model = self.model
        model.previous = model.latest
        model.latest = Standing(tree, total, self.now + WINDOW)
        model.sequence, model.size, model.dormant = arguments[0], arguments[4], False
        model.digests[model.sequence] = posting_digest(*arguments[1:])

    @rule(
        more=amounts,
        fault=st.sampled_from(
            ["stranger", "sequence", "skipped", "root", "total", "unfunded", "size", "ledger", "huge", "no ledger"]
        ),
    )
    def post_refused(self, more: list[int], fault: str) -> None:
        """A posting that is right but for one thing."""
        self.settle_pending()
        tree = self.next_tree(more, None)
        arguments = self.post_arguments(tree, max(tree.total, self.model.latest.total))
        who, why = "publisher", ""
        if fault == "stranger":
            who, why = "stranger", "publisher only"
        elif fault in ("sequence", "skipped"):
            arguments[0] += 1 if fault == "skipped" else -1
            why = "not the next sequence"
        elif fault == "root":
            arguments[2], why = bytes(32), "empty root"
        elif fault == "total" and self.model.latest.total > self.model.taken:
            arguments[5], why = self.model.latest.total - 1, "total fell"
        elif fault == "huge":
            arguments[5], why = 2**96, "total fell"
            with self.world.evm.sandbox():
                self.world.mint(2**97)
                self.refused(who, "post", *arguments, why=why)
            return
        elif fault == "size" and self.model.size > 1:
            arguments[4], why = self.model.size - 1, "went back"
        elif fault == "ledger" and self.model.size:
            arguments[4], why = self.model.size, "went back"
        elif fault == "no ledger":
            arguments[3], why = bytes(32), "empty root"
        elif fault == "unfunded":
            arguments[5], why = self.model.balance + self.model.taken + 1, "not funded"
        if not why:
            return
        if fault != "unfunded":
            self.fund_for(arguments[5])
        elif arguments[5] < self.model.latest.total:
            return
        self.refused(who, "post", *arguments, why=why)

    @precondition(lambda self: self.pending())
    @rule(more=amounts)
    def post_over_pending(self, more: list[int]) -> None:
        tree = self.next_tree(more, None)
        total = max(tree.total, self.model.latest.total)
        self.fund_for(total)
        self.refused("publisher", "post", *self.post_arguments(tree, total), why="one is pending")

    @precondition(lambda self: self.pending())
    @rule(who=st.sampled_from(["guardian", "owner"]))
    def veto(self, who: str) -> None:
        self.accepted(who, "veto")
        assert self.model.latest.tree
        self.vetoed.append(self.model.latest.tree)
        self.model.latest = self.model.previous

    @precondition(lambda self: self.pending())
    @rule(who=st.sampled_from(["publisher", "stranger"]))
    def veto_by_others(self, who: str) -> None:
        self.refused(who, "veto", why="guardian or owner only")

    @precondition(lambda self: self.pending())
    @rule()
    def veto_too_late(self) -> None:
        self.settle_pending()
        self.refused("guardian", "veto", why="nothing is pending")

    @rule(grow=st.integers(1, 5))
    def anchor(self, grow: int) -> None:
        self.model.size += grow
        self.accepted("publisher", "anchor", keccak(b"anchor %d" % self.model.size), self.model.size)

    @precondition(lambda self: self.model.size > 1)
    @rule(back=st.integers(0, 1))
    def anchor_refused(self, back: int) -> None:
        self.refused("publisher", "anchor", keccak(b"other"), self.model.size - back, why="went back")
        self.refused("stranger", "anchor", keccak(b"other"), self.model.size + 1, why="publisher only")

    # --- claims

    @rule(n=payees, late=st.booleans())
    def claim(self, n: int, late: bool) -> None:
        """A right claim, under the root that serves; it comes to what the model says."""
        if late:
            self.settle_pending()
        standing = self.model.serving(self.now)
        if standing.tree is None:
            return
        row, call = standing.tree.rows[n], standing.tree.claim(n)
        amount = row[2] - self.model.claimed[n]
        if self.paused():
            self.refused("stranger", "claim", *call, why="paused")
        elif amount <= 0:
            self.refused("stranger", "claim", *call, why="nothing owed")
        elif amount > standing.total - self.model.taken:
            self.refused("stranger", "claim", *call, why="over the posted total")
        elif self.model.dormant and amount > self.model.balance:
            self.refused("stranger", "claim", *call, why="token refused")
        else:
            self.accepted("stranger", "claim", *call)
            self.expect_paid(n, row)

    @rule(ns=st.lists(payees, min_size=1, max_size=8), forged=st.sets(st.integers(0, 7), max_size=3))
    def claim_many(self, ns: list[int], forged: set[int]) -> None:
        """A batch with repetitions and forgeries in it comes to what single claims would."""
        self.settle_pending()
        standing = self.model.serving(self.now)
        if standing.tree is None:
            return
        calls = [standing.tree.claim(n) for n in ns]
        for place in forged & set(range(len(calls))):
            calls[place] = (*calls[place][:2], calls[place][2] + 1, calls[place][3])
        if self.paused():
            self.refused("stranger", "claim_many", calls, why="paused")
            return
        expected = []
        for place, n in enumerate(ns):
            row = standing.tree.rows[n]
            amount = row[2] - self.model.claimed[n]
            if place in forged:
                expected.append(("Unpaid", 1))
            elif amount <= 0:
                expected.append(("Unpaid", 2))
            elif amount > standing.total - self.model.taken:
                expected.append(("Unpaid", 3))
            elif amount > self.model.balance:
                expected.append(("Unpaid", 4))
            else:
                self.expect_paid(n, row)
                expected.append(("Paid", amount))
        events = self.world.pool.events(self.accepted("stranger", "claim_many", calls))
        assert [(name, said.get("reason", said.get("amount"))) for name, said in events] == expected

    @precondition(lambda self: self.owed(self.model.latest))
    @rule(data=st.data(), fault=st.sampled_from(["amount", "account", "payee", "proof", "short proof"]))
    def claim_forged(self, data: st.DataObject, fault: str) -> None:
        """A claim that is right, and owed, but for one part."""
        self.settle_pending()
        self.end_pause()
        standing = self.model.latest
        n = data.draw(st.sampled_from(self.owed(standing)))
        if standing.tree is None:
            return
        who, where, cumulative, proof = standing.tree.claim(n)
        if fault == "amount" and standing.total - self.model.taken > cumulative - self.model.claimed[n]:
            cumulative += 1
        elif fault == "account":
            where = self.world.stranger
        elif fault == "payee":
            who = payee(77)
        elif fault == "proof":
            proof = standing.tree.claim((n + 1) % PAYEES)[3]
        elif fault == "short proof":
            proof = proof[:-1]
        else:
            return
        self.refused("stranger", "claim", who, where, cumulative, proof, why="not a leaf")

    @precondition(lambda self: self.pending() and not self.paused())
    @rule(data=st.data())
    def claim_under_pending_root(self, data: st.DataObject) -> None:
        """Owed, funded and proven, but under the root that does not serve yet."""
        if not (owed := self.owed(self.model.latest)) or self.model.latest.tree is None:
            return
        n = data.draw(st.sampled_from(owed))
        serving = self.model.serving(self.now)
        call = self.model.latest.tree.claim(n)
        if serving.tree is None or serving.tree.claim(n) != call:
            self.refused("stranger", "claim", *call, why="not a leaf")

    @precondition(lambda self: self.vetoed and not self.pending())
    @rule(n=payees)
    def claim_under_vetoed_root(self, n: int) -> None:
        self.end_pause()
        standing = self.model.serving(self.now)
        call = self.vetoed[-1].claim(n)
        if standing.tree is None or self.vetoed[-1].root != standing.tree.root:
            self.refused("stranger", "claim", *call, why="not a leaf")

    @precondition(lambda self: not self.model.dormant and self.owed(self.model.latest))
    @rule(data=st.data(), mood=st.sampled_from([1, 2, 4, 5, 6]))
    def claim_refused_by_token(self, data: st.DataObject, mood: int) -> None:
        """Owed and proven, but the token does not pay this account; nothing may be counted as paid."""
        self.settle_pending()
        self.end_pause()
        standing = self.model.latest
        n = data.draw(st.sampled_from(self.owed(standing)))
        if standing.tree is None:
            return
        call = standing.tree.claim(n)
        self.world.token.send(self.world.stranger, "set_mood", call[1], mood)
        self.refused("stranger", "claim", *call, why="token refused")
        events = self.world.pool.events(self.accepted("stranger", "claim_many", [call]))
        assert [(name, said["reason"]) for name, said in events] == [("Unpaid", 4)]
        self.world.token.send(self.world.stranger, "set_mood", call[1], 0)

    # --- time, pause, sweep, write-off, roles

    @rule(seconds=st.sampled_from([1, DAY, WINDOW, NOTICE]))
    def wait(self, seconds: int) -> None:
        self.world.evm.now += seconds

    @rule(who=st.sampled_from(["guardian", "owner"]))
    def pause(self, who: str) -> None:
        if self.now >= self.model.paused_until + MAX_PAUSE:
            self.accepted(who, "pause", True)
            self.model.paused_until = self.now + MAX_PAUSE
        else:
            self.refused(who, "pause", True, why="too soon")

    @precondition(lambda self: self.model.paused_until)
    @rule()
    def unpause(self) -> None:
        if self.paused():
            self.refused("guardian", "pause", False, why="guardian or owner only")
            self.accepted("owner", "pause", False)
            self.model.paused_until = self.now
        else:
            self.refused("owner", "pause", False, why="not paused")

    @rule(spare=st.integers(0, 100))
    def sweep(self, spare: int) -> None:
        if self.model.dormant:
            return
        self.mint(spare)
        surplus = self.model.balance - (self.model.latest.total - self.model.taken)
        if surplus > 0:
            self.refused("stranger", "sweep", self.world.stranger, False, why="owner only")
            self.accepted("owner", "sweep", self.world.owner, False)
            self.model.swept += surplus
            self.model.balances[self.world.owner] = self.model.balances.get(self.world.owner, 0) + surplus
        else:
            self.refused("owner", "sweep", self.world.owner, False, why="nothing to sweep")

    @rule(early=st.booleans())
    def sweep_everything(self, early: bool) -> None:
        self.settle_pending()
        self.mint(1)
        due = self.model.latest.active_at + DORMANCY
        if early and self.now < due:
            self.world.evm.now = due - 1
            self.refused("owner", "sweep", self.world.owner, True, why="not dormant")
        elif not early:
            self.world.evm.now = max(self.now, due)
            amount = self.model.balance
            self.accepted("owner", "sweep", self.world.owner, True)
            self.model.swept += amount
            self.model.balances[self.world.owner] = self.model.balances.get(self.world.owner, 0) + amount
            self.model.dormant = True

    @rule(n=payees)
    def notice(self, n: int) -> None:
        standing = self.model.serving(self.now)
        if standing.tree is None:
            return
        call = standing.tree.claim(n)
        if call[2] > self.model.claimed[n]:
            self.refused("stranger", "notice_write_off", *call, why="owner only")
            self.accepted("owner", "notice_write_off", *call)
            self.model.notices[n] = (call[2], self.now + NOTICE)
        else:
            self.refused("owner", "notice_write_off", *call, why="nothing owed")

    @precondition(lambda self: self.model.notices)
    @rule(data=st.data(), early=st.booleans())
    def write_off(self, data: st.DataObject, early: bool) -> None:
        n = data.draw(st.sampled_from(sorted(self.model.notices)))
        cumulative, due = self.model.notices[n]
        self.end_pause()
        if early and self.now < due:
            self.world.evm.now = max(self.now, due - 1)
            self.refused("owner", "write_off", payee(n), why="no notice, or not due")
            return
        self.world.evm.now = max(self.now, due)
        standing = self.model.serving(self.now)
        amount = cumulative - self.model.claimed[n]
        if 0 < amount <= standing.total - self.model.taken:
            self.refused("stranger", "write_off", payee(n), why="owner only")
            self.accepted("owner", "write_off", payee(n))
            self.model.claimed[n] = cumulative
            self.model.lapsed += amount
            del self.model.notices[n]
        else:
            assert not self.send("owner", "write_off", payee(n)).ok

    @rule(role=st.sampled_from([PUBLISHER, GUARDIAN]))
    def change_role(self, role: int) -> None:
        """A role goes to another account and back, each after its window and not before."""
        name = {PUBLISHER: "publisher", GUARDIAN: "guardian"}[role]
        holder, heir = getattr(self.world, name), self.world.evm.accounts[5]
        with self.world.evm.sandbox():
            self.refused("stranger", "offer_role", role, heir, why="owner only")
            assert self.world.pool.send(self.world.owner, "offer_role", role, heir).ok
            self.world.evm.now += WINDOW - 1
            assert not self.world.pool.send(heir, "take_role", role).ok
            self.world.evm.now += 1
            assert not self.world.pool.send(self.world.stranger, "take_role", role).ok
            assert self.world.pool.send(heir, "take_role", role).ok
            assert self.world.pool.read("holder_of", role) == heir.lower()
        assert self.world.pool.read("holder_of", role) == holder.lower()

    # --- what always holds

    @invariant()
    def books_balance(self) -> None:
        """Deposited = balance + paid + swept; what is owed is there; claimed by payee sums to claimed."""
        model = self.model
        assert self.world.balance(self.world.pool.address) == model.balance
        assert sum(model.claimed.values()) == model.taken <= max(model.latest.total, model.previous.total)
        if not model.dormant:
            assert model.balance >= model.latest.total - model.taken
        for who, amount in model.balances.items():
            assert self.world.balance(who) == amount

    @invariant()
    def storage_is_the_models(self) -> None:
        """Everything that the pool tells is what the model expects."""
        model, serving = self.model, self.model.serving(self.now)
        assert self.world.pool.read("status") == {
            "sequence": model.sequence,
            "pending": self.pending(),
            "active_at": model.latest.active_at,
            "total": model.latest.total,
            "claimed": model.taken,
            "serving_root": serving.tree.root if serving.tree else bytes(32),
            "serving_total": serving.total,
            "ledger_size": model.size,
            "paused_until": model.paused_until,
        }
        if self.rechecked != model.sequence:
            self.rechecked = model.sequence
            assert self.world.pool.read("posted", model.sequence) == model.digests[model.sequence]

    @invariant()
    def events_rebuild_the_storage(self) -> None:
        """Whoever saw only the events knows what everybody has claimed, what was posted and what is anchored."""
        for n in range(PAYEES):
            assert self.world.claimed(payee(n)) == self.replay["claimed"].get(payee(n), 0)
            assert self.replay["claimed"].get(payee(n), 0) == self.model.claimed[n]
        assert self.replay["posted"] == self.model.digests
        assert self.replay.get("size", 0) == self.model.size
        assert self.replay.get("paused_until", 0) == self.model.paused_until
        if "ledger" in self.replay:
            slot = self.world.code.slots["ledger_root"]
            assert self.world.evm.storage(self.world.pool.address, slot).to_bytes(32, "big") == self.replay["ledger"]

    def replayed(self, name: str, said: dict[str, Any]) -> None:
        """Take one event into the account that knows nothing else."""
        if name in ("Paid", "WrittenOff"):
            self.replay["claimed"][said["payee_id"]] = said["cumulative"]
        elif name == "Posted":
            parts = [said[part] for part in ("period", "payout_root", "ledger_root", "ledger_size", "total")]
            self.replay["posted"][said["sequence"]] = posting_digest(*parts)
        elif name == "PauseSet":
            self.replay["paused_until"] = said["until"]
        if name in ("Posted", "Anchored"):
            self.replay["ledger"], self.replay["size"] = said["ledger_root"], said["ledger_size"]
