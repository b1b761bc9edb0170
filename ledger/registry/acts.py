"""Changes of registered facts: confirm, end, transfer, revoke, dispute, resolve.

Each act is planned as a pure function of a view and becomes signed facts, like a registration. Nothing is rewritten: an
act counts from its own index in the log on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from ledger.errors import ConflictError, InputError, StateError
from ledger.registry import facts as f
from ledger.registry import rows as r
from ledger.registry.compare import Author
from ledger.registry.intake import Planned
from ledger.registry.model import (
    RIGHTS,
    USES,
    WORLD,
    Dispute,
    Instant,
    Outcome,
    Right,
    State,
    Use,
)
from ledger.registry.rules import CONFIRMERS, lacking, open_by, wrong_part
from ledger.registry.view import View
from ledger.types import MILLION, Digest


def confirm(view: View, author: Author, ids: Sequence[str]) -> list[Planned]:
    """Confirm shares, links and recordings by id; confirmed ones do not change."""
    if author.role not in CONFIRMERS:
        raise StateError(f"a {author.role} key asserts; confirming takes a key of {' or '.join(CONFIRMERS)}")
    candidates = {**shares_by_id(view, ids), **_links_by_id(view, ids)}
    facts: list[Planned] = []
    for name in dict.fromkeys(ids):
        if name in view.all_recordings:
            if not view.all_recordings[name].confirmed:
                facts.append(Planned(f.ConfirmFact(id=name, subject=name)))
            continue
        if name not in candidates:
            raise InputError(f"{name!r} is neither a share, a link nor a recording; see `settle registry show SUBJECT`")
        subject, claimant, state = candidates[name]
        if state == "confirmed":
            continue
        if claimant == author.party and author.role != "operator":
            raise StateError(f"share {name} is {claimant}'s own: someone else must confirm it")
        facts.append(Planned(f.ConfirmFact(id=name, subject=subject)))
    return facts


def shares_by_id(view: View, ids: Sequence[str]) -> dict[str, tuple[str, str, str]]:
    """(subject, party, state) of these shares."""
    asked = set(ids)
    return {
        line.id: (line.subject, line.party, line.state)
        for lines in view.shares_of.values()
        for line in lines
        if line.id in asked
    }


def _links_by_id(view: View, ids: Sequence[str]) -> dict[str, tuple[str, str, str]]:
    asked = set(ids)
    return {
        link.id: (link.recording, "", link.state) for links in view.links.values() for link in links if link.id in asked
    }


def asserted_shares(view: View, subject: str, party: str | None = None) -> list[str]:
    """Return the ids of the shares in a subject that wait for confirmation."""
    return [
        line.id
        for right in RIGHTS
        for line in view.shares_of.get((subject, right), ())
        if line.state == "asserted" and party in (None, line.party)
    ]


def waiting(view: View, subject: str, parties: Sequence[str] = ()) -> list[str]:
    """Return the ids of the shares that wait in a subject; with several claimants, `parties` must name them.

    A confirmation must not cover a claim that its author never saw: a rival's may have come in meanwhile.
    """
    shares = asserted_shares(view, subject)
    lines = [line for right in RIGHTS for line in view.shares_of.get((subject, right), ()) if line.id in shares]
    if unknown := sorted(set(parties) - {line.party for line in lines}):
        raise InputError(f"{unknown[0]} has no share of {subject} that waits for confirmation")
    if not parties and len({line.party for line in lines}) > 1:
        claims = "; ".join(f"{line.party} {line.ppm:,} ppm {line.right} ({line.territory}) {line.id}" for line in lines)
        raise StateError(f"several parties claim shares of {subject}: {claims}; say which with --party, or by share id")
    return [line.id for line in lines if not parties or line.party in parties]


def transfer(
    view: View,
    author: Author,
    *,
    subject: str,
    right: Right,
    seller: str,
    buyer: str,
    when: Instant,
    ppm: int | None = None,
    territory: str = WORLD,
) -> list[Planned]:
    """Transfer a share at an instant: the seller's row ends and the buyer's begins; the past remains the seller's."""
    _not_backdated(f"transfer of {subject}", when, author.at)
    _may_speak_for(author, seller)
    if buyer not in view.parties:
        raise InputError(f"party {buyer!r} is not registered; import it first")
    lines = [
        line
        for line in view.shares_of.get((subject, right), ())
        if (line.party, line.territory, line.state) == (seller, territory, "confirmed") and line.start < when < line.end
    ]
    owned = sum(line.ppm for line in lines)
    moved_ppm = owned if ppm is None else ppm
    if not lines or not 0 < moved_ppm <= owned:
        raise InputError(
            f"{seller} holds {owned:,} ppm of the {right} right in {subject} ({territory}) at {when}, not {moved_ppm:,}"
        )
    facts: list[f.AnyFact] = [f.EndFact(id=line.id, subject=subject, end=when) for line in lines]
    state: State = "confirmed" if author.role == "operator" else "asserted"
    for party, part in ((buyer, moved_ppm), (seller, owned - moved_ppm)):
        if part:
            row = r.ShareRow(
                subject=subject, party=party, right=right, ppm=part, territory=territory, start=when, state=state
            )
            facts.append(_share_fact(row, view))
    return [Planned(fact) for fact in facts]


