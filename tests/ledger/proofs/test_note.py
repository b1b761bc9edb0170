"""Signed notes: the specification's own examples, its MUSTs one by one, and arbitrary bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import VerificationError
from ledger.proofs import note
from ledger.proofs.note import Note, Vkey
from tests.ledger.world import seeded

KEY, OTHER = seeded("note"), seeded("other")
VKEY, VOTHER = Vkey("example.org/log", KEY.public), Vkey("example.org/log", OTHER.public)
TEXT = "a text\n\nwith an empty line\n"
SIGNED = note.sign(TEXT, "example.org/log", KEY)

# From golang.org/x/mod/sumdb/note: its documentation's key and note, which every implementation opens.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETERS = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
).encode()


def test_a_note_signed_by_others() -> None:
    """If this fails, we do not read the notes that Go's implementation writes."""
    vkey = note.parse_vkey(PETER)
    assert note.verify(note.parse(PETERS), [vkey]) == (vkey,)
    assert str(vkey) == PETER


def test_notes_are_read_as_written() -> None:
    """If this fails, a note's bytes change on the way through us."""
    assert note.parse(SIGNED.encode()) == SIGNED
    assert SIGNED.text == TEXT
    assert note.verify(SIGNED, [VKEY]) == (VKEY,)


def test_unknown_signatures_are_ignored() -> None:
    """If this fails, a witness's or a successor's line makes old clients refuse a checkpoint."""
    both = note.sign(TEXT, "example.org/log", OTHER, KEY)
    assert note.verify(both, [VKEY]) == (VKEY,)
    assert set(note.verify(both, [VKEY, VOTHER])) == {VKEY, VOTHER}


@pytest.mark.parametrize("vkey", [Vkey("example.org/log2", KEY.public), VOTHER])
def test_a_shared_name_or_a_shared_key_is_not_enough(vkey: Vkey) -> None:
    """If this fails, a note counts as signed by a key that shares only a name or only the bytes."""
    with pytest.raises(VerificationError, match=r"signed by key .* of example.org/log; you trust key"):
        note.verify(SIGNED, [vkey])


def test_a_false_signature_by_a_known_key_sinks_the_note() -> None:
    """If this fails, a note whose trusted signature is false is believed for another one."""
    false = note.NoteSignature(VOTHER.name, VOTHER.id, bytes(64))
    mixed = Note(TEXT, (*SIGNED.signatures, false))
    assert note.verify(mixed, [VKEY]) == (VKEY,)
    with pytest.raises(VerificationError):
        note.verify(mixed, [VKEY, VOTHER])


def test_cosignature_keys_do_not_verify_plain_signatures() -> None:
    """If this fails, a witness's key passes for a log's."""
    cosigner = Vkey("example.org/log", KEY.public, note.COSIGNATURE)
    with pytest.raises(VerificationError):
        note.verify(SIGNED, [cosigner])


def test_nobody_trusted_is_nobody_believed() -> None:
    """If this fails, a note is believed without a key."""
    with pytest.raises(VerificationError, match="you trust nobody"):
        note.verify(SIGNED, [])


def test_sixteen_signatures_are_read() -> None:
    """If this fails, we refuse notes that the specification says we must accept."""
    keys = [seeded(f"signer {n}") for n in range(16)]
    many = note.parse(note.sign(TEXT, "n", *keys).encode())
    assert len(note.verify(many, [Vkey("n", key.public) for key in keys])) == 16


LINE = str(SIGNED.signatures[0])


@pytest.mark.parametrize(
    "whole",
    [
        "",
        "text\n",
        "text\n\n",
        "text\n\n" + LINE[:-1],
        "text" + LINE,
        "text\n" + LINE,
        "te\txt\n\n" + LINE,
        "te\rxt\n\n" + LINE,
        "te\x00xt\n\n" + LINE,
        "text\n\n" + LINE.replace("— ", "- "),
        "text\n\n" + LINE.replace("— ", "—"),
        "text\n\n" + LINE.replace(" e", "  e"),
        "text\n\n" + LINE.replace("\n", " \n"),
        "text\n\n" + LINE + "\n",
        "text\n\n" + LINE * 101,
        "text\n\n— name AAAA\n",
        "text\n\n— name AAAAAA==\n",
        "text\n\n— na+me AAAAAAA=\n",
        "text\n\n— na\u00a0me AAAAAAA=\n",
        "text\n\n—  AAAAAAA=\n",
        "text\n\n" + LINE + "junk\n",
        "\ufefftext" + "x" * 1_000_000 + "\n\n" + LINE,
    ],
)
def test_what_is_no_note(whole: str) -> None:
    """If this fails, something is read as a note that others refuse, or refused with a crash."""
    with pytest.raises(VerificationError):
        note.parse(whole.encode())


def test_text_that_is_not_utf_8() -> None:
    """If this fails, bytes without a meaning are shown to people."""
    with pytest.raises(VerificationError, match="UTF-8"):
        note.parse(b"te\xffxt\n\n" + LINE.encode())


def test_every_flipped_bit_is_refused() -> None:
    """If this fails, a note can be changed without its signature noticing."""
    data = SIGNED.encode()
    for position in range(len(data) * 8):
        wrong = bytearray(data)
        wrong[position // 8] ^= 1 << position % 8
        with pytest.raises(VerificationError):
            note.verify(note.parse(bytes(wrong)), [VKEY])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "name+c74f20a3",
        PETER.replace("c74f20a3", "c74f20a4"),
        PETER.replace("c74f", "C74F"),
        "+" + PETER,
        PETER.replace("Peter", "Pe ter"),
        PETER[:-4],
        PETER.replace("+ARpc", "+BBpc"),
        "\ud800+00000000+AQ==",
    ],
)
def test_what_is_no_verifier_key(text: str) -> None:
    """If this fails, a mistyped key is trusted, or crashes the reader."""
    with pytest.raises(VerificationError):
        note.parse_vkey(text)


def test_verifier_keys_of_the_wrong_type_are_refused() -> None:
    """If this fails, a witness's key can be configured as a log's."""
    text = str(Vkey("w", KEY.public, note.COSIGNATURE))
    assert note.parse_vkey(text, note.COSIGNATURE) == Vkey("w", KEY.public, note.COSIGNATURE)
    with pytest.raises(VerificationError, match="type 04"):
        note.parse_vkey(text)


@pytest.mark.parametrize("text", ["no newline", "a\n\nb", "tab\t\n"])
def test_texts_that_cannot_be_signed(text: str) -> None:
    """If this fails, we sign what nobody can open."""
    with pytest.raises(VerificationError):
        note.sign(text, "name", KEY)


@given(st.one_of(st.binary(max_size=60), st.text("a\n— é+=", max_size=60).map(str.encode)))
def test_any_bytes(data: bytes) -> None:
    """If this fails, a foreign file crashes the reader, or a note has two spellings."""
    try:
        parsed = note.parse(data)
    except VerificationError:
        return
    assert parsed.encode() == data


@given(st.text("ab+ \n\t\u2003", max_size=8), st.sampled_from([KEY, OTHER]))
def test_names_in_verifier_keys(name: str, key: object) -> None:
    """If this fails, a key's name is read back as another."""
    try:
        note.check_name(name)
    except VerificationError:
        return
    vkey = Vkey(name, KEY.public)
    assert note.parse_vkey(str(vkey)) == vkey
