"""The pool's promises, one by one; the state machine beside this file tries them in every order."""

from __future__ import annotations

import pytest

from contracts.effects import posting_digest
from contracts.merkle import keccak
from tests.contracts.compiled import pool, token
from tests.contracts.evm import Evm
from tests.contracts.world import DAY, DORMANCY, GUARDIAN, NOTICE, OWNER, PUBLISHER, WINDOW, World, account, payee

ROWS = [(payee(n), account(n), 1_000 * (n + 1)) for n in range(5)]
MORE = [(payee(n), account(n), 3_000 * (n + 1)) for n in range(5)]


def test_a_claim_pays_the_leafs_account_and_nobody_else() -> None:
    """If this fails, money goes to whoever calls, or not at all."""
    world = World()
    tree = world.active(ROWS)
    done = world.pool.send(world.stranger, "claim", *tree.claim(2))
    assert done.ok
    assert world.balance(account(2)) == 3_000
    assert world.balance(world.stranger) == 0
    assert world.pool.events(done) == [
        ("Paid", {"payee_id": payee(2), "account": account(2), "amount": 3_000, "cumulative": 3_000})
    ]
    assert world.pool.send(world.stranger, "claim", *tree.claim(2)).reason == "claim: nothing owed"


def test_unclaimed_money_is_claimable_under_every_later_root() -> None:
    """If this fails, a payee who waits loses a period's money."""
    world = World()
    world.active(ROWS)
    tree = world.active(MORE, 2)
    assert world.pool.send(world.stranger, "claim", *tree.claim(0)).ok
    assert world.balance(account(0)) == 3_000


def test_a_lost_account_is_replaced_in_the_next_root() -> None:
    """If this fails, claims are counted by account and a replaced account is paid from the beginning again."""
    world = World()
    first = world.active(ROWS)
    assert world.pool.send(world.stranger, "claim", *first.claim(0)).ok
    second = world.active([(payee(0), account(99), 5_000), *ROWS[1:]], 2)
    assert world.pool.send(world.stranger, "claim", *second.claim(0)).ok
    assert (world.balance(account(0)), world.balance(account(99))) == (1_000, 4_000)


def test_the_previous_root_serves_while_the_window_runs() -> None:
    """If this fails, a posting pays before anybody could look at it."""
    world = World()
    first = world.active(ROWS)
    second = world.tree(MORE)
    world.mint(second.total)
    assert world.post(2, second).ok
    world.evm.now += WINDOW - 1
    assert world.pool.send(world.stranger, "claim", *second.claim(0)).reason == "claim: not a leaf of the serving root"
    assert world.pool.send(world.stranger, "claim", *first.claim(0)).ok
    world.evm.now += 1
    assert world.pool.send(world.stranger, "claim", *second.claim(0)).ok
    assert world.balance(account(0)) == 3_000


def test_a_veto_restores_what_was_before() -> None:
    """If this fails, a vetoed posting leaves a trace in money: its total, its root or its time."""
    world = World()
    world.active(ROWS)
    before = world.pool.read("status")
    bad = world.tree(MORE)
    world.mint(bad.total)
    assert world.post(2, bad).ok
    assert world.pool.send(world.guardian, "veto").ok
    after = world.pool.read("status")
    assert after == before | {"sequence": 2, "ledger_size": 200}
    world.evm.now += WINDOW
    assert not world.pool.send(world.stranger, "claim", *bad.claim(0)).ok
    assert world.post(2, bad).reason == "post: not the next sequence"
    assert world.post(3, bad).ok


def test_the_first_posting_can_be_vetoed() -> None:
    """If this fails, the very first mistake is final."""
    world = World()
    tree = world.tree(ROWS)
    world.mint(tree.total)
    assert world.post(1, tree).ok
    assert world.pool.send(world.owner, "veto").ok
    assert world.pool.read("status")["serving_root"] == bytes(32)
    assert world.pool.send(world.owner, "sweep", world.owner, False).ok


@pytest.mark.parametrize("who", ["publisher", "stranger"])
def test_only_guardian_and_owner_veto(who: str) -> None:
    """If this fails, anybody can stop a posting, or the publisher can hide one."""
    world = World()
    tree = world.tree(ROWS)
    world.mint(tree.total)
    assert world.post(1, tree).ok
    assert world.pool.send(getattr(world, who), "veto").reason == "veto: guardian or owner only"


def test_a_posting_is_kept_by_its_digest_for_good() -> None:
    """If this fails, nobody can prove on the chain what was once posted and anchored."""
    world = World()
    tree = world.active(ROWS)
    expected = posting_digest(keccak(b"period"), tree.root, keccak(b"ledger 1"), 100, tree.total)
    assert world.pool.read("posted", 1) == expected
    assert world.claimed(payee(0)) == world.pool.read("claimed", payee(0)) == 0
    world.active(MORE, 2)
    assert world.pool.read("posted", 1) == expected


