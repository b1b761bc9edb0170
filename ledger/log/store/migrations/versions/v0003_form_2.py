"""No table changes: a database of this revision is refused by release 0.1, which writes leaves of the old form."""

from __future__ import annotations

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """The revision itself is the change."""
