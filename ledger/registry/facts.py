"""The leaf types of the registry: one struct per type, decoded from the leaf's bytes.

A fact without `at`, `statement` and `row` is a *row*: what its author signed. The leaf adds those three: the ledger's
time, the digest of the signed registration statement, and the row's place in it. A fact never contains personal data
(names), only `personal`, a salted digest of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from ledger.errors import InputError, VerificationError
from ledger.proofs.tile import ENTRY_MAX
from ledger.registry.model import CATALOGUE, Answer, Instant, Manifest, Outcome, PartyKind, Right, State, Use
from ledger.types import Digest


class Fact(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    tag_field="type",
    rename={"start": "from", "end": "to"},
):
    """One registration or act."""

    v: int = 0
    at: Instant = ""
    statement: Digest = ""
    row: int = -1

    def fields(self) -> dict[str, Any]:
        """Return the row as canonical-JSON types."""
        fields: dict[str, Any] = msgspec.to_builtins(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}

    @property
    def type(self) -> str:
        """Return the leaf type that records this fact."""
        return _TYPE_OF[type(self)]


class PartyFact(Fact, frozen=True, kw_only=True, tag="party"):
    """A party, or a later change of its group or personal fields, effective from `from`."""

    id: str
    kind: PartyKind
    group: str | None = None
    start: Instant | None = None
    personal: Digest | None = None


class RecordingFact(Fact, frozen=True, kw_only=True, tag="recording"):
    """A recording; a second one of the same id fills in missing fields."""

    id: str
    title: str
    isrc: str | None = None
    audio: str | None = None
    style: str | None = None
    personal: Digest | None = None


class WorkFact(Fact, frozen=True, kw_only=True, tag="work"):
    """A work; a second one of the same id fills in missing fields."""

    id: str
    title: str
    iswc: str | None = None


class LinkFact(Fact, frozen=True, kw_only=True, tag="link"):
    """A recording contains a work."""

    id: str
    recording: str
    work: str
    ppm: int
    state: State
    start: Instant | None = None
    end: Instant | None = None


class ShareFact(Fact, frozen=True, kw_only=True, tag="share"):
    """A party's part of a right."""

    id: str
    subject: str
    party: str
    right: Right
    ppm: int
    territory: str
    state: State
    start: Instant | None = None
    end: Instant | None = None


class ConfirmFact(Fact, frozen=True, kw_only=True, tag="confirm"):
    """A confirmation of a share, link, recording, account or move, by its id, by another party than its author.

    `subject` is what it is about; for a move, the party that consents, or, in an approval, the party that moves.
    """

    id: str
    subject: str
    start: Instant | None = None
    """Of an account: from when on it counts."""


class EndFact(Fact, frozen=True, kw_only=True, tag="end"):
    """The end of a share at `to`, such as a sale."""

    id: str
    subject: str
    end: Instant


class GrantFact(Fact, frozen=True, kw_only=True, tag="grant"):
    """A grant: what a grantor allows, denies or wants to be asked about."""

    id: str
    grantor: str
    subject: str
    uses: tuple[Use, ...]
    decision: Answer
    territory: str
    start: Instant | None = None
    end: Instant | None = None
    licensee: str | None = None
    model: str | None = None
    floor_micros: int | None = None
    currency: str | None = None
    cap_ppm: int | None = None
    sunset: Instant | None = None


class RevokeFact(Fact, frozen=True, kw_only=True, tag="revoke"):
    """The revocation of a grant at `from`, for some of its uses or for all."""

    grant: str
    grantor: str
    subject: str
    start: Instant
    uses: tuple[Use, ...] = ()


class ModelFact(Fact, frozen=True, kw_only=True, tag="model"):
    """A version of a model."""

    id: str
    version: str
    operator: str
    weights_sha256: Digest | None = None
    licences: tuple[str, ...] = ()
    manifest: Manifest | None = None


class TrackFact(Fact, frozen=True, kw_only=True, tag="track"):
    """A generated output; a draft is only an id, completed by a second fact. A later one adds aliases."""

    id: str
    title: str | None = None
    model: str | None = None
    version: str | None = None
    generated_at: Instant | None = None
    audio_sha256: Digest | None = None
    conditioning: tuple[str, ...] = ()
    decisions: tuple[Digest, ...] = ()
    draft: bool = False
    form: int = 1
    """2: decision receipts bind as release 0.2 says; the tracks of 0.1 keep the effect they had."""
    isrc: str | None = None
    aliases: tuple[str, ...] = ()


class PayeeFact(Fact, frozen=True, kw_only=True, tag="payee"):
    """A proposed account of a party.

    The account is stored outside the log; `personal` is its salted digest. `first`: the operator states that the party
    had none before, so that it counts without a second person.
    """

    id: str
    party: str
    start: Instant | None = None
    first: bool = False
    personal: Digest | None = None


class GroupFact(Fact, frozen=True, kw_only=True, tag="group"):
    """A proposal that a party joins an owner group or leaves its own; a party alone is a group of its own name."""

    id: str
    party: str
    group: str


