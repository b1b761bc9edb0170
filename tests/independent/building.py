"""A log, its statements and its proofs, built from docs/formats.md alone."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from tests.independent.signing import Key, holds

Json = dict[str, Any]
LEAF = "application/vnd.settle.leaf+json"


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def leaf_hash(data: bytes) -> bytes:
    return sha256(b"\x00" + data)


def root_of(hashes: list[bytes]) -> bytes:
    """RFC 6962: the left part is the largest power of two below the number of leaves."""
    if len(hashes) < 2:
        return hashes[0] if hashes else sha256(b"")
    left = 1 << (len(hashes) - 1).bit_length() - 1
    return sha256(b"\x01" + root_of(hashes[:left]) + root_of(hashes[left:]))


def path_to(index: int, hashes: list[bytes]) -> list[bytes]:
    """The audit path of a leaf, from the leaf up."""
    if len(hashes) < 2:
        return []
    left = 1 << (len(hashes) - 1).bit_length() - 1
    if index < left:
        return [*path_to(index, hashes[:left]), root_of(hashes[left:])]
    return [*path_to(index - left, hashes[left:]), root_of(hashes[:left])]


def root_from(index: int, size: int, start: bytes, path: list[bytes]) -> bytes:
    """The root that an audit path leads to."""
    if size == 1:
        assert not path
        return start
    left = 1 << (size - 1).bit_length() - 1
    *below, beside = path
    if index < left:
        return sha256(b"\x01" + root_from(index, left, start, below) + beside)
    return sha256(b"\x01" + beside + root_from(index - left, size - left, start, below))


def key_id(public: bytes) -> str:
    """The SHA-256 of the SubjectPublicKeyInfo of an Ed25519 key."""
    return sha256(bytes.fromhex("302a300506032b6570032100") + public).hex()


def encoded(payload_type: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding."""
    return b" ".join([b"DSSEv1", b"%d" % len(payload_type), payload_type.encode(), b"%d" % len(payload), payload])


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def statement(payload_type: str, payload: Json, key: Key) -> Json:
    data = canonical(payload)
    signature = {"keyid": key_id(key.public), "sig": base64_of(key.sign(encoded(payload_type, data)))}
    return {"payload": base64_of(data), "payloadType": payload_type, "signatures": [signature]}


def digest(document: Json) -> str:
    return sha256(canonical(document)).hex()


def signed(leaf: Json, key: Key) -> Json:
    """A leaf with its author's signature within."""
    sig = key.sign(encoded(LEAF, canonical(leaf)))
    return leaf | {"key": key_id(key.public), "sig": base64_of(sig)}


def signed_by(leaf: Json, public: bytes) -> bool:
    plain = {name: value for name, value in leaf.items() if name not in ("key", "sig")}
    signature = base64.b64decode(leaf["sig"])
    return bool(leaf["key"] == key_id(public) and holds(public, encoded(LEAF, canonical(plain)), signature))


class Log:
    """Leaves under one origin, with a log key."""

    def __init__(self, origin: str, key: Key) -> None:
        self.origin, self.key = origin, key
        self.leaves: list[Json] = []

    def append(self, kind: str, key: Key | None = None, **fields: Any) -> int:
        """The index of a new leaf; with a key, it is signed in itself."""
        leaf = {"v": 1, "type": kind, **fields}
        self.leaves.append(leaf if key is None else signed(leaf, key))
        return len(self.leaves) - 1

    @property
    def hashes(self) -> list[bytes]:
        return [leaf_hash(canonical(leaf)) for leaf in self.leaves]

    @property
    def note_id(self) -> bytes:
        return sha256(self.origin.encode() + b"\n\x01" + self.key.public)[:4]

    def vkey(self) -> str:
        return f"{self.origin}+{self.note_id.hex()}+" + base64_of(b"\x01" + self.key.public)

    def checkpoint(self) -> str:
        hashes = self.hashes
        text = f"{self.origin}\n{len(hashes)}\n{base64_of(root_of(hashes))}\n"
        signature = base64_of(self.note_id + self.key.sign(text.encode()))
        return f"{text}\n\u2014 {self.origin} {signature}\n"

    def placed(self, index: int) -> Json:
        path = [one.hex() for one in path_to(index, self.hashes)]
        return {"index": index, "leaf": self.leaves[index], "proof": path}

    def bundle(self, kind: str, version: int, fields: Json) -> bytes:
        return canonical({"v": version, "kind": kind, "checkpoint": self.checkpoint(), "keys": []} | fields)

    def receipt(self, index: int) -> bytes:
        """A C2SP tlog-proof whose extra is the leaf."""
        lines = [f"extra {base64_of(canonical(self.leaves[index]))}", f"index {index}"]
        lines += [base64_of(one) for one in path_to(index, self.hashes)]
        return "\n".join(["c2sp.org/tlog-proof@v1", *lines, "", self.checkpoint()]).encode()
