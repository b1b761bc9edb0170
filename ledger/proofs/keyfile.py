"""Private keys in files: encrypted with a passphrase, or readable by their owner only.

The seed is sealed with ChaCha20-Poly1305 under a key that scrypt makes of the passphrase (n = 2^15,
r = 8, p = 3: 32 MiB and a fraction of a second). The public half stands in the clear, is bound to
the seal, and is compared with what the seed makes.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from ledger.errors import ConflictError, StateError, VerificationError
from ledger.proofs.keys import PrivateKey, PublicKey
from ledger.text import parse_hex

_N: Final = 2**15
_R: Final = 8
_P: Final = 3
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def save(path: Path, key: PrivateKey, passphrase: bytes | None) -> None:
    """Write a new key file, sealed unless the passphrase is None; never overwrites one."""
    document: dict[str, Any] = {"v": 1, "algorithm": "Ed25519", "public": key.public.raw.hex()}
    if passphrase is None:
        document["seed"] = key.seed.hex()
    else:
        salt, nonce = os.urandom(16), os.urandom(12)
        sealed = ChaCha20Poly1305(_stretch(passphrase, salt)).encrypt(nonce, key.seed, key.public.raw)
        document |= {"kdf": "scrypt", "salt": salt.hex(), "nonce": nonce.hex(), "sealed": sealed.hex()}
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConflictError(
            f"key file {path} exists already; move it away first, a lost key cannot be made again"
        ) from None
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(json.dumps(document, indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())


def load(path: Path, passphrase: Callable[[], bytes]) -> PrivateKey:
    """The key in a file; the passphrase is asked for only if the key is sealed."""
    if (mode := path.stat().st_mode) & _OTHERS:
        raise StateError(f"key file {path} is open to others (mode {stat.S_IMODE(mode):04o}); run: chmod 600 {path}")
    try:
        document = json.loads(path.read_bytes())
        public = parse_hex(document["public"], "public", 32)
        if "seed" in document:
            seed = parse_hex(document["seed"], "seed", 32)
        else:
            salt, nonce = parse_hex(document["salt"], "salt", 16), parse_hex(document["nonce"], "nonce", 12)
            sealed = parse_hex(document["sealed"], "sealed", 48)
            seed = ChaCha20Poly1305(_stretch(passphrase(), salt)).decrypt(nonce, sealed, public)
    except InvalidTag:
        raise VerificationError(f"key file {path}: wrong passphrase, or the file was changed") from None
    except (ValueError, KeyError, TypeError, VerificationError) as problem:
        raise VerificationError(f"key file {path}: {problem!r}; restore it from a backup") from None
    key = PrivateKey.from_seed(seed)
    if key.public.raw != public:
        raise VerificationError(f"key file {path}: its seed makes key {key.public.id[:16]}, not the one it names")
    return key


def public_of(path: Path) -> PublicKey:
    """The public half that a key file names, without opening it."""
    try:
        return PublicKey(parse_hex(json.loads(path.read_bytes())["public"], "public", 32))
    except (ValueError, KeyError, TypeError, VerificationError) as problem:
        raise VerificationError(f"key file {path}: {problem!r}; restore it from a backup") from None


def is_sealed(path: Path) -> bool:
    """Whether the key in a file takes a passphrase."""
    return b'"sealed"' in path.read_bytes()


def _stretch(passphrase: bytes, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, n=_N, r=_R, p=_P).derive(passphrase)
