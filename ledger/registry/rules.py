"""Decide which rows count: the author's right to sign them, their date, their subject, and their place in the log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ledger.registry import facts as f
from ledger.registry.model import Dispute, GroupMove, Instant, Party
from ledger.registry.statement import Registration
from ledger.types import MILLION, Period, Role, format_time, parse_time

if TYPE_CHECKING:
    from ledger.registry.fold import State

CONFIRMERS: Final[tuple[Role, ...]] = ("operator", "approver")
"""Whose confirmation counts."""
DISPUTE_DAYS: Final = 30
"""Days from its admission on for which a dispute holds what is earned: whoever decides has as long."""
COPY_DAYS: Final = 60
"""The same where the question is which of two recordings is the copy: two owners, and experts who listen."""
COOLING_OFF_MINIMUM: Final = 1
"""Hours. Less would let whoever holds both keys for a minute redirect the next payment."""


_SPEAKERS: Final = {
    f.PartyFact: "id",
    f.GrantFact: "grantor",
    f.RevokeFact: "grantor",
    f.ModelFact: "operator",
    f.DisputeFact: "claimant",
    f.PayeeFact: "party",
    f.GroupFact: "party",
}
"""The field that names whose word a row is; the operator may say it for them."""


def refusal(fact: f.AnyFact, said: Registration, state: State) -> str | None:
    """Return why a row has no effect; None if it counts."""
    return (
        _unauthorised(fact, said, state)
        or _backdated(fact)
        or _groundless(fact, state)
        or _unapproved_account(fact, said, state)
        or _unproposed_group(fact, state)
        or _unapproved_move(fact, said, state)
        or _inadmissible(fact, said, state)
    )


def _unauthorised(fact: f.AnyFact, said: Registration, state: State) -> str | None:
    """Return why this author must not register this fact; None if they may."""
    party: str | None = getattr(fact, _SPEAKERS[type(fact)]) if type(fact) in _SPEAKERS else None
    allowed: tuple[str, ...] = ("operator", "holder")
    match fact:
        case f.ShareFact(state="confirmed") | f.LinkFact(state="confirmed"):
            allowed = ("operator",)
        case f.ConfirmFact() if fact.id in state.moves:
            allowed = ("operator", "holder", "approver")
        case f.ConfirmFact() | f.ResolveFact():
            allowed = CONFIRMERS
        case f.EndFact():
            party = _holder(fact, state)
        case f.TrackFact() if fact.draft:
            allowed = ("operator", "holder", "attribution", "platform")
        case f.DecisionFact() | f.ClearFact() | f.AuditFact():
            allowed = ("operator",)
        case _:
            pass
    if said.role not in allowed:
        return f"registered by a {said.role} key; it takes {' or '.join(allowed)}"
    if party is not None and said.role != "operator" and said.party != party:
        return f"registered by {said.party}; only {party} or the operator may"
    return None


def _holder(fact: f.EndFact, state: State) -> str:
    for (subject, _), lines in state.shares.items():
        if subject == fact.subject:
            for line in lines:
                if line.id == fact.id:
                    return line.party
    return "nobody"


def _backdated(fact: f.AnyFact) -> str | None:
    """Return whether a fact narrows permissions from before its own registration."""
    if isinstance(fact, f.RevokeFact) and fact.start < fact.at:
        return f"revokes from {fact.start}, before its own registration at {fact.at}"
    if isinstance(fact, f.EndFact) and fact.end < fact.at:
        return f"ends a share at {fact.end}, before its own registration at {fact.at}"
    return None


def _groundless(fact: f.AnyFact, state: State) -> str | None:
    """Return whether an act is about something that is not registered, or settled already."""
    if isinstance(fact, f.ModelFact) and f"{fact.id}@{fact.version}" in state.models:
        return f"registers model {fact.id}@{fact.version} again; a registered version never changes"
    if isinstance(fact, f.PayeeFact) and fact.id in state.payees:
        return f"proposes account {fact.id} again"
    if isinstance(fact, f.RevokeFact) and fact.grant not in state.grants:
        return f"revokes grant {fact.grant}, which is not registered"
    if isinstance(fact, f.ResolveFact):
        dispute = state.disputes.get(fact.dispute)
        if dispute is None or dispute.resolved_at is not None:
            return f"resolves dispute {fact.dispute}, which is not open"
    return None


def _unapproved_account(fact: f.AnyFact, said: Registration, state: State) -> str | None:
    """Return whether an account's approval is by its proposer, a repetition, or effective too soon (M4)."""
    if not isinstance(fact, f.ConfirmFact) or fact.id not in state.payees:
        return None
    proposed = state.payees[fact.id]
    if said.role != "approver":  # an operator can give any party a key, propose with it and approve with their own
        return f"account {fact.id} is approved by a {said.role} key; it takes an approver's"
    if said.party == proposed.proposed_by or said.key == proposed.proposed_key:
        return f"account {fact.id} was proposed by {proposed.proposed_by}; another person with another key must approve"
    if proposed.approved_by is not None:
        return f"account {fact.id} was approved by {proposed.approved_by} already"
    if fact.start is None or fact.start < cooled(fact.at, COOLING_OFF_MINIMUM):
        return f"account {fact.id} would count from {fact.start}, less than {COOLING_OFF_MINIMUM} hour after approval"
    return None


