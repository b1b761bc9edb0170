"""Compute the registry's state: a pure fold over its leaves in log order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import msgspec
from msgspec.structs import replace

from ledger.registry import facts as f
from ledger.registry import rules
from ledger.registry.model import (
    BEGINNING,
    FOREVER,
    RIGHTS,
    WORLD,
    Audit,
    Clearance,
    Dispute,
    Grant,
    GroupMove,
    Instant,
    Link,
    Model,
    Party,
    ProposedAccount,
    Receipt,
    Recording,
    Share,
    Track,
    Use,
    Work,
)
from ledger.registry.statement import OPERATOR, Registration
from ledger.registry.view import View


class State:
    """The fold in progress. Call `take` in log order; `view` returns a frozen copy at any moment."""

    def __init__(self) -> None:
        self.size = 0
        self.parties: dict[str, Party] = {}
        self.recordings: dict[str, Recording] = {}
        self.works: dict[str, Work] = {}
        self.links: dict[str, tuple[Link, ...]] = {}
        self.shares: dict[tuple[str, str], tuple[Share, ...]] = {}
        self.recordings_of: dict[str, tuple[str, ...]] = {}
        self.grants: dict[str, Grant] = {}
        self.grants_of: dict[tuple[str, str], tuple[Grant, ...]] = {}
        self.models: dict[str, Model] = {}
        self.tracks: dict[str, Track] = {}
        self.payees: dict[str, ProposedAccount] = {}
        self._payees_of: dict[str, list[str]] = {}
        """By party the ids of its accounts: a book of many parties is not searched for each account."""
        self.moves: dict[str, GroupMove] = {}
        self.disputes: dict[str, Dispute] = {}
        self.receipts: dict[str, Receipt] = {}
        self.clearances: dict[str, tuple[Clearance, ...]] = {}
        self.audits: tuple[Audit, ...] = ()

    def take(self, index: int, fact: f.AnyFact, said: Registration) -> str | None:
        """Apply the fact at a log index if its author may state it; otherwise return why it has no effect."""
        refusal = rules.refusal(fact, said, self)
        if refusal is None:
            self.apply(index, fact, said)
        return refusal

    def apply(self, index: int, fact: f.AnyFact, said: Registration = OPERATOR) -> None:
        """Apply the fact at a log index without checking its author."""
        if isinstance(fact, f.PayeeFact):
            self._payee(index, fact, said)
        elif isinstance(fact, f.ConfirmFact) and fact.id in self.payees:
            self._approve_payee(fact, said)
        elif isinstance(fact, f.GroupFact):
            self._propose_move(index, fact, said)
        elif isinstance(fact, f.ConfirmFact) and fact.id in self.moves:
            self._confirm_move(fact, said)
        elif isinstance(fact, f.DisputeFact):
            self._dispute(index, fact, said)
        elif isinstance(fact, f.ConfirmFact) and fact.id in self.disputes:
            self._admit(self.disputes[fact.id], fact.at, said.party)
        else:
            self._handlers[type(fact)](self, index, fact)
        self.size = index + 1

    def view(self, size: int | None = None) -> View:
        """Return the state so far, as known at `size` (by default just after the last fact applied)."""
        open_disputes: dict[str, list[Dispute]] = {}
        for dispute in self.disputes.values():
            if dispute.holds:
                for subject in filter(None, (dispute.subject, dispute.like)):
                    open_disputes.setdefault(subject, []).append(dispute)
        return View(
            size=self.size if size is None else size,
            parties=dict(self.parties),
            all_recordings=dict(self.recordings),
            works=dict(self.works),
            links=dict(self.links),
            recordings_of=dict(self.recordings_of),
            shares_of=dict(self.shares),
            grants=dict(self.grants),
            grants_of=dict(self.grants_of),
            models=dict(self.models),
            tracks=dict(self.tracks),
            payees=dict(self.payees),
            moves=dict(self.moves),
            disputes=dict(self.disputes),
            open_disputes=open_disputes,
            receipts=dict(self.receipts),
            clearances=dict(self.clearances),
            audits=self.audits,
        )

    # --- things -----------------------------------------------------------------------------------

    def _party(self, index: int, fact: f.PartyFact) -> None:
        existing = self.parties.get(fact.id)
        if existing is None:
            groups: tuple[tuple[Instant, str], ...] = ((BEGINNING, fact.group or fact.id),)
            self.parties[fact.id] = Party(
                id=fact.id, index=index, at=fact.at, kind=fact.kind, groups=groups, personal=fact.personal
            )
            return
        if fact.group is not None and fact.group != existing.groups[-1][1]:
            existing = replace(existing, groups=(*existing.groups, (fact.start or fact.at, fact.group)))
        self.parties[fact.id] = replace(existing, kind=fact.kind, personal=fact.personal or existing.personal)

    def _recording(self, index: int, fact: f.RecordingFact) -> None:
        existing = self.recordings.get(fact.id)
        if existing is None:
            self.recordings[fact.id] = Recording(
                id=fact.id,
                index=index,
                at=fact.at,
                title=fact.title,
                statement=fact.statement,
                isrc=fact.isrc,
                audio=fact.audio,
                style=fact.style,
                personal=fact.personal,
            )
        else:
            self.recordings[fact.id] = replace(
                existing,
                isrc=existing.isrc or fact.isrc,
                audio=existing.audio or fact.audio,
                style=existing.style or fact.style,
                personal=existing.personal or fact.personal,
            )

    def _work(self, index: int, fact: f.WorkFact) -> None:
        existing = self.works.get(fact.id)
        if existing is None:
            self.works[fact.id] = Work(id=fact.id, index=index, at=fact.at, title=fact.title, iswc=fact.iswc)
        else:
            self.works[fact.id] = replace(existing, iswc=existing.iswc or fact.iswc)

    def _link(self, index: int, fact: f.LinkFact) -> None:
        link = Link(
            id=fact.id,
            index=index,
            at=fact.at,
            recording=fact.recording,
            work=fact.work,
            ppm=fact.ppm,
            start=fact.start or BEGINNING,
            end=fact.end or FOREVER,
            state=fact.state,
        )
        links = self.links.get(fact.recording, ())
        self.links[fact.recording] = (*(old for old in links if old.id != link.id), link)
        recordings = self.recordings_of.get(fact.work, ())
        if fact.recording not in recordings:
            self.recordings_of[fact.work] = (*recordings, fact.recording)

    # --- accounts ---------------------------------------------------------------------------------

    def _payee(self, index: int, fact: f.PayeeFact, said: Registration) -> None:
        ids = self._payees_of.setdefault(fact.party, [])
        accounts = [self.payees[name] for name in ids]
        ids.append(fact.id)
        earlier = [
            account for account in accounts if account.first or account.statement != fact.statement
        ]  # one import has its own order
        alone = fact.first and said.role == "operator" and not earlier
        start = fact.start or BEGINNING
        self.payees[fact.id] = ProposedAccount(
            id=fact.id,
            index=index,
            at=fact.at,
            party=fact.party,
            start=start,
            first=alone,
            personal=fact.personal,
            statement=fact.statement,
            proposed_by=said.party,
            proposed_key=said.key,
            effective_from=start if alone else None,
        )

    def _approve_payee(self, fact: f.ConfirmFact, said: Registration) -> None:
        proposed = self.payees[fact.id]
        self.payees[fact.id] = replace(
            proposed,
            approved_by=said.party,
            approved_at=fact.at,
            effective_from=max(proposed.start, fact.start or fact.at),
        )

    # --- groups -----------------------------------------------------------------------------------

    def _propose_move(self, index: int, fact: f.GroupFact, said: Registration) -> None:
        self.moves[fact.id] = GroupMove(
            id=fact.id,
            index=index,
            at=fact.at,
            party=fact.party,
            group=fact.group,
            statement=fact.statement,
            proposed_by=said.party,
            proposed_key=said.key,
        )

    def _confirm_move(self, fact: f.ConfirmFact, said: Registration) -> None:
        move = self.moves[fact.id]
        if said.role != "approver":
            self.moves[fact.id] = replace(move, consents=(*move.consents, (fact.subject, said.party)))
            return
        start = rules.next_month(fact.at)
        self.moves[fact.id] = replace(move, approved_by=said.party, start=start)
        party = self.parties[move.party]
        self.parties[move.party] = replace(party, groups=(*party.groups, (start, move.group)))

    # --- ownership --------------------------------------------------------------------------------

    def _share(self, index: int, fact: f.ShareFact) -> None:
        end = fact.end or FOREVER
        share = Share(
            id=fact.id,
            index=index,
            at=fact.at,
            subject=fact.subject,
            party=fact.party,
            right=fact.right,
            ppm=fact.ppm,
            territory=fact.territory,
            start=fact.start or BEGINNING,
            end=end,
            planned=end,
            state=fact.state,
        )
        self._add_share(share)

    def _add_share(self, share: Share) -> None:
        key = (share.subject, share.right)
        self.shares[key] = (*(old for old in self.shares.get(key, ()) if old.id != share.id), share)

    def _change_shares(self, subject: str, change: Callable[[Share], Share]) -> None:
        for right in RIGHTS:
            if (subject, right) in self.shares:
                self.shares[subject, right] = tuple(map(change, self.shares[subject, right]))

    def _confirm(self, _: int, fact: f.ConfirmFact) -> None:
        if fact.id in self.recordings:
            self.recordings[fact.id] = replace(self.recordings[fact.id], confirmed=True)
            return
        if fact.subject in self.links:
            self.links[fact.subject] = tuple(
                replace(link, state="confirmed") if link.id == fact.id else link for link in self.links[fact.subject]
            )
        self._change_shares(
            fact.subject, lambda share: replace(share, state="confirmed") if share.id == fact.id else share
        )

    def _end(self, _: int, fact: f.EndFact) -> None:
        self._change_shares(
            fact.subject,
            lambda share: replace(share, end=min(share.end, fact.end)) if share.id == fact.id else share,
        )

    @property
    def is_of_01(self) -> bool:
        """Return whether release 0.1 may still write this log: it has no proposal of an account or a move yet."""
        return not self.payees and not self.moves

    def _dispute(self, index: int, fact: f.DisputeFact, said: Registration) -> None:
        self.disputes[fact.id] = Dispute(
            id=fact.id,
            index=index,
            at=fact.at,
            subject=fact.subject,
            claimant=fact.claimant,
            right=fact.right,
            party=fact.party,
            like=fact.like,
            ppm=fact.ppm,
            like_ppm=fact.like_ppm,
            evidence=fact.evidence,
            personal=fact.personal,
            admissions=0 if self.is_of_01 else rules.admissions(fact, self.disputes.values()),
        )
        if said.role == "operator" and not self.is_of_01:
            self._admit(self.disputes[fact.id], fact.at, said.party)

    def _admit(self, dispute: Dispute, at: Instant, by: str) -> None:
        admitted = replace(dispute, admitted_by=(*dispute.admitted_by, by))
        self.disputes[dispute.id] = (
            replace(admitted, until=rules.held_until(admitted, at)) if admitted.holds else admitted
        )

    def _resolve(self, index: int, fact: f.ResolveFact) -> None:
        dispute = self.disputes.get(fact.dispute)
        if dispute is None or dispute.resolved_at is not None:
            return
        self.disputes[fact.dispute] = replace(dispute, resolved_at=fact.at, outcome=fact.outcome)
        if fact.outcome == "released" or fact.right is None:
            return
        territory, start = fact.territory or WORLD, fact.start or dispute.at
        key = (fact.subject, fact.right)
        self.shares[key] = tuple(
            replace(share, end=min(share.end, max(share.start, start)))
            if share.state == "confirmed" and share.territory == territory
            else share
            for share in self.shares.get(key, ())
        )
        for part in fact.parts:
            share = Share(
                id=f"{fact.dispute}:{part.party}",
                index=index,
                at=fact.at,
                subject=fact.subject,
                party=part.party,
                right=fact.right,
                ppm=part.ppm,
                territory=territory,
                start=start,
                end=FOREVER,
                planned=FOREVER,
                state="confirmed",
            )
            self._add_share(share)

    # --- permission -------------------------------------------------------------------------------

    def _grant(self, index: int, fact: f.GrantFact) -> None:
        grant = as_grant(fact, index)
        key = (fact.grantor, fact.subject)
        self.grants[fact.id] = grant
        self.grants_of[key] = (*self.grants_of.get(key, ()), grant)

    def _revoke(self, _: int, fact: f.RevokeFact) -> None:
        grant = self.grants.get(fact.grant)
        if grant is None:
            return
        changed = _revoked(grant, fact.uses or grant.uses, fact.start)
        key = (grant.grantor, grant.subject)
        self.grants[fact.grant] = changed
        self.grants_of[key] = tuple(changed if old.id == grant.id else old for old in self.grants_of[key])

    # --- models, tracks, papers -------------------------------------------------------------------

    def _model(self, index: int, fact: f.ModelFact) -> None:
        model = Model(
            id=fact.id,
            index=index,
            at=fact.at,
            version=fact.version,
            operator=fact.operator,
            weights_sha256=fact.weights_sha256,
            licences=fact.licences,
            manifest=fact.manifest,
        )
        self.models.setdefault(model.key, model)  # a registered version never changes

    def _track(self, index: int, fact: f.TrackFact) -> None:
        existing = self.tracks.get(fact.id)
        if existing is not None and not existing.draft:
            # Only aliases are added later. Permissions are decided at the time of the first registration.
            self.tracks[fact.id] = msgspec.structs.replace(
                existing,
                isrc=existing.isrc or fact.isrc,
                aliases=tuple(sorted({*existing.aliases, *fact.aliases})),
            )
            return
        first = existing.index if existing is not None else index
        self.tracks[fact.id] = Track(
            id=fact.id,
            index=first,
            at=fact.at,
            title=fact.title,
            model=fact.model,
            version=fact.version,
            generated_at=fact.generated_at,
            audio_sha256=fact.audio_sha256,
            conditioning=fact.conditioning,
            decisions=fact.decisions,
            draft=fact.draft,
            form=fact.form,
            isrc=fact.isrc,
            aliases=fact.aliases,
        )

    def _decision(self, index: int, fact: f.DecisionFact) -> None:
        self.receipts[fact.id] = Receipt(
            id=fact.id,
            index=index,
            at=fact.at,
            subject=fact.subject,
            use=fact.use,
            territory=fact.territory,
            decision=fact.decision,
            licensee=fact.licensee,
            model=fact.model,
            track=fact.track,
        )

    def _clear(self, index: int, fact: f.ClearFact) -> None:
        clearance = Clearance(id=fact.id, index=index, at=fact.at, track=fact.track, vector=fact.vector)
        self.clearances[fact.track] = (*self.clearances.get(fact.track, ()), clearance)

    def _audit(self, index: int, fact: f.AuditFact) -> None:
        audit = Audit(
            id=fact.id, index=index, at=fact.at, size=fact.size, violations=fact.violations, findings=fact.findings
        )
        self.audits = (*self.audits, audit)

    _handlers: ClassVar[dict[type, Callable[[Any, int, Any], None]]] = {
        f.PartyFact: _party,
        f.RecordingFact: _recording,
        f.WorkFact: _work,
        f.LinkFact: _link,
        f.ShareFact: _share,
        f.ConfirmFact: _confirm,
        f.EndFact: _end,
        f.GrantFact: _grant,
        f.RevokeFact: _revoke,
        f.ModelFact: _model,
        f.TrackFact: _track,
        f.ResolveFact: _resolve,
        f.DecisionFact: _decision,
        f.ClearFact: _clear,
        f.AuditFact: _audit,
    }


def as_grant(fact: f.GrantFact, index: int = -1) -> Grant:
    """Return the record of a grant fact at this index; a planned grant has no index."""
    return Grant(
        id=fact.id,
        index=index,
        at=fact.at,
        grantor=fact.grantor,
        subject=fact.subject,
        uses=fact.uses,
        decision=fact.decision,
        territory=fact.territory,
        start=fact.start or BEGINNING,
        end=fact.end or FOREVER,
        licensee=fact.licensee,
        model=fact.model,
        floor_micros=fact.floor_micros,
        currency=fact.currency,
        cap_ppm=fact.cap_ppm,
        sunset=fact.sunset,
    )


def _revoked(grant: Grant, uses: Iterable[Use], start: Instant) -> Grant:
    """Return the grant with these uses ended at an instant, or earlier if they had ended already."""
    ends = dict(grant.ends)
    for use in uses:
        ends[use] = min(ends.get(use, grant.end), start)
    return replace(grant, ends=tuple(sorted(ends.items())))


def fold(facts: Iterable[tuple[int, f.AnyFact]]) -> View:
    """Return the view after these facts, each with its log index, in log order."""
    state = State()
    for index, fact in facts:
        state.apply(index, fact)
    return state.view()
