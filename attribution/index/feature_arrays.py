"""Convert an item's features to the arrays and words of its file, and back; check those of a file from elsewhere."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from attribution.hearing import features as kept
from attribution.hearing.audio import SECONDS_MAX
from attribution.hearing.constellation import NONE as NO_STARS
from attribution.hearing.constellation import PEAKS_PER_SECOND as STARS_PER_SECOND
from attribution.hearing.constellation import Constellation
from attribution.hearing.features import NO_MARKS, NO_POWER, POOL, Features, Form
from attribution.hearing.landmarks import LANDMARK_BINS, pairs
from attribution.hearing.landmarks import PEAKS_PER_SECOND as MARKS_PER_SECOND
from attribution.hearing.latents import WIDTH_MAX
from attribution.hearing.melody import MelodyLine
from attribution.hearing.precision import levels, power_of, row_codes, rows_of
from attribution.hearing.spectra import BANDS, HOP, MEL_SECONDS, STEPS
from attribution.hearing.symbolic import NOTES_MAX, VOICES_MAX

FRAMES_MAX: Final = int((SECONDS_MAX + 1) / MEL_SECONDS)
"""Mel frames of the longest sound, and a second for the last window."""
_MARKS_MAX: Final = MARKS_PER_SECOND * FRAMES_MAX // 31 + 1
_STARS_MAX: Final = int(STARS_PER_SECOND * FRAMES_MAX * MEL_SECONDS) + 1
_NOTES_MAX: Final = NOTES_MAX + VOICES_MAX
_COLUMNS: Final = (
    ({"marks.gaps": "uint16", "marks.bins": "uint16"}, _MARKS_MAX),
    ({"stars.gaps": "uint16", "stars.steps": "uint16"}, _STARS_MAX),
    ({"line.onsets": "float32", "line.lengths": "float32", "line.pitches": "int16"}, _NOTES_MAX),
)
"""Arrays that are as long as one another, and their largest length."""
_FORMS: Final[dict[str, Form]] = {"audio": "audio", "notes": "notes", "latents": "latents"}


def plain_of(item: Features) -> dict[str, str]:
    return {
        "form": item.form,
        "digest": item.digest,
        "judged_sha256": item.judged_sha256,
        "seconds": repr(item.seconds),
        "remarks": json.dumps(item.remarks),
    }


def arrays_of(item: Features) -> dict[str, Any]:
    arrays: dict[str, Any] = {"levels": levels(item.power), "latents": item.latents}
    for name, rows in item.segments.items():
        arrays[f"segments.{name}"], arrays[f"scales.{name}"] = row_codes(rows)
    frames, bins = item.marks.peaks.astype(np.uint16).T
    # Peaks are in order of time: the gaps between them are small numbers, which take less room.
    arrays |= {"marks.gaps": _gaps(frames), "marks.bins": np.ascontiguousarray(bins)}
    arrays |= {"stars.gaps": _gaps(item.stars.frames), "stars.steps": np.rint(item.stars.steps * 100).astype(np.uint16)}
    arrays |= {"line.onsets": item.line.onsets, "line.lengths": item.line.lengths, "line.pitches": item.line.pitches}
    return arrays


def _gaps(frames: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    return np.diff(frames.astype(np.int64), prepend=0).astype(np.uint16)


def features_of(arrays: dict[str, Any], plain: dict[str, str]) -> Features:
    marks, stars = NO_MARKS, NO_STARS
    if "marks.gaps" in arrays:
        marks = pairs(np.cumsum(arrays["marks.gaps"], dtype=np.int64), arrays["marks.bins"].astype(np.int64))
    if "stars.gaps" in arrays:
        steps = np.round(arrays["stars.steps"] / 100, 2).astype(np.float32)
        stars = Constellation(frames=np.cumsum(arrays["stars.gaps"], dtype=np.int32), steps=steps)
    line = MelodyLine(onsets=arrays["line.onsets"], lengths=arrays["line.lengths"], pitches=arrays["line.pitches"])
    segments = {
        encoder.name: rows_of(arrays[f"segments.{encoder.name}"], arrays[f"scales.{encoder.name}"])
        for encoder in kept.encoders()
        if f"segments.{encoder.name}" in arrays
    }
    return Features(
        form=_FORMS[plain["form"]],
        digest=plain["digest"],
        judged_sha256=plain["judged_sha256"],
        seconds=float(plain["seconds"]),
        segments=segments,
        power=power_of(arrays["levels"]) if "levels" in arrays else NO_POWER,
        marks=marks,
        stars=stars,
        line=line,
        latents=arrays["latents"],
        remarks=tuple(json.loads(plain["remarks"])),
    )


def check_arrays(arrays: Mapping[str, Any]) -> None:
    """Raise ValueError or KeyError if these are not the arrays of an item of at most SECONDS_MAX."""
    for columns, most in _COLUMNS:
        size = len(arrays[next(iter(columns))])
        for name, dtype in columns.items():
            _check(arrays, name, dtype, (size,))
        _check_most(next(iter(columns)), size, most)
    for name in ("marks", "stars"):
        _check_most(f"{name}.gaps", int(arrays[f"{name}.gaps"].sum(dtype=np.int64)), FRAMES_MAX)
    _check_most("marks.bins", int(arrays["marks.bins"].max(initial=0)), LANDMARK_BINS - 1)
    _check_most("stars.steps", int(arrays["stars.steps"].max(initial=0)), STEPS * 100)
    blocks = len(arrays["levels"])
    _check(arrays, "levels", "uint8", (blocks, BANDS))
    _check_most("levels", blocks, FRAMES_MAX // POOL)
    if any(name.startswith("segments.") for name in arrays):
        count = len(arrays[f"segments.{kept.encoders()[0].name}"])
        for encoder in kept.encoders():
            _check(arrays, f"segments.{encoder.name}", "int8", (count, encoder.dim))
            _check(arrays, f"scales.{encoder.name}", "float16", (count,))
        _check_most("segments", count, FRAMES_MAX // HOP)
    rows, width = arrays["latents"].shape
    _check(arrays, "latents", "float32", (rows, width))
    _check_most("latents", width if rows else 0, WIDTH_MAX)
    if rows and not width:
        raise ValueError(f"latents: {rows} rows of no numbers")


def check_plain(plain: Mapping[str, str], digest: str) -> None:
    """Raise ValueError or KeyError if this is not the metadata of the item with this digest."""
    remarks = json.loads(plain["remarks"])
    if plain["digest"] != digest or plain["form"] not in _FORMS:
        raise ValueError(f"it is about {plain['digest'][:80]!r}, form {plain['form'][:80]!r}")
    if not (math.isfinite(float(plain["seconds"])) and float(plain["seconds"]) >= 0):
        raise ValueError(f"seconds is {plain['seconds'][:80]!r}")
    if not isinstance(remarks, list) or not all(isinstance(remark, str) for remark in remarks):
        raise ValueError("remarks is no list of texts")
    plain["judged_sha256"]


def _check(arrays: Mapping[str, Any], name: str, dtype: str, shape: tuple[int, ...]) -> None:
    array = arrays[name]
    if (array.dtype, array.shape) != (np.dtype(dtype), shape):
        raise ValueError(f"{name}: {array.dtype} of shape {array.shape}, expected {dtype} of shape {shape}")


def _check_most(name: str, value: int, most: int) -> None:
    if value > most:
        raise ValueError(f"{name}: {value:,}, at most {most:,} in {SECONDS_MAX // 60} minutes of sound")
