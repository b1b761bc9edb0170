"""What is committed is what the sources compile to."""

from __future__ import annotations

import json

import pytest

from contracts import artifacts
from contracts.errors import PreflightError
from tests.contracts.world import DORMANCY, NOTICE, WINDOW, World


@pytest.mark.parametrize("name", artifacts.NAMES)
def test_artifacts_are_what_the_sources_compile_to(name: str) -> None:
    """If this fails, what is deployed is not what was reviewed: run `make contracts` and look at the change."""
    committed = (artifacts.HERE / "artifacts" / f"{name}.json").read_text(encoding="utf-8")
    assert json.loads(artifacts.compile_source(name)) == json.loads(committed)


def test_the_source_is_pinned_and_marked() -> None:
    """If this fails, another compiler or EVM is used, or the notice that nobody has audited it is gone."""
    source = (artifacts.HERE / "vyper" / "RoyaltyPool.vy").read_text(encoding="utf-8")
    assert source.startswith("# pragma version 0.4.3\n# pragma evm-version cancun\n# pragma nonreentrancy on\n")
    assert "@notice UNAUDITED" in source


def test_deployed_code_is_recognised_with_its_immutables() -> None:
    """If this fails, the client pays through a contract that is not the pool, or one with other windows."""
    world = World()
    code = world.evm.code(world.pool.address)
    artifact = artifacts.load("RoyaltyPool")
    assert artifact.check_runtime(code) == {
        "TOKEN": int(world.token.address, 16),
        "WINDOW": WINDOW,
        "NOTICE": NOTICE,
        "DORMANCY": DORMANCY,
    }
    for other in (b"", code[:-1], code + b"\0", b"\xff" + code[1:], code[: len(artifact.runtime)]):
        with pytest.raises(PreflightError, match="not RoyaltyPool as shipped"):
            artifact.check_runtime(other)
