"""Open an index too large for memory: a track is judged against the few recordings that it may be made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Final

from attribution.hearing.features import Features
from attribution.index.catalogue import Catalogue, CatalogueEntry
from attribution.index.limits import Chance
from attribution.index.shelves import Shelves

IN_MEMORY: Final = 4_000
"""Recordings up to which a catalogue is held in memory, where half a minute takes some 600 KiB with its tables."""


class LargeCatalogue:
    """Recordings whose features stay on disk, with the limits of chance that were measured in all of them.

    `digests`: by recording, what its features are kept by; `read` gives them.
    """

    def __init__(
        self,
        digests: Mapping[str, str],
        styles: Mapping[str, str | None],
        *,
        root: str,
        chance: Chance,
        shelves: Shelves,
        read: Callable[[str], Features],
    ) -> None:
        self.ids = tuple(sorted(digests))
        self.styles = tuple(styles[name] for name in self.ids)
        self.root = root
        self._digests, self._chance, self._shelves, self._read = digests, chance, shelves, read

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def _by_digest(self) -> dict[str, list[str]]:
        """The recordings of each digest: one file may be registered as several."""
        names: dict[str, list[str]] = {}
        for name, digest in self._digests.items():
            names.setdefault(digest, []).append(name)
        return names

    def narrowed(self, item: Features) -> Catalogue:
        """The catalogue of an item's candidates."""
        names = [name for digest in self._shelves.candidates(item) for name in self._by_digest.get(digest, ())]
        styles = dict(zip(self.ids, self.styles, strict=True))
        return Catalogue(
            [CatalogueEntry(id=name, features=self._read(self._digests[name]), style=styles[name]) for name in names],
            chance=self._chance,
        )
