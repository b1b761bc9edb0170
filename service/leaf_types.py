"""Every type of leaf that this version writes or reads: each room's own list, put together."""

from __future__ import annotations

from typing import Final

from contracts.claims import POST
from ledger.reading.reading import Reading
from ledger.registry import facts
from ledger.segments import manifest
from payouts.life import records

LEAF_TYPES: Final = frozenset({"event", "seal", *Reading.TYPES, manifest.TYPE, *facts.TYPES, *records.TYPES, POST})
