"""Store the index on disk: features by content digest, and a manifest of its recordings.

    index/features/ab/abcd....safetensors.zlib   one item's features, compressed; written whole, then renamed
    index/catalogue.json                         the recordings, near-duplicates kept out and why, the root
    index/shelves/                               tables for searching what is too large for memory

Features are named by their item's digest and the features' version, so an interrupted indexing goes
on where it stopped, a second one reads only what is new, and two versions never mix.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from attribution.hearing import features as kept
from attribution.hearing.constellation import NONE as NO_STARS
from attribution.hearing.constellation import Constellation
from attribution.hearing.features import NO_MARKS, NO_POWER, Features, Form
from attribution.hearing.landmarks import pairs
from attribution.hearing.melody import MelodyLine
from attribution.hearing.precision import levels, power_of, row_codes, rows_of
from attribution.hearing.spectra import Floats
from attribution.index.catalogue import SCREEN_ENCODERS, Catalogue, CatalogueEntry, joined
from attribution.index.large import IN_MEMORY, LargeCatalogue
from attribution.index.limits import Chance
from attribution.index.shelves import Shelves
from ledger.errors import StateError, VerificationError
from ledger.files import write_whole

MANIFEST: Final = "catalogue.json"
UNPACKED_MOST: Final = 1 << 28
"""Bytes of an item's features: twenty minutes of sound are 2 MB; a file of latents may be more."""
SHELVED_AT_ONCE: Final = 10_000
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
        return self.folder / "features" / digest[:2] / f"{digest}-{kept.version()}.safetensors.zlib"

    def has(self, digest: str) -> bool:
        return self.place(digest).is_file()

    def put(self, item: Features) -> None:
        """Store an item's features; a crash leaves the file whole or absent."""
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
        compressed = zlib.compress(save(_arrays(item), metadata=plain))
        write_whole(path, compressed, durable=False)  # made again from the sound

    def get(self, digest: str) -> Features:
        """Return an item's stored features."""
        return _features(*self._read(digest))

    def sketch(self, digest: str) -> Features:
        """Return the few of an item's features by which near-duplicates are found."""
        few = ("segments.chroma", "scales.chroma", "stars.gaps", "stars.steps", "latents")
        return _features(*self._read(digest, {*few, "line.onsets", "line.lengths", "line.pitches"}))

    def screened(self, digest: str) -> Floats:
        """An item's segments in the joined space of the screen, every third: windows overlap by three quarters."""
        tensors = {f"{part}.{name}" for part in ("segments", "scales") for name in SCREEN_ENCODERS}
        arrays, _ = self._read(digest, tensors)
        if not arrays:
            return np.zeros((0, 1), np.float32)
        return joined(
            {name: rows_of(arrays[f"segments.{name}"][::3], arrays[f"scales.{name}"][::3]) for name in SCREEN_ENCODERS}
        )

    def _read(self, digest: str, tensors: set[str] | None = None) -> tuple[dict[str, Any], dict[str, str]]:
        from safetensors import SafetensorError
        from safetensors.numpy import load

        path = self.place(digest)
        try:
            # An evidence bundle comes from somebody else: what it unpacks to is bounded.
            packed = zlib.decompressobj()
            content = packed.decompress(path.read_bytes(), UNPACKED_MOST)
            if not packed.eof:
                raise VerificationError(f"{path}: cut off, or unpacks to more than {UNPACKED_MOST >> 20} MiB")
            arrays = {name: array for name, array in load(content).items() if tensors is None or name in tensors}
            header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        except (OSError, zlib.error, SafetensorError) as problem:
            raise VerificationError(f"{path}: damaged ({problem}); delete it and run `settle index` again") from None
        return arrays, header["__metadata__"]

    def write(self, rows: list[IndexRow], root: str, chance: Chance) -> None:
        """Write the manifest atomically."""
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
        """Return the manifest; None if there is no index or it has another version of features."""
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
        """Return the manifest's recordings."""
        return [IndexRow(**row) for row in (self.manifest() or {"recordings": []})["recordings"]]

    def catalogue(self) -> Catalogue:
        """Return the searchable recordings; StateError if nothing is indexed."""
        document, rows = self._searchable()
        return Catalogue(
            [CatalogueEntry(id=row.id, features=self.get(row.sha256), style=row.style) for row in rows],
            chance=Chance(**document["chance"]),
        )

    def searched(self) -> Catalogue | LargeCatalogue:
        """The searchable recordings in memory, or on disk where they are more than memory is for."""
        document, rows = self._searchable()
        if len(rows) <= IN_MEMORY:
            return self.catalogue()
        shelves = self.shelves
        if not {row.sha256 for row in rows} <= shelves.digests():  # else those missing would be credited with nothing
            raise StateError(f"{shelves.folder}: recordings of the index are missing; run `settle index` again")
        return LargeCatalogue(
            {row.id: row.sha256 for row in rows},
            {row.id: row.style for row in rows},
            root=document["root"],
            chance=Chance(**document["chance"]),
            shelves=shelves,
            read=self.get,
        )

    @property
    def shelves(self) -> Shelves:
        return Shelves(self.folder / "shelves" / kept.version())

    def shelve(self, digests: Iterable[str]) -> None:
        """Put those recordings on shelves that are on none; memory holds the tables of SHELVED_AT_ONCE."""
        missing = sorted(set(digests) - self.shelves.digests())
        for begin in range(0, len(missing), SHELVED_AT_ONCE):
            self.shelves.add((digest, self.get(digest)) for digest in missing[begin : begin + SHELVED_AT_ONCE])

    def _searchable(self) -> tuple[dict[str, Any], list[IndexRow]]:
        document = self.manifest()
        if document is None and (self.folder / MANIFEST).is_file():
            raise StateError("the index was made by another version; run `settle index` to read the sound again")
        document = document or {"recordings": []}
        rows = [row for row in (IndexRow(**row) for row in document["recordings"]) if row.kept_out is None]
        if not rows:
            raise StateError("nothing is indexed; import recordings with `audio` paths, then run `settle index`")
        return document, rows


def _arrays(item: Features) -> dict[str, Any]:
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


def _features(arrays: dict[str, Any], plain: dict[str, str]) -> Features:
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


def _as_dict(row: IndexRow) -> dict[str, Any]:
    return {name: value for name in IndexRow.__dataclass_fields__ if (value := getattr(row, name)) is not None}
