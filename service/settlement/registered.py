"""The registry for a settlement: permissions by track, manifests by model."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from itertools import chain
from typing import Final

from ledger.registry import manifest
from ledger.registry.model import WORLD
from ledger.registry.view import View
from ledger.types import STYLE_PREFIX, Digest, InfluenceVector, format_time
from payouts.protocols import OwnedParts, Right

ELSEWHERE: Final = "ZZ"
"""A country no record names: ISO 3166 keeps ZZ for users, so it is never somebody's real territory.

Not WORLD: a permission for the world is one for every country, and one country's refusal is not another's.
"""

BEFORE: Final = "0001-01-01T00:00:00Z"


class RegistryView:
    """`payouts.protocols.View` over a frozen registry view.

    `vectors`: what the period's events are bound to; a vector may carry receipts of earlier permissions.
    `ends`: the period's end, when questions that have no track of their own are asked.
    """

    def __init__(
        self, view: View, *, vectors: Mapping[Digest, InfluenceVector], ends: datetime, blob: Callable[[Digest], bytes]
    ) -> None:
        self._view = view
        self._ends = format_time(ends)
        self._blob = blob
        self._receipts: dict[str, tuple[Digest, ...]] = {}
        for vector in vectors.values():
            if vector.decisions:
                self._receipts[vector.track] = (*self._receipts.get(vector.track, ()), *vector.decisions)

    def like(self, territory: str, at: str) -> tuple[str, str]:
        """Return the last instant of a change, and one country for all territories that no record names."""
        changed = bisect_right(self._changes, at)
        return territory if territory in self._named else ELSEWHERE, self._changes[changed - 1] if changed else BEFORE

    def shares(self, subject: str, right: Right, territory: str, at: str) -> OwnedParts:
        return self._view.shares(subject, right, territory, at)

    def group_of(self, party: str, at: str) -> str:
        return self._view.group_of(party, at)

    def works_of(self, recording: str, at: str) -> Sequence[tuple[str, int]]:
        return self._view.works_of(recording, at)

    def permitted(self, recording: str, use: str, territory: str, track: str | None) -> bool:
        if track is None:
            return self._view.decide(recording, use, territory, at=self._ends).decision == "allow"
        receipts = self._receipts.get(track, ())
        return self._view.decide_track(track, recording, use, territory, receipts=receipts).decision == "allow"

    def model_of(self, track: str) -> tuple[str, str] | None:
        record = self._view.tracks.get(track)
        if record is None or record.model is None or record.version is None:
            return None
        return record.model, record.version

    def training_set(self, model: str, version: str) -> Sequence[str]:
        registered = self._view.models.get(f"{model}@{version}")
        if registered is None or registered.manifest is None:
            return ()
        return manifest.decode(self._blob(registered.manifest.blob))

    def style_members(self, style: str) -> Sequence[str]:
        return self._styles.get(style.removeprefix(STYLE_PREFIX), ())

    @cached_property
    def _changes(self) -> list[str]:
        """Return every instant at which an answer about ownership may change, in order."""
        view = self._view
        shares, links = chain.from_iterable(view.shares_of.values()), chain.from_iterable(view.links.values())
        instants = {instant for share in shares for instant in (share.start, share.end)}
        instants |= {instant for link in links for instant in (link.start, link.end)}
        return sorted(instants | {since for party in view.parties.values() for since, _ in party.groups})

    @cached_property
    def _named(self) -> frozenset[str]:
        """Return the territories named by a share, a grant or a decision receipt."""
        view = self._view
        named = {share.territory for share in chain.from_iterable(view.shares_of.values())}
        named |= {grant.territory for grant in chain.from_iterable(view.grants_of.values())}
        return frozenset((named | {receipt.territory for receipt in view.receipts.values()}) - {WORLD})

    @cached_property
    def _styles(self) -> dict[str, list[str]]:
        styles: dict[str, list[str]] = {}
        for recording in self._view.recordings():
            if recording.style is not None and self._owned(recording.id):
                styles.setdefault(recording.style, []).append(recording.id)
        return styles

    def _owned(self, recording: str) -> bool:
        """Return whether a recording has a confirmed master share.

        Without one it gets no part of a style group's money.
        """
        lines = self._view.shares_of.get((recording, "master"), ())
        return any(line.state == "confirmed" and line.start <= self._ends < line.end for line in lines)
