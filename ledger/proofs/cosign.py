"""Witness cosignatures on checkpoints (c2sp.org/tlog-cosignature, the Ed25519 form, type 0x04).

A cosignature says: at this time, this was the largest tree of that log that I had seen, and it
extends every smaller one that I had seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ledger.errors import InputError, VerificationError
from ledger.proofs.keys import SIGNATURE_SIZE, PrivateKey
from ledger.proofs.note import COSIGNATURE, Note, NoteSignature, Vkey, key_id
from ledger.text import UINT63_MAX

_TIME_SIZE: Final = 8


def message(text: str, time: int) -> bytes:
    """The bytes that a witness signs: a header, its time in POSIX seconds, the checkpoint's text."""
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def sign(text: str, name: str, key: PrivateKey, time: int) -> NoteSignature:
    """The signature line of witness `name` on a checkpoint's text."""
    if not 0 <= time <= UINT63_MAX:
        raise InputError(f"cosignature time {time} is not a POSIX time below 2^63")
    value = time.to_bytes(_TIME_SIZE, "big") + key.sign(message(text, time))
    return NoteSignature(name, key_id(name, COSIGNATURE, key.public.raw), value)


def verify(text: str, signature: NoteSignature, vkey: Vkey) -> int:
    """When the witness cosigned this text; VerificationError if it did not."""
    if len(signature.value) != _TIME_SIZE + SIGNATURE_SIZE:
        raise VerificationError(f"cosignature by {vkey.name}: {len(signature.value)} bytes, expected 72")
    time = int.from_bytes(signature.value[:_TIME_SIZE], "big")
    if time > UINT63_MAX:
        raise VerificationError(f"cosignature by {vkey.name}: time {time} is not below 2^63")
    try:
        vkey.key.verify(signature.value[_TIME_SIZE:], message(text, time))
    except VerificationError:
        raise VerificationError(f"cosignature by {vkey.name} is not on this checkpoint") from None
    return time


def cosigners(note: Note, trusted: Iterable[Vkey]) -> dict[Vkey, int]:
    """Which of these witnesses cosigned, and when. Other lines are ignored; a false line is an error."""
    witnesses = {(vkey.name, vkey.id): vkey for vkey in trusted if vkey.kind == COSIGNATURE}
    times: dict[Vkey, int] = {}
    for signature in note.signatures:
        vkey = witnesses.get((signature.name, signature.id))
        if vkey is not None:
            times[vkey] = verify(note.text, signature, vkey)
    return times
