"""Check a Parquet body before it is read: its index must not exceed the limits of rows and bytes."""

from __future__ import annotations

import io

from ledger.errors import InputError
from service.web.guard.limits import Limits
from service.web.guard.problems import RefusedError


def check_parquet(body: bytes, limits: Limits) -> None:
    """Refuse one whose index says too much, or whose columns are packed so that they could not be read in memory."""
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
    plain = sum(
        about.row_group(group).column(column).total_uncompressed_size
        for group in range(about.num_row_groups)
        for column in range(about.num_columns)
    )
    if not 0 <= plain <= limits.plain_bytes:
        raise RefusedError(413, "plain-bytes", f"{plain:,} bytes when decompressed, at most {limits.plain_bytes:,}")