def _share_fact(row: r.ShareRow, view: View) -> f.ShareFact:
    name = r.share_id(row)
    if any(line.id == name for line in view.shares_of.get((row.subject, row.right), ())):
        raise ConflictError(
            f"{row.party} has a share in {row.subject} from {row.start} on already; choose another instant"
        )
    return f.ShareFact(
        id=name,
        subject=row.subject,
        party=row.party,
        right=row.right,
        ppm=row.ppm,
        territory=row.territory,
        state=row.state,
        start=row.start,
        end=row.end,
    )


def revoke(view: View, author: Author, *, grant: str, when: Instant, uses: Sequence[Use] = ()) -> list[Planned]:
    """End a grant at an instant, for some uses or all; tracks made before keep their permission."""
    existing = view.grants.get(grant)
    if existing is None:
        raise InputError(f"grant {grant!r} is not registered; see `settle registry show RECORDING`")
    _not_backdated(f"revocation of {grant}", when, author.at)
    _may_speak_for(author, existing.grantor)
    if wrong := [use for use in uses if use not in existing.uses]:
        raise InputError(f"grant {grant} does not speak of {wrong[0]!r}; it covers {', '.join(existing.uses)}")
    if all(existing.end_of(use) <= when for use in uses or existing.uses):
        return []
    fact = f.RevokeFact(
        grant=grant, grantor=existing.grantor, subject=existing.subject, start=when, uses=tuple(sorted(uses))
    )
    return [Planned(fact)]


def propose_move(view: View, author: Author, *, party: str, group: str) -> list[Planned]:
    """Propose that a party joins an owner group from the month after approval; its own name means leaving its group."""
    _may_speak_for(author, view.party(party).id)
    if view.parties[party].groups[-1][1] == group:
        return []
    text = "|".join((party, group, author.at, str(view.size)))
    return [Planned(f.GroupFact(id=f"grp-{hashlib.sha256(text.encode()).hexdigest()[:12]}", party=party, group=group))]


def consent_to_move(view: View, author: Author, *, move: str, member: str) -> list[Planned]:
    """Record the consent of a member of the group that a party joins or leaves."""
    proposed = view.moves.get(move)
    if proposed is None:
        raise InputError(f"move {move!r} is not known; see settle proposals")
    _may_speak_for(author, member)
    asked = lacking(proposed, view.parties)
    if not any(member in members for _, members in asked):
        names = ", ".join(sorted({party_id for _, members in asked for party_id in members})) or "nobody any more"
        raise StateError(f"{member} is not asked to consent to move {move}: {names}")
    return [Planned(f.ConfirmFact(id=move, subject=member))]


