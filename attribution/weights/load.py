"""Load the files next to this module: encoder constants and the style encoder's weights."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from ledger.errors import StateError

WEIGHTS: Final = Path(__file__).with_name("encoders.safetensors")
CALIBRATION: Final = Path(__file__).with_name("calibration.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Constants:
    """What to subtract from and multiply with each dimension of an encoder."""

    mean: npt.NDArray[np.float32]
    scale: npt.NDArray[np.float32]


@cache
def tensors(path: Path = WEIGHTS) -> dict[str, npt.NDArray[np.float32]]:
    """Every array of the weights file by name."""
    from safetensors.numpy import load_file

    if not path.is_file():
        raise StateError(f"no weights at {path}; this installation is incomplete: install the wheel again")
    return {name: np.asarray(value, dtype=np.float32) for name, value in load_file(path).items()}


def constants(name: str) -> Constants:
    """The shipped constants of one encoder."""
    every = tensors()
    return Constants(mean=every[f"{name}.mean"], scale=every[f"{name}.scale"])


@cache
def digest(path: Path = WEIGHTS) -> str:
    """SHA-256 of the weights file: part of every vector's parameters."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
