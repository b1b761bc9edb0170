"""All leaf types that this version reads or writes, from each package's own list."""

from __future__ import annotations

from typing import Final

from contracts.claims import POST
from ledger.reading.reading import Reading
from ledger.registry import facts
from ledger.segments import manifest
from payouts.life import records

LEAF_TYPES: Final = frozenset({"event", "seal", *Reading.TYPES, manifest.TYPE, *facts.TYPES, *records.TYPES, POST})
