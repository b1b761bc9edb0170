"""Workspaces to attack, made once a session and copied for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.attacks.victim import WALLETS, Victim, prepared


@pytest.fixture(scope="session")
def _prepared(tmp_path_factory: pytest.TempPathFactory) -> Victim:
    return prepared(tmp_path_factory.mktemp("prepared"))


@pytest.fixture(scope="session")
def _published(_prepared: Victim, tmp_path_factory: pytest.TempPathFactory) -> Victim:
    victim = _prepared.copy(tmp_path_factory.mktemp("published") / "copy")
    victim.publish()
    return victim


@pytest.fixture(scope="session")
def _on_chain(tmp_path_factory: pytest.TempPathFactory) -> Victim:
    victim = prepared(tmp_path_factory.mktemp("chain"), WALLETS)
    victim.publish()
    victim.do("chain", "deploy", "--currency", "EUR", "--window", "0")
    return victim


@pytest.fixture
def victim(_prepared: Victim, tmp_path: Path) -> Victim:
    """June is over and not closed."""
    return _prepared.copy(tmp_path / "victim")


@pytest.fixture
def published(_published: Victim, tmp_path: Path) -> Victim:
    """June is published: Ann is due 600.00, Bob 200.00, by bank."""
    return _published.copy(tmp_path / "victim")


@pytest.fixture
def on_chain(_on_chain: Victim, tmp_path: Path) -> Victim:
    """The same, to be paid by a contract that holds nothing yet."""
    return _on_chain.copy(tmp_path / "victim")
