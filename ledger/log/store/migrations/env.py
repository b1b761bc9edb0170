"""Run by Alembic: applies migrations over the connection that the store passes in."""

from __future__ import annotations

from alembic import context

from ledger.log.store.schema import LogTable

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=LogTable.metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
