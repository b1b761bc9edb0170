"""RFC 8785's own test data: byte-equal where our subset reaches, refused elsewhere."""

from __future__ import annotations

import json

import pytest

from ledger.errors import InputError
from ledger.proofs import canon
from tests.support import shared


@pytest.mark.parametrize("name", ["arrays", "unicode"])
def test_inside_the_subset(name: str) -> None:
    """If this fails, our canonical JSON is not RFC 8785."""
    value = json.loads(shared(f"vectors/jcs/input/{name}.json").read_text(encoding="utf-8"))
    expected = shared(f"vectors/jcs/output/{name}.json").read_bytes()
    assert canon.encode(value) == expected
    assert canon.decode(expected) == value
    assert bytes.fromhex(shared(f"vectors/jcs/outhex/{name}.txt").read_text()) == expected


@pytest.mark.parametrize("name", ["french", "structures", "values", "weird"])
def test_outside_the_subset(name: str) -> None:
    """If this fails, we write something whose canonical form depends on rules we do not implement."""
    with pytest.raises(InputError):
        canon.encode(json.loads(shared(f"vectors/jcs/input/{name}.json").read_text(encoding="utf-8")))
