"""The side tables of the other packages, so that a writer without the right to create tables can use every command.

A program of the owner may have created some of them at first use already.
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

TABLES = """
CREATE TABLE IF NOT EXISTS registry_about (key TEXT NOT NULL, idx BIGINT NOT NULL, PRIMARY KEY (key, idx));
CREATE TABLE IF NOT EXISTS registry_personal (
  kind TEXT NOT NULL, id TEXT NOT NULL, salt BYTEA NOT NULL, fields TEXT NOT NULL, PRIMARY KEY (kind, id)
);
CREATE TABLE IF NOT EXISTS registry_payee (
  id TEXT PRIMARY KEY, party TEXT NOT NULL, method TEXT NOT NULL, account TEXT NOT NULL, wanted_from TEXT NOT NULL,
  proposed_by TEXT NOT NULL, proposed_key TEXT NOT NULL, proposed_at TEXT NOT NULL, approved_by TEXT, approved_key TEXT,
  approved_at TEXT, effective_from TEXT
);
CREATE INDEX IF NOT EXISTS ix_registry_payee_party ON registry_payee (party);
CREATE TABLE IF NOT EXISTS registry_paid_before (party TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS registry_handed_in (digest BYTEA PRIMARY KEY, party TEXT NOT NULL, role TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS scheduler_claim (
  job TEXT NOT NULL, turn TEXT NOT NULL, holder TEXT NOT NULL, attempt BIGINT NOT NULL, state TEXT NOT NULL,
  leased_until TEXT NOT NULL, began_at TEXT NOT NULL, ended_at TEXT, detail TEXT NOT NULL, PRIMARY KEY (job, turn)
);
CREATE TABLE IF NOT EXISTS witness_cosignature (
  size BIGINT NOT NULL, witness TEXT NOT NULL, line TEXT NOT NULL, PRIMARY KEY (size, witness)
)
"""


def upgrade() -> None:
    """Create the tables that do not exist yet."""
    for statement in TABLES.split(";"):
        op.execute(statement)
