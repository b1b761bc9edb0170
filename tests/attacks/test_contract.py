"""L5: a total that was posted too large, and postings that are vetoed for a year."""

from __future__ import annotations

import pytest

from tests.contracts.world import World, account, payee

pytestmark = pytest.mark.slow
OPEN = pytest.mark.xfail(raises=AssertionError)
ROWS = [(payee(0), account(0), 1000), (payee(1), account(1), 2000)]


@OPEN
def test_l5_a_total_posted_too_large_can_be_corrected() -> None:
    """If this fails, a slip by a factor locks the surplus in the contract: the right total is refused for a year."""
    world = World()
    tree = world.tree(ROWS)
    world.mint(10_000)
    assert world.post(1, tree, total=10_000).ok
    world.evm.now += world.window
    for n in (0, 1):
        assert world.pool.send(world.stranger, "claim", *tree.claim(n)).ok
    right = world.tree([(payee(0), account(0), 1500), (payee(1), account(1), 2500)])
    assert world.post(2, right).ok


def test_l5_a_claim_after_failed_attempts_still_works() -> None:
    """If this fails, an attempt with too little gas takes a payee's money away."""
    world = World()
    tree = world.active(ROWS)
    assert world.pool.send(world.stranger, "claim", *tree.claim(0)).ok
