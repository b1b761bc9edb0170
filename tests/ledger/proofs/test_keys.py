"""Keys: RFC 8032's own answers, and one way to fail."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ledger.errors import VerificationError
from ledger.proofs.keys import PrivateKey, PublicKey

# RFC 8032 section 7.1, test 2.
SEED = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
PUBLIC = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


def test_known_key_and_signature() -> None:
    """If this fails, nobody else can verify what we sign."""
    key = PrivateKey.from_seed(SEED)
    assert key.public.raw == PUBLIC
    assert key.seed == SEED
    assert key.sign(b"\x72") == SIGNATURE
    key.public.verify(SIGNATURE, b"\x72")


def test_the_id_is_the_hash_of_the_public_key_as_others_write_it() -> None:
    """If this fails, key ids cannot be recomputed with openssl."""
    written = Ed25519PublicKey.from_public_bytes(PUBLIC).public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    import hashlib

    assert PublicKey(PUBLIC).id == hashlib.sha256(written).hexdigest()


def test_every_flipped_bit_is_refused() -> None:
    """If this fails, a signature is believed that the key did not make."""
    key = PublicKey(PUBLIC)
    for position in range(64 * 8):
        wrong = bytearray(SIGNATURE)
        wrong[position // 8] ^= 1 << position % 8
        with pytest.raises(VerificationError):
            key.verify(bytes(wrong), b"\x72")


@pytest.mark.parametrize("signature", [b"", SIGNATURE[:-1], SIGNATURE + b"\x00", bytes(64), b"\xff" * 64])
def test_what_is_no_signature(signature: bytes) -> None:
    """If this fails, a malformed signature crashes instead of being refused."""
    with pytest.raises(VerificationError):
        PublicKey(PUBLIC).verify(signature, b"\x72")


@pytest.mark.parametrize("size", [0, 31, 33])
def test_keys_have_32_bytes(size: int) -> None:
    """If this fails, something else passes for a key."""
    with pytest.raises(VerificationError):
        PublicKey(bytes(size))
    with pytest.raises(VerificationError):
        PrivateKey.from_seed(bytes(size))


def test_new_keys_differ_and_do_not_show_themselves() -> None:
    """If this fails, two workspaces share a key, or a log file shows a private one."""
    one, two = PrivateKey.generate(), PrivateKey.generate()
    assert one.public != two.public
    assert len({one.public, two.public, PublicKey(one.public.raw)}) == 2
    assert one.seed.hex() not in repr(one)
    assert repr(one.public) == f"PublicKey({one.public.id[:16]})"
