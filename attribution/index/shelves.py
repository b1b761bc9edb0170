"""Find the few recordings of a large index that a track may be made of, from tables on disk.

    index/shelves/VERSION/shelves.json   the shelves that count
    index/shelves/VERSION/000001/        the tables of some recordings: of one `add`, or of smaller shelves joined;
                                         never changed

A catalogue in memory takes a hundred times what a query looks at. So of each recording a shelf has a sample of its
landmarks and of its triples of peaks, the runs of notes of its tune, and every third segment, in a byte or less a
number. A track's candidates are those with the most landmarks at one offset, the rarest triples in one change of key,
the rarest runs and the nearest segments. Methods then judge the track against the candidates alone, whole and exactly
(`attribution.index.large`). Tables are memory-mapped; what leaves the index stays on its shelf and is passed over.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from attribution.hearing.features import Features
from attribution.hearing.landmarks import Landmarks
from attribution.hearing.spectra import Floats, one_thread
from attribution.index.catalogue import SCREEN_ENCODERS, joined
from attribution.index.patterns import FAN, FAN_ASKED, TRANSPOSED, Triples, triples
from attribution.index.tunes import grams
from ledger.errors import VerificationError
from ledger.files import make_folder, whole, write_whole

LIST: Final = "shelves.json"

LANDMARKS_SAMPLE: Final = 10
TRIPLES_SAMPLE: Final = 16
"""Of so many kinds of landmarks or triples one is kept, the same in tracks and recordings: enough for some seconds."""
RUN: Final = 5
"""Intervals of a run of notes."""
CANDIDATES: Final = {"landmarks": 32, "triples": 24, "runs": 16, "segments": 24}
"""Recordings that each table proposes."""
SHELF_MOST: Final = 200_000
"""Recordings from which a shelf is not joined any more: joining sorts its tables in memory."""
COMMON: Final = 20_000
"""Landmarks and runs of notes that a shelf has more often say nothing about any recording."""
NEIGHBOURS: Final = 24
CELLS_SEARCHED: Final = 24
CELLS_MOST: Final = 4_096
SEGMENTS_A_CELL: Final = 40
TRAINED_WITH: Final = 200_000
SPACES: Final = ("screen", "style")
_ROW_BITS: Final = 20
_FRAME_BITS: Final = 16
_FRAME_ZERO: Final = 1 << _FRAME_BITS
_ROW_AT: Final = {"landmarks": _FRAME_BITS, "triples": 0, "runs": 0}
"""The bit at which a recording's row begins in each table's words; above it is what is looked up."""
Words = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """One folder's tables: sorted words, in each what is looked up and the recording's row; and segments."""

    digests: npt.NDArray[np.bytes_]
    words: Mapping[str, Words]
    spaces: Sequence[Any]
    """Of segments, one for each of SPACES; none where no recording is sound."""

    def __len__(self) -> int:
        return len(self.digests)


class Shelves:
    """The shelves of an index folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def shelves(self) -> list[Shelf]:
        return [_opened(self.folder / name, mapped=True) for name in self._names()]

    def digests(self) -> set[str]:
        return {digest.decode() for shelf in self.shelves for digest in shelf.digests}

    def add(self, items: Iterable[tuple[str, Features]]) -> None:
        """Put recordings that are on no shelf on a new one, and join it with those before it that are no larger."""
        digests: list[str] = []
        words: dict[str, list[Words]] = {name: [] for name in _ROW_AT}
        segments: list[list[Floats]] = []
        owners: list[int] = []
        for row, (digest, features) in enumerate(items):
            digests.append(digest)
            marks, kinds = _landmarks(features), _triples(triples(features.stars, FAN))
            words["landmarks"].append((marks.hashes << _ROW_BITS | row) << _FRAME_BITS | marks.frames)
            words["triples"].append((kinds.hashes * 256 + kinds.steps) << _ROW_BITS | row)
            words["runs"].append(np.unique(grams(features.line, RUN)) << _ROW_BITS | row)
            if features.count:
                segments.append(_segments(features))
                owners += [row] * len(segments[-1][0])
        if not digests:
            return
        shelf = Shelf(
            digests=np.array(digests, dtype="S"),
            words={name: np.sort(np.concatenate(parts)) for name, parts in words.items()},
            spaces=[
                self._filled(name, np.concatenate([part[number] for part in segments]), np.array(owners, np.int64))
                for number, name in enumerate(SPACES if segments else ())
            ],
        )
        names = self._names()
        self._remove_all_but(names)  # what an interrupted call left behind
        shelf_name = f"{max(map(int, names), default=0) + 1:06}"
        while names:
            earlier = _opened(self.folder / names[-1], mapped=False)
            if len(earlier) > len(shelf) or len(earlier) + len(shelf) > SHELF_MOST:
                break
            shelf = _together(earlier, shelf)
            names.pop()
        _write(self.folder / shelf_name, shelf)
        names.append(shelf_name)
        # Until this list is written the shelves are those before: a crash neither loses a recording nor doubles one.
        write_whole(self.folder / LIST, json.dumps(names).encode())
        self._remove_all_but(names)
        self.__dict__.pop("shelves", None)

    def candidates(self, item: Features) -> list[str]:
        """The digests of the recordings that an item may be made of, likeliest first."""
        best: dict[str, list[tuple[float, str]]] = {name: [] for name in CANDIDATES}
        marks, kinds, runs = (
            _landmarks(item),
            _triples(triples(item.stars, FAN_ASKED)),
            np.unique(grams(item.line, RUN)),
        )
        segments = _segments(item) if item.count else []
        for shelf in self.shelves:
            for name, scores in (
                ("landmarks", _at_one_offset(shelf, marks)),
                ("triples", _in_one_key(shelf, kinds)),
                ("runs", _of_tune(shelf, runs)),
                ("segments", _near(shelf, segments)),
            ):
                top = np.argsort(-scores, kind="stable")[: CANDIDATES[name]]
                best[name] += [(-float(scores[row]), shelf.digests[row].decode()) for row in top if scores[row] > 0]
        return list(
            dict.fromkeys(digest for name, most in CANDIDATES.items() for _, digest in sorted(best[name])[:most])
        )

    def _names(self) -> list[str]:
        """The folders of the shelves that count, oldest first."""
        path = self.folder / LIST
        try:
            names = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        except ValueError as problem:
            raise _damaged(path, problem) from None
        if not isinstance(names, list) or not all(isinstance(name, str) and name.isdecimal() for name in names):
            raise _damaged(path, "no list of shelves")
        return names

    def _remove_all_but(self, names: list[str]) -> None:
        for path in self.folder.glob("[0-9]*"):
            if path.name not in names:
                shutil.rmtree(path)

    def _filled(self, name: str, rows: Floats, owners: Words) -> Any:
        """Segments by recording, in the cells that the first shelf was divided into, so that shelves can be joined."""
        import faiss

        path = self.folder / f"{name}.cells.faiss"
        with one_thread():
            if not path.is_file():
                cells = max(1, min(CELLS_MOST, len(rows) // SEGMENTS_A_CELL))
                index: Any = faiss.index_factory(rows.shape[1], f"IVF{cells},SQ4", faiss.METRIC_INNER_PRODUCT)
                index.cp.min_points_per_centroid = 1  # a small first shelf is no reason for a warning
                index.train(rows[:: len(rows) // TRAINED_WITH + 1])
                _write_space(path, index)
            filled: Any = faiss.read_index(str(path))
            filled.add_with_ids(rows, owners)
        return filled


def _opened(shelf_folder: Path, *, mapped: bool) -> Shelf:
    import faiss

    mode: Literal["r"] | None = "r" if mapped else None
    paths = [path for path in (shelf_folder / f"{name}.faiss" for name in SPACES) if path.is_file()]
    try:
        return Shelf(
            digests=np.load(shelf_folder / "digests.npy", mmap_mode=mode),
            words={name: np.load(shelf_folder / f"{name}.npy", mmap_mode=mode) for name in _ROW_AT},
            spaces=[faiss.read_index(str(path), faiss.IO_FLAG_MMAP if mapped else 0) for path in paths],
        )
    except (OSError, ValueError, RuntimeError) as problem:
        raise _damaged(shelf_folder, problem) from None


def _damaged(path: Path, problem: object) -> VerificationError:
    return VerificationError(
        f"{path}: damaged ({problem}); delete {path.parent} and run `settle index`, which makes it again"
    )


def _write(shelf_folder: Path, shelf: Shelf) -> None:
    make_folder(shelf_folder)
    for name, table in {"digests": shelf.digests, **shelf.words}.items():
        with whole(shelf_folder / f"{name}.npy") as out:
            np.save(out, table)
    for name, space in zip(SPACES, shelf.spaces, strict=False):
        _write_space(shelf_folder / f"{name}.faiss", space)


def _write_space(path: Path, space: Any) -> None:
    import faiss

    with whole(path) as out:
        faiss.write_index(space, faiss.PyCallbackIOWriter(out.write))  # type: ignore[attr-defined]  # no stub has it


def _together(first: Shelf, second: Shelf) -> Shelf:
    """Two shelves as one: rows of the second come after those of the first."""
    if not first.spaces:
        first, second = second, first  # rows of segments can only be added to those of a shelf that has some
    if second.spaces:
        for earlier, later in zip(first.spaces, second.spaces, strict=True):
            earlier.merge_from(later, len(first))
    return Shelf(
        digests=np.concatenate([first.digests, second.digests]),
        words={
            name: np.sort(
                np.concatenate([words, second.words[name] + (len(first) << _ROW_AT[name])]),
                kind="stable",  # two sorted runs, one after the other, are merged
            )
            for name, words in first.words.items()
        },
        spaces=first.spaces,
    )


def _chosen(hashes: Words, sample: int) -> npt.NDArray[np.bool_]:
    return np.asarray((hashes * 2_654_435_761 >> 16) % sample == 0)


def _landmarks(features: Features) -> Landmarks:
    every = features.marks
    sample = _chosen(every.hashes, LANDMARKS_SAMPLE)
    return Landmarks(hashes=every.hashes[sample], frames=every.frames[sample])


def _triples(every: Triples) -> Triples:
    sample = _chosen(every.hashes, TRIPLES_SAMPLE)
    return Triples(
        hashes=every.hashes[sample], frames=every.frames[sample], steps=every.steps[sample], spans=every.spans[sample]
    )


def _segments(features: Features) -> list[Floats]:
    """Every third segment, since windows overlap by three quarters, in each space."""
    screen = joined({name: features.segments[name][::3] for name in SCREEN_ENCODERS})
    return [screen, np.ascontiguousarray(features.segments["style"][::3])]


def _between(words: Words, low: Words, high: Words, bits: int, most: int) -> tuple[Words, Words, Words]:
    """The words from each low key to each high one, which key each belongs to, and how many each key has."""
    begin = np.searchsorted(words, low << bits, "left")
    count = np.searchsorted(words, (high + 1) << bits, "left") - begin
    count[count > most] = 0
    which = np.repeat(np.arange(len(count)), count)
    places = np.repeat(begin - np.concatenate(([0], np.cumsum(count)[:-1])), count) + np.arange(count.sum())
    return words[places], which, count


def _rows(words: Words, name: str) -> Words:
    return words >> _ROW_AT[name] & (1 << _ROW_BITS) - 1


def _at_one_offset(shelf: Shelf, asked: Landmarks) -> Scores:
    """For each recording the landmarks that it shares with a track at the offset at which they are most."""
    bits = _ROW_BITS + _FRAME_BITS
    words, which, _ = _between(shelf.words["landmarks"], asked.hashes, asked.hashes, bits, COMMON)
    offsets = (words & _FRAME_ZERO - 1) - asked.frames[which] + _FRAME_ZERO
    cells, votes = np.unique(_rows(words, "landmarks") << _FRAME_BITS + 1 | offsets, return_counts=True)
    # An excerpt rarely begins on a frame: offsets one apart are the same alignment.
    adjacent = np.flatnonzero(np.diff(cells) == 1)
    joint = votes.astype(np.float64)
    joint[adjacent] += votes[adjacent + 1]
    scores = np.zeros(len(shelf))
    np.maximum.at(scores, cells >> _FRAME_BITS + 1, joint)
    return scores


def _in_one_key(shelf: Shelf, asked: Triples) -> Scores:
    """For each recording the triples that it shares with a track in one change of key, the rare ones worth more.

    All of a band's recordings share its usual triples: counted alike, they hide the one recording that is there.
    """
    key, changes = asked.hashes * 256 + asked.steps, 2 * TRANSPOSED + 1
    table = shelf.words["triples"]
    words, which, count = _between(table, key - TRANSPOSED, key + TRANSPOSED, _ROW_BITS, len(table))
    shift = (words >> _ROW_BITS) - key[which] + TRANSPOSED
    cells = _rows(words, "triples") * changes + shift
    worth = np.bincount(cells, 1 / count[which], len(shelf) * changes).reshape(-1, changes)
    return np.asarray((worth[:, :-1] + worth[:, 1:]).max(axis=1))


def _of_tune(shelf: Shelf, runs: Words) -> Scores:
    """For each recording how rare the runs of notes are that it shares with a track."""
    words, which, count = _between(shelf.words["runs"], runs, runs, _ROW_BITS, COMMON)
    worth = np.log((len(shelf) + 1) / count[which])
    return np.asarray(np.bincount(_rows(words, "runs"), worth, len(shelf)), dtype=np.float64)


def _near(shelf: Shelf, segments: Sequence[Floats]) -> Scores:
    """For each recording how near its segments are to a track's, where they are among the nearest."""
    scores = np.zeros(len(shelf))
    with one_thread():
        for index, rows in zip(shelf.spaces, segments, strict=False):
            index.nprobe = CELLS_SEARCHED
            likeness, owners = index.search(np.ascontiguousarray(rows, dtype=np.float32), NEIGHBOURS)
            met = owners >= 0
            np.add.at(scores, owners[met], np.maximum(likeness[met], 0.0) ** 4)
    return scores
