"""Who speaks for a source: the last word of the operator, as far as the operator's key counted."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.errors import VerificationError
from ledger.proofs import keyring, source
from ledger.proofs.keyring import Key
from ledger.proofs.keys import PrivateKey
from ledger.proofs.source import EventSource, Home
from tests.ledger.world import AT, seeded

OPERATOR, NEXT, STRANGER = seeded("operator"), seeded("next"), seeded("stranger")
TRUSTED = (
    Key(role="operator", party="op", public=OPERATOR.public),
    Key(role="log", party="op", public=STRANGER.public),
)


def said(party: str | None = "p", *, by: PrivateKey = OPERATOR, signed: bool = True, log: str | None = None) -> Any:
    return source.make(AT, source="acme", party=party, signed=signed, signer=by, log=log)


def rotated(until: int) -> Any:
    return keyring.rotate(AT, signer=OPERATOR, role="operator", party="op", public=NEXT.public, until=until)


def test_a_leaf_says_who_speaks_and_where_events_go() -> None:
    """If this fails, a platform's events are taken by another log, or without its signature."""
    assert source.parse(7, said(log="o2")) == EventSource(index=7, source="acme", party="p", signed=True, log="o2")
    assert source.parse(8, said(None, signed=False)) == EventSource(index=8, source="acme")


@pytest.mark.parametrize(
    "changed",
    [
        {"type": "member"},
        {"source": None},
        {"source": 1},
        {"signed": None},
        {"signed": 1},
        {"party": 1},
        {"log": 1},
        {"log": ["o"]},
    ],
    ids=str,
)
def test_anything_else_speaks_of_no_source(changed: dict[str, Any]) -> None:
    """If this fails, a leaf of another shape lets somebody speak for a source."""
    with pytest.raises(VerificationError, match="leaf 7"):
        source.parse(7, said() | changed)


def test_each_source_belongs_to_one_log() -> None:
    """If this fails, an event counts in two logs, or in none."""
    home = Home(
        "o1", {"acme": EventSource(index=1, source="acme", log="o2"), "beta": EventSource(index=2, source="beta")}
    )
    assert [home.log_of(one) for one in ("acme", "beta", "new")] == ["o2", "o1", "o1"]
