"""Canonical JSON: one value, one spelling; anything else is refused, in one way."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InputError, VerificationError
from ledger.proofs import canon
from tests.support import ROOT

KEYS = st.text(st.characters(max_codepoint=127), max_size=8)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
INTS = st.integers(-canon.INT_MAX, canon.INT_MAX)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), INTS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)


@given(VALUES)
def test_what_is_written_is_read_back(value: object) -> None:
    """If this fails, a leaf cannot be read, or is read as another."""
    assert canon.decode(canon.encode(value)) == value


@given(VALUES)
def test_it_is_rfc_8785(value: Any) -> None:
    """If this fails, other people's canonical JSON of our leaves hashes differently."""
    assert canon.encode(value) == rfc8785.dumps(value)


@given(VALUES, st.data())
def test_any_one_byte_changed_is_another_value_or_none(value: object, data: st.DataObject) -> None:
    """If this fails, two byte strings mean one value, and a changed byte goes unnoticed."""
    encoded = bytearray(canon.encode(value))
    position = data.draw(st.integers(0, len(encoded) - 1))
    encoded[position] ^= data.draw(st.integers(1, 255))
    try:
        other = canon.decode(bytes(encoded))
    except VerificationError:
        return
    assert json.dumps(other, sort_keys=True) != json.dumps(value, sort_keys=True)


@given(st.one_of(st.binary(max_size=40), st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass"))))
def test_any_bytes(data: bytes) -> None:
    """If this fails, bytes from outside can crash the reader, or be read as what they do not spell."""
    try:
        value = canon.decode(data)
    except VerificationError:
        return
    assert canon.encode(value) == data


@pytest.mark.parametrize(
    "spelling",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"a":2}',
        b'{"b":1,"a":2}',
        b'{"a": 1}',
        b' {"a":1}',
        b'{"a":1}\n',
        b'{"a":1.0}',
        b'{"a":1e2}',
        b'{"a":-0}',
        b'{"a":01}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'"\\u0041"',
        b'"\\/"',
        b'"\\ud800"',
        b'"\xed\xa0\x80"',
        b'"\xff"',
        b"",
        b"{",
        b'{"a":1}{}',
        b'\xef\xbb\xbf{"a":1}',
        '{"é":1}'.encode(),
        b"9007199254740992",
        b"[1,]",
        b"-9007199254740992",
        b'"\t"',
        b"nul",
        b"[" * 100_000,
        b"[" * 25 + b"]" * 25,
        b"1" * 5_000,
        b'{"a":1}'.ljust(9, b"\x00"),
        '{"a":1}'.encode("utf-16"),
    ],
)
def test_other_spellings_are_refused(spelling: bytes) -> None:
    """If this fails, one value has two spellings, or a value outside the subset gets in."""
    with pytest.raises(VerificationError):
        canon.decode(spelling)


def test_nesting_is_refused_whatever_the_recursion_limit() -> None:
    """If this fails, a few kilobytes of brackets end the process that reads them."""
    code = (
        "import sys; sys.setrecursionlimit(100_000)\n"
        "from ledger.proofs import canon\n"
        "for bomb in (b'[' * 100_000, b'{\"a\":' * 100_000, b'[' * 50_000 + b']' * 50_000):\n"
        "    try: canon.decode(bomb)\n"
        "    except canon.VerificationError: pass\n"
        "    else: raise SystemExit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        float("nan"),
        2**53,
        -(2**53),
        {"é": 1},
        {1: 2},
        {None: 1},
        "\ud800",
        b"x",
        (1,),
        {1},
        object(),
        True + 0.5,
        {"a": {"b": [1.5]}},
        [[[object()]]],
    ],
)
def test_values_outside_the_subset_are_refused(value: object) -> None:
    """If this fails, something is signed that another program cannot write the same way."""
    with pytest.raises(InputError):
        canon.encode(value)


def test_depth_is_limited_on_both_sides() -> None:
    """If this fails, input decides how deep we recurse, or we write what we cannot read."""
    deep: list[Any] = []
    for _ in range(canon.DEPTH_MAX - 1):
        deep = [deep]
    assert canon.decode(canon.encode(deep)) == deep
    with pytest.raises(InputError):
        canon.encode([deep])


@pytest.mark.parametrize("pair", [("[", "]"), ('{"a":', "}")])
def test_brackets_are_counted_by_depth_not_by_number(pair: tuple[str, str]) -> None:
    """If this fails, a long list or a text with brackets is refused, or a deep file ends the process."""
    opened, closed = pair
    wide = "[" + ",".join([opened + ("1" if closed == "}" else "") + closed] * 40) + "]"
    assert len(canon.decode(wide.encode())) == 40
    assert canon.decode(('["' + "[{" * 40 + '"]').encode()) == ["[{" * 40]
    for depth in (canon.DEPTH_MAX + 1, 100_000):
        with pytest.raises(VerificationError, match="nested deeper"):
            canon.decode((opened * depth + "1" + closed * depth).encode())
    assert canon.decode((opened * canon.DEPTH_MAX + "1" + closed * canon.DEPTH_MAX).encode())


def test_the_widest_integers() -> None:
    """If this fails, two programs disagree about the greatest number that may stand in a leaf."""
    for value in (2**53 - 1, -(2**53 - 1)):
        assert canon.decode(canon.encode([value])) == [value]


def test_known_bytes_and_digest() -> None:
    """If this fails, every hash in every log changes."""
    data = canon.encode({"v": 1, "type": "event", "z": [True, None, 'é€\u0000\n"'], "A": -5})
    assert data == '{"A":-5,"type":"event","v":1,"z":[true,null,"é€\\u0000\\n\\""]}'.encode()
    assert canon.digest(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_objects_are_asked_for_by_name() -> None:
    """If this fails, a refusal does not say which file was wrong."""
    with pytest.raises(VerificationError, match="statement: expected a JSON object"):
        canon.decode_object(b"[]", "statement")
    with pytest.raises(VerificationError, match="statement: not canonical"):
        canon.decode_object(b"[ ]", "statement")


PIECES = [
    '"',
    "\\",
    "a",
    "é",
    "[",
    "]",
    "{",
    "}",
    ":",
    ",",
    "1",
    '"a":',
    '"é":',
    '"é"',
    '"\\\\"',
    '"\\""',
    "\\u00e9",
    "9" * 16,
]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_what_is_read_is_what_would_be_written(text: str) -> None:
    """If this fails, a shortcut in reading takes bytes that nobody may write, or refuses some that everybody does."""
    try:
        written = canon.encode(json.loads(text)) == text.encode()
    except (ValueError, InputError):
        written = False
    try:
        canon.decode(text.encode())
        read = True
    except VerificationError:
        read = False
    assert read == written


@pytest.mark.parametrize(
    "hostile",
    [b'"\\' * 2**21, b'"' * 2**22 + b"\\", b"[" * 2**22, b'"' + "é".encode() * 2**21, '"é"'.encode() * 2**20],
    ids=["escapes", "marks", "brackets", "foreign letters", "foreign texts"],
)
def test_hostile_bytes_are_refused_in_linear_time(hostile: bytes) -> None:
    """If this fails, a bundle of some megabytes keeps a verifier busy for days (V11)."""
    with pytest.raises(VerificationError):
        canon.decode(b"[" * 30 + hostile)
