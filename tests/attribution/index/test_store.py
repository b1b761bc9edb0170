"""What an index keeps of a recording is what was heard, in half the bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from attribution.index.catalogue import Catalogue
from attribution.index.store import IndexStore

KIB_A_SECOND = 2.3


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
