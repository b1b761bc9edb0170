"""Compute contributions: the weight of each claim on each track in the pool. Totals and explanations are their sums.

Stages, in order: filter -> weigh -> kernel -> holds and fallbacks -> expansion. All exact integers; the unit
is one billionth of one unit of row weight, so that a pool's contributions sum to its rows' weights times 10^9.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Final, NamedTuple

from ledger.types import InfluenceVector
from payouts.division.expand import Expansion
from payouts.division.kernel import BILLION, UNATTRIBUTED, Claim, Game, Kernel, game_of, kernels
from payouts.division.ownership import Ownership, Version, claims_of, version_of
from payouts.errors import RuleError
from payouts.protocols import HoldMatch, RegistryAnswers, UsageRow
from payouts.rules.base import Rule
from payouts.terms import Terms

BATCH: Final = 4096
"""Kernels computed at a time; any number gives the same result."""

NOBODY: Final = Claim(UNATTRIBUTED, "", "", "recording", "estimated", "allocated")


class Contribution(NamedTuple):
    """A claim's weight through one track; `track` is empty if tracks were summed before (expansions)."""

    claim: Claim
    track: str
    weight: int


class Stream(NamedTuple):
    """Rows that divide alike: same track, vector, territory, time bucket, platform, and hold (or none)."""

    track: str
    vector: str | None
    territory: str
    at: str
    source: str
    hold: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """The rows of a pool after filter and weigh, summed by stream; both in units of row weight."""

    counted: Mapping[Stream, int]
    unattributed: Mapping[Stream, int]


def weigh(terms: Terms, rule: Rule, rows: Sequence[UsageRow], view: RegistryAnswers) -> Weighed:
    """Apply the rule's filter and weigh to each row; influence is not used yet.

    Then sum rows of territories and days with the same registry answers: shares change on few days.
    """
    like = cache(view.like)
    verdicts = rule.filter(rows)
    if len(verdicts) != len(rows):
        raise RuleError(f"rule {rule.name} judged {len(verdicts)} of {len(rows)} rows: expected a verdict for each")
    counted = [(row, verdict) for row, verdict in zip(rows, verdicts, strict=True) if verdict != "leaves"]
    eligible = [row for row, _ in counted]
    weights = rule.weigh(eligible, terms.weight)
    if len(weights) != len(eligible) or min(weights, default=0) < 0:
        raise RuleError(
            f"rule {rule.name} weighed {len(weights)} of {len(eligible)} rows: expected a weight >= 0 for each"
        )
    sums: dict[str, dict[Stream, int]] = {"counts": defaultdict(int), "unattributed": defaultdict(int)}
    for (row, verdict), weight in zip(counted, weights, strict=True):
        if weight:
            sums[verdict][Stream(row.track, row.vector, *like(row.territory, row.at), row.source, row.hold)] += weight
    return Weighed(counted=sums["counts"], unattributed=sums["unattributed"])


