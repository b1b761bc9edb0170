"""The chain: one value that depends on every leaf and on their order."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from ledger.proofs import chain

HASHES = st.lists(st.binary(min_size=32, max_size=32), max_size=20)


def test_known_links() -> None:
    """If this fails, chain heads that auditors hold no longer come out."""
    start = chain.genesis("example.org/ledger")
    assert start == hashlib.sha256(b"\x02example.org/ledger").digest()
    assert start.hex() == "f55509abe29d0d5ee7abda7d6aa675bae8224fb812d742df356896f8e4f36274"
    leaf = bytes(32)
    assert chain.extend(start, [leaf]) == hashlib.sha256(b"\x02" + start + leaf).digest()


@given(HASHES, HASHES)
def test_extending_in_pieces_is_extending_at_once(first: list[bytes], second: list[bytes]) -> None:
    """If this fails, the chain depends on how the leaves were batched."""
    start = chain.genesis("x")
    assert chain.extend(chain.extend(start, first), second) == chain.extend(start, first + second)


@given(HASHES)
def test_links_end_at_the_head(hashes: list[bytes]) -> None:
    """If this fails, walking the chain leaf by leaf does not find the head, and fsck names the wrong leaf."""
    start = chain.genesis("x")
    links = list(chain.links(start, hashes))
    assert len(links) == len(hashes)
    assert [start, *links][-1] == chain.extend(start, hashes)
    assert len({start, *links}) == len(hashes) + 1
