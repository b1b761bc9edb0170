"""The key and the certificates that songs are signed with: files that settings name, never the log's own key."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from ledger.errors import InputError, StateError
from ledger.types import format_time
from service.bundles import read_file
from service.trade.provenance import Credential

if TYPE_CHECKING:
    from service.workspace import Workspace

KEY: Final = "song.key_file"
CERTIFICATES: Final = "song.certificates_file"
PASSWORD: Final = "song.password_file"  # noqa: S105  the name of a setting
ANCHORS: Final = "song.anchors_file"
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def credential(ws: Workspace) -> Credential:
    """The key and certificates of the settings, once they fit each other and count today."""
    missing = [name for name in (KEY, CERTIFICATES) if not ws.settings.text(name)]
    if missing:
        raise StateError(
            f"{missing[0]} is not set: a song is signed with a key and certificates of your own; "
            "docs/howto-songs.md says how to get them"
        )
    key_path = Path(ws.path(KEY))
    data = read_file(key_path)
    if key_path.stat().st_mode & _OTHERS:
        raise StateError(f"{key_path} can be read by others; make it private: chmod 600 {key_path}")
    password = read_file(Path(ws.path(PASSWORD))).rstrip(b"\r\n") if ws.settings.text(PASSWORD) else None
    try:
        key = load_pem_private_key(data, password)
    except (ValueError, TypeError) as problem:
        raise InputError(f"{key_path}: {problem}; expected a private key as PEM; its password in {PASSWORD}") from None
    match key:
        case ed25519.Ed25519PrivateKey():
            algorithm = "ed25519"
        case ec.EllipticCurvePrivateKey() if key.curve.name in _CURVES:
            algorithm = _CURVES[key.curve.name]
        case rsa.RSAPrivateKey():
            algorithm = "ps256"
        case _:
            raise InputError(f"{key_path}: C2PA signs with Ed25519, P-256, P-384, P-521 or RSA keys")
    certificates = read_file(Path(ws.path(CERTIFICATES)))
    try:
        signing = x509.load_pem_x509_certificates(certificates)[0]
    except ValueError as problem:
        raise InputError(f"{ws.path(CERTIFICATES)}: {problem}; expected certificates as PEM") from None
    if _public(signing.public_key()) != _public(key.public_key()):
        raise InputError(f"the first certificate of {ws.path(CERTIFICATES)} is not that of the key in {key_path}")
    if not signing.not_valid_before_utc <= ws.clock() < signing.not_valid_after_utc:
        raise StateError(
            f"the certificate in {ws.path(CERTIFICATES)} counts from {format_time(signing.not_valid_before_utc)} to "
            f"{format_time(signing.not_valid_after_utc)}; renew it"
        )
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Credential(algorithm=algorithm, key=plain, certificates=certificates)


def anchors(ws: Workspace) -> str:
    """The certificates that signers of songs are trusted by; "" where the settings name none."""
    if not ws.settings.text(ANCHORS):
        return ""
    return read_file(Path(ws.path(ANCHORS))).decode("ascii", "replace")


_CURVES: Final = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


def _public(key: object) -> bytes:
    data: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]  # every kind has it
    return data
