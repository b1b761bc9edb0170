"""Checkpoints: what a log signs, read strictly and opened only with its own keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import VerificationError
from ledger.proofs import checkpoint, note, tree
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.note import Vkey
from tests.ledger.world import seeded

KEY = seeded("log")
ORIGIN = "example.org/ledger"
VKEY = Vkey(ORIGIN, KEY.public)
SIGNED = checkpoint.sign(ORIGIN, 0, tree.EMPTY_ROOT, KEY)


def test_known_bytes() -> None:
    """If this fails, the checkpoints of existing logs are no longer written as they were."""
    assert SIGNED.decode().split("\n\n")[0] == f"{ORIGIN}\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    assert checkpoint.open(SIGNED, ORIGIN, [VKEY]) == Checkpoint(ORIGIN, 0, tree.EMPTY_ROOT)


def test_only_the_logs_own_keys_open_it() -> None:
    """If this fails, another log's key vouches for this one."""
    with pytest.raises(VerificationError, match=r"signed by key 0ba9c507 of example.org/ledger; you trust key"):
        checkpoint.open(SIGNED, ORIGIN, [Vkey(ORIGIN, seeded("other").public)])
    with pytest.raises(VerificationError, match=r"expected 'example.org/another'"):
        checkpoint.open(SIGNED, "example.org/another", [VKEY])
    renamed = note.sign(checkpoint.parse(note.parse(SIGNED).text).text(), "example.org/another", KEY).encode()
    with pytest.raises(VerificationError):
        checkpoint.open(renamed, ORIGIN, [Vkey("example.org/another", KEY.public)])


@pytest.mark.parametrize("origin", ["", "a b", "a+b", "a\nb"])
def test_origins_that_cannot_be_key_names(origin: str) -> None:
    """If this fails, a log is given a name under which nobody can verify it."""
    with pytest.raises(VerificationError):
        checkpoint.sign(origin, 0, tree.EMPTY_ROOT, KEY)


ROOT = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


@pytest.mark.parametrize(
    "text",
    [
        "",
        "o\n",
        "o\n1\n",
        f"o\n1\n{ROOT}",
        f"\n1\n{ROOT}\n",
        f"o\n01\n{ROOT}\n",
        f"o\n-1\n{ROOT}\n",
        f"o\n\n{ROOT}\n",
        f"o\n1\n{ROOT[:-4]}\n",
        f"o\n1\n{ROOT}\n\n",
        f"o\n1\n{ROOT}\next\n\n",
        f"o\n{2**63}\n{ROOT}\n",
        f"o\n1 \n{ROOT}\n",
    ],
)
def test_what_is_no_checkpoint(text: str) -> None:
    """If this fails, a size or a root is read that nobody signed."""
    with pytest.raises(VerificationError):
        checkpoint.parse(text)


def test_extension_lines_are_kept() -> None:
    """If this fails, other logs' checkpoints do not survive being read."""
    text = f"o\n5\n{ROOT}\none\ntwo\n"
    parsed = checkpoint.parse(text)
    assert parsed.extensions == ("one", "two")
    assert parsed.text() == text


@given(
    st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32), st.lists(st.text("ab +", min_size=1), max_size=3)
)
def test_texts_are_read_as_written(size: int, root: bytes, extensions: list[str]) -> None:
    """If this fails, a checkpoint means something else after it has been written."""
    written = Checkpoint("o", size, root, tuple(extensions))
    assert checkpoint.parse(written.text()) == written


@given(st.text("o1\n= é/" + ROOT[:3], max_size=60))
def test_any_text(text: str) -> None:
    """If this fails, some text crashes the reader, or a checkpoint has two spellings."""
    try:
        parsed = checkpoint.parse(text)
    except VerificationError:
        return
    assert parsed.text() == text
