"""Changed bytes for tests that ask what a reader makes of them: bits, bytes, and stretches cut, doubled or put in."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

Edit = tuple[str, int, bytes]
"""What is done, where (in parts of 2^16 of the whole, so that it fits any length), and with what."""


def edits() -> st.SearchStrategy[list[Edit]]:
    """A few changes, most of them at a time one."""
    kinds = st.sampled_from(["bit", "byte", "cut", "double", "insert"])
    one = st.tuples(kinds, st.integers(0, 2**16 - 1), st.binary(min_size=1, max_size=8))
    return st.lists(one, min_size=1, max_size=4)


def edited(data: bytes, changes: Sequence[Edit]) -> bytes:
    """The data with these changes made, one after the other."""
    for kind, where, what in changes:
        at = where * len(data) >> 16
        stop = at + len(what)
        if kind == "bit":
            middle = bytes(byte ^ (1 << what[0] % 8) for byte in data[at : at + 1])
            data = data[:at] + middle + data[at + 1 :]
        elif kind == "byte":
            data = data[:at] + what[:1] + data[at + 1 :]
        elif kind == "cut":
            data = data[:at] + data[stop:]
        elif kind == "double":
            data = data[:stop] + data[at:]
        else:
            data = data[:at] + what + data[at:]
    return data