def approve_move(view: View, author: Author, *, move: str) -> list[Planned]:
    """Record the approval of a move, after the members consented, by an approver who did neither."""
    proposed = view.moves[move]
    if author.role != "approver" or author.party in {proposed.proposed_by, *(by for _, by in proposed.consents)}:
        raise StateError(f"move {move} is approved by an approver who did not propose it or consent to it")
    if proposed.approved_by is not None:
        return []
    if asked := lacking(proposed, view.parties):
        group, members = asked[0]
        raise StateError(
            f"no member of group {group} has consented to move {move}; one of {', '.join(sorted(members))} does that: "
            f"settle registry group consent {move} MEMBER"
        )
    return [Planned(f.ConfirmFact(id=move, subject=proposed.party))]


def open_dispute(
    view: View,
    author: Author,
    *,
    subject: str,
    claimant: str,
    right: Right | None = None,
    party: str | None = None,
    like: str | None = None,
    ppm: int | None = None,
    like_ppm: int | None = None,
    evidence: Digest | None = None,
    reason: str = "",
) -> list[Planned]:
    """Open a dispute about the ownership of a subject: of what the contested holders earn from now on, `ppm` is held.

    `like` names the claimant's own, later registered recording of the same sound. The payee of what the two have in
    common is then unknown, so it goes to suspense: `ppm` of the subject and `like_ppm` of the other recording.
    """
    if subject not in view.all_recordings and subject not in view.works:
        raise InputError(f"subject {subject!r} is neither a registered recording nor a work")
    if claimant not in view.parties:
        raise InputError(f"claimant {claimant!r} is not a registered party; import it first")
    if party is not None and not any(
        line.party == party for owned_right in RIGHTS for line in view.shares_of.get((subject, owned_right), ())
    ):
        raise InputError(f"{party} claims no share of {subject}, so there is nothing of theirs to dispute")
    if like is not None:
        _check_like(view, subject, claimant, like, right or party)
    _may_speak_for(author, claimant)
    about = (subject, claimant, right, party, like)
    same = [
        owned_right.id
        for owned_right in view.open_disputes.get(subject, ())
        if (owned_right.subject, owned_right.claimant, owned_right.right, owned_right.party, owned_right.like) == about
    ]
    if same:
        raise ConflictError(f"{claimant} disputes this already, as {same[0]}")
    if (another := open_by(view.disputes.values(), claimant, subject, author.at)) is not None:
        raise ConflictError(f"{claimant} disputes {subject} already, as {another}; one at a time")
    text = "|".join((subject, claimant, right or "", party or "", *([like] if like else []), author.at, str(view.size)))
    name = f"dsp-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    fact = f.DisputeFact(
        id=name,
        subject=subject,
        claimant=claimant,
        right=right,
        party=party,
        like=like,
        ppm=ppm,
        like_ppm=like_ppm,
        evidence=evidence,
    )
    if (wrong := wrong_part(fact)) is not None:
        raise InputError(f"the dispute {wrong}")
    return [Planned(fact, {"reason": reason} if reason else None)]


def admit_dispute(view: View, author: Author, *, dispute: str) -> list[Planned]:
    """Record the admission of a dispute by a person who is not its claimant; from then on it holds money."""
    disputed = view.disputes.get(dispute)
    if disputed is None:
        raise InputError(f"dispute {dispute!r} is not known; see `settle registry dispute list`")
    if disputed.resolved_at is not None or disputed.holds:
        return []
    if author.role not in CONFIRMERS or author.party in (disputed.claimant, *disputed.admitted_by):
        raise StateError(
            f"dispute {dispute} is admitted by an operator or approver who does not claim it and has not admitted it"
        )
    return [Planned(f.ConfirmFact(id=dispute, subject=disputed.subject))]


