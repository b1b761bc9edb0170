"""Store the index on disk: features by content digest, and a manifest of its recordings.

    index/features/ab/abcd....safetensors   one item's features; written whole, then renamed
    index/catalogue.json                    the recordings, near-duplicates kept out and why, the root

Features are named by their item's digest and the features' version, so an interrupted indexing goes
on where it stopped, a second one reads only what is new, and two versions never mix.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from attribution.hearing import features as kept
from attribution.hearing.constellation import NONE as NO_STARS
from attribution.hearing.constellation import Constellation
from attribution.hearing.features import NO_MARKS, NO_POWER, Features, Form
from attribution.hearing.landmarks import pairs
from attribution.hearing.melody import MelodyLine
from attribution.hearing.spectra import Floats
from attribution.index.catalogue import SCREEN_ENCODERS, Catalogue, CatalogueEntry, joined
from attribution.index.limits import Chance
from ledger.errors import StateError, VerificationError
from ledger.files import write_whole

MANIFEST: Final = "catalogue.json"
_FORMS: Final[dict[str, Form]] = {"audio": "audio", "notes": "notes", "latents": "latents"}


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRow:
    """A recording in the manifest.

    `like`: its earlier near-duplicate; `kept_out`: why it is not searched; `crowd_ppm`: if it is a hub, the part
    of the catalogue among whose nearest it is.
    """

    id: str
    sha256: str
    judged_sha256: str
    path: str
    style: str | None = None
    like: str | None = None
    likeness_ppm: int | None = None
    kept_out: str | None = None
    crowd_ppm: int | None = None


class IndexStore:
    """An index folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def place(self, digest: str) -> Path:
        return self.folder / "features" / digest[:2] / f"{digest}-{kept.version()}.safetensors"

    def has(self, digest: str) -> bool:
        return self.place(digest).is_file()

    def put(self, item: Features) -> None:
        """Keep an item's features; a crash leaves the file whole or absent."""
        from safetensors.numpy import save

        path = self.place(item.digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        plain = {
            "form": item.form,
            "digest": item.digest,
            "judged_sha256": item.judged_sha256,
            "seconds": repr(item.seconds),
            "remarks": json.dumps(item.remarks),
        }
        write_whole(path, save(_arrays(item), metadata=plain), durable=False)  # made again from the sound

    def get(self, digest: str) -> Features:
        """An item's features as they were kept."""
        return _features(*self._read(digest))

    def sketch(self, digest: str) -> Features:
        """The little of an item's features by which near-duplicates are judged."""
        few = {
            "segments.chroma",
            "stars.frames",
            "stars.steps",
            "latents",
            "line.onsets",
            "line.lengths",
            "line.pitches",
        }
        return _features(*self._read(digest, few))

    def screened(self, digest: str) -> Floats:
        """An item's segments in the joined space of the screen, every third: windows overlap by three quarters."""
        whole = {f"segments.{name}": name for name in SCREEN_ENCODERS}
        arrays, _ = self._read(digest, set(whole))
        return (
            joined({name: arrays[key][::3].astype(np.float32) for key, name in whole.items()})
            if arrays
            else np.zeros((0, 1), np.float32)
        )

    def _read(self, digest: str, wanted: set[str] | None = None) -> tuple[dict[str, Any], dict[str, str]]:
        from safetensors import SafetensorError, safe_open

        path = self.place(digest)
        try:
            with safe_open(path, framework="numpy") as stream:
                names = [name for name in stream.keys() if wanted is None or name in wanted]  # noqa: SIM118
                return {name: stream.get_tensor(name) for name in names}, stream.metadata()
        except (OSError, SafetensorError) as problem:
            raise VerificationError(f"{path}: damaged ({problem}); delete it and run `settle index` again") from None

    def write(self, rows: list[IndexRow], root: str, chance: Chance) -> None:
        """The manifest, whole or not at all."""
        document = {
            "v": 1,
            "features": kept.version(),
            "root": root,
            "chance": asdict(chance),
            "recordings": [_as_dict(row) for row in rows],
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(self.folder / MANIFEST, (json.dumps(document, indent=1, sort_keys=True) + "\n").encode())

    def manifest(self) -> dict[str, Any] | None:
        """The manifest as it was written; None when there is no index or it is of another version of features."""
        try:
            document = json.loads((self.folder / MANIFEST).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError as problem:
            raise VerificationError(
                f"{self.folder / MANIFEST}: damaged ({problem}); delete it and index again"
            ) from None
        return document if document["features"] == kept.version() else None

    def rows(self) -> list[IndexRow]:
        """The manifest's recordings."""
        return [IndexRow(**row) for row in (self.manifest() or {"recordings": []})["recordings"]]

    def catalogue(self) -> Catalogue:
        """The searchable recordings; StateError when nothing is indexed."""
        document = self.manifest()
        if document is None and (self.folder / MANIFEST).is_file():
            raise StateError("the index was made by another version; run `settle index` to read the sound again")
        document = document or {"recordings": []}
        rows = [row for row in (IndexRow(**row) for row in document["recordings"]) if row.kept_out is None]
        if not rows:
            raise StateError("nothing is indexed; import recordings with `audio` paths, then run `settle index`")
        return Catalogue(
            [CatalogueEntry(id=row.id, features=self.get(row.sha256), style=row.style) for row in rows],
            chance=Chance(**document["chance"]),
        )


def _arrays(item: Features) -> dict[str, Any]:
    arrays: dict[str, Any] = {f"segments.{name}": rows.astype(np.float16) for name, rows in item.segments.items()}
    # The square of a half-precision number is exact in single precision, and so is the way back.
    arrays |= {"amplitude": np.sqrt(item.power).astype(np.float16), "latents": item.latents}
    arrays |= {
        "marks.peaks": item.marks.peaks.astype(np.uint16),
        "stars.frames": item.stars.frames.astype(np.uint16),
        "stars.steps": np.rint(item.stars.steps * 100).astype(np.uint16),
    }
    arrays |= {"line.onsets": item.line.onsets, "line.lengths": item.line.lengths, "line.pitches": item.line.pitches}
    return arrays


def _features(arrays: dict[str, Any], plain: dict[str, str]) -> Features:
    marks, stars = NO_MARKS, NO_STARS
    if "marks.peaks" in arrays:
        peaks = arrays["marks.peaks"].astype(np.int64)
        marks = pairs(peaks[:, 0], peaks[:, 1])
    if "stars.frames" in arrays:
        steps = np.round(arrays["stars.steps"] / 100, 2).astype(np.float32)
        stars = Constellation(frames=arrays["stars.frames"].astype(np.int32), steps=steps)
    line = MelodyLine(onsets=arrays["line.onsets"], lengths=arrays["line.lengths"], pitches=arrays["line.pitches"])
    segments = {
        encoder.name: arrays[f"segments.{encoder.name}"].astype(np.float32)
        for encoder in kept.encoders()
        if f"segments.{encoder.name}" in arrays
    }
    return Features(
        form=_FORMS[plain["form"]],
        digest=plain["digest"],
        judged_sha256=plain["judged_sha256"],
        seconds=float(plain["seconds"]),
        segments=segments,
        power=np.square(arrays["amplitude"].astype(np.float32)) if "amplitude" in arrays else NO_POWER,
        marks=marks,
        stars=stars,
        line=line,
        latents=arrays["latents"],
        remarks=tuple(json.loads(plain["remarks"])),
    )


def _as_dict(row: IndexRow) -> dict[str, Any]:
    return {name: value for name in IndexRow.__dataclass_fields__ if (value := getattr(row, name)) is not None}
