"""Find probable duplicates: recordings with one ISRC, works with one ISWC, works of one title and holder.

The money of one recording would be divided between two. Nothing is merged automatically: a person who knows decides
which one is right.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ledger.registry.model import Recording, Work
from ledger.registry.reading import AuditNote
from ledger.registry.view import View

_WORDS = re.compile(r"\w+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubled:
    """Recordings or works that share a code, or a title and a holder: `key` is what they share."""

    kind: str
    key: str
    names: tuple[str, ...]

    def note(self) -> AuditNote:
        """Return the sentence for an audit."""
        return AuditNote(kind=self.kind, id=self.key, detail=", ".join(self.names))


def duplicates(view: View) -> Iterator[Doubled]:
    """Return everything registered twice, in a fixed order."""
    yield from _same("duplicate-isrc", _by_code(view.all_recordings, "isrc"))
    yield from _same("duplicate-iswc", _by_code(view.works, "iswc"))
    titles: dict[str, list[str]] = defaultdict(list)
    for name, work in sorted(view.works.items()):
        for holder in sorted({line.party for line in view.shares_of.get((name, "publishing"), ())}):
            titles[f"{folded(work.title)} of {holder}"].append(name)
    yield from _same("likely-duplicate-work", titles)


def _by_code(records: Mapping[str, Recording] | Mapping[str, Work], code: str) -> dict[str, list[str]]:
    names: dict[str, list[str]] = defaultdict(list)
    for name, record in sorted(records.items()):
        if value := getattr(record, code):
            names[value].append(name)
    return names


def _same(kind: str, names: Mapping[str, Sequence[str]]) -> Iterator[Doubled]:
    for key, same in sorted(names.items()):
        if len(same) > 1:
            yield Doubled(kind=kind, key=key, names=tuple(same))


def folded(text: str) -> str:
    """Return a title or name for comparison: without case, accents and punctuation."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return " ".join(_WORDS.findall("".join(mark for mark in plain if not unicodedata.combining(mark))))
