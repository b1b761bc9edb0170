"""Tests of ingest that hold for both stores."""

from tests.ledger.log.store.conftest import place

__all__ = ["place"]