def test_the_anchored_ledger_never_goes_back() -> None:
    """If this fails, a rolled-back ledger can be anchored over the true one."""
    world = World()
    assert world.pool.send(world.publisher, "anchor", keccak(b"a"), 100).ok
    assert world.pool.send(world.publisher, "anchor", keccak(b"a"), 100).ok
    assert not world.pool.send(world.publisher, "anchor", keccak(b"b"), 100).ok
    assert not world.pool.send(world.publisher, "anchor", keccak(b"b"), 99).ok
    assert not world.pool.send(world.stranger, "anchor", keccak(b"b"), 101).ok
    assert world.pool.send(world.publisher, "anchor", keccak(b"b"), 101).ok
    assert world.pool.read("ledger_root") == keccak(b"b")


def test_a_root_pays_no_more_than_its_total() -> None:
    """If this fails, a tree that sums to more than was posted drains what others are owed."""
    world = World()
    tree = world.tree(ROWS)
    world.mint(tree.total)
    assert world.post(1, tree, total=1_500).ok
    world.evm.now += WINDOW
    assert world.pool.send(world.stranger, "claim", *tree.claim(0)).ok
    assert world.pool.send(world.stranger, "claim", *tree.claim(1)).reason == "claim: over the posted total"


def test_a_huge_leaf_does_not_stop_a_batch() -> None:
    """If this fails, one absurd leaf makes the arithmetic revert and blocks everybody in its batch."""
    world = World()
    tree = world.tree([(payee(0), account(0), 2**256 - 1), *ROWS[1:]])
    world.mint(14_000)
    assert world.post(1, tree, total=14_000).ok
    world.evm.now += WINDOW
    done = world.pool.send(world.stranger, "claim_many", [tree.claim(n) for n in range(5)])
    assert done.ok
    assert [name for name, _ in world.pool.events(done)] == ["Unpaid", "Paid", "Paid", "Paid", "Paid"]


def test_a_batch_pays_49_of_50_around_a_blocked_account() -> None:
    """If this fails, one blacklisted payee stops everybody else's money."""
    world = World(token_name="Moody")
    tree = world.active([(payee(n), account(n), 10 + n) for n in range(50)])
    world.token.send(world.stranger, "set_mood", account(7), 1)
    done = world.pool.send(world.stranger, "claim_many", [tree.claim(n) for n in range(50)])
    assert done.ok
    events = world.pool.events(done)
    assert sum(name == "Paid" for name, _ in events) == 49
    assert ("Unpaid", {"payee_id": payee(7), "account": account(7), "reason": 4}) in events
    assert world.pool.read("claimed", payee(7)) == 0
    world.token.send(world.stranger, "set_mood", account(7), 0)
    assert world.pool.send(world.stranger, "claim", *tree.claim(7)).ok


@pytest.mark.parametrize(("mood", "pays"), [(1, False), (2, False), (3, True), (4, False), (5, False), (6, False)])
def test_only_true_or_nothing_counts_as_a_transfer(mood: int, pays: bool) -> None:
    """If this fails, a token's refusal, or an answer of an odd size, passes for a payment."""
    world = World(token_name="Moody")
    tree = world.active(ROWS)
    world.token.send(world.stranger, "set_mood", account(0), mood)
    done = world.pool.send(world.stranger, "claim", *tree.claim(0))
    assert done.ok is pays
    assert world.balance(account(0)) == (1_000 if pays else 0)
    assert world.pool.read("claimed", payee(0)) == (1_000 if pays else 0)
    assert world.pool.read("status")["claimed"] == (1_000 if pays else 0)


def test_a_token_that_returns_nothing_works() -> None:
    """If this fails, old tokens cannot be paid in."""
    world = World(token_name="NoReturn")
    tree = world.active(ROWS)
    assert world.pool.send(world.stranger, "claim_many", [tree.claim(n) for n in range(5)]).ok
    assert world.balance(account(4)) == 5_000


def test_a_fee_on_the_way_in_is_seen_when_posting() -> None:
    """If this fails, a posting counts money that the token kept on its way into the pool."""
    world = World(token_name="FeeOnTransfer")
    tree = world.tree(ROWS)
    world.token.send(world.stranger, "mint", world.stranger, 20_000)
    world.token.send(world.stranger, "transfer", world.pool.address, tree.total)
    assert world.post(1, tree).reason == "post: not funded"
    world.token.send(world.stranger, "transfer", world.pool.address, 200)
    assert world.post(1, tree).ok
    world.evm.now += WINDOW
    assert world.pool.send(world.stranger, "claim", *tree.claim(0)).ok
    assert world.balance(account(0)) == 990
    assert world.balance(world.pool.address) >= tree.total - 1_000


