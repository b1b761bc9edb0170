"""Decide whether a generated track is clear for release.

Clear means: registered with its model, every recording of the model's training list permitted when the version was
registered, a signed and assigned vector, every declared source permitted, and no more unlicensed and unattributed
influence than the stated limits. Payments for the track are not checked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ledger.registry.model import WORLD, Answer, Decision, Track
from ledger.registry.view import View
from ledger.types import ASPECTS, STYLE_PREFIX, Digest, Influence, InfluenceVector


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackSource:
    """One source of a track and whether its use was permitted."""

    aspect: str
    id: str
    ppm: int
    use: str
    decision: Answer
    reasons: tuple[str, ...]
    cap_ppm: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a track may be released, with every reason against it.

    `trained_on` and `trained_without` count the recordings of the model's training list, and those of them that
    were not permitted.
    """

    track: str
    clear: bool
    vector: Digest | None
    territory: str
    limit_ppm: int
    unlicensed_ppm: int
    unattributed_ppm: int
    unattributed_limit_ppm: int
    trained_on: int
    trained_without: int
    sources: tuple[TrackSource, ...]
    reasons: tuple[str, ...]


def use_of(source: Influence) -> str:
    """Return how a source was used: as the vector says, else as its basis implies."""
    return source.use or ("train" if source.basis == "estimated" else "condition")


def assess(
    view: View,
    track: str,
    digest: Digest | None,
    vector: InfluenceVector | None,
    *,
    limit_ppm: int,
    unattributed_limit_ppm: int,
    listed: Sequence[str] | None,
    territory: str = WORLD,
) -> Verdict:
    """Return the verdict on a track with its assigned vector; the caller must check the vector's signature.

    `listed`: the recordings that the track's model was trained on; None if no list was registered.
    """
    record = view.track(track)
    receipts = vector.decisions if vector is not None else ()

    def ask(subject: str, use: str) -> Decision:
        return view.decide_track(track, subject, use, territory, receipts=receipts)

    reasons = _paperwork(view, record, vector)
    denied = _denied(view, record, listed, territory)
    if listed is None and not record.draft:
        reasons.append(f"its model {record.model}@{record.version} has no training list")
    elif denied:
        reasons.append(
            f"{len(denied):,} of the {len(listed or ()):,} recordings that its model was trained on were not "
            f"permitted, such as {denied[0]}"
        )
    sources: list[TrackSource] = []
    unlicensed, unattributed = 0, 0
    if vector is not None:
        for aspect in ASPECTS:
            judged = [
                _judge(aspect, source, ask)
                for source in vector.aspect(aspect).sources
                if not source.id.startswith(STYLE_PREFIX)
            ]
            refused = sum(item.ppm for item in judged if item.decision != "allow")
            unlicensed = max(unlicensed, refused)
            if refused > limit_ppm:
                reasons.append(f"{refused:,} ppm of the {aspect} influence is unlicensed; at most {limit_ppm:,} may be")
            reasons += [
                f"{item.id} influenced the track by {item.ppm:,} ppm; its grant caps that at {item.cap_ppm:,}"
                for item in judged
                if item.cap_ppm is not None and item.ppm > item.cap_ppm
            ]
            sources += judged
        unattributed = vector.recording.unattributed
        if unattributed > unattributed_limit_ppm:
            reasons.append(
                f"{unattributed:,} ppm of the recording influence is unattributed; at most {unattributed_limit_ppm:,} "
                "may be"
            )
    for recording in record.conditioning:
        decision = ask(recording, "condition")
        if decision.decision != "allow":
            reasons.append(f"declared conditioning on {recording}: {decision.decision} ({'; '.join(decision.reasons)})")
    return Verdict(
        track=track,
        clear=not reasons,
        vector=digest,
        territory=territory,
        limit_ppm=limit_ppm,
        unlicensed_ppm=unlicensed,
        unattributed_ppm=unattributed,
        unattributed_limit_ppm=unattributed_limit_ppm,
        trained_on=len(listed or ()),
        trained_without=len(denied),
        sources=tuple(sources),
        reasons=tuple(reasons),
    )


def _paperwork(view: View, made: Track, vector: InfluenceVector | None) -> list[str]:
    """Return what is missing in the registration, before influence is checked."""
    reasons = []
    if made.draft:
        reasons.append(f"track {made.id} is a draft: register it with its model and audio digest")
    elif f"{made.model}@{made.version}" not in view.models:
        reasons.append(f"its model {made.model}@{made.version} is not registered")
    if vector is None:
        reasons.append(f"track {made.id} has no assigned vector: attribute it with `settle attribute`")
    elif vector.track != made.id:
        reasons.append(f"the assigned vector is of track {vector.track}")
    return reasons


def _denied(view: View, track: Track, listed: Sequence[str] | None, territory: str) -> list[str]:
    """Return the recordings of the model's training list that were not permitted."""
    model = view.models.get(f"{track.model}@{track.version}")
    if model is None:
        return []
    return [recording for recording, _ in view.unlicensed(listed or (), model, territory)]


def _judge(aspect: str, source: Influence, ask: Callable[[str, str], Decision]) -> TrackSource:
    use = use_of(source)
    decision = ask(source.id, use)
    return TrackSource(
        aspect=aspect,
        id=source.id,
        ppm=source.ppm,
        use=use,
        decision=decision.decision,
        reasons=decision.reasons,
        cap_ppm=decision.cap_ppm,
    )