class DisputeFact(Fact, frozen=True, kw_only=True, tag="dispute"):
    """A dispute about the ownership of a subject."""

    id: str
    subject: str
    claimant: str
    right: Right | None = None
    party: str | None = None
    like: str | None = None
    ppm: int | None = None
    """How much of the right is claimed; with `like`, the part of the subject that sounds like it. None: all of it."""
    like_ppm: int | None = None
    """The part of `like` that sounds like the subject."""
    evidence: Digest | None = None
    personal: Digest | None = None


class SharePart(msgspec.Struct, frozen=True, kw_only=True):
    """One party's part in a re-split."""

    party: str
    ppm: int


class ResolveFact(Fact, frozen=True, kw_only=True, tag="resolve"):
    """The end of a dispute: shares stay as they were, or `parts` replace them from `from` on."""

    dispute: str
    subject: str
    outcome: Outcome
    right: Right | None = None
    territory: str | None = None
    start: Instant | None = None
    parts: tuple[SharePart, ...] = ()


class DecisionFact(Fact, frozen=True, kw_only=True, tag="decision"):
    """A signed decision receipt; a vector can contain its digest."""

    id: Digest
    subject: str
    use: Use
    territory: str
    decision: Answer
    licensee: str | None = None
    model: str | None = None
    track: str | None = None


class ClearFact(Fact, frozen=True, kw_only=True, tag="clear"):
    """A track was given a release certificate with this vector."""

    id: Digest
    track: str
    vector: Digest


class AuditFact(Fact, frozen=True, kw_only=True, tag="audit"):
    """The digest of an audit report of the registry at a size of the log; a replay gives the same digest."""

    id: Digest
    size: int
    violations: int
    findings: int


AnyFact = (
    PartyFact
    | RecordingFact
    | WorkFact
    | LinkFact
    | ShareFact
    | ConfirmFact
    | EndFact
    | GrantFact
    | RevokeFact
    | ModelFact
    | TrackFact
    | PayeeFact
    | GroupFact
    | DisputeFact
    | ResolveFact
    | DecisionFact
    | ClearFact
    | AuditFact
)

TYPES: Final = (
    "party",
    "recording",
    "work",
    "link",
    "share",
    "confirm",
    "end",
    "grant",
    "revoke",
    "model",
    "track",
    "payee",
    "group",
    "dispute",
    "resolve",
    "decision",
    "clear",
    "audit",
)
"""The leaf types that are the registry's, in the order in which one import registers them."""

_TYPE_OF: Final[dict[type, str]] = {kind: str(kind.__struct_config__.tag) for kind in AnyFact.__args__}
_DECODER: Final[msgspec.json.Decoder[AnyFact]] = msgspec.json.Decoder(AnyFact)


def decode(body: bytes) -> AnyFact:
    """Decode the fact in a leaf of our own log; the log has checked that its bytes are canonical."""
    try:
        return _DECODER.decode(body)
    except msgspec.DecodeError as problem:
        raise VerificationError(f"registry leaf: {problem}") from None


_ENCODE: Final = msgspec.json.Encoder(order="sorted").encode


def encode(fact: AnyFact) -> bytes:
    """Return the row's canonical JSON, which its author signs.

    For the strings allowed in rows (no control characters), sorted msgspec output equals that of `ledger.proofs.canon`.
    """
    return _ENCODE(fact.fields())


def encode_leaf(fact: AnyFact, *, at: Instant, statement: Digest, row: int) -> bytes:
    """Return the bytes of the leaf that records a signed row."""
    body = _ENCODE({**fact.fields(), "v": 1, "at": at, "statement": statement, "row": row})
    if len(body) > ENTRY_MAX:
        raise InputError(f"{fact.type} {id_of(fact)}: {len(body)} bytes as a ledger entry, at most {ENTRY_MAX}")
    return body


def id_of(fact: AnyFact) -> str:
    """Return the id of what is registered; an act has the id of what it is about."""
    named: str = getattr(fact, "id", "") or getattr(fact, "grant", "") or getattr(fact, "dispute", "")
    return named


def keys_of(fact: AnyFact) -> tuple[str, ...]:
    """Return the keys of a fact in the registry's index: ids, `of:` a party, `all:` a grantor's catalogue."""
    return _KEYS.get(type(fact), _own_id)(fact)


def _own_id(fact: Any) -> tuple[str, ...]:
    return (fact.id,)


def _subject(fact: Any) -> tuple[str, ...]:
    return (fact.subject,)


def _permission(fact: Any) -> tuple[str, ...]:
    return (f"all:{fact.grantor}" if fact.subject == CATALOGUE else fact.subject, f"of:{fact.grantor}")


_KEYS: Final[dict[type, Callable[[Any], tuple[str, ...]]]] = {
    LinkFact: lambda fact: (fact.recording, fact.work),
    ShareFact: lambda fact: (fact.subject, f"of:{fact.party}"),
    PayeeFact: lambda fact: (fact.id, fact.party),
    GroupFact: lambda fact: (fact.id, fact.party),
    GrantFact: _permission,
    RevokeFact: _permission,
    DisputeFact: lambda fact: (fact.subject, fact.id, *([fact.like] if fact.like else [])),
    ConfirmFact: _subject,
    EndFact: _subject,
    ResolveFact: _subject,
    ClearFact: lambda fact: (fact.track,),
}
