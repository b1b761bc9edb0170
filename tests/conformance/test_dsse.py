"""The published DSSE example: its encoding, and its ECDSA signature over our encoding."""

from __future__ import annotations

import base64
import json

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from ledger.proofs import dsse
from tests.support import shared


def test_hello_world() -> None:
    """If this fails, the bytes we sign are not the bytes that DSSE says are signed."""
    case = json.loads(shared("vectors/dsse/hello-world.json").read_text())
    envelope = case["envelope"]
    payload = base64.b64decode(envelope["payload"])
    message = dsse.pae(envelope["payloadType"], payload)
    assert message == case["pae"].encode()

    x, y, d = (int(case["key"][name]) for name in ("x", "y", "d"))
    numbers = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1())
    raw = base64.b64decode(envelope["signatures"][0]["sig"])
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    numbers.public_key().verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))

    private = ec.EllipticCurvePrivateNumbers(d, numbers).private_key()
    again = private.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    assert decode_dss_signature(again) == (r, s)
