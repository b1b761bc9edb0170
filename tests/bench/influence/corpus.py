"""Twelve owners from music21's bundled corpus, read where it is installed and never copied.

`corpus.json` beside this file lists every work with the digest of its tokens, and the terms of each
directory as music21 records them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from attribution.influence.adapters.symbolic import TokenisedWork
from ledger.errors import InputError
from tests.bench.influence.abc import Tune, tunes

NOTES: Final = 32
LOWEST: Final = 43
PITCHES: Final = 46
LENGTHS: Final = tuple(Fraction(n, 24) for n in (4, 6, 8, 12, 18, 24, 36, 48, 96))
HELD_OUT: Final = 5
LIST: Final = Path(__file__).with_name("corpus.json")

OWNERS: Final = {
    "ryan-reels": 80,
    "oneill-airs": 64,
    "ryan-hornpipes": 56,
    "bach-chorales": 50,
    "palestrina": 40,
    "oneill-jigs": 40,
    "ryan-jigs": 36,
    "aird": 32,
    "oneill-reels": 28,
    "trecento": 20,
    "oneill-hornpipes": 18,
}
REISSUE: Final = ("reissue", "oneill-jigs", 16)
"""An owner of exact copies: of whose works, and how many."""
LIKE_STYLE: Final = tuple(
    owner for owner in (*OWNERS, "reissue") if owner not in ("bach-chorales", "palestrina", "trecento")
)
"""Owners of dance tunes and airs: telling them apart is the hard part."""


def corpus_folder() -> Path:
    """Where music21's corpus lies; InputError when it is not installed with it."""
    try:
        import music21
    except ImportError:
        raise InputError("music21 is not installed; run: pip install 'settle-engine[bench]'") from None
    folder = Path(music21.__file__).parent / "corpus"
    if not (folder / "ryansMammoth").is_dir():
        raise InputError(f"{folder}: this music21 comes without its corpus; install it from its wheel on PyPI")
    return folder


def tokens_of(notes: Any) -> tuple[int, ...]:
    """Pitch and length by turns: pitches first in the vocabulary, lengths after them."""
    out: list[int] = []
    for pitch, length in list(notes)[:NOTES]:
        nearest = min(range(len(LENGTHS)), key=lambda n: abs(LENGTHS[n] - Fraction(length)))
        out += [min(max(pitch - LOWEST, 0), PITCHES - 1), PITCHES + nearest]
    return tuple(out)


def read_corpus(cache: Path) -> tuple[list[TokenisedWork], list[TokenisedWork]]:
    """Training works and held-out works, compared with the list's digests where the list is there."""
    if cache.is_file():
        rows = json.loads(cache.read_text(encoding="utf-8"))
    else:
        rows = [list(row) for row in _read()]
        cache.parent.mkdir(parents=True, exist_ok=True)
        cache.write_text(json.dumps(rows), encoding="utf-8")
    works = [(TokenisedWork(name, owner, tuple(tokens)), held) for name, owner, tokens, held in rows]
    if LIST.is_file():
        expected = json.loads(LIST.read_text(encoding="utf-8"))["works"]
        for work, _ in works:
            if expected.get(work.id) != work.sha256:
                raise InputError(f"{work.id}: tokens {work.sha256[:16]}, the list has {expected.get(work.id)}")
    return [work for work, held in works if not held], [work for work, held in works if held]


def _read() -> Iterator[tuple[str, str, tuple[int, ...], bool]]:
    folder = corpus_folder()
    for owner, count in OWNERS.items():
        rows: list[tuple[str, tuple[int, ...]]] = []
        seen = set()
        for name, notes in _source(folder, owner):
            tokens = tokens_of(notes)
            if len(tokens) == 2 * NOTES and tokens not in seen:
                seen.add(tokens)
                rows.append((name, tokens))
            if len(rows) == count + HELD_OUT:
                break
        if len(rows) < count + HELD_OUT:
            raise InputError(f"{folder}: {len(rows)} works of {owner}, expected {count + HELD_OUT}")
        # Held-out works are spread over the list, so that they are not all of the last book.
        held = {round(i * (len(rows) - 1) / (HELD_OUT - 1)) for i in range(HELD_OUT)}
        yield from ((name, owner, tokens, n in held) for n, (name, tokens) in enumerate(rows))
        if owner == REISSUE[1]:
            copied = [row for n, row in enumerate(rows) if n not in held][: REISSUE[2]]
            yield from ((f"{name}@copy", REISSUE[0], tokens, False) for name, tokens in copied)


def _source(folder: Path, owner: str) -> Iterator[tuple[str, Any]]:
    if owner in ("bach-chorales", "palestrina", "trecento"):
        yield from _scores(folder, owner)
        return
    book = {"ryan": "ryansMammoth", "oneill": "oneills1850", "aird": "airdsAirs"}[owner.partition("-")[0]]
    for path in sorted((folder / book).glob("*.abc")):
        for tune in tunes(path.read_text(encoding="utf-8", errors="replace")):
            if _belongs(tune, owner, path.name):
                yield f"{book}/{path.name}#{tune.number}", tune.notes


def _belongs(tune: Tune, owner: str, file: str) -> bool:
    if owner == "aird":
        return tune.number % 8 == 0
    kind = owner.partition("-")[2]
    if kind == "airs":
        return file < "0626" and tune.number % 3 == 0
    return {"reels": "reel", "hornpipes": "hornpipe", "jigs": "jig"}[kind] in tune.rhythm and "slip" not in tune.rhythm


def _scores(folder: Path, owner: str) -> Iterator[tuple[str, Any]]:
    import warnings

    from music21 import converter

    directory, step = {"bach-chorales": ("bach", 4), "palestrina": ("palestrina", 23), "trecento": ("trecento", 2)}[
        owner
    ]
    for path in sorted((folder / directory).iterdir())[::step]:
        if path.suffix not in (".mxl", ".krn", ".xml"):
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                score: Any = converter.parse(path)
                top = score.parts[0].flatten().notes
        except Exception:  # noqa: BLE001, S112  a score that music21 cannot read is left out
            continue
        yield (
            f"{directory}/{path.name}",
            [
                (max(n.pitches).midi, n.duration.quarterLength)
                for n in top
                if n.duration.quarterLength > 0 and n.pitches
            ],
        )
