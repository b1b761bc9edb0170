"""Who speaks for a source: the last word of the operator, as far as the operator's key counted."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.errors import VerificationError
from ledger.proofs import keyring, source
from ledger.proofs.keyring import Key, KeyRing
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


def test_the_last_leaf_of_a_source_counts() -> None:
    """If this fails, a platform that was let go speaks on."""
    other = source.make(AT, source="beta", party="q", signed=False, signer=OPERATOR)
    found = source.sources([(1, said("p")), (2, other), (3, said(None))])
    assert {name: (one.index, one.party) for name, one in found.items()} == {"acme": (3, None), "beta": (2, "q")}


def test_each_source_belongs_to_one_log() -> None:
    """If this fails, an event counts in two logs, or in none."""
    home = Home(
        "o1", {"acme": EventSource(index=1, source="acme", log="o2"), "beta": EventSource(index=2, source="beta")}
    )
    assert [home.log_of(one) for one in ("acme", "beta", "new")] == ["o2", "o1", "o1"]


def test_only_the_operators_word_is_believed() -> None:
    """If this fails, anybody who gets a leaf into the log speaks for a platform."""
    ring = KeyRing(TRUSTED)
    assert source.by_operator(ring, 3, said())
    assert not source.by_operator(ring, 3, said(by=STRANGER))
    assert not source.by_operator(KeyRing(), 3, said())
    with pytest.raises(VerificationError):
        source.by_operator(ring, 3, said() | {"party": "thief"})
    retired = KeyRing((Key(role="operator", party="op", public=OPERATOR.public, until=4),))
    assert [source.by_operator(retired, index, said()) for index in (3, 4)] == [True, False]


def test_a_word_is_judged_by_the_keys_of_its_time() -> None:
    """If this fails, a retired key gives a source away, or an old word is lost when the key retires."""
    leaves = [(1, said("p")), (2, rotated(until=3)), (3, said("thief")), (4, said("q", by=NEXT))]
    assert source.heard(TRUSTED, leaves[:3])["acme"].party == "p"
    assert source.heard(TRUSTED, leaves)["acme"].party == "q"
    assert source.heard(TRUSTED, [(1, said("q", by=NEXT))]) == {}


def test_without_trust_nobodys_word_is_doubted() -> None:
    """If this fails, a workspace without a trust file cannot say which sources there are."""
    leaves = [(1, said("p")), (2, rotated(until=3)), (3, said("x", by=STRANGER))]
    assert source.heard(None, leaves)["acme"].party == "x"
    assert source.heard((), [(1, said("p"))]) == {}
