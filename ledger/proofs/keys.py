"""Ed25519 keys: sign, verify, and the id by which leaves and envelopes name a key."""

from __future__ import annotations

import hashlib
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ledger.errors import VerificationError

KEY_SIZE: Final = 32
SIGNATURE_SIZE: Final = 64

_SPKI_PREFIX: Final = bytes.fromhex("302a300506032b6570032100")
"""SubjectPublicKeyInfo of an Ed25519 key, DER, up to the key itself (RFC 8410 section 4)."""


class PublicKey:
    """An Ed25519 public key. `id` is the SHA-256 of its SubjectPublicKeyInfo, in hex."""

    __slots__ = ("_key", "id", "raw")

    raw: bytes
    id: str

    def __init__(self, raw: bytes) -> None:
        if len(raw) != KEY_SIZE:
            raise VerificationError(f"public key: {len(raw)} bytes, expected {KEY_SIZE}")
        self.raw = bytes(raw)
        self.id = hashlib.sha256(_SPKI_PREFIX + self.raw).hexdigest()
        self._key = Ed25519PublicKey.from_public_bytes(self.raw)

    def verify(self, signature: bytes, data: bytes) -> None:
        """RFC 8032 section 5.1.7; VerificationError if this key did not sign these bytes."""
        try:
            self._key.verify(signature, data)
        except InvalidSignature:
            raise VerificationError(f"signature is not by key {self.id[:16]}") from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and other.raw == self.raw

    def __hash__(self) -> int:
        return hash(self.raw)

    def __repr__(self) -> str:
        return f"PublicKey({self.id[:16]})"


class PrivateKey:
    """An Ed25519 private key. Its repr names the public half only.

    With `log`, the origin of the log in which its owner acts, the leaves that it signs name that log.
    """

    __slots__ = ("_key", "log", "public")

    public: PublicKey
    log: str | None

    def __init__(self, key: Ed25519PrivateKey, log: str | None = None) -> None:
        self._key, self.log = key, log
        self.public = PublicKey(key.public_key().public_bytes_raw())

    @classmethod
    def generate(cls) -> PrivateKey:
        """A new key from the operating system's randomness."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_seed(cls, seed: bytes) -> PrivateKey:
        """The key with this 32-byte seed (RFC 8032 section 5.1.5)."""
        if len(seed) != KEY_SIZE:
            raise VerificationError(f"private key: {len(seed)} bytes, expected {KEY_SIZE}")
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    def for_log(self, origin: str) -> PrivateKey:
        """The same key, for leaves of this log."""
        return PrivateKey(self._key, origin)

    @property
    def seed(self) -> bytes:
        """The 32 bytes from which the key can be made again; for `ledger.proofs.keyfile` only."""
        return self._key.private_bytes_raw()

    def sign(self, data: bytes) -> bytes:
        """The 64-byte signature; deterministic (RFC 8032 section 5.1.6)."""
        return self._key.sign(data)

    def __repr__(self) -> str:
        return f"PrivateKey({self.public.id[:16]})"
