"""What pages of recordings read again and again: training lists, and the newest vectors by recording.

Both are found by digest or by the log's head, so that what is remembered never goes stale. Anybody may ask for such a
page: without this, each request would decode every list and hundreds of vectors.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from ledger import shown
from ledger.proofs import vector
from ledger.registry import manifest as manifests
from ledger.types import ASPECTS, Digest, Head

if TYPE_CHECKING:
    from ledger.log.append import Log

TRACKS_MAX: Final = 500
"""Assigned vectors that a recording's page looks through, the newest first; it says so."""
LISTED_MAX: Final = 2_000_000
"""Ids of all remembered training lists together; past it the list unused for longest is decoded again when needed."""

Influences = list[tuple[str, str]]
"""Each aspect with the recording's share in it."""


class RecordingIndex:
    """Shared by the threads of a server. Its lock is its own: who waits for it waits for such a page alone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lists: OrderedDict[Digest, frozenset[str]] = OrderedDict()
        self._vectors: dict[Digest, dict[str, Influences]] = {}
        self._tracks: tuple[Head, int, dict[str, list[tuple[str, Influences]]]] | None = None

    def training_list(self, log: Log, blob: Digest) -> frozenset[str]:
        """Return the recordings in a training list."""
        with self._lock:
            if blob not in self._lists:
                self._lists[blob] = frozenset(manifests.decode(log.blob(blob)))
            self._lists.move_to_end(blob)
            while len(self._lists) > 1 and sum(map(len, self._lists.values())) > LISTED_MAX:
                self._lists.popitem(last=False)
            return self._lists[blob]

    def tracks_of(self, log: Log, recording: str) -> tuple[list[tuple[str, Influences]], int]:
        """Return the tracks that a recording influences, of the newest TRACKS_MAX, and the number of all tracks."""
        with self._lock:
            head = log.head()
            if self._tracks is None or self._tracks[0] != head:
                assignments = sorted(log.assignments().items(), key=lambda assigned: -assigned[1][1])
                newest = [(track, digest) for track, (digest, _) in assignments[:TRACKS_MAX]]
                known = self._vectors
                self._vectors = {
                    digest: known[digest] if digest in known else _influences(log, digest) for _, digest in newest
                }
                by_recording: dict[str, list[tuple[str, Influences]]] = {}
                for track, digest in newest:
                    for name, influences in self._vectors[digest].items():
                        by_recording.setdefault(name, []).append((track, influences))
                self._tracks = (head, len(assignments), by_recording)
            return self._tracks[2].get(recording, []), self._tracks[1]


def _influences(log: Log, digest: Digest) -> dict[str, Influences]:
    """Return each source of an assigned vector with its share in each aspect."""
    statement = vector.read_statement(log.blob(digest))
    by_source: dict[str, Influences] = {}
    for aspect in ASPECTS:
        for source in statement.aspect(aspect).sources:
            share = shown.with_interval(shown.percent(source.ppm), source.low, source.high)
            by_source.setdefault(source.id, []).append((aspect, share))
    return by_source
