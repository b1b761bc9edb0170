"""A pretrained encoder in a local file gives latents; what is none, and sound that is too short, is refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from attribution.hearing.latents import read_latents
from attribution.hearing.spectra import Floats
from tests.cli.support import settle, settle_json

RATE, SECONDS, WIDTH = 8_000, 0.5, 3
SAMPLES = int(RATE * SECONDS)


def field(number: int, value: bytes | int) -> bytes:
    """One field of a protobuf message."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    parts = [value >> shift & 127 for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes([*(part | 128 for part in parts[:-1]), parts[-1]])


def tensor(name: str, shape: tuple[int, ...]) -> bytes:
    dimensions = b"".join(field(1, field(1, size)) for size in shape)
    return field(1, name.encode()) + field(2, field(1, field(1, 1) + field(2, dimensions)))


@pytest.fixture
def encoder(tmp_path: Path) -> tuple[Path, Floats]:
    """An encoder of one matrix, written as ONNX, and the matrix."""
    matrix = np.random.default_rng(1).standard_normal((SAMPLES, WIDTH)).astype(np.float32)
    node = field(1, b"x") + field(1, b"m") + field(2, b"y") + field(4, b"MatMul")
    weights = field(1, SAMPLES) + field(1, WIDTH) + field(2, 1) + field(8, b"m") + field(9, matrix.tobytes())
    graph = field(1, node) + field(2, b"g") + field(5, weights)
    graph += field(11, tensor("x", (1, SAMPLES))) + field(12, tensor("y", (1, WIDTH)))
    path = tmp_path / "encoder.onnx"
    path.write_bytes(field(1, 8) + field(8, field(1, b"") + field(2, 13)) + field(7, graph))
    return path, matrix


def sound(path: Path, seconds: float) -> Path:
    time = np.arange(int(16_000 * seconds)) / 16_000
    soundfile.write(path, (0.3 * np.sin(2 * np.pi * 440 * time)).astype("float32"), 16_000, subtype="FLOAT")
    return path


def test_each_window_gives_the_encoders_latent(encoder: tuple[Path, Floats], tmp_path: Path) -> None:
    """If this fails, latents are not what the encoder says of the sound, and influence is measured in another space."""
    model, matrix = encoder
    clip = sound(tmp_path / "clip.wav", 1.8)
    words: list[str | Path] = [
        "encode",
        model,
        clip,
        "--rate",
        str(RATE),
        "--seconds",
        str(SECONDS),
        "--out",
        tmp_path / "latents",
    ]
    answer = settle_json(*words)
    latents = read_latents(tmp_path / "latents" / "clip.npy")["clip"]
    assert (answer["width"], latents.shape) == (WIDTH, (3, WIDTH))
    time = np.arange(SAMPLES, 2 * SAMPLES) / RATE
    np.testing.assert_allclose(latents[1], (0.3 * np.sin(2 * np.pi * 440 * time)) @ matrix, atol=0.05)
    first = (tmp_path / "latents" / "clip.npy").read_bytes()
    settle_json(*words)
    assert (tmp_path / "latents" / "clip.npy").read_bytes() == first


def test_what_cannot_be_encoded_is_refused_by_name(encoder: tuple[Path, Floats], tmp_path: Path) -> None:
    """If this fails, a wrong model file or a snippet ends in a traceback, or leaves half of the latents."""
    model, _ = encoder
    short, text = sound(tmp_path / "short.wav", 0.2), tmp_path / "text.onnx"
    text.write_text("no model")
    for arguments, name in (((model, short), "short.wav"), ((text, short), "text.onnx")):
        refused = settle("encode", *arguments, "--rate", str(RATE), "--seconds", "0.5", "--out", tmp_path / "none")
        assert refused.code == 2
        assert name in refused.err
    assert not (tmp_path / "none").exists()
