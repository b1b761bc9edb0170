"""Signed statements: DSSE envelopes (github.com/secure-systems-lab/dsse, protocol 1.0.2).

The signature covers the type and the exact payload bytes, so a verifier needs no canonicalisation
to check it. The envelope itself is canonical JSON, because its digest is how leaves name it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ledger.errors import VerificationError
from ledger.proofs import canon
from ledger.proofs.keys import PrivateKey, PublicKey
from ledger.text import format_base64, parse_base64
from ledger.types import Digest


@dataclass(frozen=True, slots=True)
class Signature:
    """One key's signature; `keyid` says which key to try and is itself not trusted."""

    keyid: str
    sig: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A payload, its type, and the signatures over both."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]

    def encode(self) -> bytes:
        """The envelope's bytes; `digest` names exactly these."""
        return canon.encode(
            {
                "payload": format_base64(self.payload),
                "payloadType": self.payload_type,
                "signatures": [
                    {"keyid": signature.keyid, "sig": format_base64(signature.sig)} for signature in self.signatures
                ],
            }
        )

    @property
    def digest(self) -> Digest:
        return canon.digest(self.encode())


def pae(payload_type: str, payload: bytes) -> bytes:
    """The bytes that are signed: `DSSEv1 <len> <type> <len> <payload>`, lengths in bytes."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign(payload_type: str, payload: bytes, keys: Sequence[PrivateKey]) -> Envelope:
    """An envelope signed by every one of these keys."""
    message = pae(payload_type, payload)
    signatures = tuple(Signature(key.public.id, key.sign(message)) for key in keys)
    return Envelope(payload_type=payload_type, payload=payload, signatures=signatures)


def parse(data: bytes) -> Envelope:
    """The envelope with exactly these bytes. Nothing in it is verified yet."""
    document = canon.decode_object(data, "statement")
    if set(document) != {"payload", "payloadType", "signatures"}:
        raise VerificationError(f"statement: fields {sorted(document)}, expected payload, payloadType, signatures")
    payload, payload_type, signatures = document["payload"], document["payloadType"], document["signatures"]
    if not (isinstance(payload, str) and isinstance(payload_type, str) and isinstance(signatures, list)):
        raise VerificationError("statement: payload and payloadType are texts, signatures is a list")
    return Envelope(
        payload_type=payload_type,
        payload=parse_base64(payload, "statement payload"),
        signatures=tuple(_signature(item) for item in signatures),
    )


def _signature(item: object) -> Signature:
    texts = isinstance(item, dict) and all(isinstance(value, str) for value in item.values())
    if not isinstance(item, dict) or not texts or set(item) != {"keyid", "sig"}:
        raise VerificationError("statement: a signature is an object of keyid and sig")
    return Signature(item["keyid"], parse_base64(item["sig"], "statement signature"))


def signers(envelope: Envelope, keys: Iterable[PublicKey]) -> tuple[PublicKey, ...]:
    """Return which of these keys signed. If a named key did not sign, the whole envelope is refused."""
    by_id = {key.id: key for key in keys}
    message = pae(envelope.payload_type, envelope.payload)
    keys_by_id: dict[str, PublicKey] = {}
    for signature in envelope.signatures:
        key = by_id.get(signature.keyid)
        if key is not None:
            key.verify(signature.sig, message)
            keys_by_id[key.id] = key
    return tuple(keys_by_id.values())


def verify(envelope: Envelope, keys: Iterable[PublicKey], payload_type: str, *, threshold: int = 1) -> bytes:
    """The payload, if at least `threshold` different keys of `keys` signed it under this type."""
    if envelope.payload_type != payload_type:
        raise VerificationError(f"statement is a {envelope.payload_type!r}, expected {payload_type!r}")
    candidates = tuple(keys)
    valid = signers(envelope, candidates)
    if len(valid) < threshold:
        named = ", ".join(signature.keyid[:16] for signature in envelope.signatures) or "nobody"
        expected = ", ".join(key.id[:16] for key in candidates) or "nobody"
        raise VerificationError(f"statement is signed by {named}; {threshold} of {expected} needed")
    return envelope.payload
