"""Leaves: what may enter the log, and that what entered is what was meant."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InputError, VerificationError
from ledger.proofs import canon, leaf
from tests.golden import check_golden
from tests.ledger.world import AT, event_leaf, seeded

KEY = seeded("attribution")


def test_golden_leaves() -> None:
    """If this fails, leaves are written otherwise than those in existing logs."""
    full = leaf.event(
        source="acme",
        event_id="e-000001",
        track="trk-1",
        occurred_at="2026-06-03T11:05:00Z",
        territory="SE",
        units=1,
        product="premium",
        gross_micros=4200,
        currency="EUR",
        listener="c" * 64,
        vector="d" * 64,
    )
    leaves = [
        leaf.log(AT, origin="example.org/ledger"),
        leaf.vector(AT, track="trk-1", statement="d" * 64, method="declared"),
        leaf.assign(AT, track="trk-1", vector="d" * 64, signer=KEY, reason="declared by the generator"),
        full,
        event_leaf(1, None),
        leaf.seal(AT, size=5, root=bytes(32), chain=bytes(32)),
        leaf.close(
            AT, period="2026-06", logs=[{"origin": "example.org/ledger", "size": 6, "root": "0" * 64}], registry_size=4
        ),
    ]
    check_golden("leaves.ndjson", b"".join(leaf.encode(one) + b"\n" for one in leaves))


def test_the_first_leaf_after_a_recovery_names_what_it_follows() -> None:
    """If this fails, a log begun anew hides which log it replaces, and why."""
    head = {"origin": "example.org/old", "size": 7, "root": "00" * 32}
    body = leaf.log(AT, origin="example.org/new", follows=[head], reason="disk lost")
    assert (body["follows"], body["reason"]) == ([head], "disk lost")
    assert leaf.decode(leaf.encode(body)) == body
    assert "follows" not in leaf.log(AT, origin="example.org/new")


def test_what_is_absent_is_left_out_and_what_is_unbound_is_null() -> None:
    """If this fails, an unresolved event looks like one that needs no vector."""
    body = event_leaf(1, None)
    assert body["vector"] is None
    assert not {"product", "gross_micros", "currency", "listener"} & set(body)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"v": 1},
        {"type": "x"},
        {"v": 2, "type": "x"},
        {"v": True, "type": "x"},
        {"v": "1", "type": "x"},
        {"v": 1, "type": ""},
        {"v": 1, "type": "X"},
        {"v": 1, "type": None},
        {"v": 1, "type": "x" * 33},
        {"v": 1, "type": "x\n"},
        {"v": 1, "type": "x", "pad": "a" * 65_535},
    ],
)
def test_what_is_no_leaf(body: dict[str, Any]) -> None:
    """If this fails, something is logged that readers of the log refuse."""
    with pytest.raises(InputError):
        leaf.encode(body)
    with pytest.raises(VerificationError):
        leaf.decode(canon.encode(body))


def test_a_leaf_of_the_greatest_length() -> None:
    """If this fails, leaves are refused that fit, or written that no entry bundle can hold."""
    room = 65_535 - len(leaf.encode({"v": 1, "type": "x", "pad": ""}))
    body = leaf.encode({"v": 1, "type": "x", "pad": "a" * room})
    assert len(body) == 65_535
    assert leaf.decode(body)["pad"] == "a" * room
    with pytest.raises(InputError, match="at most 65535"):
        leaf.encode({"v": 1, "type": "x", "pad": "a" * (room + 1)})


def test_a_signed_leaf_is_signed_as_a_whole() -> None:
    """If this fails, a signed leaf can be changed, or its signature moved to another leaf."""
    body = leaf.assign(AT, track="trk-1", vector="d" * 64, signer=KEY)
    leaf.check_signature(body, KEY.public)
    for name in set(body) - {"sig", "key"}:
        for changed in ({**body, name: "other"}, {key: value for key, value in body.items() if key != name}):
            with pytest.raises(VerificationError):
                leaf.check_signature(changed, KEY.public)
    with pytest.raises(VerificationError):
        leaf.check_signature({**body, "more": 1}, KEY.public)


@pytest.mark.parametrize("wrong", [{"key": "0" * 64}, {"key": None}, {"sig": None}, {"sig": "AAAA"}, {"sig": "x"}])
def test_signatures_that_are_none(wrong: dict[str, Any]) -> None:
    """If this fails, an unsigned leaf passes for a signed one, or a malformed one crashes."""
    body = leaf.assign(AT, track="trk-1", vector="d" * 64, signer=KEY) | wrong
    with pytest.raises(VerificationError):
        leaf.check_signature(body, KEY.public)


def test_another_key_did_not_sign() -> None:
    """If this fails, a leaf counts as signed by whoever is asked."""
    body = leaf.assign(AT, track="trk-1", vector="d" * 64, signer=KEY)
    with pytest.raises(VerificationError, match="names key"):
        leaf.check_signature(body, seeded("other").public)
    with pytest.raises(VerificationError, match="signature is not by key"):
        leaf.check_signature({**body, "key": seeded("other").public.id}, seeded("other").public)


@given(st.binary(max_size=60))
def test_any_bytes(data: bytes) -> None:
    """If this fails, a foreign entry crashes the reader, or a leaf has two spellings."""
    try:
        body = leaf.decode(data)
    except VerificationError:
        return
    assert leaf.encode(body) == data
