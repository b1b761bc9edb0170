"""`settle registry find`: find registered things by name; `show` needs the id."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ledger.errors import InputError
from ledger.registry import identifiers, personal
from ledger.registry.duplicates import folded

if TYPE_CHECKING:
    from service.workspace import Workspace

CODES: Final[Mapping[str, Callable[[str], str]]] = {
    "isrc": identifiers.isrc,
    "iswc": identifiers.iswc,
    "ipi": identifiers.ipi,
    "isni": identifiers.isni,
}
WORDS: Final = ("title", "artist", "name")
MATCHES_MAX: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryMatch:
    """A result: its kind and id, and the field that matched."""

    kind: str
    id: str
    field: str
    value: str
    artist: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryMatches:
    """The results of a search: equal codes, and texts with its words. `more`: the number not listed."""

    matches: tuple[RegistryMatch, ...]
    more: int


def find(ws: Workspace, text: str, field: str = "") -> RegistryMatches:
    """Find entries with this code, or these words in title, artist or name; `field` searches one field only."""
    if field and field not in (*CODES, *WORDS):
        raise InputError(f"field {field!r}: expected one of {', '.join((*CODES, *WORDS))}")
    codes: dict[str, str] = {}
    for code, spell in CODES.items():
        if field in ("", code):
            try:
                codes[code] = spell(text)
            except InputError:
                if field == code:  # somebody who asks for an ISRC has mistyped it; any other text is words
                    raise
    words = folded(text).split() if field not in CODES else []
    if not codes and not words:
        raise InputError(f"{text!r} has no letter or digit to look for")

    def fits(match: RegistryMatch) -> bool:
        if field not in ("", match.field):
            return False
        if match.field in CODES:
            return codes.get(match.field) == match.value
        own = folded(match.value)
        return bool(words) and all(word in own for word in words)

    matches = list(filter(fits, _fields(ws)))
    return RegistryMatches(matches=tuple(matches[:MATCHES_MAX]), more=max(len(matches) - MATCHES_MAX, 0))


def _fields(ws: Workspace) -> Iterator[RegistryMatch]:
    """Every field that can be looked for."""
    view = ws.registry.view()
    with ws.log.store.reading() as connection:
        rows = personal.load(connection)
    fields = {key: texts for key, (_, texts) in rows.items()}
    for name in sorted(view.parties):
        for field in ("name", "ipi", "isni"):
            if value := fields.get(("party", name), {}).get(field):
                yield RegistryMatch(kind="party", id=name, field=field, value=value)
    for name, recording in sorted(view.all_recordings.items()):
        artist = fields.get(("recording", name), {}).get("artist", "")
        for field, value in (("isrc", recording.isrc), ("title", recording.title), ("artist", artist)):
            if value:
                yield RegistryMatch(kind="recording", id=name, field=field, value=value, artist=artist)
    for name, work in sorted(view.works.items()):
        for field, value in (("iswc", work.iswc), ("title", work.title)):
            if value:
                yield RegistryMatch(kind="work", id=name, field=field, value=value)
    for name, track in sorted(view.tracks.items()):
        for field, text in (("isrc", track.isrc), ("title", track.title)):
            if text:
                yield RegistryMatch(kind="track", id=name, field=field, value=text)
