"""Signed statements: the published example's bytes, and what a signature does and does not cover."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import VerificationError
from ledger.proofs import canon, dsse
from tests.ledger.world import seeded

ONE, TWO, THREE = seeded("one"), seeded("two"), seeded("three")
TYPE = "application/vnd.example+json"
ENVELOPE = dsse.sign(TYPE, b'{"a":1}', [ONE, TWO])


def test_the_published_pre_authentication_encoding() -> None:
    """If this fails, nobody else's verifier accepts our statements."""
    assert dsse.pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert dsse.pae("é", b"") == "DSSEv1 2 é 0 ".encode()


def test_one_of_several_signers_is_enough_unless_more_are_asked_for() -> None:
    """If this fails, thresholds do not hold, and maker and checker can be one."""
    assert dsse.verify(ENVELOPE, [ONE.public], TYPE) == b'{"a":1}'
    assert dsse.verify(ENVELOPE, [ONE.public, TWO.public], TYPE, threshold=2) == b'{"a":1}'
    with pytest.raises(VerificationError, match="2 of"):
        dsse.verify(ENVELOPE, [ONE.public, THREE.public], TYPE, threshold=2)
    twice = dsse.Envelope(payload_type=TYPE, payload=b"x", signatures=dsse.sign(TYPE, b"x", [ONE]).signatures * 2)
    with pytest.raises(VerificationError):
        dsse.verify(twice, [ONE.public, TWO.public], TYPE, threshold=2)


def test_strangers_are_named() -> None:
    """If this fails, a reader is not told who signed and whom they trust."""
    with pytest.raises(VerificationError, match=rf"signed by {ONE.public.id[:16]}.*1 of {THREE.public.id[:16]}"):
        dsse.verify(ENVELOPE, [THREE.public], TYPE)


def test_the_type_is_signed_and_asked_for() -> None:
    """If this fails, a statement of one kind passes for one of another."""
    with pytest.raises(VerificationError, match="expected 'other'"):
        dsse.verify(ENVELOPE, [ONE.public], "other")
    relabelled = dsse.Envelope(payload_type="other", payload=ENVELOPE.payload, signatures=ENVELOPE.signatures)
    with pytest.raises(VerificationError):
        dsse.verify(relabelled, [ONE.public], "other")


def test_a_false_signature_by_a_known_key_sinks_the_envelope() -> None:
    """If this fails, an envelope that is partly forged is believed for the rest of it."""
    forged = dsse.Signature(TWO.public.id, bytes(64))
    envelope = dsse.Envelope(payload_type=TYPE, payload=ENVELOPE.payload, signatures=(ENVELOPE.signatures[0], forged))
    assert dsse.verify(envelope, [ONE.public], TYPE)
    with pytest.raises(VerificationError):
        dsse.verify(envelope, [ONE.public, TWO.public], TYPE)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), st.binary(max_size=60))
def test_envelopes_are_read_as_written(payload_type: str, payload: bytes) -> None:
    """If this fails, a statement's digest is not the digest of its bytes."""
    envelope = dsse.sign(payload_type, payload, [ONE])
    data = envelope.encode()
    assert dsse.parse(data) == envelope
    assert envelope.digest == canon.digest(data)
    assert dsse.verify(dsse.parse(data), [ONE.public], payload_type) == payload


def test_every_flipped_bit_is_refused() -> None:
    """If this fails, a statement can be changed without its signature noticing."""
    data = dsse.sign(TYPE, b'{"a":1}', [ONE]).encode()
    for position in range(len(data) * 8):
        wrong = bytearray(data)
        wrong[position // 8] ^= 1 << position % 8
        with pytest.raises(VerificationError):
            dsse.verify(dsse.parse(bytes(wrong)), [ONE.public], TYPE)


@given(
    st.one_of(
        st.binary(max_size=60),
        st.dictionaries(
            st.sampled_from(["payload", "payloadType", "signatures", "x"]),
            st.one_of(
                st.none(),
                st.integers(-9, 9),
                st.text("AQ=é", max_size=5),
                st.lists(
                    st.dictionaries(
                        st.sampled_from(["keyid", "sig"]),
                        st.one_of(st.integers(0, 9), st.text("AQ=", max_size=5)),
                        max_size=2,
                    ),
                    max_size=2,
                ),
            ),
            max_size=4,
        ).map(lambda value: json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()),
    )
)
def test_any_bytes(data: bytes) -> None:
    """If this fails, a foreign file crashes the reader, or an envelope has two spellings."""
    try:
        envelope = dsse.parse(data)
    except VerificationError:
        return
    assert envelope.encode() == data


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"payload": "?"}, "^statement payload"),
        ({"payload": 1}, "payload and payloadType are texts"),
        ({"payloadType": 1}, "payload and payloadType are texts"),
        ({"signatures": {}}, "signatures is a list"),
        ({"signatures": [{"keyid": "k", "sig": "?"}]}, "^statement signature"),
        ({"signatures": [{"keyid": "k"}]}, "a signature is an object of keyid and sig"),
        ({"signatures": ["k"]}, "a signature is an object of keyid and sig"),
        ({"more": 1}, "^statement: fields"),
    ],
)
def test_a_refusal_says_which_part_is_wrong(changed: dict[str, object], named: str) -> None:
    """If this fails, whoever hands in a broken statement is not told which field to mend."""
    document = json.loads(ENVELOPE.encode()) | changed
    with pytest.raises(VerificationError, match=named):
        dsse.parse(canon.encode(document))
    with pytest.raises(VerificationError, match=r"^statement: "):
        dsse.parse(b"[]")


def test_nobody_is_named_as_nobody() -> None:
    """If this fails, a reader of an unsigned statement is shown an empty place for its signer."""
    unsigned = dsse.sign(TYPE, b"x", [])
    with pytest.raises(VerificationError, match=rf"is signed by nobody; 1 of {ONE.public.id[:16]} needed"):
        dsse.verify(unsigned, [ONE.public], TYPE)
    with pytest.raises(
        VerificationError, match=rf"signed by {ONE.public.id[:16]}, {TWO.public.id[:16]}; 1 of nobody needed"
    ):
        dsse.verify(ENVELOPE, [], TYPE)
    with pytest.raises(VerificationError, match=rf"2 of {ONE.public.id[:16]}, {THREE.public.id[:16]} needed"):
        dsse.verify(ENVELOPE, [ONE.public, THREE.public], TYPE, threshold=2)
