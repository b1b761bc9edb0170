"""Write latents of sound files by a pretrained encoder, to be indexed and attributed like a generator's own."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from attribution.hearing.audio import decode, file_digest
from attribution.hearing.encoders.pretrained import PretrainedEncoder
from ledger.errors import InputError
from ledger.files import write_whole
from ledger.types import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedFiles:
    """The model's digest, the width of its latents, and the files written, in the order of the sounds."""

    model: Digest
    width: int
    files: list[str]


def encode_files(model: Path, paths: Sequence[Path], out: Path, *, rate: int, seconds: float) -> EncodedFiles:
    """For each sound a `.npy` file of its name with a latent for each window."""
    stems = [path.stem for path in paths]
    if len(set(stems)) != len(stems):
        raise InputError(f"two files are named {max(stems, key=stems.count)!r}: encode them into different folders")
    if rate <= 0 or seconds <= 0:
        raise InputError(f"rate {rate} Hz and windows of {seconds:g} s: both are above zero")
    encoder = PretrainedEncoder(model, rate=rate, seconds=seconds)
    encoded = {}
    for path in paths:
        latents = encoder.encode(decode(path).pcm)
        if not len(latents):
            raise InputError(f"{path}: shorter than one window of {seconds:g} s")
        encoded[path.stem] = latents
    out.mkdir(parents=True, exist_ok=True)
    for stem, latents in encoded.items():
        body = io.BytesIO()
        np.save(body, latents, allow_pickle=False)
        write_whole(out / f"{stem}.npy", body.getvalue())
    return EncodedFiles(
        model=file_digest(model),
        width=next(iter(encoded.values())).shape[1],
        files=[str(out / f"{stem}.npy") for stem in encoded],
    )
