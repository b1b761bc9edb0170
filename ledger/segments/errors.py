"""What can be wrong with segments: they are not what the log says they are."""

from __future__ import annotations

from ledger.errors import VerificationError


class SegmentError(VerificationError):
    """A segment's file is missing, changed, or does not lead back to the leaves it stands for."""