def _unproposed_group(fact: f.AnyFact, state: State) -> str | None:
    """Return whether a row puts a party into another group without a proposal (C1).

    Release 0.1 did so; a log is taken to be of that release up to its first proposal of an account or a move.
    """
    if not isinstance(fact, f.PartyFact) or fact.id not in state.parties or state.is_of_01:
        return None
    if fact.group is None or fact.group == state.parties[fact.id].groups[-1][1]:
        return None
    return f"puts {fact.id} into group {fact.group}, which it does not propose"


def _unapproved_move(fact: f.AnyFact, said: Registration, state: State) -> str | None:
    """Return whether a move of an owner group breaks the rules of proposal, consent and approval (C1)."""
    if isinstance(fact, f.GroupFact):
        moved_before = fact.id not in state.moves and fact.party in state.parties
        return None if moved_before else f"proposes a move {fact.id} again, or of a party that is not registered"
    move = state.moves.get(fact.id) if isinstance(fact, f.ConfirmFact) else None
    if move is None or not isinstance(fact, f.ConfirmFact):
        return None
    wanting = lacking(move, state.parties)
    signed = {move.proposed_by, *(by for _, by in move.consents)}
    if move.approved_by is not None:
        reason = f"is about move {move.id}, which {move.approved_by} approved already"
    elif said.role == "approver":
        own = said.party in signed or said.key == move.proposed_key
        reason = f"approves the own move {move.id}" if own else ""
        reason = reason or (f"approves move {move.id}, to which {wanting[0][0]} has not consented" if wanting else "")
    else:
        own = any(fact.subject in members for _, members in wanting)
        allowed = said.role == "operator" or said.party == fact.subject
        reason = "" if own and allowed else f"consents for {fact.subject}, who is not asked or did not sign"
    return reason or None


def _inadmissible(fact: f.AnyFact, said: Registration, state: State) -> str | None:
    """Return whether a dispute repeats an open one, or is admitted by a party that must not or already did (C3)."""
    if isinstance(fact, f.DisputeFact) and (wrong := wrong_part(fact)) is not None:
        return wrong
    if isinstance(fact, f.DisputeFact) and not state.is_of_01:
        same = open_by(state.disputes.values(), fact.claimant, fact.subject, fact.at)
        return f"opens a second dispute of {fact.claimant} about {fact.subject}, beside {same}" if same else None
    if isinstance(fact, f.ConfirmFact) and (dispute := state.disputes.get(fact.id)) is not None:
        if said.party == dispute.claimant or said.party in dispute.admitted_by:
            return f"admits dispute {dispute.id} as {said.party}, who claims it or admitted it already"
        if dispute.resolved_at is not None or dispute.holds:
            return f"admits dispute {dispute.id}, which waits for nobody"
    return None


def wrong_part(fact: f.DisputeFact) -> str | None:
    """Say what is wrong with the part that a dispute claims."""
    if any(ppm is not None and not 0 < ppm <= MILLION for ppm in (fact.ppm, fact.like_ppm)):
        return f"claims {fact.ppm} and {fact.like_ppm} ppm, expected 1 to {MILLION:,}"
    if (fact.like_ppm is not None) != (fact.like is not None and fact.ppm is not None):
        return "claims a part of one of two recordings that are said to be one: say both parts, or neither"
    return None


def open_by(disputes: Iterable[Dispute], claimant: str, subject: str, at: Instant) -> str | None:
    """Return the id of a claimant's dispute about a subject that is neither resolved nor expired at an instant."""
    claimed = (dispute for dispute in disputes if (dispute.claimant, dispute.subject) == (claimant, subject))
    return next((dispute.id for dispute in claimed if dispute.resolved_at is None and at < dispute.until), None)


def admissions(fact: f.DisputeFact, disputes: Iterable[Dispute]) -> int:
    """Return how many people must admit a dispute: one, or two after a rejected one of the same claimant."""
    claimed = (dispute for dispute in disputes if (dispute.claimant, dispute.subject) == (fact.claimant, fact.subject))
    return 2 if any(dispute.outcome == "released" for dispute in claimed) else 1


def days_held(dispute: Dispute) -> int:
    """Return for how many days from its admission a dispute holds earnings."""
    return DISPUTE_DAYS if dispute.like is None else COPY_DAYS


def held_until(dispute: Dispute, at: Instant) -> Instant:
    """Return the time until which a dispute admitted at an instant holds earnings."""
    return cooled(at, 24 * days_held(dispute))


def lacking(move: GroupMove, parties: Mapping[str, Party]) -> list[tuple[str, frozenset[str]]]:
    """Return the groups (joined and left) that have not consented to a move, with the members who may.

    A group without other members needs no consent.
    """
    consented = {member for member, _ in move.consents}
    waiting = []
    for group in sorted({move.group, parties[move.party].groups[-1][1]}):
        members = frozenset(
            party.id for party in parties.values() if party.groups[-1][1] == group and party.id != move.party
        )
        if members and not members & consented:
            waiting.append((group, members))
    return waiting


def next_month(at: Instant) -> Instant:
    """Return the beginning of the month after an instant."""
    return format_time(Period.parse(at[:7]).end)


def cooled(at: Instant, hours: int) -> Instant:
    """Return the instant a number of hours later."""
    return format_time(parse_time(at) + timedelta(hours=hours))
