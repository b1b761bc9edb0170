"""The sums of an open month, kept in a file between two looks at it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ledger.errors import VerificationError
from ledger.event import Entry
from ledger.proofs import leaf
from payouts.live.usage_fold import UsageFold
from payouts.usage.grain import Grain
from payouts.usage.plain import EntrySelection
from tests.ledger.logs import event
from tests.payouts.streams import membership


def summed(fold: UsageFold) -> UsageFold:
    """The fold with a log of one event taken from the beginning."""
    entries = [Entry(0, leaf.encode(event("e-1")))]
    fold.take(EntrySelection(origin="o", membership=membership(1), entries=entries))
    return fold


@pytest.mark.parametrize("damage", [{"position": {"o": "x"}}, {"position": None}, {"sums": {"o": [["t"]]}}, {"v": 0}])
def test_a_damaged_file_leaves_nothing_behind(damage: dict[str, Any]) -> None:
    """If this fails, what a damaged file held of the month is counted again, and holders are shown too much."""
    good = summed(UsageFold("june", grain=Grain())).encode()
    fold = UsageFold("june", grain=Grain())
    with pytest.raises(VerificationError):
        fold.restore(json.dumps(json.loads(good) | damage).encode())
    assert summed(fold).encode() == good


def test_a_whole_file_is_continued() -> None:
    """If this fails, every look at an open month reads all of its events again."""
    good = summed(UsageFold("june", grain=Grain())).encode()
    fold = UsageFold("june", grain=Grain())
    fold.restore(good)
    assert (fold.position, fold.encode()) == ({"o": 1}, good)
