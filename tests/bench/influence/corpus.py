"""Two sets of owners from music21's bundled corpus, read where it is installed and never copied.

`corpus.json` and `corpus-bass.json` beside this file list every work with the digest of its tokens, and the terms of
each directory as music21 records them. The settings of every method come from the first set; nothing was chosen on
the second.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from attribution.influence.adapters.symbolic import TokenisedWork
from ledger.errors import InputError
from tests.bench.influence.abc import Tune, tunes

LOWEST: Final = 43
"""The lowest pitch; a bass line is read an octave up."""
PITCHES: Final = 46
LENGTHS: Final = tuple(Fraction(n, 24) for n in (4, 6, 8, 12, 18, 24, 36, 48, 96))
HELD_OUT: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusPlan:
    """Owners with their numbers of works, and the recipe of the model that is trained on them."""

    file: str
    owners: Mapping[str, int]
    reissue: tuple[str, int]
    """Of whose works an owner `reissue` has exact copies, and how many."""
    scores: frozenset[str]
    """Owners of scores in parts; the others are of tunes, and telling those apart is the hard part."""
    notes: int
    width: int
    epochs: int
    batch: int

    @property
    def like_style(self) -> tuple[str, ...]:
        return tuple(owner for owner in (*self.owners, "reissue") if owner not in self.scores)

    @property
    def listed(self) -> Path:
        return Path(__file__).with_name(self.file)


PLANS: Final = {
    "tunes": CorpusPlan(
        file="corpus.json",
        owners={
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
        },
        reissue=("oneill-jigs", 16),
        scores=frozenset({"bach-chorales", "palestrina", "trecento"}),
        notes=32,
        width=32,
        epochs=12,
        batch=32,
    ),
    "bass": CorpusPlan(
        file="corpus-bass.json",
        owners={
            "oneill-double-jigs": 80,
            "aird-six-eight": 60,
            "oneill-three-four": 60,
            "oneill-slip-jigs": 50,
            "aird-two-four": 48,
            "bach-bass": 48,
            "palestrina-bass": 40,
            "ryan-strathspeys": 40,
            "monteverdi-bass": 30,
            "ryan-clogs": 28,
        },
        reissue=("aird-six-eight", 12),
        scores=frozenset({"bach-bass", "palestrina-bass", "monteverdi-bass"}),
        notes=24,
        width=48,
        epochs=8,
        batch=16,
    ),
}


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


def tokens_of(notes: Any, count: int) -> tuple[int, ...]:
    """Pitch and length by turns: pitches first in the vocabulary, lengths after them."""
    out: list[int] = []
    for pitch, length in list(notes)[:count]:
        nearest = min(range(len(LENGTHS)), key=lambda n: abs(LENGTHS[n] - Fraction(length)))
        out += [min(max(pitch - LOWEST, 0), PITCHES - 1), PITCHES + nearest]
    return tuple(out)


def read_corpus(plan: CorpusPlan, cache: Path) -> tuple[list[TokenisedWork], list[TokenisedWork]]:
    """Training works and held-out works, compared with the list's digests where the list is there."""
    if cache.is_file():
        rows = json.loads(cache.read_text(encoding="utf-8"))
    else:
        rows = [list(row) for row in _read(plan)]
        cache.parent.mkdir(parents=True, exist_ok=True)
        cache.write_text(json.dumps(rows), encoding="utf-8")
    works = [(TokenisedWork(name, owner, tuple(tokens)), held) for name, owner, tokens, held in rows]
    if plan.listed.is_file():
        expected = json.loads(plan.listed.read_text(encoding="utf-8"))["works"]
        for work, _ in works:
            if expected.get(work.id) != work.sha256:
                raise InputError(f"{work.id}: tokens {work.sha256[:16]}, the list has {expected.get(work.id)}")
    return [work for work, held in works if not held], [work for work, held in works if held]


