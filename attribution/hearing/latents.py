"""Latents that a model's operator supplies: npy, safetensors or Parquet. Reads files.

One file may hold one item (a vector, or a matrix with one row per segment) or, in safetensors and
Parquet, many by name (Parquet: columns `id` and `latent`). Never pickled objects.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from attribution.hearing.spectra import Floats
from ledger.errors import InputError
from ledger.ingest.tables import check_packing

SUFFIXES: Final = frozenset({".npy", ".safetensors", ".parquet"})
WIDTH_MAX: Final = 65_536


def read_latents(path: Path) -> dict[str, Floats]:
    """Latents by name (a single one by the file's stem), each as rows; InputError for what is not latents."""
    try:
        latents = _READERS[path.suffix.lower()](path)
    except InputError:
        raise
    except Exception as problem:  # noqa: BLE001  three readers, each with errors of its own
        raise InputError(f"{path}: not latents that can be read ({problem})") from None
    if not latents:
        raise InputError(f"{path}: contains no latents")
    return {name: _checked(path, name, value) for name, value in latents.items()}


def _checked(path: Path, name: str, value: Any) -> Floats:
    rows = np.asarray(value)
    if rows.dtype.kind not in "fiu" or rows.ndim not in (1, 2) or rows.size == 0:
        raise InputError(
            f"{path}: latent {name!r} is {rows.dtype} of shape {rows.shape}, expected numbers, one or two axes"
        )
    rows = np.atleast_2d(rows).astype(np.float32)
    if rows.shape[1] > WIDTH_MAX:
        raise InputError(f"{path}: latent {name!r} is {rows.shape[1]} wide, at most {WIDTH_MAX}")
    if not np.isfinite(rows).all():
        raise InputError(f"{path}: latent {name!r} contains values that are not finite numbers")
    return np.ascontiguousarray(rows)


def _npy(path: Path) -> dict[str, Any]:
    return {path.stem: np.load(path, allow_pickle=False)}


def _safetensors(path: Path) -> dict[str, Any]:
    from safetensors.numpy import load_file

    return dict(load_file(path))


def _parquet(path: Path) -> dict[str, Any]:
    import pyarrow.parquet

    with path.open("rb") as file:
        check_packing(file, pyarrow.parquet.read_metadata(path), str(path))
    table = pyarrow.parquet.read_table(path)
    if not {"id", "latent"} <= set(table.column_names):
        raise InputError(f"{path}: columns {table.column_names}, expected id and latent")
    rows = zip(table.column("id").to_pylist(), table.column("latent").to_pylist(), strict=True)
    return {str(name): np.asarray(value, dtype=np.float32) for name, value in rows}


_READERS: Final = {".npy": _npy, ".safetensors": _safetensors, ".parquet": _parquet}