@pytest.mark.parametrize("name", ["claim", "claim_many", "post", "sweep", "anchor", "status"])
def test_a_token_cannot_call_back(name: str) -> None:
    """If this fails, a token takes a second step, or sees a half-finished one, while the first is paying."""
    world = World(token_name="Reentrant")
    tree = world.active(ROWS)
    calls = {
        "claim": tree.claim(1),
        "claim_many": ([tree.claim(1)],),
        "post": (2, keccak(b"p"), tree.root, keccak(b"l"), 300, tree.total),
        "sweep": (world.owner, False),
        "anchor": (keccak(b"l"), 300),
        "status": (),
    }
    world.pool.send(world.owner, "offer_role", PUBLISHER, world.token.address)
    world.token.send(world.stranger, "arm", world.pool.abi.data(name, *calls[name]))
    assert world.pool.send(world.stranger, "claim", *tree.claim(0)).ok
    assert not world.token.read("armed")
    assert not world.token.read("answered")
    assert world.balance(account(1)) == 0


def test_a_token_cannot_burn_a_batchs_gas() -> None:
    """If this fails, paying one account costs all the gas of the batch, and nobody is paid."""
    world = World(token_name="Burner")
    tree = world.active(ROWS)
    world.token.send(world.stranger, "burn_for", account(1))
    done = world.pool.send(world.stranger, "claim_many", [tree.claim(n) for n in range(5)], gas=3_000_000)
    assert done.ok
    assert [name for name, _ in world.pool.events(done)] == ["Paid", "Unpaid", "Paid", "Paid", "Paid"]


def test_a_pause_ends_by_itself_and_cannot_be_renewed_at_once() -> None:
    """If this fails, whoever may pause may keep everybody's money for ever."""
    world = World()
    tree = world.active(ROWS)
    assert world.pool.send(world.guardian, "pause", True).ok
    assert world.pool.send(world.stranger, "claim", *tree.claim(0)).reason == "claim: paused"
    assert world.pool.send(world.stranger, "claim_many", [tree.claim(0)]).reason == "claim: paused"
    assert world.pool.read("status")["serving_root"] == tree.root
    assert world.pool.send(world.guardian, "pause", False).reason == "pause: guardian or owner only"
    assert world.pool.send(world.guardian, "pause", True).reason == "pause: too soon after the last one"
    world.evm.now += 7 * DAY
    assert world.pool.send(world.stranger, "claim", *tree.claim(0)).ok
    assert world.pool.send(world.owner, "pause", True).reason == "pause: too soon after the last one"
    world.evm.now += 7 * DAY
    assert world.pool.send(world.owner, "pause", True).ok
    assert world.pool.send(world.owner, "pause", False).ok
    assert world.pool.send(world.stranger, "claim", *tree.claim(1)).ok


def test_a_sweep_takes_only_what_is_not_owed() -> None:
    """If this fails, the owner can take what payees are owed, also by a posting that is still pending."""
    world = World()
    world.active(ROWS)
    assert world.pool.send(world.owner, "sweep", world.owner, False).reason == "sweep: nothing to sweep"
    world.mint(500)
    assert world.pool.send(world.owner, "sweep", world.owner, False).ok
    assert world.balance(world.owner) == 500
    tree = world.tree(MORE)
    world.mint(tree.total)
    assert world.post(2, tree).ok
    assert world.pool.send(world.owner, "sweep", world.owner, False).ok
    assert world.balance(world.owner) == 500 + 15_000  # what the tree's total was minted beyond what it needs
    assert world.pool.send(world.owner, "sweep", world.owner, True).reason == "sweep: not dormant"
    world.evm.now += WINDOW + DORMANCY - 1
    assert world.pool.send(world.owner, "sweep", world.owner, True).reason == "sweep: not dormant"
    world.evm.now += 1
    assert world.pool.send(world.stranger, "sweep", world.owner, True).reason == "sweep: owner only"
    assert world.pool.send(world.owner, "sweep", world.owner, True).ok
    assert world.balance(world.pool.address) == 0


