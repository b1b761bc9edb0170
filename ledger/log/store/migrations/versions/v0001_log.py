"""The log's tables, its side tables and the guards on them."""

from __future__ import annotations

from alembic import op

from ledger.log.store import guards_postgres

revision = "0001"
down_revision = None

# Ids compare by bytes: faster than any language's rules, and the same on every server.
TABLES = """
CREATE TABLE entry (idx BIGINT PRIMARY KEY, type TEXT NOT NULL, body BYTEA NOT NULL);
CREATE INDEX entry_by_type ON entry (type, idx) WHERE type <> 'event';
CREATE TABLE event (
  source TEXT COLLATE "C" NOT NULL, event_id TEXT COLLATE "C" NOT NULL, idx BIGINT NOT NULL,
  PRIMARY KEY (source, event_id)
);
CREATE TABLE tile (level BIGINT NOT NULL, n BIGINT NOT NULL, hashes BYTEA NOT NULL, PRIMARY KEY (level, n));
CREATE TABLE checkpoint (size BIGINT PRIMARY KEY, root BYTEA NOT NULL, chain BYTEA NOT NULL, note BYTEA NOT NULL);
CREATE TABLE blob (digest BYTEA PRIMARY KEY, data BYTEA NOT NULL);
CREATE TABLE log_track (id TEXT COLLATE "C" PRIMARY KEY, idx BIGINT NOT NULL, vector TEXT, assigned_idx BIGINT);
CREATE TABLE log_signed (first BIGINT PRIMARY KEY, stop BIGINT NOT NULL, batch BIGINT NOT NULL, place BIGINT NOT NULL);
CREATE TABLE listener_salt (
  source TEXT COLLATE "C" NOT NULL, listener TEXT COLLATE "C" NOT NULL, period TEXT NOT NULL, salt BYTEA NOT NULL,
  PRIMARY KEY (source, listener, period)
);
CREATE TABLE quarantine (
  id BIGSERIAL PRIMARY KEY, digest BYTEA NOT NULL UNIQUE, kind TEXT NOT NULL, name TEXT NOT NULL, line BIGINT NOT NULL,
  reason TEXT NOT NULL, raw BYTEA NOT NULL, at TEXT NOT NULL, state TEXT NOT NULL
);
CREATE INDEX quarantine_by_state ON quarantine (state, id);
CREATE TABLE projected (name TEXT PRIMARY KEY, size BIGINT NOT NULL)
"""


def upgrade() -> None:
    """Create everything; an empty database becomes an empty log."""
    for statement in (*TABLES.split(";"), *guards_postgres.GUARDS):
        op.execute(statement)
