"""Records of administration in the log: access keys, sign-in links and sessions, policies adopted.

They say who could use the service, and when. They hold no secret (a token or its hash) and no personal data: a
party's id, an access key's public id, a digest. Nothing follows from them; they are there to be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, get_args

from ledger.errors import VerificationError
from ledger.proofs import leaf
from ledger.proofs.keys import PrivateKey

TYPE: Final = "admin"
AdministrativeAct = Literal[
    "access-key-added",
    "access-key-revoked",
    "access-key-expired",
    "sign-in-link-added",
    "sign-in-ended",
    "witness-policy-adopted",
]
ACTS: Final[tuple[str, ...]] = get_args(AdministrativeAct)
_FIELDS: Final[dict[str, frozenset[str]]] = {
    "access-key-added": frozenset({"party", "scopes", "until"}),
    "access-key-revoked": frozenset(),
    "access-key-expired": frozenset(),
    "sign-in-link-added": frozenset({"party", "scopes", "until"}),
    "sign-in-ended": frozenset({"party"}),
    "witness-policy-adopted": frozenset(),
}
_ALWAYS: Final = frozenset({"v", "type", "at", "act", "about", "key", "sig"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedAct:
    """One act: `about` is the id of an access key, of a link or of this end, or the SHA-256 of a policy's text."""

    index: int
    at: str
    act: str
    about: str
    party: str | None = None
    scopes: tuple[str, ...] = ()
    until: str | None = None


def make(at: datetime, act: AdministrativeAct, about: str, *, signer: PrivateKey, **details: Any) -> dict[str, Any]:
    """The leaf of an act, signed by the operator."""
    return leaf.sign(leaf.make(TYPE, at, act=act, about=about, **details), signer)


def parse(index: int, body: Mapping[str, Any]) -> AuditedAct:
    """Return the act in this leaf; the caller must check that the operator signed it."""
    act, about = body.get("act"), body.get("about")
    if act not in ACTS or not isinstance(about, str):
        raise VerificationError(f"admin leaf {index}: act {act!r} about {about!r}: expected one of {', '.join(ACTS)}")
    if body.keys() - {"signed_for"} != _ALWAYS | _FIELDS[act]:
        odd = sorted((body.keys() - {"signed_for"}) ^ (_ALWAYS | _FIELDS[act]))
        raise VerificationError(f"admin leaf {index}: fields {odd} are missing or unknown")
    party, until, scopes = body.get("party"), body.get("until"), body.get("scopes", [])
    texts = (value for value in (party, until, *scopes) if value is not None)
    if not isinstance(scopes, list) or not all(isinstance(value, str) for value in texts):
        raise VerificationError(f"admin leaf {index}: party, until and scopes are texts")
    return AuditedAct(
        index=index, at=str(body["at"]), act=str(act), about=about, party=party, scopes=tuple(scopes), until=until
    )
