"""What statements say of a run is taken apart once and looked up after that."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from service.statements import parts
from service.statements.statements import state, state_all
from tests.service.month import Month, published


def test_a_statement_is_looked_up_after_the_first(june: Month, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, every single statement of a large month costs as much as all of them."""
    published(june)
    first = list(state_all(june.ws, "2026-06"))
    monkeypatch.setattr(parts, "break_down", None)
    assert [state(june.reopened(), statement.party, "2026-06") for statement in first] == first
    monkeypatch.undo()
    shutil.rmtree(june.home / parts.FOLDER)
    assert list(state_all(june.reopened(), "2026-06")) == first
    assert (june.home / parts.FOLDER).is_dir()


def test_statements_need_no_place_to_write(june: Month, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a workspace on a full or read-only disk can state nothing."""
    published(june)
    expected = state(june.ws, "ann", "2026-06")

    def refused(_: Path) -> None:
        raise PermissionError(13, "read-only")

    shutil.rmtree(june.home / parts.FOLDER)
    monkeypatch.setattr(parts, "make_folder", refused)
    assert state(june.reopened(), "ann", "2026-06") == expected
    assert not (june.home / parts.FOLDER).exists()
