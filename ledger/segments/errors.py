"""Errors of segments: they differ from what the log committed to."""

from __future__ import annotations

from ledger.errors import VerificationError


class SegmentError(VerificationError):
    """A segment's file is missing, changed, or does not lead back to the leaves it stands for."""
