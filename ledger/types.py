"""Types that all packages share: influence vectors, heads, money, periods, time.

Values only: no clock, no I/O, and nothing but the standard library, so that the verifier may speak
them too; what is built in bulk (stream events, entries) is in `ledger.event`. Weights are parts per
million (ppm) and money is micro-units, both as Python ints; a float in this module or in anything
built from it is a defect.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from ledger.errors import InputError

MILLION: Final = 1_000_000
"""The whole, in ppm: each aspect of a vector and each right's confirmed shares sum to it."""

Aspect = Literal["recording", "composition", "style"]
ASPECTS: Final[tuple[Aspect, ...]] = ("recording", "composition", "style")
Basis = Literal["declared", "estimated"]
Role = Literal["log", "attribution", "platform", "operator", "approver", "holder"]
ROLES: Final[tuple[Role, ...]] = ("log", "attribution", "platform", "operator", "approver", "holder")

WORKSPACE_APPROVER: Final = "approver"
"""The party of the approver's key that `settle init` makes and the operator holds: nobody's, so good for demos only."""

STYLE_PREFIX: Final = "style:"
"""A source id that starts so names a style group, not a recording."""

Digest = str
"""SHA-256, 64 lowercase hex digits: how JSON names content-addressed matter."""


# --- time ---------------------------------------------------------------------------------------

_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]\d{2}:\d{2})\Z", re.ASCII)
_PERIOD = re.compile(r"\d{4}-(0[1-9]|1[0-2])\Z", re.ASCII)


def parse_time(text: str) -> datetime:
    """An instant in UTC, at whole seconds; refuses a text without an offset, or an impossible date."""
    if not _TIME.match(text):
        raise InputError(f"time {text!r}: expected RFC 3339 with an offset, such as 2026-06-03T11:05:00Z")
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError) as problem:
        raise InputError(f"time {text!r}: {problem}") from None


def format_time(moment: datetime) -> str:
    """The one way an instant is written, in leaves and in JSON: UTC, seconds, `Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """A calendar month in UTC, half-open: `start` belongs to it, `end` to the next."""

    year: int
    month: int

    @classmethod
    def parse(cls, text: str) -> Period:
        if not _PERIOD.match(text) or text.startswith("0000"):
            raise InputError(f"period {text!r}: expected YYYY-MM, such as 2026-06")
        return cls(int(text[:4]), int(text[5:]))

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"

    @property
    def start(self) -> datetime:
        return datetime(self.year, self.month, 1, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        return self.next().start

    def next(self) -> Period:
        return Period(self.year + 1, 1) if self.month == 12 else Period(self.year, self.month + 1)

    def previous(self) -> Period:
        return Period(self.year - 1, 12) if self.month == 1 else Period(self.year, self.month - 1)


# --- influence ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Influence:
    """One source's part of one aspect of a track, with the interval it is believed to lie in."""

    id: str
    ppm: int
    basis: Basis
    low: int
    high: int
    use: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AspectVector:
    """The sources of one aspect; with `unattributed` they sum to exactly 1,000,000 ppm."""

    sources: tuple[Influence, ...] = ()
    unattributed: int = MILLION


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredError:
    """What the method got wrong on a named benchmark: an estimate never travels without it."""

    benchmark: str
    metric: str
    value_ppm: int
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InfluenceVector:
    """Who influenced one track, by aspect, and how that was found.

    An aspect that was not measured is wholly unattributed. `decisions` are digests of signed
    decision receipts that prove a permission earlier than the track's own ledger time.
    """

    track: str
    recording: AspectVector = AspectVector()
    composition: AspectVector = AspectVector()
    style: AspectVector = AspectVector()
    method: str
    version: str
    params_sha256: Digest | None = None
    catalogue_root: Digest | None = None
    catalogue_size: int | None = None
    model: str | None = None
    model_version: str | None = None
    error: MeasuredError | None = None
    decisions: tuple[Digest, ...] = ()

    def aspect(self, name: Aspect) -> AspectVector:
        return {"recording": self.recording, "composition": self.composition, "style": self.style}[name]


# --- the log ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Head:
    """Where a log stands: its size, its tree root, its chain head (both 32 bytes)."""

    origin: str
    size: int
    root: bytes
    chain: bytes


Leaf = Mapping[str, Any]
"""A leaf as a value: canonical-JSON types only, with "v" and "type"."""


# --- money --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """An exact amount: micro-units of one currency. There is no implicit conversion."""

    currency: str
    micros: int