def _check_like(view: View, subject: str, claimant: str, like: str, part: str | None) -> None:
    """Check that the claimant's recording is the later of the two, and that the dispute covers all rights."""
    if part is not None:
        raise InputError(
            f"a dispute about which of {subject} and {like} was first is about all of it: leave out {part}"
        )
    earlier, later = view.recording(subject), view.recording(like)
    if later.index <= earlier.index:
        raise InputError(
            f"{like} was registered before {subject}: only the later one can say the earlier is the squatter"
        )
    if not any(line.party == claimant for right in RIGHTS for line in view.shares_of.get((like, right), ())):
        raise InputError(f"{claimant} claims no share of {like}; import what they claim of it first")


def resolve_dispute(
    view: View,
    author: Author,
    *,
    dispute: str,
    outcome: Outcome,
    parts: Mapping[str, int] | None = None,
    right: Right | None = None,
    territory: str = WORLD,
    when: Instant | None = None,
) -> list[Planned]:
    """End a dispute: the shares stand (`released`), or others replace them from an instant on (`resplit`).

    A re-split may reach back to the opening of the dispute, because the earnings since then are held.
    """
    existing = view.disputes.get(dispute)
    if existing is None:
        raise InputError(f"dispute {dispute!r} is not known; see `settle registry dispute list`")
    if existing.resolved_at is not None:
        raise StateError(f"dispute {dispute} was resolved at {existing.resolved_at} ({existing.outcome})")
    if author.role not in CONFIRMERS or author.party == existing.claimant:
        raise StateError(
            f"dispute {dispute} is {existing.claimant}'s: an operator or approver who is not a party to it resolves it"
        )
    fact = f.ResolveFact(dispute=dispute, subject=existing.subject, outcome=outcome)
    if outcome == "released":
        if parts:
            raise InputError("a released dispute leaves the shares as they stand; give parts with --resplit only")
        return [Planned(fact)]
    fact = replace(fact, **_resplit(view, existing, parts or {}, right, when), territory=territory)
    return [Planned(fact)]


def _resplit(
    view: View, found: Dispute, parts: Mapping[str, int], right: Right | None, when: Instant | None
) -> dict[str, Any]:
    about = found.right or right
    if about is None:
        raise InputError(f"dispute {found.id} is about every right in {found.subject}: say which one is re-split")
    if sum(parts.values()) != MILLION or min(parts.values(), default=0) <= 0:
        raise InputError(f"a re-split names positive parts that sum to {MILLION:,} ppm, not {sum(parts.values()):,}")
    if unknown := sorted(set(parts) - set(view.parties)):
        raise InputError(f"party {unknown[0]!r} is not registered; import it first")
    start = when or found.at
    if start < found.at:
        raise InputError(
            f"a re-split reaches back to the dispute's opening at {found.at}, not to {start}; "
            "what was paid before is corrected by an adjustment"
        )
    return {
        "right": about,
        "start": start,
        "parts": tuple(f.SharePart(party=party, ppm=ppm) for party, ppm in sorted(parts.items())),
    }


def _not_backdated(what: str, when: Instant, now: Instant) -> None:
    if when < now:
        raise InputError(f"{what} from {when}: it is {now}, and what was permitted or owned before cannot be narrowed")


def _may_speak_for(author: Author, party: str) -> None:
    if author.role != "operator" and author.party != party:
        raise StateError(f"only {party} or the operator may do this; the key is {author.party}'s ({author.role})")


def parse_uses(text: str) -> tuple[Use, ...]:
    """Parse uses as typed on a command line: `train,condition`."""
    named = [part.strip() for part in text.replace("|", ",").split(",") if part.strip()]
    uses = tuple(use for use in USES if use in named)
    if wrong := [name for name in named if name not in USES]:
        raise InputError(f"use {wrong[0]!r}: expected some of {', '.join(USES)}")
    return uses


def parse_parts(typed: Sequence[str]) -> dict[str, int]:
    """Parse parts as typed on a command line: `p-ann=600000`."""
    parts: dict[str, int] = {}
    for text in typed:
        party, _, ppm = text.rpartition("=")
        if not party or not ppm.isdecimal() or party in parts:
            raise InputError(f"part {text!r}: expected PARTY=PPM, each party once, such as p-ann=600000")
        parts[party] = int(ppm)
    return parts
