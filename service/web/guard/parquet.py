"""Check a Parquet body before and while it is read: rows and bytes, in its index and after unpacking."""

from __future__ import annotations

import io
from itertools import accumulate

from ledger.errors import InputError
from ledger.ingest.parquet_pages import unpacked_sizes
from ledger.ingest.rows import Rows
from service.web.guard.limits import Limits
from service.web.guard.problems import RefusedError


class UnpackedBytes:
    """Counts the unpacked bytes of a body's rows: an index does not say how often a dictionary value is repeated."""

    def __init__(self, limits: Limits) -> None:
        self._most, self._bytes = limits.plain_bytes, 0

    def __call__(self, part: Rows) -> None:
        self._bytes += sum(len(part.raw(row)) for row in range(len(part.events)))
        self._bytes += sum(len(refusal.raw) for refusal in part.refused)
        if self._bytes > self._most:
            raise RefusedError(413, "plain-bytes", f"the rows unpack to more than {self._most:,} bytes")


def check_parquet(body: bytes, limits: Limits) -> None:
    """Refuse a body whose index or pages state too many rows or bytes, or whose columns would not fit into memory."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise RefusedError(415, "media", "this server does not read Parquet; send NDJSON or CSV") from None
    try:
        about = pq.ParquetFile(io.BytesIO(body)).metadata
    except (pa.ArrowException, OSError) as problem:
        raise InputError(f"the body is not Parquet: {problem}") from None
    if about.num_rows > limits.rows:
        raise RefusedError(413, "rows", f"{about.num_rows:,} rows in one body, at most {limits.rows:,}")
    for plain in accumulate(unpacked_sizes(io.BytesIO(body), about, "the body")):
        if plain > limits.plain_bytes:
            raise RefusedError(
                413, "plain-bytes", f"{plain:,} bytes or more when decompressed, at most {limits.plain_bytes:,}"
            )
