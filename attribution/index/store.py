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

from attribution.hearing import features as kept
from attribution.hearing.features import Features
from attribution.hearing.precision import rows_of
from attribution.hearing.spectra import Floats
from attribution.index.catalogue import SCREEN_ENCODERS, Catalogue, CatalogueEntry, joined
from attribution.index.feature_arrays import arrays_of, check_arrays, check_plain, features_of, plain_of
from attribution.index.large import IN_MEMORY, LargeCatalogue
from attribution.index.limits import Chance
from attribution.index.shelves import Shelves
from ledger.errors import StateError, VerificationError
from ledger.files import write_whole

MANIFEST: Final = "catalogue.json"
UNPACKED_MOST: Final = 1 << 28
"""Bytes of an item's features: twenty minutes of sound are 2 MB; a file of latents may be more."""
SHELVED_AT_ONCE: Final = 10_000


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
        compressed = zlib.compress(save(arrays_of(item), metadata=plain_of(item)))
        write_whole(path, compressed, durable=False)  # made again from the sound

    def get(self, digest: str) -> Features:
        """Return an item's stored features."""
        arrays, plain = self._read(digest)
        return features_of(arrays, plain)

    def sketch(self, digest: str) -> Features:
        """Return the few of an item's features by which near-duplicates are found."""
        few = {"segments.chroma", "scales.chroma", "stars.gaps", "stars.steps", "latents"}
        few |= {"line.onsets", "line.lengths", "line.pitches"}
        arrays, plain = self._read(digest)
        return features_of({name: array for name, array in arrays.items() if name in few}, plain)

    def screened(self, digest: str) -> Floats:
        """An item's segments in the joined space of the screen, every third: windows overlap by three quarters."""
        arrays, _ = self._read(digest)
        if f"segments.{SCREEN_ENCODERS[0]}" not in arrays:
            return np.zeros((0, 1), np.float32)
        return joined(
            {name: rows_of(arrays[f"segments.{name}"][::3], arrays[f"scales.{name}"][::3]) for name in SCREEN_ENCODERS}
        )

    def _read(self, digest: str) -> tuple[dict[str, Any], dict[str, str]]:
        """An item's arrays and its metadata, both checked."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        path = self.place(digest)
        try:
            # An evidence bundle comes from somebody else: what it unpacks to is bounded.
            packed = zlib.decompressobj()
            content = packed.decompress(path.read_bytes(), UNPACKED_MOST)
            if not packed.eof:
                raise VerificationError(f"{path}: cut off, or unpacks to more than {UNPACKED_MOST >> 20} MiB")
            arrays = load(content)
            header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
            plain: dict[str, str] = header["__metadata__"]
            # What searching makes of a few peaks is gigabytes: lengths are bounded before anything is built.
            check_arrays(arrays)
            check_plain(plain, digest)
        except (OSError, zlib.error, SafetensorError, KeyError, TypeError, ValueError, RecursionError) as problem:
            raise VerificationError(f"{path}: damaged ({problem}); delete it and run `settle index` again") from None
        return arrays, plain

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

    def searched_rows(self) -> list[IndexRow]:
        """Return the recordings that are searched; StateError if another version made the index."""
        if self.manifest() is None and (self.folder / MANIFEST).is_file():
            raise StateError("the index was made by another version; run `settle index` to read the sound again")
        return [row for row in self.rows() if row.kept_out is None]

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
        rows, document = self.searched_rows(), self.manifest()
        if document is None or not rows:
            raise StateError("nothing is indexed; import recordings with `audio` paths, then run `settle index`")
        return document, rows


def _as_dict(row: IndexRow) -> dict[str, Any]:
    return {name: value for name in IndexRow.__dataclass_fields__ if (value := getattr(row, name)) is not None}
