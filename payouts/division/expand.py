"""Groups of recordings that stand for their owners: style groups and training sets, expanded after summing.

The declared rule is equal parts: each recording of a style group, each recording (or, for composition, each
work) of a training set weighs the same. Owners are looked up as of the period's end.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from ledger.types import MILLION, Aspect
from payouts.allocate import divide
from payouts.division.kernel import Claim, State
from payouts.division.ownership import Owners, Ownership, unresolved
from payouts.protocols import RegistryAnswers

Mix = tuple[tuple[Aspect, int], ...]


def training_group(model: str, version: str, territory: str) -> str:
    return f"*training:{model}@{version}@{territory}"


class Expansion:
    """Looks up the recordings of groups named "*...", and divides their weights."""

    def __init__(self, view: RegistryAnswers, ownership: Ownership, mix: Mix, at: str, salt: bytes) -> None:
        self._view = view
        self._ownership = ownership
        self._mix = tuple((aspect, ppm) for aspect, ppm in mix if aspect != "style") or (("recording", MILLION),)
        self._at = at
        self._salt = salt
        self._training: dict[str, tuple[str, ...]] = {}

    def training(self, model: str, version: str, territory: str) -> str | None:
        """Return the group of a model's training set, or None if it has no members."""
        group = training_group(model, version, territory)
        if group not in self._training:
            self._training[group] = tuple(sorted(set(self._view.training_set(model, version))))
        return group if self._training[group] else None

    def expand(self, claim: Claim, weight: int) -> Iterator[tuple[Claim, int]]:
        """Return the owners behind a claim on a "*" group; their weights sum exactly to the claim's."""
        named, _, territory = claim.group[1:].rpartition("@")
        training = claim.group in self._training
        members = self._training[claim.group] if training else sorted(set(self._view.style_members(named)))
        if not members:
            yield claim._replace(group=f"?{named}", state="suspense", reason="style-empty", via=named), weight
            return
        mix: Mix = self._mix if training else (("recording", MILLION),)
        by_aspect = divide(weight, dict(mix), salt=self._salt)
        for aspect, _ in mix:
            owners = self._owners(members, aspect, territory)
            parts = divide(by_aspect[aspect], dict.fromkeys(owners, 1), salt=self._salt)
            for subject in owners:
                paid_as = aspect if training else "style"
                whole = claim._replace(source=subject, aspect=paid_as, via=named)
                yield from self._divide(whole, owners[subject], parts[subject], territory)

    def _owners(self, members: tuple[str, ...] | list[str], aspect: Aspect, territory: str) -> dict[str, Owners]:
        """Return each subject that gets an equal part, with its owners."""
        if aspect == "recording":
            return {member: self._ownership.owners(member, "recording", territory, self._at) for member in members}
        works = sorted({work for member in members for work, _ in self._view.works_of(member, self._at)})
        if not works:
            return {"": (unresolved(members[0], "publishing", MILLION * MILLION, "work-unknown"),)}
        return {work: self._ownership.publishing(work, territory, self._at) for work in works}

    def _divide(self, claim: Claim, owners: Owners, weight: int, territory: str) -> Iterator[tuple[Claim, int]]:
        parts = self._parts(owners, weight)
        asked = claim.aspect != "composition"
        allowed = not asked or self._ownership.permitted(claim.source, "train", territory, None)
        for owner, part in zip(owners, parts, strict=True):
            state: State = owner.state
            reason, ref = owner.reason, ""
            if state == "allocated" and claim.state == "held":
                state, reason, ref = claim.state, claim.reason, claim.ref
            elif state == "allocated" and not allowed:
                state, reason = "held", "permission"
            if part:
                yield (
                    claim._replace(group=owner.group, party=owner.party, state=state, reason=reason, ref=ref),
                    part,
                )

    def _parts(self, owners: Owners, weight: int) -> list[int]:
        """Divide a weight among parties, then each party's part among what it may be paid and what a dispute holds."""
        by_party: dict[str, dict[str, int]] = defaultdict(dict)
        for owner in owners:
            by_party[f"{owner.group}\0{owner.party}"][owner.state] = owner.part
        parties = divide(weight, {party: sum(states.values()) for party, states in by_party.items()}, salt=self._salt)
        parts = {party: divide(parties[party], states, salt=self._salt) for party, states in by_party.items()}
        return [parts[f"{owner.group}\0{owner.party}"][owner.state] for owner in owners]
