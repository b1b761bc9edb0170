"""What an index keeps of a recording is what was heard, in a byte a number."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from attribution.hearing.audio import clip_of
from attribution.hearing.features import features_of_clip, features_of_latents
from attribution.hearing.precision import levels, power_of, rounded_rows
from attribution.index.catalogue import Catalogue
from attribution.index.feature_arrays import arrays_of, plain_of
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


ZEROS = np.zeros(1 << 22, np.uint16)
HOSTILE: tuple[tuple[str, dict[str, Any], dict[str, str]], ...] = (
    ("millions of peaks", {"marks.gaps": ZEROS, "marks.bins": ZEROS}, {}),
    ("millions of stars", {"stars.gaps": ZEROS, "stars.steps": ZEROS}, {}),
    ("peaks without frames", {"marks.gaps": ZEROS[:4]}, {}),
    ("peaks a day later", {name: np.full(9, 60_000, np.uint16) for name in ("marks.gaps", "marks.bins")}, {}),
    ("negative gaps", {name: np.full(9, -1, np.int64) for name in ("marks.gaps", "marks.bins")}, {}),
    ("rows without end", {"levels": np.zeros((1 << 40, 0), np.uint8)}, {}),
    ("segments of one encoder", {"segments.chroma": np.zeros((3, 1), np.int8)}, {}),
    ("no rank", {"latents": np.zeros((), np.float32)}, {}),
    ("latents of nothing", {"latents": np.zeros((1 << 40, 0), np.float32)}, {}),
    ("another form", {}, {"form": "smell"}),
    ("another item", {}, {"digest": "0" * 64}),
    ("no number", {}, {"seconds": "soon"}),
    ("no length", {}, {"seconds": "inf"}),
    ("no list", {}, {"remarks": "7"}),
    ("no texts", {}, {"remarks": "[7]"}),
    ("no JSON", {}, {"remarks": "[" * 100_000}),
)


@pytest.mark.parametrize(("arrays", "plain"), [case[1:] for case in HOSTILE], ids=[case[0] for case in HOSTILE])
def test_hostile_features_are_refused_by_name(
    catalogue: Catalogue, tmp_path: Path, arrays: dict[str, Any], plain: dict[str, str]
) -> None:
    """If this fails, a small file in somebody's evidence bundle takes all memory, or ends in a traceback."""
    store, item = IndexStore(tmp_path), catalogue.features(0)
    store.put(item)
    path = store.place(item.digest)
    content = save(arrays_of(item) | arrays, metadata=plain_of(item) | plain)
    path.write_bytes(zlib.compress(content, 1))
    for read in (store.get, store.sketch, store.screened):
        with pytest.raises(VerificationError, match=path.name):
            read(item.digest)


def test_metadata_or_arrays_that_are_absent_are_named(catalogue: Catalogue, tmp_path: Path) -> None:
    """If this fails, a features file with a part missing ends in a traceback."""
    store, item = IndexStore(tmp_path), catalogue.features(0)
    store.put(item)
    path = store.place(item.digest)
    complete, plain = arrays_of(item), plain_of(item)
    damaged = [save(complete, metadata={key: plain[key] for key in plain if key != name}) for name in plain]
    damaged += [save({key: complete[key] for key in complete if key != name}, metadata=plain) for name in complete]
    damaged.append(save(complete))
    for content in damaged:
        path.write_bytes(zlib.compress(content, 1))
        with pytest.raises(VerificationError, match=path.name):
            store.get(item.digest)


def test_the_shortest_items_are_kept(tmp_path: Path) -> None:
    """If this fails, bounds against hostile files refuse honest ones."""
    store = IndexStore(tmp_path)
    noise = np.random.default_rng(4).standard_normal(16_000).astype(np.float32) * np.float32(0.1)
    clips = [features_of_clip(clip_of(noise[:size])) for size in (100, 16_000)]
    for item in (*clips, features_of_latents(np.ones((1, 8), np.float32), "latents")):
        store.put(item)
        assert store.get(item.digest).judged_sha256 == item.judged_sha256
