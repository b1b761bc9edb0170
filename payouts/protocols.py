"""The inputs of a settlement: usage rows, the registry's view, and holds. Pure values and one protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import msgspec

Right = Literal["master", "publishing"]
ShareState = Literal["confirmed", "short", "conflict", "disputed", "contested"]


class UsageRow(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Events of one kind, summed. `at` is the start of their time bucket, an RFC 3339 instant in UTC.

    `vector` is the digest the events are bound to; None is a track without one. `listener` is the salted
    digest, present only where the rule asks for it. `gross` and `currency` are present where every event has them.
    `hold` is the id of the hold on listeners that these events fall under.
    """

    track: str
    vector: str | None = None
    territory: str
    at: str
    source: str
    product: str | None = None
    listener: str | None = None
    units: int
    gross: int | None = None
    currency: str | None = None
    count: int = 1
    hold: str | None = None


class OwnedParts(Protocol):
    """Who owns a right in a subject at an instant. `parts` are (party, ppm); confirmed parts sum to 1,000,000.

    In the states `disputed` and `contested` they do too. `held` gives by party how much of its part is held for a
    dispute, `suspended` for how much of it nobody can say who the payee is.
    """

    @property
    def state(self) -> ShareState: ...

    @property
    def parts(self) -> Sequence[tuple[str, int]]: ...

    @property
    def held(self) -> Sequence[tuple[str, int]]: ...

    @property
    def suspended(self) -> Sequence[tuple[str, int]]: ...


class RegistryAnswers(Protocol):
    """The registry as known at the close; every method is a pure function of its arguments.

    `at` is an instant as `ledger.types.format_time` writes it.
    """

    def like(self, territory: str, at: str) -> tuple[str, str]:
        """Return a representative territory and time with the same answers, for caching; coarser is faster."""

    def shares(self, subject: str, right: Right, territory: str, at: str) -> OwnedParts: ...

    def group_of(self, party: str, at: str) -> str:
        """Return the common beneficial owner; by default the party itself."""

    def works_of(self, recording: str, at: str) -> Sequence[tuple[str, int]]:
        """Return the works in a recording, each with its part of it in ppm."""

    def permitted(self, recording: str, use: str, territory: str, track: str | None) -> bool:
        """Return whether the use was allowed at the track's own ledger time; for None, at the period's end."""

    def model_of(self, track: str) -> tuple[str, str] | None:
        """Return the model and version that made a track, if registered."""

    def training_set(self, model: str, version: str) -> Sequence[str]:
        """Return the recordings in the manifest of a model version."""

    def style_members(self, style: str) -> Sequence[str]:
        """Return the recordings of a style group, given by its id in vectors ("style:...")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldMatch:
    """Blocks payment, never allocation, of every line that matches all of the fields given.

    `reason` is a code (fraud, dispute, payee-incomplete ...); `id` leads a reader to the hold's own record.
    `subject` is a source id as vectors name it; `source` is a platform. `listeners` is the digest of a list of
    listeners; usage rows name the hold whose list has them. With `rejected`, the id of what two people decided,
    those rows are not part of the pool.
    """

    id: str
    reason: str
    party: str | None = None
    subject: str | None = None
    track: str | None = None
    source: str | None = None
    listeners: str | None = None
    rejected: str | None = None
