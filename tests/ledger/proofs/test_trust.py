"""trust.json: strict in what it says, free in how it is spaced."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import VerificationError
from ledger.proofs import policy, tree, trust
from ledger.proofs.keyring import KeyRing
from ledger.proofs.note import COSIGNATURE, Vkey
from ledger.proofs.trust import Trust, TrustedLog
from tests.golden import check_golden
from tests.ledger.world import ORIGIN, World, rotation, seeded, trusted

WITNESS = Vkey("witness.example/w1", seeded("w1").public, COSIGNATURE)
POLICY = policy.parse(f"witness w1 {WITNESS} https://witness.example/\nquorum w1\n".encode())
PLAIN = World().trust(POLICY)


def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(PLAIN.encode())
    return found


def test_golden_file() -> None:
    """If this fails, published trust files are no longer written as they were."""
    check_golden("trust.json", PLAIN.encode())


def test_it_is_read_as_written_however_it_is_spaced() -> None:
    """If this fails, a trust file that a person reformatted is another, or none."""
    assert trust.parse(PLAIN.encode()) == PLAIN
    assert trust.parse(json.dumps(document()).encode()) == PLAIN
    assert trust.parse(PLAIN.encode()).encode() == PLAIN.encode()


def test_what_it_answers() -> None:
    """If this fails, a verifier does not find the log it was told to trust."""
    assert PLAIN.origin == ORIGIN
    log = PLAIN.log(ORIGIN)
    assert log is not None
    assert [vkey.name for vkey in log.vkeys()] == [ORIGIN]
    assert PLAIN.log("example.org/other") is None


def test_several_logs() -> None:
    """If this fails, a platform's own log cannot be trusted beside the home log."""
    second = TrustedLog("example.org/second", (trusted("log", seeded("second")),))
    both = Trust((*PLAIN.logs, second), PLAIN.policy)
    assert trust.parse(both.encode()) == both
    with pytest.raises(VerificationError):
        trust.parse(Trust((*PLAIN.logs, *PLAIN.logs)).encode())


def test_it_is_published_again_after_a_rotation() -> None:
    """If this fails, readers of the newest trust file still accept the retired key."""
    world = World()
    new = seeded("log 2")
    index = rotation(world, "log", world.log_key, new)
    log = PLAIN.log(ORIGIN)
    assert log is not None
    ring = KeyRing(log.keys).apply(index, json.loads(world.bodies[index]))
    renewed = trust.parse(PLAIN.with_ring(ring).encode())
    renewed_log = renewed.log(ORIGIN)
    assert renewed_log is not None
    assert renewed_log.keys == ring.keys
    assert [(key.start, key.until) for key in ring.of("log")] == [(0, index), (index + 1, None)]
    assert [key.root for key in renewed_log.keys if key.role == "log"] == [tree.root_of(world.hashes(index)), None]
    assert [log.vkey.key for log in policy.parse(renewed.policy_file()).logs] == [new.public]
    assert renewed.policy == PLAIN.policy


def test_the_policy_file_for_other_tools() -> None:
    """If this fails, sigsum and other clients cannot be configured from our trust file."""
    exported = policy.parse(PLAIN.policy_file())
    assert exported.witnesses == PLAIN.policy.witnesses
    assert [log.vkey.name for log in exported.logs] == [ORIGIN]


def changed(**fields: Any) -> bytes:
    return json.dumps(document() | fields).encode()


def log_with(**fields: Any) -> bytes:
    return changed(logs=[document()["logs"][0] | fields])


def key_with(n: int, **fields: Any) -> bytes:
    keys = document()["logs"][0]["keys"]
    keys[n] = {name: value for name, value in (keys[n] | fields).items() if value is not ...}
    return log_with(keys=keys)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{",
        b"null",
        b"\xff",
        PLAIN.encode().replace(b'"v": 2', b'"v": 2, "v": 2'),
        changed(v=3),
        changed(type="x"),
        changed(more=1),
        changed(logs=[]),
        changed(logs={}),
        changed(logs=[5]),
        changed(policy=[]),
        changed(policy="quorum none"),
        changed(policy=["quorum none\nquorum none"]),
        changed(policy=[f"log {Vkey(ORIGIN, seeded('x').public)}", "quorum none"]),
        changed(v=2.0),
        changed(v=True),
        log_with(origin=5),
        log_with(origin="a b"),
        log_with(origin="example.org/x"),
        log_with(keys=[]),
        log_with(keys={}),
        log_with(more=1),
        key_with(0, role="attribution"),
        key_with(0, vkey=5),
        key_with(0, vkey="x"),
        key_with(0, party=""),
        key_with(0, vkey=...),
        key_with(1, role="log"),
        key_with(1, role="god"),
        key_with(1, public="00"),
        key_with(1, public=5),
        key_with(1, until=-1),
        key_with(1, until="5"),
        key_with(1, **{"from": True}),
        key_with(1, more=1),
        key_with(1, role=["log"]),
        key_with(2, public=document()["logs"][0]["keys"][1]["public"]),
        b'{"v":1,"v":1,"type":"trust","logs":[],"policy":[]}',
        b"[" * 100_000,
        b"1" * 5_000,
        b'{"v":NaN}',
    ],
)
def test_what_is_no_trust(data: bytes) -> None:
    """If this fails, a damaged or mistyped trust file is believed, or crashes the reader."""
    with pytest.raises(VerificationError, match="trust file"):
        trust.parse(data)


@given(st.integers(0, len(PLAIN.encode()) - 1), st.integers(1, 255))
def test_any_changed_byte(position: int, change: int) -> None:
    """If this fails, a damaged trust file crashes the reader instead of being refused or read."""
    data = bytearray(PLAIN.encode())
    data[position] ^= change
    try:
        found = trust.parse(bytes(data))
    except VerificationError:
        return
    assert trust.parse(found.encode()) == found
