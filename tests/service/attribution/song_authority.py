"""A certificate authority of a test, and a small M4A file: what signing a song needs from outside."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PASSWORD = b"a password of the test"


class Authority:
    """Signs certificates that sign songs."""

    def __init__(self, name: str = "Example Authority") -> None:
        self._key = Ed25519PrivateKey.generate()
        self._name = x509.Name(
            [x509.NameAttribute(NameOID.COMMON_NAME, name), x509.NameAttribute(NameOID.ORGANIZATION_NAME, name)]
        )
        self.root = self._sign(self._name, self._key, is_authority=True, days=365)

    def settings(self, folder: Path, *, days: int = 30, encrypted: bool = False) -> dict[str, str]:
        """Files of a new key and its certificates, as the settings that name them."""
        folder.mkdir(parents=True, exist_ok=True)
        key = Ed25519PrivateKey.generate()
        name = x509.Name(
            [x509.NameAttribute(NameOID.COMMON_NAME, "songs"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "The Lab")]
        )
        cipher = BestAvailableEncryption(PASSWORD) if encrypted else NoEncryption()
        own = self._sign(name, key, is_authority=False, days=days)
        files = {
            "key_file": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, cipher),
            "certificates_file": own.public_bytes(Encoding.PEM) + self.root.public_bytes(Encoding.PEM),
            "anchors_file": self.root.public_bytes(Encoding.PEM),
        } | ({"password_file": PASSWORD + b"\n"} if encrypted else {})
        for kind, data in files.items():
            (folder / kind).write_bytes(data)
            (folder / kind).chmod(0o600)
        return {f"SETTLE_SONG_{kind.upper()}": str(folder / kind) for kind in files}

    def _sign(self, subject: x509.Name, key: Ed25519PrivateKey, *, is_authority: bool, days: int) -> x509.Certificate:
        now = datetime.now(UTC)
        usage = dict.fromkeys(
            (
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "encipher_only",
                "decipher_only",
            ),
            False,
        )
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=40))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=not is_authority, key_cert_sign=is_authority, crl_sign=is_authority, **usage
                ),
                critical=True,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if not is_authority:
            mail = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
            builder = builder.add_extension(mail, critical=False)
        return builder.sign(self._key, None)


def m4a() -> bytes:
    """The boxes of an M4A file around bytes that are no sound."""

    def box(name: bytes, *parts: bytes) -> bytes:
        return struct.pack(">I", 8 + sum(map(len, parts))) + name + b"".join(parts)

    kinds = box(b"ftyp", b"M4A \0\0\0\0M4A isom")
    return kinds + box(b"moov", box(b"mvhd", bytes(100))) + box(b"mdat", bytes(range(256)) * 8)
