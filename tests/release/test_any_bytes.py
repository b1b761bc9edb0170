"""Every kind of bundle with any bytes or any value changed: the verifier answers, and believes nothing new."""

from __future__ import annotations

import copy
import json
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import VerificationError
from ledger.proofs import canon
from ledger.proofs.trust import Trust, parse
from service.bundles import verify_bundle
from tests.ledger.proofs.test_verify import paths
from tests.mutations import Edit, edited, edits
from tests.release.keep import RELEASES
from tests.support import examples

KEPT = sorted([*RELEASES.glob("*/bundles/*.bundle"), *RELEASES.glob("*/period/*.bundle")])
OPTIONAL = {"evidence", "assign", "signed", "statement", "keys"}
"""What a bundle may do without: it then proves less, and `unchecked` says so."""

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 2**53 - 1),
    st.text(max_size=6),
    st.just([]),
    st.just({}),
    st.sampled_from(["1", "-1", "0" * 64, "ab" * 32]),
)


@cache
def trust(release: str) -> Trust:
    return parse((RELEASES / release / "trust.json").read_bytes())


def believed(number: int, data: bytes) -> bool:
    return verify_bundle(data, trust(KEPT[number].relative_to(RELEASES).parts[0])).ok


def bytes_changed(number: int, changes: list[Edit]) -> None:
    data = KEPT[number].read_bytes()
    wrong = edited(data, changes)
    assert believed(number, wrong) == (wrong == data)


def value_changed(number: int, where: int, value: Any, *, drop: bool) -> None:
    """One value of the document replaced, or a field taken away; a list may be shorter, where it says that it may."""
    document = json.loads(KEPT[number].read_bytes())
    *path, last = (known := paths(document)[1:])[where % len(known)]
    place = document
    for key in path:
        place = place[key]
    before = copy.deepcopy(document)
    if drop and isinstance(place, dict):
        del place[last]
    else:
        place[last] = value
    left_out = not path and last in OPTIONAL and (drop or value is None or value == [])
    if left_out or canon.encode(document) == canon.encode(before):
        believed(number, canon.encode(document))
        return
    assert not believed(number, canon.encode(document)), (KEPT[number].name, *path, last)


NUMBERS = st.integers(0, len(KEPT) - 1)
PLACES = st.integers(0, 2**16)


@settings(max_examples=examples(150), deadline=None)
@given(NUMBERS, edits())
def test_changed_bytes_are_not_believed(number: int, changes: list[Edit]) -> None:
    """If this fails, a proof can be edited unnoticed, or an edit crashes whoever checks it."""
    bytes_changed(number, changes)


@settings(max_examples=examples(150), deadline=None)
@given(NUMBERS, PLACES, VALUES, st.booleans())
def test_changed_values_are_not_believed(number: int, where: int, value: Any, drop: bool) -> None:
    """If this fails, a well-formed proof says something else than was signed and is believed."""
    value_changed(number, where, value, drop=drop)


@pytest.mark.slow
@settings(max_examples=1200, deadline=None)
@given(NUMBERS, edits(), PLACES, VALUES, st.booleans())
def test_changes_are_not_believed_at_length(
    number: int,
    changes: list[Edit],
    where: int,
    value: Any,
    drop: bool,
) -> None:
    """If this fails, the same, found only by looking longer."""
    bytes_changed(number, changes)
    value_changed(number, where, value, drop=drop)


@settings(max_examples=examples(200), deadline=None)
@given(edits())
def test_a_trust_file_with_changed_bytes_is_read_or_refused(changes: list[Edit]) -> None:
    """If this fails, an auditor with a damaged trust.json gets a crash for an answer."""
    data = edited((KEPT[0].parents[1] / "trust.json").read_bytes(), changes)
    try:
        parse(data)
    except VerificationError:
        return
