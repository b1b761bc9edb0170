"""Witness policies: the specification's example and every rule it gives, one by one."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import VerificationError
from ledger.proofs import policy
from ledger.proofs.note import COSIGNATURE, Vkey
from ledger.proofs.policy import NO_QUORUM, Policy
from tests.ledger.world import seeded

LOG = Vkey("example.org/ledger", seeded("log").public)
KEYS = {
    name: Vkey(f"w.example/{name}", seeded(name).public, COSIGNATURE) for name in ("X1", "X2", "X3", "Y1", "Y2", "Y3")
}


def witness(name: str) -> str:
    return f"witness {name} {KEYS[name]}\n"


EXAMPLE = f"""
# The example of the specification.
log {LOG}

{witness("X1")}{witness("X2")}{witness("X3")}group X-witnesses 2 X1 X2 X3

  witness\tY1 {KEYS["Y1"]} https://y1.example/
{witness("Y2")}{witness("Y3")}group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""


def cosigned(*names: str) -> set[Vkey]:
    return {KEYS[name] for name in names}


def test_the_specifications_example() -> None:
    """If this fails, our policy accepts or refuses otherwise than the specification's text."""
    found = policy.parse(EXAMPLE.encode())
    for count in range(7):
        for names in combinations(KEYS, count):
            enough = sum(name[0] == "X" for name in names) >= 2 and any(name[0] == "Y" for name in names)
            assert found.satisfied(cosigned(*names)) == enough, names
    assert found.witnesses[3].url == "https://y1.example/"
    assert found.logs[0].vkey == LOG


@pytest.mark.parametrize("k", ["1", "2", "3", "any", "all"])
def test_k_of_three(k: str) -> None:
    """If this fails, a quorum of k of n takes more or fewer than k."""
    text = f"{witness('X1')}{witness('X2')}{witness('X3')}group g {k} X1 X2 X3\nquorum g\n"
    found = policy.parse(text.encode())
    needed = {"any": 1, "all": 3}.get(k) or int(k)
    for count in range(4):
        for names in combinations(("X1", "X2", "X3"), count):
            assert found.satisfied(cosigned(*names)) == (count >= needed)


def test_a_single_witness_or_none() -> None:
    """If this fails, the simplest policies do not mean what they say."""
    one = policy.parse((witness("X1") + witness("X2") + "quorum X1\n").encode())
    assert one.satisfied(cosigned("X1"))
    assert not one.satisfied(cosigned("X2"))
    none = policy.parse(b"quorum none\n")
    assert none == NO_QUORUM
    assert none.satisfied(set())


X = witness("X1") + witness("X2")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment\n",
        X,
        "quorum\n",
        "quorum nobody\n",
        "quorum none\nquorum none\n",
        "quorum none extra\n",
        "quorum X1\n" + witness("X1"),
        X + "group g 0 X1 X2\nquorum g\n",
        X + "group g 3 X1 X2\nquorum g\n",
        X + "group g 02 X1 X2\nquorum g\n",
        X + "group g -1 X1\nquorum g\n",
        X + "group g any\nquorum g\n",
        X + "group g any none\nquorum g\n",
        X + "group g any g\nquorum g\n",
        X + "group g any X1 X1\nquorum g\n",
        X + "group g any X1\ngroup h any X1 X2\nquorum h\n",
        X + "group none any X1\nquorum none\n",
        X + "group X1 any X2\nquorum X1\n",
        witness("X1") * 2 + "quorum X1\n",
        "witness none " + str(KEYS["X1"]) + "\nquorum none\n",
        f"witness a {KEYS['X1']}\nwitness b {KEYS['X1']}\nquorum a\n",
        f"witness a {LOG}\nquorum a\n",
        f"log {KEYS['X1']}\nquorum none\n",
        f"log {LOG}\nlog {LOG}\nquorum none\n",
        f"log {LOG} u r\nquorum none\n",
        "frobnicate\nquorum none\n",
        "quorum none",
        "quorum none\r\n",
        "quorum\x00none\n",
        "quorum none\n\x7f\n",
        "# a bell \x07\nquorum none\n",
        "#\n" * 1_000 + "quorum none\n",
        "# comment without an end\nquorum none\n#",
        "Quorum none\n",
        f"witness a {KEYS['X1']} u r\nquorum a\n",
        "witness a\nquorum none\n",
        "quorum\u00a0none\n",
    ],
)
def test_rules(text: str) -> None:
    """If this fails, a policy that the specification forbids is applied, or crashes the reader."""
    with pytest.raises(VerificationError):
        policy.parse(text.encode())


def test_names_are_octets() -> None:
    """If this fails, two names that look alike are one, or a name in no known encoding is refused."""
    kelvin = f"witness \u212a {KEYS['X1']}\nwitness K {KEYS['X2']}\nquorum \u212a\n".encode()
    assert policy.parse(kelvin).satisfied(cosigned("X1"))
    assert not policy.parse(kelvin).satisfied(cosigned("X2"))
    opaque = b"witness \xff " + str(KEYS["X1"]).encode() + b"\nquorum \xff\n"
    assert policy.parse(opaque).encode() == opaque


def test_the_sizes_that_must_be_supported() -> None:
    """If this fails, a policy of 32 witnesses and 32 groups, which others accept, is refused here."""
    keys = [Vkey(f"w{n}", seeded(f"w{n}").public, COSIGNATURE) for n in range(32)]
    lines = [f"witness w{n} {key}\n" for n, key in enumerate(keys)]
    lines += ["group g0 any w0\n"] + [f"group g{n} all g{n - 1} w{n}\n" for n in range(1, 32)] + ["quorum g31\n"]
    found = policy.parse("".join(lines).encode())
    assert found.satisfied(set(keys))
    assert not found.satisfied(set(keys[1:]))


def test_what_is_written_is_read_back() -> None:
    """If this fails, a published policy is not the one in force."""
    found = policy.parse(EXAMPLE.encode())
    assert policy.parse(found.encode()) == found
    assert policy.parse(found.encode()).encode() == found.encode()
    with_url = policy.parse(f"log {LOG} https://log.example/\nquorum none\n".encode())
    assert with_url.logs[0].url == "https://log.example/"
    assert policy.parse(with_url.encode()) == with_url


SOUND = [
    witness("X1"),
    witness("X2"),
    f"log {LOG}\n",
    "group g 1 X1 X2\n",
    "group h all g\n",
    "quorum g\n",
    "quorum h\n",
    "quorum none\n",
    "#\n",
    "\n",
    " \t\n",
]


@given(st.lists(st.sampled_from(SOUND), max_size=9))
def test_any_lines(lines: list[str]) -> None:
    """If this fails, some order of sound lines crashes, or does not survive being written."""
    try:
        found = policy.parse("".join(lines).encode())
    except VerificationError:
        return
    assert policy.parse(found.encode()) == found
    assert isinstance(found.satisfied(cosigned("X1")), bool)


@given(st.binary(max_size=80))
def test_any_bytes(data: bytes) -> None:
    """If this fails, a foreign file crashes the reader."""
    try:
        assert isinstance(policy.parse(data), Policy)
    except VerificationError:
        return
