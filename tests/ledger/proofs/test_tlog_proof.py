"""Receipts: the .tlog-proof format, strictly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import VerificationError
from ledger.proofs import tlog_proof
from ledger.proofs.tlog_proof import Proof

HASH = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
HEAD = "c2sp.org/tlog-proof@v1\n"


def test_known_bytes() -> None:
    """If this fails, other people's tools do not read our receipts."""
    receipt = Proof(index=7, hashes=(bytes(32),), checkpoint=b"the\n\ncheckpoint\n", extra=b"leaf")
    assert receipt.encode().decode() == f"{HEAD}extra bGVhZg==\nindex 7\n{HASH}\n\nthe\n\ncheckpoint\n"
    assert tlog_proof.parse(receipt.encode()) == receipt


def test_the_specifications_example() -> None:
    """If this fails, we refuse the example of the specification (its hashes and index)."""
    hashes = [
        "gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=",
        "B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=",
        "EKNzoDWG8LGC0Yp9o+sv3qllpMP9uHQ9B20KNL+Q1zs=",
        "RoopEkOdqkqYMB4MJXrbt/hMjOxsVn0IrWjpz1ZMMes=",
    ]
    data = (HEAD + "index 73894\n" + "\n".join(hashes) + "\n\nexample.com/fancylog\n109482\n").encode()
    parsed = tlog_proof.parse(data)
    assert (parsed.index, len(parsed.hashes), parsed.extra) == (73894, 4, None)
    assert parsed.encode() == data


@pytest.mark.parametrize(
    "text",
    [
        "",
        HEAD,
        HEAD + "index 1\n",
        HEAD + "index 01\n\nx",
        HEAD + "index -1\n\nx",
        HEAD + "index 1\nextra AA==\n\nx",
        HEAD + "extra AA=\nindex 1\n\nx",
        HEAD + "extra\nindex 1\n\nx",
        HEAD + "index 1\nAAAA\n\nx",
        HEAD + f"{HASH}\n\nx",
        HEAD + "index 1\n" + f"{HASH}\n" * 64 + "\nx",
        "c2sp.org/tlog-proof@v2\nindex 1\n\nx",
        HEAD + f"index 1\n{HASH} \n\nx",
        HEAD + "index é\n\nx",
        HEAD + "extra AA==\nextra AA==\nindex 1\n\nx",
    ],
)
def test_what_is_no_receipt(text: str) -> None:
    """If this fails, a receipt is read that others refuse, or refused with a crash."""
    with pytest.raises(VerificationError):
        tlog_proof.parse(text.encode())


@given(
    st.integers(0, 2**63 - 1),
    st.lists(st.binary(min_size=32, max_size=32), max_size=63),
    st.binary(max_size=40),
    st.one_of(st.none(), st.binary(max_size=40)),
)
def test_receipts_are_read_as_written(index: int, hashes: list[bytes], checkpoint: bytes, extra: bytes | None) -> None:
    """If this fails, a receipt changes on the way through us."""
    receipt = Proof(index=index, hashes=tuple(hashes), checkpoint=checkpoint, extra=extra)
    assert tlog_proof.parse(receipt.encode()) == receipt


@given(
    st.one_of(
        st.binary(max_size=60), st.text("index 0123\nextra A=", max_size=60).map(lambda rest: (HEAD + rest).encode())
    )
)
def test_any_bytes(data: bytes) -> None:
    """If this fails, a foreign file crashes the reader, or a receipt has two spellings."""
    try:
        parsed = tlog_proof.parse(data)
    except VerificationError:
        return
    assert parsed.encode() == data