def test_a_write_off_needs_notice_and_leaves_the_rest_claimable() -> None:
    """If this fails, money lapses without warning, or the write-off of one payee touches another."""
    world = World()
    tree = world.active(ROWS)
    notice = tree.claim(0)
    assert world.pool.send(world.owner, "write_off", payee(0)).reason == "write-off: no notice, or not due"
    assert world.pool.send(world.stranger, "notice_write_off", *notice).reason == "write-off: owner only"
    assert world.pool.send(world.owner, "notice_write_off", *notice).ok
    world.evm.now += NOTICE - 1
    assert world.pool.send(world.owner, "write_off", payee(0)).reason == "write-off: no notice, or not due"
    world.evm.now += 1
    assert world.pool.send(world.owner, "write_off", payee(0)).ok
    assert world.pool.send(world.owner, "write_off", payee(0)).reason == "write-off: no notice, or not due"
    assert world.pool.send(world.stranger, "claim", *notice).reason == "claim: nothing owed"
    assert world.pool.send(world.owner, "sweep", world.owner, False).ok
    assert world.balance(world.owner) == 1_000
    done = world.pool.send(world.stranger, "claim_many", [tree.claim(n) for n in range(1, 5)])
    assert [name for name, _ in world.pool.events(done)] == ["Paid"] * 4


def test_a_claim_during_the_notice_is_paid() -> None:
    """If this fails, a notice already takes what it only announces."""
    world = World()
    tree = world.active(ROWS)
    assert world.pool.send(world.owner, "notice_write_off", *tree.claim(0)).ok
    assert world.pool.send(world.stranger, "claim", *tree.claim(0)).ok
    world.evm.now += NOTICE
    assert not world.pool.send(world.owner, "write_off", payee(0)).ok
    more = world.active(MORE, 2)
    assert not world.pool.send(world.owner, "write_off", payee(0)).ok
    assert world.pool.send(world.stranger, "claim", *more.claim(0)).ok


@pytest.mark.parametrize("role", [OWNER, PUBLISHER, GUARDIAN])
def test_a_role_changes_in_two_steps_after_a_window(role: int) -> None:
    """If this fails, a role is lost to a mistyped account, or changes before anybody could react."""
    world = World()
    heir = world.evm.accounts[5]
    assert world.pool.send(world.stranger, "offer_role", role, heir).reason == "role: owner only"
    assert world.pool.send(world.owner, "offer_role", role, heir).ok
    assert world.pool.send(heir, "take_role", role).reason == "role: not yet"
    world.evm.now += WINDOW
    assert world.pool.send(world.stranger, "take_role", role).reason == "role: not offered to you"
    assert world.pool.send(heir, "take_role", role).ok
    assert world.pool.send(heir, "take_role", role).reason == "role: not offered to you"
    assert world.pool.read("holder_of", role) == heir.lower()


def test_a_leaf_of_another_pool_or_chain_is_worth_nothing() -> None:
    """If this fails, a claim can be replayed against another pool that posted the same root."""
    world = World()
    for tree in (world.tree(ROWS, at=world.token.address), world.tree(ROWS, chain_id=1)):
        with world.evm.sandbox():
            world.mint(tree.total)
            assert world.post(1, tree).ok
            world.evm.now += WINDOW
            assert not world.pool.send(world.stranger, "claim", *tree.claim(0)).ok


def test_an_inner_node_is_not_a_leaf() -> None:
    """If this fails, two leaves hashed together pass as a leaf of their own (OpenZeppelin issue 3091)."""
    world = World()
    tree = world.active(ROWS[:2])
    left, right = tree.merkle.nodes[1], tree.merkle.nodes[2]
    forged: tuple[bytes, str, int, list[bytes]] = (left, account(0), int.from_bytes(right, "big"), [])
    assert not world.pool.send(world.stranger, "claim", *forged).ok


@pytest.mark.parametrize(
    ("window", "notice", "dormancy"),
    [(31 * DAY, NOTICE, DORMANCY), (WINDOW, 29 * DAY, DORMANCY), (WINDOW, NOTICE, 179 * DAY)],
)
def test_a_pool_cannot_be_deployed_against_its_payees(window: int, notice: int, dormancy: int) -> None:
    """If this fails, an operator can deploy a pool whose windows make the safeguards empty."""
    evm = Evm()
    made = evm.deploy(token())
    code, roles = pool(), evm.accounts[:3]
    good = World(evm=evm)
    arguments = good.pool.abi.constructor(made.address, *roles, window, notice, dormancy)
    assert evm.transact(roles[0], None, code.bytecode + arguments).reason == "window out of bounds"


def test_a_pool_needs_a_token_and_people() -> None:
    """If this fails, a pool stands on an address without code, where every transfer seems to succeed."""
    world = World()
    roles, windows = world.evm.accounts[:3], (WINDOW, NOTICE, DORMANCY)
    nobody = "0x" + 40 * "0"
    for arguments in (
        (world.stranger, *roles, *windows),
        (world.token.address, nobody, *roles[1:], *windows),
        (world.token.address, roles[0], nobody, roles[2], *windows),
        (world.token.address, *roles[:2], nobody, *windows),
    ):
        data = world.code.bytecode + world.pool.abi.constructor(*arguments)
        assert not world.evm.transact(world.owner, None, data).ok
