"""Decide when a hold with an end date ends: by witnesses' clocks, or by the operator's clock alone."""

from __future__ import annotations

from ledger.errors import VerificationError
from ledger.proofs import cosign, note, policy
from ledger.proofs.policy import Policy
from ledger.types import parse_time
from payouts.life.records import Expire, Hold


def quorum_of(hold: Hold) -> Policy | None:
    """Return the witnesses whose clocks decide the hold's end; None if the operator's clock decides."""
    if hold.witnesses is None:
        return None
    quorum = policy.parse(hold.witnesses.encode("utf-8", "surrogateescape"))
    if hold.until is None or quorum.satisfied(()):
        raise VerificationError(f"hold {hold.id} names witnesses that have nothing to see: no end, or no quorum")
    return quorum


def seen(quorum: Policy, until: str, signed: bytes) -> bool:
    """Return whether enough of these witnesses cosigned this checkpoint at or after the end.

    Its log and size do not matter, because a cosignature proves only that its time had come.
    """
    cosigned = cosign.cosigners(note.parse(signed), [witness.vkey for witness in quorum.witnesses])
    come = parse_time(until).timestamp()
    return quorum.satisfied({vkey for vkey, time in cosigned.items() if time >= come})


def check_come(hold: Hold, ending: Expire) -> None:
    """Refuse an end that has not come, by the leaf's own time or by its witnesses'."""
    if hold.until is None or hold.until > ending.at:
        raise VerificationError(f"hold {hold.id} has not reached its end")
    quorum = quorum_of(hold)
    if quorum is None:
        return
    if ending.checkpoint is None or not seen(quorum, hold.until, ending.checkpoint.encode()):
        raise VerificationError(
            f"no checkpoint shows that quorum {quorum.quorum!r} had seen {hold.until}, the end of hold {hold.id}"
        )
