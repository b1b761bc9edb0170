"""A workspace on PostgreSQL whose role may create nothing: the migrations and the grants are all that it needs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from ledger.errors import StateError, TransientError
from ledger.log.store.guards_postgres import grants
from ledger.log.store.postgres import PostgresStore
from ledger.log.store.schema import LogTable as Schema
from ledger.proofs import policy
from ledger.registry import tables
from service.scheduler import claims
from service.scheduler.jobs import job_named
from service.scheduler.work import do
from service.settlement import paying
from service.witness.asking import ask
from service.witness.server import Witness
from tests.ledger.logs import TickingClock
from tests.postgres import database, server_url
from tests.service.month import month, published
from tests.service.witness.test_asking import sender

pytestmark = pytest.mark.postgres


@contextmanager
def role(owner: Engine, *, writer: bool) -> Iterator[str]:
    """A role with the grants and nothing more; roles belong to the server, not to this test's database."""
    name = f"role_{uuid4().hex}"
    with owner.begin() as connection:
        connection.execute(text(f"CREATE ROLE {name} LOGIN"))
        for statement in grants(name, writer=writer):
            connection.execute(text(statement))
    try:
        yield name
    finally:
        with owner.begin() as connection:
            connection.execute(text(f"DROP OWNED BY {name}"))
            connection.execute(text(f"DROP ROLE {name}"))


def as_role(url: str, name: str) -> str:
    return re.sub("//[^@]*@", f"//{name}@", url)


def test_a_month_runs_on_the_grants_alone(tmp_path: Path) -> None:
    """If this fails, registry, scheduler or witnesses work for the owner of the database only."""
    with database(server_url()) as url:
        owner = PostgresStore(url)
        owner.create()
        with (
            role(owner.writers, writer=True) as writer,
            role(owner.writers, writer=False) as reader,
            patch.dict(os.environ, {"SETTLE_STORE": as_role(url, writer)}),
        ):
            june = month(tmp_path / "home")
            assert do(june.ws, job_named("seal"), holder="a").state == "done"
            witness = Witness.create(tmp_path / "w", "witness.example/w1", None, TickingClock())
            witness.know(*june.ws.trust.logs[0].vkeys())
            one = policy.parse(f"witness w1 {witness.vkey} https://w1.example\nquorum w1\n".encode())
            assert ask(june.ws.log, one, send=sender(witness)).quorum
            assert paying.pay(june.ws, published(june), "file").payments == 4
            june.ws.close()
            seen = PostgresStore(as_role(url, reader))
            with seen.reading() as connection:
                assert connection.execute(claims.CLAIM.select()).all()
            for hidden in ("registry_personal", "registry_payee", "listener_salt", "quarantine"):
                with pytest.raises(TransientError, match="permission denied"), seen.reading() as connection:
                    connection.execute(text(f"SELECT * FROM {hidden}"))  # noqa: S608  our own names
            seen.close()
        owner.close()


def test_an_older_database_is_brought_up_by_its_owner(tmp_path: Path) -> None:
    """If this fails, a new release cannot open last year's log, or changes tables it was not given."""
    with database(server_url()) as url:
        owner = PostgresStore(url)
        owner.create()
        later = ["scheduler_claim", "witness_cosignature", *(table.name for table in tables.METADATA.sorted_tables)]
        with role(owner.writers, writer=True) as writer:
            with owner.writers.begin() as connection:
                for name in later:
                    connection.execute(text(f"DROP TABLE {name}"))
                connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
                tables.METADATA.tables["registry_about"].create(connection)  # as a release without it did on first use
            plain = PostgresStore(as_role(url, writer))
            with pytest.raises(StateError, match="schema 0001, this program needs 0003: run this once as the owner"):
                plain.create()
            plain.close()
        owner.create()
        with owner.writers.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(StateError, match="use a release that knows it"):
            owner.create()
        owner.close()


def test_the_migrations_make_what_the_rooms_describe() -> None:
    """If this fails, the migrations and the program describe two databases."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    described = [Schema.metadata, tables.METADATA, claims.METADATA]
    with database(server_url()) as url:
        owner = PostgresStore(url)
        owner.create()
        with owner.readers.connect() as connection:
            odd = compare_metadata(MigrationContext.configure(connection), described)  # type: ignore[arg-type]
        assert [(what, table.name) for what, table in odd] == [("remove_table", "witness_cosignature")]  # plain SQL
        owner.close()
