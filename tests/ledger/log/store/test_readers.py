"""Many readers at once: each gets its connection, or is told to try again."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import QueuePool

from ledger.errors import TransientError
from tests.ledger.logs import log_in


def test_64_readers_at_once(tmp_path: Path) -> None:
    """If this fails, the sixteenth reader of a log waits half a minute and then fails (R6)."""
    log = log_in(tmp_path)
    with ExitStack() as stack:
        connections = [stack.enter_context(log.store.reading()) for _ in range(64)]
        assert len(connections) == 64
    log.close()


def test_a_reader_too_many_is_told_to_try_again(tmp_path: Path) -> None:
    """If this fails, a busy log answers with an internal error instead of exit code 6 (R6)."""
    log = log_in(tmp_path)
    log.store.readers.dispose()
    log.store.readers = create_engine(
        f"sqlite:///{tmp_path / 'settle.db'}", poolclass=QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.01
    )
    with log.store.reading(), pytest.raises(TransientError, match="no free connection"), log.store.reading():
        pass
    log.close()
