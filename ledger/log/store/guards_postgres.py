"""Guard rails of a PostgreSQL log: triggers that replication roles cannot skip, and least privilege.

They stop accidents and honest mistakes. A superuser or the owner of the tables can remove them, so that evidence
against those is the tree, the anchor and the witnesses. Nobody should log in as the owner: `grants` lists what a writer
and a reader need.
"""

from __future__ import annotations

import re
from typing import Final

from ledger.errors import InputError

GROWING: Final = ("entry", "event", "checkpoint", "blob")
SIDE: Final = (
    "log_track",
    "log_signed",
    "listener_salt",
    "quarantine",
    "projected",
    "registry_about",
    "registry_personal",
    "registry_payee",
    "registry_paid_before",
    "registry_handed_in",
    "scheduler_claim",
    "witness_cosignature",
)
SHOWN: Final = ("log_track", "log_signed", "projected", "registry_about", "scheduler_claim", "witness_cosignature")
"""Of these, what a reader may see: neither salts nor raw rows, neither names nor accounts."""

_REFUSE: Final = """
CREATE FUNCTION settle_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: no %', TG_TABLE_NAME, TG_OP USING ERRCODE = 'integrity_constraint_violation';
END $$"""

# Per statement, with all new rows at once: a check per row would halve the speed of COPY.
_GAPLESS: Final = """
CREATE FUNCTION settle_gapless() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE first BIGINT; last BIGINT; total BIGINT;
BEGIN
  SELECT min(idx), max(idx), count(*) INTO first, last, total FROM added;
  IF total > 0 AND (total <> last - first + 1 OR EXISTS (SELECT 1 FROM entry WHERE idx > last)
                    OR first <> (SELECT coalesce(max(idx) + 1, 0) FROM entry WHERE idx < first)) THEN
    RAISE EXCEPTION 'entry is append-only: the next index is expected' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$"""

_GROWN: Final = """
CREATE FUNCTION settle_grown() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.level <> OLD.level OR NEW.n <> OLD.n OR substring(NEW.hashes FOR length(OLD.hashes)) <> OLD.hashes THEN
    RAISE EXCEPTION 'tile is append-only: a tile only grows' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$"""

_COVERS: Final = """
CREATE FUNCTION settle_covers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.size <= (SELECT max(size) FROM checkpoint)
     OR NEW.size IS DISTINCT FROM (SELECT coalesce(max(idx) + 1, 0) FROM entry) THEN
    RAISE EXCEPTION 'checkpoint is append-only: a checkpoint covers all entries, once'
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$"""

_TRIGGERS: Final = (
    *(
        (table, f"{table}_frozen", "BEFORE UPDATE OR DELETE OR TRUNCATE", "FOR EACH STATEMENT", "settle_refuse")
        for table in GROWING
    ),
    ("tile", "tile_frozen", "BEFORE DELETE OR TRUNCATE", "FOR EACH STATEMENT", "settle_refuse"),
    ("tile", "tile_grown", "BEFORE UPDATE", "FOR EACH ROW", "settle_grown"),
    ("checkpoint", "checkpoint_covers", "BEFORE INSERT", "FOR EACH ROW", "settle_covers"),
    ("entry", "entry_gapless", "AFTER INSERT", "REFERENCING NEW TABLE AS added FOR EACH STATEMENT", "settle_gapless"),
)

GUARDS: Final = (
    _REFUSE,
    _GAPLESS,
    _GROWN,
    _COVERS,
    *(
        f"CREATE TRIGGER {name} {when} ON {table} {scope} EXECUTE FUNCTION {function}()"
        for table, name, when, scope, function in _TRIGGERS
    ),
    *(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}" for table, name, *_ in _TRIGGERS),
)


def grants(role: str, *, writer: bool) -> list[str]:
    """Return the SQL grants that a role needs to append to the log, or only to read it; the owner runs them."""
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", role):
        raise InputError(f"role {role!r}: expected a plain PostgreSQL name")
    everything = ", ".join((*GROWING, "tile", *SIDE))
    if not writer:
        return [f"GRANT SELECT ON {', '.join((*GROWING, 'tile', *SHOWN, 'alembic_version'))} TO {role}"]
    return [
        f"GRANT SELECT ON alembic_version TO {role}",
        f"GRANT SELECT, INSERT ON {everything} TO {role}",
        f"GRANT UPDATE ON tile TO {role}",
        f"GRANT UPDATE, DELETE ON {', '.join(SIDE)} TO {role}",
        f"GRANT USAGE ON SEQUENCE quarantine_id_seq TO {role}",
    ]
