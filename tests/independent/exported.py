"""What an outsider holds: a folder from `settle period export`, a registry export, and nothing of the operator's.

The log is read from its public tiles; its RFC 6962 root is computed again and compared with the checkpoint's.
Signatures are not looked at here: `settle verify` and other people's clients do that.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Exported:
    """A period as it was handed over."""

    folder: Path
    registry_file: Path

    @cached_property
    def registry(self) -> dict[str, list[Json]]:
        found: dict[str, list[Json]] = json.loads(self.registry_file.read_text(encoding="utf-8"))
        return found

    @cached_property
    def period(self) -> str:
        return str(json.loads((self.folder / "period.json").read_text())["period"])

    @cached_property
    def raw(self) -> list[bytes]:
        """Every leaf as bytes; their root must be the one that the checkpoint names."""
        _, size, root = (self.folder / "log" / "checkpoint").read_text().splitlines()[:3]
        leaves = list(self._entries(int(size)))
        assert _root(leaves) == base64.b64decode(root), "the tiles do not hash to the checkpoint's root"
        return leaves

    @cached_property
    def leaves(self) -> list[Json]:
        return [json.loads(leaf) for leaf in self.raw]

    @cached_property
    def runs(self) -> list[Json]:
        """The documents of the period's published runs, each found in the log by its leaf."""
        published = {leaf["run"] for leaf in self.leaves if leaf["type"] == "publish"}
        documents = [self.statement(leaf["statement"]) for leaf in self.leaves if leaf["type"] == "run"]
        return [run for run in documents if run["run"] in published and run["inputs"]["terms"]["period"] == self.period]

    def blob(self, digest: str) -> bytes:
        found = (self.folder / "log" / "blob" / digest[:2] / digest).read_bytes()
        assert hashlib.sha256(found).hexdigest() == digest
        return found

    def statement(self, digest: str) -> Json:
        """The payload of a signed statement."""
        payload: Json = json.loads(base64.b64decode(json.loads(self.blob(digest))["payload"]))
        return payload

    def table(self, run: Mapping[str, Any], name: str) -> list[Json]:
        return [json.loads(row) for row in self.blob(run["tables"][name]["sha256"]).splitlines()]

    def closes(self) -> Iterator[tuple[Json, bytes]]:
        """Close leaves in order, each with its leaf hash: the period root."""
        for leaf, raw in zip(self.leaves, self.raw, strict=True):
            if leaf["type"] == "close":
                yield leaf, _leaf_hash(raw)

    def _entries(self, size: int) -> Iterator[bytes]:
        """Entry bundles of 256: each leaf after its length in two bytes."""
        assert size <= 256_000, "tile names have one part up to here"
        for number in range((size + 255) // 256):
            width = min(256, size - 256 * number)
            name = f"{number:03d}" if width == 256 else f"{number:03d}.p/{width}"
            bundle = (self.folder / "log" / "tile" / "entries" / name).read_bytes()
            at = 0
            for _ in range(width):
                length = int.from_bytes(bundle[at : at + 2], "big")
                yield bundle[at + 2 : at + 2 + length]
                at += 2 + length


def _leaf_hash(leaf: bytes) -> bytes:
    return hashlib.sha256(b"\0" + leaf).digest()


def _root(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, level by level; a node without a sibling moves up as it is."""
    level = [_leaf_hash(leaf) for leaf in leaves]
    while len(level) > 1:
        pairs = [level[n : n + 2] for n in range(0, len(level), 2)]
        level = [hashlib.sha256(b"\1" + pair[0] + pair[1]).digest() if len(pair) == 2 else pair[0] for pair in pairs]
    return level[0]
