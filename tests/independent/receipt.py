"""A receipt checked by a stranger: c2sp.org/tlog-proof with hashlib and an Ed25519 of its own, nothing of ours."""

from __future__ import annotations

import hashlib
from base64 import b64decode
from typing import Any

from tests.independent.signing import holds


def event_of(receipt: str, trust: dict[str, Any]) -> bytes:
    """The leaf that this receipt proves; ValueError if it proves nothing."""
    head, _, checkpoint = receipt.partition("\n\n")
    lines = head.split("\n")
    leaf = b64decode(lines[1].removeprefix("extra "))
    index, path = int(lines[2].removeprefix("index ")), [b64decode(line) for line in lines[3:]]
    body, _, signatures = checkpoint.partition("\n\n")
    origin, size, root = body.split("\n")[:3]
    (log,) = (log for log in trust["logs"] if log["origin"] == origin)
    vkeys = (key["vkey"].split("+", 2)[2] for key in log["keys"] if key["role"] == "log")
    for public in (b64decode(text)[1:] for text in vkeys):
        key_id = hashlib.sha256(origin.encode() + b"\n\x01" + public).digest()[:4]
        for line in signatures.splitlines():
            _, name, value = line.split(" ")
            signed = b64decode(value)
            if name == origin and signed[:4] == key_id:
                if not holds(public, body.encode() + b"\n", signed[4:]):
                    raise ValueError("the signature is not the log's")
                if _root(leaf, index, int(size), path) != b64decode(root):
                    raise ValueError("the path does not lead to the root")
                return leaf
    raise ValueError("no log key of the trust file signed this checkpoint")


def _root(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """RFC 9162, 2.1.3.2."""
    node, last, value = index, size - 1, hashlib.sha256(b"\x00" + leaf).digest()
    for sibling in path:
        if node & 1 or node == last:
            value = hashlib.sha256(b"\x01" + sibling + value).digest()
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            value = hashlib.sha256(b"\x01" + value + sibling).digest()
        node, last = node >> 1, last >> 1
    if last:
        raise ValueError("the path is too short")
    return value
