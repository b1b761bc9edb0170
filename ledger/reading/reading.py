"""Fold the log's own leaves, each author checked once: keys, sources, members, batches, vectors, assignments,
administrative acts.

Events are not visited; which of them counts follows from what is read here. A reading only moves forward, and
every effect bears the index of its leaf, so that one reading answers for every size that it has passed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from ledger.errors import SettleError, VerificationError
from ledger.proofs import admin, batch, dsse, keyring, member, source
from ledger.proofs.admin import AuditedAct
from ledger.proofs.batch import BatchStatement
from ledger.proofs.form import SIGNED_FOR, FormLine
from ledger.proofs.keyring import Key, KeyRing
from ledger.proofs.source import EventSource
from ledger.proofs.trust import TrustedLog
from ledger.reading.assignments import Blob, check_vector, payload_digest
from ledger.reading.gate import Replays, Void, check_author, check_author_since_form_2, text
from ledger.reading.key_ends import KeyEnds
from ledger.types import Digest, Leaf, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedBatchLeaf:
    """A `batch` leaf that counts: what its platform signed, and where the leaf stands that names the platform."""

    index: int
    batch: BatchStatement
    party: str
    signer: str
    statement: Digest
    bodies: Digest
    speaker: int
    declares: bool
    """Whether its platform was allowed to declare vectors when the batch was taken."""


class Reading:
    """The leaves of one log up to `size`. Without trusted keys no signature is checked, which only tests do."""

    TYPES: Final = (*keyring.TYPES, "source", "member", "follow", "batch", "vector", "assign", "admin")
    """The leaves that it takes; others have no effect here."""

    def __init__(self, origin: str, trusted: Sequence[Key] | None, blob: Blob) -> None:
        self.origin: Final = origin
        self.size = 0
        self.ring: KeyRing | None = None if trusted is None else KeyRing(tuple(trusted), FormLine(origin))
        self._key_ends = None if trusted is None else KeyEnds(trusted, FormLine(origin))
        self.voids: list[Void] = []
        self.sources: dict[str, EventSource] = {}
        self.members: dict[str, TrustedLog] = {}
        self.administrative_acts: list[AuditedAct] = []
        self.vectors: dict[tuple[str, Digest], int] = {}
        """The first leaf that logs this vector of this track, signed by the attribution role."""
        self.assigned: dict[str, tuple[int, Digest]] = {}
        """The last assignment of each track."""
        self._first: dict[str, tuple[int, Digest]] = {}
        self._assignments: dict[str, list[tuple[int, Digest]]] = {}
        self._pairs: dict[tuple[str, Digest], int] = {}
        self._spoken: dict[str, int] = {}
        """Where a party spoke first for each source."""
        self._declared: dict[str, dict[bytes, tuple[int, ...]]] = {}
        """By source, the digests of the payloads that it declared, with the first batch of each signing key."""
        self.batches: dict[int, SignedBatchLeaf] = {}
        """Every batch that its platform signed, by the index of its leaf."""
        self._batch_places: dict[Digest, int] = {}
        self._last: dict[str, int] = {}
        self._blob = blob
        self._replays = Replays()

    # --- asking -----------------------------------------------------------------------------------

    def first_assignments(self, size: int) -> dict[str, Digest]:
        """Return each track's first assigned vector below a size; it pays for events that had none."""
        return {track: vector for track, (index, vector) in self._first.items() if index < size}

    def last_assignments(self, size: int) -> dict[str, Digest]:
        """Return each track's last assigned vector below a size; a restated month pays by it."""
        return {
            track: vector
            for track, assignments in self._assignments.items()
            for index, vector in assignments
            if index < size
        }

    def pays(self, track: str, vector: Digest, size: int, source: str) -> bool:
        """Return whether an event below this size may pay by this vector: assigned to its track, or sent with an event.

        One that came with an event was signed here, and stands in a `vector` leaf. Of a source for which a party spoke
        by then it counts only if that party may declare vectors, and declared it in a batch that it signed (finding
        D2), with a key that no leaf below this size revokes from before the batch; logs were not asked for that before
        their line of form 2.
        """
        batches = self._declaring(track, vector, size, source)
        return batches is None or any(self.signature_counts(index, size) for index in batches)

    def ever_paid(self, track: str, vector: Digest, source: str) -> bool:
        """Return whether a month may have paid by this vector: a later revocation is not asked."""
        batches = self._declaring(track, vector, self.size, source)
        return batches is None or bool(batches)

    def _declaring(self, track: str, vector: Digest, size: int, source: str) -> tuple[int, ...] | None:
        """Return the batches below a size without which the vector does not pay; None where it pays without any."""
        pair = (track, vector)
        if self._pairs.get(pair, size) < size:
            return None
        logged = self.vectors.get(pair, size)
        if logged >= size:
            return ()
        if not self._speaks_by(source, logged):
            return None
        declared = self._declared.get(source, {})
        named = (vector, payload_digest(vector, self._blob(vector)))  # by its digest in the event, or by its content
        batches = (index for digest in named for index in declared.get(bytes.fromhex(digest), ()))
        return tuple(index for index in batches if index < size)

    def signature_counts(self, index: int, size: int) -> bool:
        """Return whether the signature of the batch leaf at this index counts, by the key leaves below this size.

        A run of a closed month keeps to what was known at its close, whatever is revoked afterwards.
        """
        return self._key_ends is None or self._key_ends.counts(self.batches[index].signer, index, size)

    def _speaks_by(self, source: str, index: int) -> bool:
        """Return whether the source had a party at this index, and the line was drawn by then."""
        line = None if self.ring is None or self.ring.line is None else self.ring.line.index
        return line is not None and line <= index and self._spoken.get(source, index) < index

    def assigned_ever(self, track: str, vector: Digest) -> bool:
        """Return whether any leaf assigned this vector to this track."""
        return (track, vector) in self._pairs

    def batch_of(self, statement: Digest) -> SignedBatchLeaf | None:
        """The batch that a platform signed with this statement, if the log took it."""
        index = self._batch_places.get(statement)
        return None if index is None else self.batches[index]

    def last_batch(self, source_name: str) -> tuple[BatchStatement, Digest] | None:
        """What a source's last batch says, and by which statement: the next one follows it."""
        index = self._last.get(source_name)
        return None if index is None else (self.batches[index].batch, self.batches[index].statement)

    def signed_by(self, index: int) -> str | None:
        """The party whose signature counts for the batch leaf at this index; None if its key is revoked from before."""
        taken = self.batches.get(index)
        if taken is None or self.ring is None:
            return None
        key = self.ring.find(taken.signer)
        return taken.party if key is not None and key.counts_at(index + 1) else None

    # --- reading ----------------------------------------------------------------------------------

    def take(self, index: int, body: Leaf) -> bool:
        """Apply the next leaf; return False if it is void."""
        kind = str(body.get("type"))
        self.size = index + 1
        effect = self._EFFECTS.get(kind)
        if effect is None:
            return True
        try:
            if self.ring is not None and kind in self._AUTHORS:
                self._check_author(self.ring, index, kind, body)
                self._replays.check(index, body)
            effect(self, index, body)
        except (SettleError, KeyError, TypeError) as problem:
            self.voids.append(Void(index, kind, str(problem)))
            return False
        return True

    def _key(self, index: int, body: Leaf) -> None:
        if self.ring is not None and self._key_ends is not None:
            self._key_ends.take(index, body)
            self.ring = self.ring.apply(index, body)

    def _check_author(self, ring: KeyRing, index: int, kind: str, body: Leaf) -> None:
        if kind == member.FOLLOW:
            check_author_since_form_2(ring, index, body, self._AUTHORS[kind])
        else:
            check_author(ring, index, body, self._AUTHORS[kind])

    def _follow(self, _index: int, _body: Leaf) -> None:
        """Its tracks are registered where events are taken; here only its author is checked."""

    def _source(self, index: int, body: Leaf) -> None:
        parsed = source.parse(index, body)
        self.sources[parsed.source] = parsed
        if parsed.party is not None:
            self._spoken.setdefault(parsed.source, index)

    def _member(self, index: int, body: Leaf) -> None:
        parsed = member.parse(index, body)
        self.members.setdefault(parsed.origin, parsed)

    def _admin(self, index: int, body: Leaf) -> None:
        self.administrative_acts.append(admin.parse(index, body))

    def _batch(self, index: int, body: Leaf) -> None:
        envelope = dsse.parse(self._blob(text(body, "statement")))
        parsed = batch.check_taken(body, envelope, self.origin)
        if self.ring is not None:
            self.ring.check_form(index, {} if parsed.log is None else {SIGNED_FOR: parsed.log})
        statement, bodies = text(body, "statement"), text(body, "bodies")
        batch.check_bodies(parsed, self._blob(bodies))
        batch.check_follows(parsed, statement, self.last_batch(parsed.source))
        speaker = self.sources.get(parsed.source)
        if speaker is None or speaker.party != body["party"]:
            raise VerificationError(f"{body['party']} did not speak for source {parsed.source} then")
        if self.ring is not None:
            batch.signer(index, body, envelope, self.ring)
        if parsed.vectors is not None and speaker.declares:
            declared = self._declared.setdefault(parsed.source, {})
            for payload in batch.split_vectors(parsed, self._blob(parsed.vectors)):
                earlier = declared.get(payload, ())
                if all(self.batches[before].signer != body["signer"] for before in earlier):
                    declared[payload] = (*earlier, index)
        self.batches[index] = SignedBatchLeaf(
            index=index,
            batch=parsed,
            party=body["party"],
            signer=body["signer"],
            statement=statement,
            bodies=bodies,
            speaker=speaker.index,
            declares=speaker.declares,
        )
        self._batch_places[statement] = self._last[parsed.source] = index

    def _vector(self, index: int, body: Leaf) -> None:
        track, statement = text(body, "track"), text(body, "statement")
        if self.ring is None or check_vector(self.ring, index, track, statement, self._blob).role == "attribution":
            self.vectors.setdefault((track, statement), index)

    def _assign(self, index: int, body: Leaf) -> None:
        track, vector = text(body, "track"), text(body, "vector")
        if self.ring is not None:
            check_vector(self.ring, index, track, vector, self._blob)
        self.assigned[track] = (index, vector)
        self._first.setdefault(track, (index, vector))
        self._assignments.setdefault(track, []).append((index, vector))
        self._pairs.setdefault((track, vector), index)

    _AUTHORS: ClassVar[Mapping[str, Role]] = {
        source.TYPE: "operator",
        member.TYPE: "operator",
        member.FOLLOW: "operator",
        admin.TYPE: "operator",
        "assign": "attribution",
    }
    """Who signs a leaf within itself. A key leaf is for the ring: repeated, it says what the ring says already."""

    _EFFECTS: ClassVar[Mapping[str, Callable[[Reading, int, Leaf], None]]] = {
        "log": _key,
        "form": _key,
        "key": _key,
        "follow": _follow,
        "source": _source,
        "member": _member,
        "batch": _batch,
        "vector": _vector,
        "assign": _assign,
        "admin": _admin,
    }