def _read(plan: CorpusPlan) -> Iterator[tuple[str, str, tuple[int, ...], bool]]:
    folder = corpus_folder()
    for owner, count in plan.owners.items():
        rows: list[tuple[str, tuple[int, ...]]] = []
        seen = set()
        for name, notes in _source(folder, owner):
            tokens = tokens_of(notes, plan.notes)
            if len(tokens) == 2 * plan.notes and tokens not in seen:
                seen.add(tokens)
                rows.append((name, tokens))
            if len(rows) == count + HELD_OUT:
                break
        if len(rows) < count + HELD_OUT:
            raise InputError(f"{folder}: {len(rows)} works of {owner}, expected {count + HELD_OUT}")
        # Held-out works are spread over the list, so that they are not all of the last book.
        held = {round(i * (len(rows) - 1) / (HELD_OUT - 1)) for i in range(HELD_OUT)}
        yield from ((name, owner, tokens, n in held) for n, (name, tokens) in enumerate(rows))
        if owner == plan.reissue[0]:
            copied = [row for n, row in enumerate(rows) if n not in held][: plan.reissue[1]]
            yield from ((f"{name}@copy", "reissue", tokens, False) for name, tokens in copied)


def _source(folder: Path, owner: str) -> Iterator[tuple[str, Any]]:
    if owner in SCORES:
        yield from _scores(folder, SCORES[owner])
        return
    book = {"ryan": "ryansMammoth", "oneill": "oneills1850", "aird": "airdsAirs"}[owner.partition("-")[0]]
    for path in sorted((folder / book).glob("*.abc")):
        for tune in tunes(path.read_text(encoding="utf-8", errors="replace")):
            if _belongs(tune, owner, path.name):
                yield f"{book}/{path.name}#{tune.number}", tune.notes


def _belongs(tune: Tune, owner: str, file: str) -> bool:
    kind = owner.partition("-")[2]
    if owner == "aird":
        return tune.number % 8 == 0
    if kind == "airs":
        return file < "0626" and tune.number % 3 == 0
    if kind in METRES:
        return tune.metre == METRES[kind] and not tune.rhythm
    if kind in RHYTHMS:
        return tune.rhythm in RHYTHMS[kind]
    return {"reels": "reel", "hornpipes": "hornpipe", "jigs": "jig"}[kind] in tune.rhythm and "slip" not in tune.rhythm


METRES: Final = {"six-eight": "6/8", "two-four": "2/4", "three-four": "3/4"}
RHYTHMS: Final = {
    "double-jigs": ("double jig",),
    "slip-jigs": ("slipjig", "slip jig"),
    "strathspeys": ("strathspey",),
    "clogs": ("clog",),
}


@dataclass(frozen=True, slots=True)
class Scores:
    """Every `step`-th score of a directory, in one part: its first is the top voice, its last the bass."""

    directory: str
    step: int
    part: int = 0


SCORES: Final = {
    "bach-chorales": Scores("bach", 4),
    "palestrina": Scores("palestrina", 23),
    "trecento": Scores("trecento", 2),
    "bach-bass": Scores("bach", 5, -1),
    "palestrina-bass": Scores("palestrina", 19, -1),
    "monteverdi-bass": Scores("monteverdi", 1, -1),
}


def _scores(folder: Path, chosen: Scores) -> Iterator[tuple[str, Any]]:
    import warnings

    from music21 import converter

    raised = 12 if chosen.part else 0
    for path in sorted((folder / chosen.directory).iterdir())[:: chosen.step]:
        if path.suffix not in (".mxl", ".krn", ".xml"):
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                score: Any = converter.parse(path)
                notes = score.parts[chosen.part].flatten().notes
        except Exception:  # noqa: BLE001, S112  a score that music21 cannot read is left out
            continue
        yield (
            f"{chosen.directory}/{path.name}" + ("#bass" if chosen.part else ""),
            [
                (max(n.pitches).midi + raised, n.duration.quarterLength)
                for n in notes
                if n.duration.quarterLength > 0 and n.pitches
            ],
        )