class Contributor:
    """Turns one pool's streams into contributions, with each look-up and each kernel computed once."""

    def __init__(
        self,
        *,
        terms: Terms,
        rule: Rule,
        vectors: Mapping[str, InfluenceVector],
        view: RegistryAnswers,
        holds: Sequence[HoldMatch],
        ends_at: str,
        salt: bytes,
    ) -> None:
        self._terms = terms
        self._rule = rule
        self._vectors = vectors
        self._ownership = Ownership(view)
        self._expansion = Expansion(view, self._ownership, terms.aspects, ends_at, salt)
        self._model_of = cache(view.model_of)
        # Holds on listeners come first: otherwise the release of a party's hold would pay suspected streams too.
        self._holds = sorted(holds, key=lambda hold: (hold.listeners is None, hold.id))
        self._kernels: dict[tuple[str, Version], Kernel] = {}

    def contributions(self, weighed: Weighed) -> Iterator[Contribution]:
        """Yield every contribution of the pool. Weights sum to the rows' weights times one billion."""
        summed: dict[Claim, int] = defaultdict(int)
        for stream, weight in sorted(weighed.unattributed.items(), key=_by_stream):
            summed[self._nobody(stream)] += weight * BILLION
        for contribution in self._direct(weighed.counted):
            if contribution.claim.group.startswith("*"):
                summed[contribution.claim] += contribution.weight
            else:
                yield contribution
        for claim, weight in sorted(summed.items()):
            yield from self._expanded(claim, weight)

    def shared_equally(self, model: str, version: str, weight: int) -> Iterator[Contribution]:
        """Compute a pool that does not depend on usage: a training set, with equal parts."""
        group = self._expansion.training(model, version, "WORLD")
        if group is None:
            raise RuleError(
                f"model {model} version {version} has no training set in the registry: register its manifest first"
            )
        yield from self._expanded(_in_equal_parts(group), weight)

    def _direct(self, counted: Mapping[Stream, int]) -> Iterator[Contribution]:
        streams = iter(sorted(counted.items(), key=_by_stream))
        while batch := list(islice(streams, BATCH)):
            keys = self._compute(stream for stream, _ in batch)
            for stream, weight in batch:
                if stream not in keys:
                    claim = self._held(self._fallback(stream), stream)
                    yield Contribution(claim, stream.track, weight * BILLION)
                    continue
                kernel = self._kernels[keys[stream]]
                for claim, ppb in kernel.portions:
                    yield Contribution(self._held(claim, stream), stream.track, weight * ppb)
                if kernel.unattributed:
                    yield Contribution(self._nobody(stream), stream.track, weight * kernel.unattributed)

    def _compute(self, streams: Iterable[Stream]) -> dict[Stream, tuple[str, Version]]:
        """Return the kernel of each stream with a reliable vector; compute missing ones."""
        keys: dict[Stream, tuple[str, Version]] = {}
        games: dict[tuple[str, Version], Game] = {}
        for stream in streams:
            if stream.vector is None or not self._reliable(self._vectors[stream.vector]):
                continue
            vector, at = self._vectors[stream.vector], stream.at
            version = version_of(vector, self._terms.aspects, stream.territory, at, self._ownership)
            key = keys[stream] = (stream.vector, version)
            if key not in self._kernels and key not in games:
                claims = claims_of(vector, self._terms.aspects, stream.territory, at, self._ownership)
                games[key] = game_of(claims, bytes.fromhex(stream.vector))
        self._kernels.update(zip(games, kernels(self._rule, list(games.values())), strict=True))
        return keys

    def _reliable(self, vector: InfluenceVector) -> bool:
        estimated = any(
            source.basis == "estimated" for aspect, _ in self._terms.aspects for source in vector.aspect(aspect).sources
        )
        if not estimated or self._terms.error_max_ppm == 1_000_000:
            return True
        return vector.error is not None and vector.error.value_ppm <= self._terms.error_max_ppm

    def _training(self, stream: Stream) -> str | None:
        model = self._model_of(stream.track)
        return None if model is None else self._expansion.training(*model, stream.territory)

    def _fallback(self, stream: Stream) -> Claim:
        """Return the part for a stream whose influences are not reliable enough to pay."""
        group = self._training(stream) if self._terms.fallback == "training" else None
        if group is not None:
            return _in_equal_parts(group)
        reason = "no-vector" if stream.vector is None else "vector-unreliable"
        return Claim(f"?track:{stream.track}", "", "", "recording", "estimated", "suspense", reason)

    def _nobody(self, stream: Stream) -> Claim:
        group = self._training(stream) if self._terms.unattributed == "training" else None
        return NOBODY if group is None else _in_equal_parts(group)

    def _expanded(self, claim: Claim, weight: int) -> Iterator[Contribution]:
        if claim.group == UNATTRIBUTED:
            yield Contribution(claim, "", weight)
            return
        for owner, part in self._expansion.expand(claim, weight):
            yield Contribution(self._held(owner, None), "", part)

    def _held(self, claim: Claim, stream: Stream | None) -> Claim:
        """Return the claim with the first hold that matches it; a hold blocks payment and moves no weight."""
        if not self._holds or claim.state != "allocated":
            return claim
        for hold in self._holds:
            if _matches(hold, claim, stream):
                return claim._replace(state="held", reason=hold.reason, ref=hold.id)
        return claim


def _in_equal_parts(group: str) -> Claim:
    """Return the claim of all recordings of a group, with equal weights."""
    return Claim(group, "", "", "recording", "equal", "allocated")


def _by_stream(item: tuple[Stream, int]) -> tuple[str, ...]:
    stream, _ = item
    return (stream.track, stream.vector or "", stream.territory, stream.at, stream.source, stream.hold or "")


def _matches(hold: HoldMatch, claim: Claim, stream: Stream | None) -> bool:
    if hold.listeners is not None and (stream is None or hold.id != stream.hold):
        return False
    if hold.track is not None and (stream is None or hold.track != stream.track):
        return False
    if hold.source is not None and (stream is None or hold.source != stream.source):
        return False
    if hold.party is not None and hold.party != claim.party:
        return False
    return hold.subject is None or hold.subject == claim.source
