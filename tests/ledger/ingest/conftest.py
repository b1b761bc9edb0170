"""Tests of ingest that hold for both stores."""

from tests.ledger.store.conftest import place

__all__ = ["place"]
