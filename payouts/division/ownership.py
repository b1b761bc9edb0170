"""Turn the sources of a vector into claims: the registry's dated shares, works and permissions, looked up once.

Recording influence pays `master` shares; composition influence pays `publishing` shares through the works;
style influence and training sets stay whole here and are expanded to owners after summing.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Final, NamedTuple

from ledger.types import MILLION, STYLE_PREFIX, Aspect, Influence, InfluenceVector
from payouts.division.kernel import Claim, State, whole_claim
from payouts.errors import UsageError
from payouts.protocols import RegistryAnswers, Right

ALL_OF_IT = MILLION * MILLION
_NO_PAYEE: Final = {"short": "shares-short", "conflict": "shares-in-conflict"}
"""Why nobody can be named for a right, by the state of its shares."""
_CONTESTED: Final = "copy-contested"
"""Why nobody can be named for the part of a recording that it has in common with another."""


class Owner(NamedTuple):
    """One party's part of a source, in parts per 10^12 (link ppm x share ppm)."""

    group: str
    party: str
    part: int
    state: State
    reason: str


Owners = tuple[Owner, ...]
Version = tuple[object, ...]
"""What a vector's division depends on besides the vector: equal versions, equal kernels."""


def unresolved(subject: str, right: Right, part: int, reason: str) -> Owner:
    """An unknown payee forms its own group, so that it never changes another group's part."""
    return Owner(f"?{right}:{subject}", "", part, "suspense", reason)


class Ownership:
    """The registry's answers, each looked up once and cached."""

    def __init__(self, view: RegistryAnswers) -> None:
        self._view = view
        self._owners: dict[tuple[str, Aspect, str, str], Owners] = {}
        self._same: dict[Owners, Owners] = {}
        self._permitted: dict[tuple[str, str, str, str | None], bool] = {}

    def owners(self, source: str, aspect: Aspect, territory: str, at: str) -> Owners:
        """Return the owners of a source by aspect; parts sum to 10^12."""
        key = (source, aspect, territory, at)
        owners = self._owners.get(key)
        if owners is None:
            looked_up = (
                self._works(source, territory, at) if aspect == "composition" else self._master(source, territory, at)
            )
            owners = self._owners[key] = self._same.setdefault(looked_up, looked_up)
        return owners

    def publishing(self, work: str, territory: str, at: str) -> Owners:
        """Return the owners of a whole work."""
        return tuple(sorted(self._right(work, "publishing", territory, at, MILLION)))

    def permitted(self, source: str, use: str, territory: str, track: str | None) -> bool:
        key = (source, use, territory, track)
        if key not in self._permitted:
            self._permitted[key] = self._view.permitted(source, use, territory, track)
        return self._permitted[key]

    def _master(self, source: str, territory: str, at: str) -> Owners:
        return tuple(sorted(self._right(source, "master", territory, at, MILLION)))

    def _works(self, source: str, territory: str, at: str) -> Owners:
        works = self._view.works_of(source, at)
        out: list[Owner] = []
        linked = 0
        for work, ppm in works:
            linked += ppm
            out.extend(self._right(work, "publishing", territory, at, ppm))
        if linked > MILLION:
            return (unresolved(source, "publishing", ALL_OF_IT, "works-in-conflict"),)
        if linked < MILLION:
            out.append(unresolved(source, "publishing", (MILLION - linked) * MILLION, "work-unknown"))
        return tuple(sorted(out))

    def _right(self, subject: str, right: Right, territory: str, at: str, link_ppm: int) -> list[Owner]:
        shares = self._view.shares(subject, right, territory, at)
        whole = sum(ppm for _, ppm in shares.parts) == MILLION
        if not whole or shares.state in _NO_PAYEE:
            return [unresolved(subject, right, link_ppm * MILLION, _NO_PAYEE.get(shares.state, "shares-short"))]
        parts: dict[str, int] = defaultdict(int)
        for party, ppm in shares.parts:
            parts[party] += ppm
        held, suspended = dict(shares.held), dict(shares.suspended)
        owners: list[Owner] = []
        for party, ppm in parts.items():
            group, waits = self._group(party, at), held.get(party, 0)
            pays = ppm - waits - suspended.get(party, 0)
            owners += [Owner(group, party, link_ppm * pays, "allocated", "")] if pays else []
            owners += [Owner(group, party, link_ppm * waits, "held", "dispute")] if waits else []
        contested = sum(suspended.values())
        return [*owners, *([unresolved(subject, right, link_ppm * contested, _CONTESTED)] if contested else [])]

    def _group(self, party: str, at: str) -> str:
        group = self._view.group_of(party, at)
        if group[:1] in {"?", "*", ""}:
            raise UsageError(f"group {group!r} of party {party!r}: expected an id that starts with a letter or a digit")
        return group


def use_of(source: Influence) -> str:
    """Return how the source was used: as the vector says, else as its basis implies."""
    return source.use or ("train" if source.basis == "estimated" else "condition")


def style_group(style: str, territory: str) -> str:
    return f"*{style}@{territory}"


def version_of(
    vector: InfluenceVector, aspects: tuple[tuple[Aspect, int], ...], territory: str, at: str, ownership: Ownership
) -> Version:
    """Return all registry answers on which this vector's division depends."""
    out: list[object] = []
    for aspect, _ in aspects:
        if aspect == "style":
            out.append(territory)
            continue
        for source in vector.aspect(aspect).sources:
            out.append(ownership.owners(source.id, aspect, territory, at))
            out.append(ownership.permitted(source.id, use_of(source), territory, vector.track))
    return tuple(out)


def claims_of(
    vector: InfluenceVector, aspects: tuple[tuple[Aspect, int], ...], territory: str, at: str, ownership: Ownership
) -> list[tuple[Claim, int]]:
    """Return the vector's claims with their exact masses; the remainder of the whole is unattributed."""
    out: list[tuple[Claim, int]] = []
    for aspect, aspect_ppm in aspects:
        for source in vector.aspect(aspect).sources:
            if aspect == "style" or source.id.startswith(STYLE_PREFIX):
                group = style_group(source.id, territory)
                claim = Claim(group, "", source.id, aspect, source.basis, "allocated")
                out.append((claim, whole_claim(aspect_ppm, source.ppm)))
                continue
            allowed = ownership.permitted(source.id, use_of(source), territory, vector.track)
            for owner in ownership.owners(source.id, aspect, territory, at):
                state, reason = owner.state, owner.reason
                if state == "allocated" and not allowed:
                    state, reason = "held", "permission"
                claim = Claim(owner.group, owner.party, source.id, aspect, source.basis, state, reason)
                out.append((claim, aspect_ppm * source.ppm * owner.part))
    return out
