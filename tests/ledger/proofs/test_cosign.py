"""Cosignatures: the specification's example, its message, and every way to get it wrong."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InputError, VerificationError
from ledger.proofs import cosign, note
from ledger.proofs.note import COSIGNATURE, Note, NoteSignature, Vkey
from tests.ledger.world import seeded

KEY = seeded("witness")
VKEY = Vkey("witness.example/w1", KEY.public, COSIGNATURE)
TEXT = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
LINE = cosign.sign(TEXT, VKEY.name, KEY, 1_679_315_147)


def test_the_specifications_message() -> None:
    """If this fails, no other client accepts our witness's signatures."""
    assert cosign.message(TEXT, 1_679_315_147).decode() == "cosignature/v1\ntime 1679315147\n" + TEXT
    assert LINE.value[:8] == struct.pack(">Q", 1_679_315_147)
    assert len(LINE.value) == 72
    KEY.public.verify(LINE.value[8:], cosign.message(TEXT, 1_679_315_147))


def test_the_specifications_example_is_read() -> None:
    """If this fails, cosignatures of the public witness network are not read as what they are."""
    line = (
        "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5"
        "nNo0xUe+mbIUBkBIfZ+qnA=="
    )
    signature = note.parse_signature(line)
    assert int.from_bytes(signature.value[:8], "big") == 1_679_315_147
    assert len(signature.value) == 72


def test_a_cosignature_verifies_and_says_when() -> None:
    """If this fails, an honest witness does not count."""
    assert cosign.verify(TEXT, LINE, VKEY) == 1_679_315_147
    assert cosign.cosigners(Note(TEXT, (LINE,)), [VKEY]) == {VKEY: 1_679_315_147}


def test_the_time_is_signed() -> None:
    """If this fails, an old cosignature can be made to look fresh."""
    moved = NoteSignature(LINE.name, LINE.id, struct.pack(">Q", 1_679_315_148) + LINE.value[8:])
    with pytest.raises(VerificationError):
        cosign.verify(TEXT, moved, VKEY)


def test_a_plain_signature_is_no_cosignature() -> None:
    """If this fails, a log can pass its own kind of signature off as a witness's."""
    plain = NoteSignature(LINE.name, LINE.id, bytes(8) + KEY.sign(TEXT.encode()))
    with pytest.raises(VerificationError):
        cosign.verify(TEXT, plain, VKEY)


@pytest.mark.parametrize(
    "value", [b"", LINE.value[:-1], LINE.value + b"\x00", b"\x80" + LINE.value[1:], LINE.value[8:]]
)
def test_malformed_cosignatures(value: bytes) -> None:
    """If this fails, a malformed line crashes, or a time beyond 2^63 is believed."""
    with pytest.raises(VerificationError):
        cosign.verify(TEXT, NoteSignature(LINE.name, LINE.id, value), VKEY)


def test_a_time_beyond_2_63_is_refused_though_signed() -> None:
    """If this fails, a cosignature is believed whose time other verifiers cannot even hold."""
    late = NoteSignature(LINE.name, LINE.id, struct.pack(">Q", 2**63) + KEY.sign(cosign.message(TEXT, 2**63)))
    with pytest.raises(VerificationError, match="below 2"):
        cosign.verify(TEXT, late, VKEY)


def test_strangers_are_ignored_and_forgeries_sink_the_note() -> None:
    """If this fails, an unknown witness blocks a checkpoint, or a forged known one does not."""
    stranger = cosign.sign(TEXT, "stranger", seeded("stranger"), 1)
    assert cosign.cosigners(Note(TEXT, (stranger, LINE)), [VKEY]) == {VKEY: 1_679_315_147}
    forged = cosign.sign(TEXT + "more\n", VKEY.name, KEY, 1)
    with pytest.raises(VerificationError):
        cosign.cosigners(Note(TEXT, (forged,)), [VKEY])


def test_a_plain_key_of_the_same_name_is_another_key() -> None:
    """If this fails, key types are confused."""
    assert cosign.cosigners(Note(TEXT, (LINE,)), [Vkey(VKEY.name, KEY.public)]) == {}


@pytest.mark.parametrize("time", [-1, 2**63])
def test_times_that_cannot_be_signed(time: int) -> None:
    """If this fails, a witness signs a time that no verifier accepts."""
    with pytest.raises(InputError):
        cosign.sign(TEXT, "w", KEY, time)


@given(st.integers(0, 2**63 - 1))
def test_any_time(time: int) -> None:
    """If this fails, some times do not survive being signed."""
    assert cosign.verify(TEXT, cosign.sign(TEXT, VKEY.name, KEY, time), VKEY) == time
