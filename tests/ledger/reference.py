"""The Merkle tree as RFC 6962 section 2.1 defines it, transcribed without a thought for speed: an oracle."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


class Reference:
    """MTH, PATH and PROOF over a fixed list of leaves; ranges are cached so that sweeps stay short."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.leaves = list(leaves)
        self.mth = cache(self._mth)

    def _mth(self, start: int, stop: int) -> bytes:
        if start == stop:
            return sha256(b"")
        if stop - start == 1:
            return sha256(b"\x00" + self.leaves[start])
        middle = start + split(stop - start)
        return sha256(b"\x01" + self.mth(start, middle) + self.mth(middle, stop))

    def root(self, size: int) -> bytes:
        return self.mth(0, size)

    def path(self, index: int, size: int) -> list[bytes]:
        """PATH(m, D[n])."""
        return self._path(index, 0, size)

    def _path(self, m: int, start: int, stop: int) -> list[bytes]:
        if stop - start == 1:
            return []
        k = split(stop - start)
        if m < k:
            return [*self._path(m, start, start + k), self.mth(start + k, stop)]
        return [*self._path(m - k, start + k, stop), self.mth(start, start + k)]

    def proof(self, old: int, new: int) -> list[bytes]:
        """PROOF(m, D[n])."""
        return self._subproof(old, 0, new, whole=True)

    def _subproof(self, m: int, start: int, stop: int, *, whole: bool) -> list[bytes]:
        if m == stop - start:
            return [] if whole else [self.mth(start, stop)]
        k = split(stop - start)
        if m <= k:
            return [*self._subproof(m, start, start + k, whole=whole), self.mth(start + k, stop)]
        return [*self._subproof(m - k, start + k, stop, whole=False), self.mth(start, start + k)]


def split(n: int) -> int:
    """The largest power of two smaller than n."""
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def path_shape(index: int, size: int) -> str | None:
    """On which side each hash of an audit path stands; None if there is no such leaf.

    A path does not commit to the size beyond this shape: two sizes with one shape take the same
    proofs, and it is the checkpoint's signature that tells them apart.
    """
    if not 0 <= index < size:
        return None
    if size == 1:
        return ""
    k = split(size)
    if index < k:
        return str(path_shape(index, k)) + "R"
    return str(path_shape(index - k, size - k)) + "L"


def proof_shape(old: int, new: int) -> str | None:
    """How a consistency proof is to be read: where it starts, and the side of each hash; None if it cannot be."""
    if not 0 < old <= new:
        return None
    return _proof_shape(old, new, whole=True)


def _proof_shape(m: int, n: int, *, whole: bool) -> str:
    if m == n:
        return "old" if whole else "sub"
    k = split(n)
    if m <= k:
        return _proof_shape(m, k, whole=whole) + "R"
    return _proof_shape(m - k, n - k, whole=False) + "L"
