"""The registry's records: parties, recordings, works, shares, grants, models, tracks, disputes.

Records of a `View`, immutable, each with the ledger index and time (`index`, `at`) at which it was
registered. Instants are texts as `ledger.types.format_time` writes them, so that comparing texts
compares times; `BEGINNING` sorts before and `FOREVER` after every instant. Intervals are half-open.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from ledger.types import MILLION, Digest

Instant = str
BEGINNING: Final[Instant] = ""
FOREVER: Final[Instant] = "~"

WORLD: Final = "WORLD"
CATALOGUE: Final = "*"
"""The subject of a grant that covers everything its grantor controls."""

PartyKind = Literal["person", "label", "publisher", "cmo", "platform", "model-operator", "auditor"]
Right = Literal["master", "publishing", "performer", "neighbouring"]
Use = Literal["train", "condition", "style", "voice", "sample"]
Answer = Literal["allow", "deny", "ask"]
State = Literal["asserted", "confirmed"]
Outcome = Literal["released", "resplit"]
SharesState = Literal["confirmed", "short", "conflict", "disputed", "contested"]

RIGHTS: Final[tuple[Right, ...]] = ("master", "publishing", "performer", "neighbouring")
USES: Final[tuple[Use, ...]] = ("train", "condition", "style", "voice", "sample")
SEVERITY: Final[dict[Answer, int]] = {"allow": 0, "ask": 1, "deny": 2}
"""The more restrictive answer wins wherever two meet."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of every record: its index in the log and its time."""

    id: str
    index: int
    at: Instant


class Party(Record, frozen=True, kw_only=True):
    """A person or an organisation. `groups` are its common beneficial owners over time, oldest first."""

    kind: PartyKind
    groups: tuple[tuple[Instant, str], ...]
    personal: Digest | None = None


class ProposedAccount(Record, frozen=True, kw_only=True):
    """A proposed account of a party, identified by its salted digest.

    It counts from `effective_from` on: at once if it is the operator's `first` of the party, else after another
    person's confirmation and the cooling-off time.
    """

    party: str
    start: Instant
    first: bool
    personal: Digest | None
    statement: Digest
    """The registration statement that proposed it, perhaps beside others."""
    proposed_by: str
    proposed_key: str
    approved_by: str | None = None
    approved_at: Instant | None = None
    effective_from: Instant | None = None


class GroupMove(Record, frozen=True, kw_only=True):
    """A proposal that a party joins an owner group; members consent to it, then another person approves it."""

    party: str
    group: str
    statement: Digest
    proposed_by: str
    proposed_key: str
    consents: tuple[tuple[str, str], ...] = ()
    """(member, who signed for it)."""
    approved_by: str | None = None
    start: Instant | None = None
    """From when it counts: the beginning of the month after its approval."""


class Recording(Record, frozen=True, kw_only=True):
    """A sound recording. `artist` is known while the erasable side holds it; `confirmed`: someone vouched for it.

    `statement` is the registration statement that first named it.
    """

    title: str
    statement: Digest
    artist: str | None = None
    isrc: str | None = None
    audio: str | None = None
    style: str | None = None
    personal: Digest | None = None
    confirmed: bool = False


class Work(Record, frozen=True, kw_only=True):
    """A composition."""

    title: str
    iswc: str | None = None


class Link(Record, frozen=True, kw_only=True):
    """The part of a recording that a work makes up, for a time; only confirmed links count."""

    recording: str
    work: str
    ppm: int
    start: Instant
    end: Instant
    state: State


class Share(Record, frozen=True, kw_only=True):
    """A party's part of one right in a recording or a work; only confirmed shares pay.

    `end` is when it stops counting, `planned` the end it was registered with.
    """

    subject: str
    party: str
    right: Right
    ppm: int
    territory: str
    start: Instant
    end: Instant
    planned: Instant
    state: State


class Grant(Record, frozen=True, kw_only=True):
    """A grant: what a grantor allows, denies or wants to be asked about. `ends`: uses revoked before `end`."""

    grantor: str
    subject: str
    uses: tuple[Use, ...]
    decision: Answer
    territory: str
    start: Instant
    end: Instant
    licensee: str | None = None
    model: str | None = None
    floor_micros: int | None = None
    currency: str | None = None
    cap_ppm: int | None = None
    sunset: Instant | None = None
    ends: tuple[tuple[Use, Instant], ...] = ()

    def end_of(self, use: str) -> Instant:
        """Return when this grant ends for a use."""
        for revoked, end in self.ends:
            if revoked == use:
                return end
        return self.end


class Manifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a model version was trained on: the Merkle root over its recording ids, and their list.

    `v` 2 is a sparse Merkle tree; without it the root is release 0.1's, over the sorted list.
    """

    v: int = 1
    root: Digest
    size: int
    blob: Digest


class Model(Record, frozen=True, kw_only=True):
    """One version of a model, as its operator registered it."""

    version: str
    operator: str
    weights_sha256: Digest | None = None
    licences: tuple[str, ...] = ()
    manifest: Manifest | None = None

    @property
    def key(self) -> str:
        """Return the name of one version in grants and tracks: `mdl-1@2`."""
        return f"{self.id}@{self.version}"


class Track(Record, frozen=True, kw_only=True):
    """A generated output. A draft has only an id, until it is registered with its other fields."""

    title: str | None = None
    model: str | None = None
    version: str | None = None
    generated_at: Instant | None = None
    audio_sha256: Digest | None = None
    conditioning: tuple[str, ...] = ()
    decisions: tuple[Digest, ...] = ()
    draft: bool = False
    form: int = 1
    """1: registered by release 0.1, whose decision receipts had no end."""
    isrc: str | None = None
    aliases: tuple[str, ...] = ()


class Dispute(Record, frozen=True, kw_only=True):
    """A dispute about the ownership of a subject.

    Without `right` it is about all rights, without `party` all holders.
    """

    subject: str
    claimant: str
    right: Right | None = None
    party: str | None = None
    like: str | None = None
    """The later recording of the same sound, where the subject, the earlier one, is said to be the squatter."""
    ppm: int | None = None
    """How much of the right is claimed; with `like`, the part of the subject that sounds like it. None: all of it."""
    like_ppm: int | None = None
    """The part of `like` that sounds like the subject."""
    evidence: Digest | None = None
    personal: Digest | None = None
    resolved_at: Instant | None = None
    outcome: Outcome | None = None
    admitted_by: tuple[str, ...] = ()
    """Who found that it may hold money; the operator who opens one has."""
    admissions: int = 0
    """How many people must find so: none in a log of release 0.1, two after the same claimant was rejected."""
    until: Instant = FOREVER
    """What is earned from then on is not held."""

    @property
    def holds(self) -> bool:
        """Return whether it holds money now: it is admitted and not resolved."""
        return self.resolved_at is None and len(self.admitted_by) >= self.admissions

    def claimed(self, subject: str) -> int:
        """Return how much of a right in one of its two subjects is contested, in ppm."""
        ppm = self.like_ppm if subject == self.like else self.ppm
        return MILLION if ppm is None else ppm


class Receipt(Record, frozen=True, kw_only=True):
    """A signed decision in the log: proof of what was permitted at its time. `id` is its digest."""

    subject: str
    use: Use
    territory: str
    decision: Answer
    licensee: str | None = None
    model: str | None = None
    track: str | None = None
    """The one track it is for; without one it is for what is registered within 24 hours."""


class Clearance(Record, frozen=True, kw_only=True):
    """A release certificate given to a track with one vector. `id` is the certificate's digest."""

    track: str
    vector: Digest


class Audit(Record, frozen=True, kw_only=True):
    """A recorded audit of the registry as it was at `size`. `id` is its report's digest."""

    size: int
    violations: int
    findings: int


class Shares(msgspec.Struct, frozen=True):
    """Who owns one right of a subject at an instant in a territory.

    `parts` are the confirmed parts in order of party id. `confirmed`: they sum to 1,000,000. `short`,
    `conflict`: to less, to more; nobody can be paid by them. `disputed`: they sum, and what `held` gives of some
    parties' parts is held. `contested`: they sum, and whether the subject or a copy of it was there first is open, so
    that nobody can be paid what `suspended` gives of the parts.
    """

    state: SharesState
    parts: tuple[tuple[str, int], ...]
    held: tuple[tuple[str, int], ...] = ()
    suspended: tuple[tuple[str, int], ...] = ()

    @property
    def disputed(self) -> tuple[str, ...]:
        """The parties of whose parts something is held."""
        return tuple(party for party, _ in self.held)


class Decision(msgspec.Struct, frozen=True):
    """What is permitted, by which grants, and why; with the terms of the allowing grants, strictest first."""

    decision: Answer
    grants: tuple[str, ...]
    reasons: tuple[str, ...]
    cap_ppm: int | None = None
    floors: tuple[tuple[str, int], ...] = ()
