"""Holds that name their end and their witnesses: only a cosignature of the right time ends one."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.proofs import cosign
from ledger.proofs.keys import PrivateKey
from ledger.proofs.note import COSIGNATURE, Note, Vkey
from ledger.types import parse_time
from payouts.life.book import Book
from payouts.life.records import Expire, Hold
from tests.payouts.life.acting import AT, LATER, book_of

KEYS = {name: PrivateKey.from_seed(name.encode().ljust(32, b"w")) for name in ("w1", "w2", "w3")}
POLICY = (
    "".join(f"witness {name} {Vkey(name, key.public, COSIGNATURE)}\n" for name, key in KEYS.items())
    + "group both 2 w1 w2 w3\nquorum both\n"
)
TEXT = "example.org/log\n5\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
MAKES: dict[str, Any] = {"by": "operator", "key": "k-operator"}
COME = int(parse_time(LATER).timestamp())


def hold(**changed: Any) -> Hold:
    given = {"until": LATER, "witnesses": POLICY} | changed
    return Hold(at=AT, **MAKES, id="h-1", scope="party", subject="bob", reason="fraud", **given)


def cosigned(**times: int) -> str:
    """A checkpoint that these witnesses cosigned so many seconds from the hold's end."""
    return (
        Note(TEXT, tuple(cosign.sign(TEXT, name, KEYS[name], COME + t) for name, t in times.items())).encode().decode()
    )


def ended(checkpoint: str | None, opened: Hold | None = None, at: str = LATER) -> Book:
    return book_of(opened or hold(), Expire(at=at, **MAKES, id="e-1", hold="h-1", checkpoint=checkpoint))


def test_a_quorum_at_the_time_ends_it() -> None:
    """If this fails, a hold that names its end and its witnesses never ends."""
    book = ended(cosigned(w1=0, w3=86_400))
    assert (book.voids, book.open_holds()) == ([], [])


@pytest.mark.parametrize(
    "checkpoint",
    [
        None,
        "",
        "nonsense",
        cosigned(),
        cosigned(w1=0),
        cosigned(w1=0, w2=-1),
        cosigned(w1=-1, w2=-1, w3=-1),
        cosigned(w1=0, w2=0).replace("\n5\n", "\n6\n"),
    ],
)
def test_the_operators_clock_alone_ends_nothing(checkpoint: str | None) -> None:
    """If this fails, whoever can set a clock forward lets held money go before its time."""
    book = ended(checkpoint, at="2030-01-01T00:00:00Z")
    assert [void.type for void in book.voids] == ["expire"]
    assert [one.id for one in book.open_holds()] == ["h-1"]


def test_a_cosignature_does_not_hurry_the_leafs_own_time() -> None:
    """If this fails, an end may stand in the log with a time before it."""
    assert len(ended(cosigned(w1=0, w2=0), at=AT).voids) == 1


def test_a_hold_without_witnesses_goes_by_the_operators_clock() -> None:
    """If this fails, the holds of a log that has no witnesses never end."""
    assert ended(None, hold(witnesses=None)).open_holds() == []


@pytest.mark.parametrize("changed", [{"witnesses": "quorum none\n"}, {"witnesses": "witness\n"}, {"until": None}])
def test_witnesses_that_see_nothing_make_no_hold(changed: dict[str, Any]) -> None:
    """If this fails, a hold that is meant to be witnessed is ended by anybody."""
    book = book_of(hold(**changed))
    assert [void.type for void in book.voids] == ["hold"]
    assert not book.holds
