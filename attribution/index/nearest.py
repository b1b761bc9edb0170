"""Find the nearest rows of a catalogue by inner product, with FAISS; the same answer every time.

Exact (flat) up to FLAT_MAX rows, a navigable graph (HNSW) above. Searches run on one thread: FAISS's
single-query distances change in the last bit with the number of threads.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from attribution.hearing.spectra import Floats, one_thread

Doubles = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
FLAT_MAX: Final = 150_000
HNSW_LINKS: Final = 64
HNSW_CARE: Final = 400
HNSW_EFFORT: Final = 512
"""Together they find .98 of the true ten nearest among tight clusters too; docs/benchmarks.md."""


class Nearest:
    """An index over unit rows; `exact` says which kind (default: by size)."""

    def __init__(self, rows: Floats, *, exact: bool | None = None) -> None:
        import faiss

        self.rows = np.ascontiguousarray(rows, dtype=np.float32)
        self.exact = len(rows) <= FLAT_MAX if exact is None else exact
        width = self.rows.shape[1]
        self._index: Any
        if self.exact:
            self._index = faiss.IndexFlatIP(width)
        else:
            # By distance, not inner product: for unit rows the order is the same, and the graph is a far better one.
            self._index = faiss.IndexHNSWFlat(width, HNSW_LINKS, faiss.METRIC_L2)
            self._index.hnsw.efConstruction = HNSW_CARE
            self._index.hnsw.efSearch = HNSW_EFFORT
        with one_thread():
            self._index.add(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def search(self, queries: Floats, count: int) -> tuple[Floats, npt.NDArray[np.int64]]:
        """Scores and rows, best first, for each query row; ties by row."""
        neighbour_count, queries = min(count, len(self.rows)), np.ascontiguousarray(queries, dtype=np.float32)
        with one_thread():
            scores, rows = self._index.search(queries, neighbour_count)
        if not self.exact:
            products = np.einsum("qd,qkd->qk", queries, self.rows[rows], dtype=np.float32)
            scores = np.where(rows >= 0, products, -np.inf).astype(np.float32)
        order = np.lexsort((rows, -scores), axis=1)
        return np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)

    def largest(self, target: Doubles, count: int) -> Rows:
        """The rows with the largest inner products with one vector: the pricing step of a decomposition."""
        rows = self.search(target.astype(np.float32)[None, :], count)[1][0]
        return np.asarray(rows[rows >= 0], dtype=np.int64)

    def fetch(self, rows: Rows) -> Doubles:
        """Rows in float64."""
        return self.rows[rows].astype(np.float64)


def recall(approximate: npt.NDArray[np.int64], truth: npt.NDArray[np.int64]) -> float:
    """Share of the true neighbours that an approximate search found."""
    common = sum(len(np.intersect1d(a, b)) for a, b in zip(approximate, truth, strict=True))
    return common / truth.size
