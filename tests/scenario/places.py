"""Where a workspace's log may lie, and how an operator would put yesterday's backup back there."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.postgres import database, server_url

Act = Callable[[], None]


@dataclass(frozen=True)
class Place:
    """Both take or put back the database as a whole; nobody may be connected."""

    back_up: Act
    put_back: Act


@contextmanager
def sqlite(home: Path) -> Iterator[Place]:
    """The default: a file in the workspace."""
    kept = home.parent / "backup.db"

    def back_up() -> None:
        shutil.copy(home / "settle.db", kept)

    def put_back() -> None:
        for file in home.glob("settle.db*"):
            file.unlink()
        shutil.copy(kept, home / "settle.db")

    yield Place(back_up, put_back)


@contextmanager
def postgres(_: Path) -> Iterator[Place]:
    """A server's database, by one setting."""
    with pytest.MonkeyPatch.context() as patch, database(server_url()) as url:
        patch.setenv("SETTLE_STORE", url)
        live = urlsplit(url).path.strip("/")
        kept = f"{live}_kept"
        yield Place(lambda: _copy(live, kept), lambda: _copy(kept, live))
        _execute(f"DROP DATABASE IF EXISTS {kept} WITH (FORCE)")


def _copy(source: str, target: str) -> None:
    _execute(f"DROP DATABASE IF EXISTS {target}")
    _execute(f"CREATE DATABASE {target} TEMPLATE {source}")


def _execute(statement: str) -> None:
    import psycopg

    with psycopg.connect(server_url(), autocommit=True) as connection:
        done: Any = connection.execute(statement.encode())
        done.close()
