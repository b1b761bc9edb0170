"""Rows that the reference implementation and ours are both given; the npm script builds the same ones."""

from __future__ import annotations

from contracts.address import checksum
from contracts.merkle import keccak

CHAIN = 31337
POOL = "0x5FbDB2315678afecb367f032d93F642f64180aa3"

Row = tuple[int, str, bytes, str, int]


def rows(count: int) -> list[Row]:
    """Distinct payees; every third amount repeats, and accounts repeat now and then."""
    return [
        (
            CHAIN,
            POOL,
            keccak(b"payee %d" % n),
            checksum(keccak(b"account %d" % (n - n % 5))[-20:]),
            1_000_000 * (n - n % 3) + 1,
        )
        for n in range(count)
    ]
