"""What an index keeps of a recording is what was heard, in a byte a number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from attribution.hearing.precision import levels, power_of, rounded_rows
from attribution.index.catalogue import Catalogue
from attribution.index.store import IndexStore
from ledger.errors import VerificationError

KIB_A_SECOND = 1.3


def test_what_is_kept_is_what_was_heard(catalogue: Catalogue, tmp_path: Path) -> None:
    """If this fails, an evidence bundle gives other shares than the track did, or an index fills the disk."""
    store = IndexStore(tmp_path)
    heard = catalogue.features(0)
    store.put(heard)
    kept = store.get(heard.digest)
    assert kept.segments.keys() == heard.segments.keys()
    for name, rows in heard.segments.items():
        np.testing.assert_array_equal(kept.segments[name], rows)
    np.testing.assert_array_equal(kept.power, heard.power)
    np.testing.assert_array_equal(kept.marks.peaks, heard.marks.peaks)
    assert store.place(heard.digest).stat().st_size < KIB_A_SECOND * 1024 * heard.seconds


def test_rounding_again_changes_nothing() -> None:
    """If this fails, features that were read from an index and written to a bundle are others than those judged."""
    random = np.random.default_rng(3)
    rows = random.standard_normal((50, 140)).astype(np.float32) * np.float32(0.1)
    rows[7] = 0.0
    power = np.square(10.0 ** random.uniform(-7, 1.5, (40, 48))).astype(np.float32)
    power[3] = 0.0
    once, once_power = rounded_rows(rows), power_of(levels(power))
    np.testing.assert_array_equal(rounded_rows(once), once)
    np.testing.assert_array_equal(power_of(levels(once_power)), once_power)
    assert not once[7].any()
    assert not once_power[3].any()
    assert np.abs(once - rows).max() <= np.abs(rows).max() / 250
    audible = power > 1e-8
    assert np.abs(10 * np.log10(once_power[audible] / power[audible])).max() < 0.26


def test_a_cut_file_is_refused_by_name(catalogue: Catalogue, tmp_path: Path) -> None:
    """If this fails, half an item's features are judged as if they were all, or a bundle unpacks without end."""
    store = IndexStore(tmp_path)
    store.put(catalogue.features(0))
    path = store.place(catalogue.features(0).digest)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(VerificationError, match=path.name):
        store.get(catalogue.features(0).digest)
