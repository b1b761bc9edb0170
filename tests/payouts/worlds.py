"""A registry in memory and small builders: what the settlement tests share."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Self

from ledger.types import MILLION, AspectVector, Influence, InfluenceVector, MeasuredError
from payouts.compute import Inputs
from payouts.protocols import HoldMatch, Right, ShareState, UsageRow
from payouts.rules.base import Rule
from payouts.rules.pro_rata import ProRata
from payouts.terms import Terms

ROOT = hashlib.sha256(b"period root").digest()


@dataclass(frozen=True)
class Owned:
    """Shares of one right in one subject, from `start` on; the latest that has started counts."""

    parts: tuple[tuple[str, int], ...]
    state: ShareState = "confirmed"
    start: str = "2000-01-01"
    disputed: tuple[str, ...] = ()
    suspended: tuple[tuple[str, int], ...] = ()
    claimed: tuple[tuple[str, int], ...] = ()
    """What disputes hold of each party's part; by default the whole part."""

    @property
    def held(self) -> tuple[tuple[str, int], ...]:
        if self.claimed:
            return self.claimed
        return tuple(part for part in self.parts if self.state == "disputed" and part[0] in self.disputed)


@dataclass
class World:
    """A registry view over plain dictionaries. Keys of `owned`: (subject, right, territory)."""

    owned: dict[tuple[str, Right, str], list[Owned]] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    works: dict[str, tuple[tuple[str, int], ...]] = field(default_factory=dict)
    denied: set[tuple[str, str]] = field(default_factory=set)
    models: dict[str, tuple[str, str]] = field(default_factory=dict)
    training: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    styles: dict[str, tuple[str, ...]] = field(default_factory=dict)
    merging: bool = False
    """Whether places and days that the dictionaries do not tell apart are brought together."""

    def like(self, territory: str, at: str) -> tuple[str, str]:
        if not self.merging:
            return territory, at
        starts = sorted(f"{owned.start}T00:00:00Z" for dated in self.owned.values() for owned in dated)
        named = any(where == territory for _, _, where in self.owned)
        return territory if named else "ZZ", max((start for start in starts if start <= at), default="0001")

    def shares(self, subject: str, right: Right, territory: str, at: str) -> Owned:
        dated = self.owned.get((subject, right, territory)) or self.owned.get((subject, right, "WORLD"), [])
        started = [owned for owned in dated if owned.start <= at[:10]]
        return started[-1] if started else Owned((), "short")

    def group_of(self, party: str, at: str) -> str:
        return self.groups.get(f"{party}@{at[:7]}", self.groups.get(party, party))

    def works_of(self, recording: str, at: str) -> Sequence[tuple[str, int]]:
        del at
        return self.works.get(recording, ())

    def permitted(self, recording: str, use: str, territory: str, track: str | None) -> bool:
        del territory, track
        return (recording, use) not in self.denied

    def model_of(self, track: str) -> tuple[str, str] | None:
        return self.models.get(track)

    def training_set(self, model: str, version: str) -> Sequence[str]:
        return self.training.get((model, version), ())

    def style_members(self, style: str) -> Sequence[str]:
        return self.styles.get(style, ())

    def own(self, subject: str, *parts: tuple[str, int], right: Right = "master", **more: object) -> Self:
        """Shares from now on; a party alone owns it all."""
        territory = str(more.pop("territory", "WORLD"))
        self.owned.setdefault((subject, right, territory), []).append(Owned(parts, **more))  # type: ignore[arg-type]
        return self


def sole(*recordings: str) -> World:
    """Each recording owned by a party of its own: rec-1 by p-rec-1."""
    world = World()
    for recording in recordings:
        world.own(recording, (f"p-{recording}", MILLION))
    return world


def digest(track: str) -> str:
    return hashlib.sha256(track.encode()).hexdigest()


def vector(
    track: str,
    recording: Mapping[str, int] | None = None,
    composition: Mapping[str, int] | None = None,
    style: Mapping[str, int] | None = None,
    *,
    basis: Literal["declared", "estimated"] = "declared",
    error_ppm: int | None = None,
) -> InfluenceVector:
    def aspect(parts: Mapping[str, int] | None) -> AspectVector:
        sources = tuple(
            Influence(id=source, ppm=ppm, basis=basis, low=0, high=MILLION) for source, ppm in (parts or {}).items()
        )
        return AspectVector(sources=sources, unattributed=MILLION - sum((parts or {}).values()))

    error = None if error_ppm is None else MeasuredError(benchmark="b", metric="error", value_ppm=error_ppm, n=100)
    return InfluenceVector(
        track=track,
        recording=aspect(recording),
        composition=aspect(composition),
        style=aspect(style),
        method="declared" if basis == "declared" else "hybrid",
        version="1",
        error=error,
    )


def plays(track: str, units: int, **more: object) -> UsageRow:
    """Streams of a track in Sweden on the third of June, bound to its vector unless told otherwise."""
    given: dict[str, object] = {
        "vector": digest(track),
        "territory": "SE",
        "at": "2026-06-03T00:00:00Z",
        "source": "acme",
        "product": "premium",
        "count": units,
    }
    return UsageRow(track=track, units=units, **{**given, **more})  # type: ignore[arg-type]


def inputs(
    view: World,
    usage: Sequence[UsageRow],
    vectors: Sequence[InfluenceVector] = (),
    *,
    rule: Rule | None = None,
    holds: Sequence[HoldMatch] = (),
    root: bytes = ROOT,
    **terms: object,
) -> Inputs:
    """A pool of one unit of money in June 2026 unless the terms say otherwise."""
    amount = {} if "price_micros" in terms else {"micros": 1_000_000}
    given: dict[str, object] = {"period": "2026-06", "currency": "EUR", **amount, **terms}
    return Inputs(
        terms=Terms(**given),  # type: ignore[arg-type]
        rule=rule or ProRata(),
        period_root=root,
        usage=usage,
        vectors={digest(made.track): made for made in vectors},
        view=view,
        holds=tuple(holds),
    )
