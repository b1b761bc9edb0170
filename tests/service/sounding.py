"""A workspace whose registry names a few invented recordings, for tests of indexing and attribution."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soundfile

from attribution.lab import synth
from attribution.lab.render import Pcm
from tests.cli.support import settle_json

RATE = 16_000


@dataclass(frozen=True, slots=True)
class Sounding:
    """A workspace and the folder its registry documents and recordings lie in."""

    home: Path

    @property
    def label(self) -> Path:
        return self.home / "label"

    def add(self, files: Mapping[str, str], *, owners: Mapping[str, str] | None = None, **fields: Any) -> None:
        """Register recordings by id and the file of each, owned by `owners` (its own party unless named)."""
        whose = {name: (owners or {}).get(name, f"p-{name}") for name in files}
        parties = sorted(set(whose.values()))
        document = {
            "parties": [{"id": party, "name": f"Name of {party}", "kind": "person"} for party in parties],
            "recordings": [
                {"id": name, "title": f"Title of {name}", "artist": f"Artist of {whose[name]}", "audio": file, **fields}
                for name, file in files.items()
            ],
            "shares": [
                {
                    "subject": name,
                    "party": whose[name],
                    "right": "master",
                    "ppm": 1_000_000,
                    "territory": "WORLD",
                    "from": "2020-01-01",
                    "state": "confirmed",
                }
                for name in files
            ],
            "grants": [
                {
                    "id": f"g-{name}",
                    "grantor": whose[name],
                    "subject": name,
                    "uses": ["train", "style"],
                    "decision": "allow",
                    "territory": "WORLD",
                    "from": "2020-01-01",
                }
                for name in files
            ],
        }
        place = self.label / f"registry-{len(list(self.label.glob('registry-*')))}.json"
        place.write_text(json.dumps(document), encoding="utf-8")
        answer = settle_json("registry", "import", place, home=self.home)
        assert answer["quarantined"] == 0, answer

    def write(self, name: str, pcm: Pcm) -> str:
        """A sound file beside the registry documents; its path as a registry names it."""
        soundfile.write(self.label / name, pcm, RATE)
        return name

    def perform(self, pieces: Sequence[synth.InventedPiece], seconds: float = 6.0) -> dict[str, str]:
        """Sound files of pieces, by the piece's id."""
        return {piece.id: self.write(f"{piece.id}.wav", synth.perform(piece, seconds)) for piece in pieces}

    def settle(self, *words: str | Path, code: int = 0) -> Any:
        return settle_json(*words, home=self.home, code=code)


def sounding(home: Path) -> Sounding:
    """A new workspace with nothing in it."""
    made = Sounding(home)
    made.label.mkdir(parents=True)
    made.settle("init", "--no-passphrase")
    return made
