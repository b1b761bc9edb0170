"""Which rows count: whether their author may say them, from when, and about what, where they stand in the log."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ledger.registry import facts as f
from ledger.registry.model import Instant
from ledger.registry.statement import Registration
from ledger.types import Role, format_time, parse_time

if TYPE_CHECKING:
    from ledger.registry.fold import State

CONFIRMERS: Final[tuple[Role, ...]] = ("operator", "approver")
"""Whose confirmation counts."""
COOLING_OFF_MINIMUM: Final = 1
"""Hours. Less would let whoever holds both keys for a minute redirect the next payment."""


_SPEAKERS: Final = {
    f.PartyFact: "id",
    f.GrantFact: "grantor",
    f.RevokeFact: "grantor",
    f.ModelFact: "operator",
    f.DisputeFact: "claimant",
    f.PayeeFact: "party",
}
"""The field that names whose word a row is; the operator may say it for them."""


def refusal(fact: f.AnyFact, said: Registration, state: State) -> str | None:
    """Why a row has no effect; None if it counts."""
    return (
        _unauthorised(fact, said, state)
        or _backdated(fact)
        or _groundless(fact, state)
        or _unapproved_account(fact, said, state)
    )


def _unauthorised(fact: f.AnyFact, said: Registration, state: State) -> str | None:
    """Why this author may not have registered this fact; None if they may."""
    party: str | None = getattr(fact, _SPEAKERS[type(fact)]) if type(fact) in _SPEAKERS else None
    allowed: tuple[str, ...] = ("operator", "holder")
    match fact:
        case f.ShareFact(state="confirmed") | f.LinkFact(state="confirmed"):
            allowed = ("operator",)
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
    """Whether a narrowing reaches behind its own registration."""
    if isinstance(fact, f.RevokeFact) and fact.start < fact.at:
        return f"revokes from {fact.start}, before its own registration at {fact.at}"
    if isinstance(fact, f.EndFact) and fact.end < fact.at:
        return f"ends a share at {fact.end}, before its own registration at {fact.at}"
    return None


def _groundless(fact: f.AnyFact, state: State) -> str | None:
    """Whether an act speaks of something that is not registered, or settled already."""
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
    """Whether an account is approved by who proposed it, twice, or to count too soon (M4)."""
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


def cooled(at: Instant, hours: int) -> Instant:
    """So many hours later."""
    return format_time(parse_time(at) + timedelta(hours=hours))
