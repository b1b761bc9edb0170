"""L5: a total that was posted too large, and postings that are vetoed for a year."""

from __future__ import annotations

import pytest

from tests.contracts.world import World, account, payee

pytestmark = pytest.mark.slow
ROWS = [(payee(0), account(0), 1000), (payee(1), account(1), 2000)]


def test_l5_a_total_posted_too_large_is_vetoed_before_it_serves() -> None:
    """If this fails, a slip by a factor cannot be taken back, though a window is there to look at it."""
    world = World()
    tree = world.tree(ROWS)
    world.mint(10_000)
    assert world.post(1, tree, total=10_000).ok
    assert world.pool.send(world.guardian, "veto").ok
    assert world.post(2, tree).ok
    assert world.pool.send(world.owner, "sweep", world.owner, False).ok
    assert world.balance(world.owner) == 10_000 - tree.total


def test_l5_a_total_posted_too_large_stands_and_is_used_up() -> None:
    """If this fails, a slip that served is never used up, or a publisher lowers what payees are owed on the chain."""
    world = World()
    world.mint(10_000)
    assert world.post(1, world.tree(ROWS), total=10_000).ok
    world.evm.now += world.window
    later = world.tree([(payee(0), account(0), 1500), (payee(1), account(1), 2500)])
    refused = world.post(2, later)
    assert (refused.ok, refused.reason) == (False, "post: the total fell, or is out of range")
    assert world.post(2, later, total=10_000).ok
    world.evm.now += world.window
    last = world.active([(payee(0), account(0), 4000), (payee(1), account(1), 6000)], sequence=3)
    for n in (0, 1):
        assert world.pool.send(world.stranger, "claim", *last.claim(n)).ok
    assert world.balance(world.pool.address) == 0


def test_l5_a_claim_after_failed_attempts_still_works() -> None:
    """If this fails, an attempt with too little gas takes a payee's money away."""
    world = World()
    tree = world.active(ROWS)
    assert world.pool.send(world.stranger, "claim", *tree.claim(0)).ok
