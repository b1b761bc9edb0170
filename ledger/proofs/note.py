"""Signed notes: text, a blank line, signature lines (c2sp.org/signed-note).

A note is opened with the keys the reader trusts. Signatures by other keys are ignored; one that
claims to be by a trusted key and is not sinks the whole note.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ledger.errors import VerificationError
from ledger.proofs.keys import PrivateKey, PublicKey
from ledger.text import format_base64, parse_base64

ED25519: Final = 0x01
COSIGNATURE: Final = 0x04

SIZE_MAX: Final = 1_000_000
SIGNATURES_MAX: Final = 100
"""The limits of Go's implementation; the specification asks for at least 16 signatures."""

_PREFIX: Final = "— "


@dataclass(frozen=True, slots=True)
class Vkey:
    """A verifier key: a name, a signature type, a public key; `name+id+base64(type, key)` in text."""

    name: str
    key: PublicKey
    kind: int = ED25519

    @property
    def id(self) -> bytes:
        """The four bytes by which a signature line names the key; an identifier, not a commitment."""
        return key_id(self.name, self.kind, self.key.raw)

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{format_base64(bytes([self.kind]) + self.key.raw)}"


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: the key's name and id, and the data of the signature type."""

    name: str
    id: bytes
    value: bytes

    def __str__(self) -> str:
        return f"{_PREFIX}{self.name} {format_base64(self.id + self.value)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text ending in a newline, and its signature lines, not yet verified."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def encode(self) -> bytes:
        return (self.text + "\n" + "".join(map(str, self.signatures))).encode()


def key_id(name: str, kind: int, public: bytes) -> bytes:
    """`SHA-256(name || 0x0A || type || key)[:4]`."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


def check_name(name: str) -> str:
    """A key name: not empty, without spaces of any alphabet, without `+` and control characters."""
    if not name or "+" in name or any(mark.isspace() or mark < " " for mark in name):
        raise VerificationError(f"key name {name!r}: expected a name without spaces and plus signs")
    return name


def parse_vkey(text: str, *kinds: int) -> Vkey:
    """The key of this text, which must be of one of these types (by default Ed25519)."""
    parts = text.split("+", 2)  # base64 may contain a plus, names may not
    if len(parts) != 3:
        raise VerificationError(f"verifier key {text[:80]!r}: expected name+id+key")
    name, identifier, encoded = parts
    blob = parse_base64(encoded, "verifier key")
    if not blob or blob[0] not in (kinds or (ED25519,)):
        raise VerificationError(f"verifier key {text[:80]!r}: type {blob[:1].hex() or 'missing'} is not for this use")
    vkey = Vkey(check_name(name), PublicKey(blob[1:]), blob[0])
    if vkey.id.hex() != identifier:
        raise VerificationError(f"verifier key {text[:80]!r}: its id is {vkey.id.hex()}")
    return vkey


def sign(text: str, name: str, *keys: PrivateKey) -> Note:
    """The text signed with Ed25519 by each of these keys under one name."""
    lines = (NoteSignature(name, key_id(name, ED25519, key.public.raw), key.sign(text.encode())) for key in keys)
    return parse(Note(text, tuple(lines)).encode())


def parse(data: bytes) -> Note:
    """Return the note in these bytes; do not use it before `verify`."""
    if len(data) > SIZE_MAX:
        raise VerificationError(f"note: {len(data)} bytes, at most {SIZE_MAX}")
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        raise VerificationError("note: not UTF-8") from None
    if any(mark < " " and mark != "\n" for mark in whole):
        raise VerificationError("note: contains a control character")
    text, separator, block = whole.rpartition("\n\n")
    if not separator or not block.endswith("\n"):
        raise VerificationError("note: expected text, a blank line and signature lines")
    lines = block[:-1].split("\n")
    if len(lines) > SIGNATURES_MAX:
        raise VerificationError(f"note: {len(lines)} signatures, at most {SIGNATURES_MAX}")
    return Note(text + "\n", tuple(map(parse_signature, lines)))


def parse_signature(line: str) -> NoteSignature:
    """One signature line, without its newline."""
    name, space, encoded = line.removeprefix(_PREFIX).partition(" ")
    if not line.startswith(_PREFIX) or not space:
        raise VerificationError(f"note: {line[:80]!r} is not a signature line")
    blob = parse_base64(encoded, "note signature")
    if len(blob) < 5:
        raise VerificationError(f"note: signature by {name!r} is too short")
    return NoteSignature(check_name(name), blob[:4], blob[4:])


def verify(note: Note, trusted: Iterable[Vkey]) -> tuple[Vkey, ...]:
    """Which of these Ed25519 keys signed the note; VerificationError if none did."""
    keys = {(vkey.name, vkey.id): vkey for vkey in trusted if vkey.kind == ED25519}
    valid: dict[tuple[str, bytes], Vkey] = {}
    for signature in note.signatures:
        vkey = keys.get((signature.name, signature.id))
        if vkey is not None:
            vkey.key.verify(signature.value, note.text.encode())
            valid[vkey.name, vkey.id] = vkey
    if not valid:
        signed_by = _names((signature.name, signature.id) for signature in note.signatures)
        raise VerificationError(f"signed by {signed_by}; you trust {_names(keys)}")
    return tuple(valid.values())


def _names(pairs: Iterable[tuple[str, bytes]]) -> str:
    return ", ".join(f"key {identifier.hex()} of {name}" for name, identifier in pairs) or "nobody"
