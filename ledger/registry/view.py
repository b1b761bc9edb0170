"""The registry at one size of the log: a frozen value with queries.

Built by `ledger.registry.fold`. All functions are pure. Instants are texts as `format_time` writes them. `at` means "in
force at"; the view's `size` means "as known at".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from ledger.errors import InputError
from ledger.registry import decide as deciding
from ledger.registry.decide import Question
from ledger.registry.model import (
    CATALOGUE,
    RIGHTS,
    WORLD,
    Answer,
    Audit,
    Clearance,
    Decision,
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
    Shares,
    Track,
    Work,
)
from ledger.registry.shares import overclaimed, resolve
from ledger.types import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Ownership and permissions, as known when the log had `size` leaves."""

    size: int
    parties: Mapping[str, Party]
    all_recordings: Mapping[str, Recording]
    works: Mapping[str, Work]
    links: Mapping[str, Sequence[Link]]
    """By recording."""
    recordings_of: Mapping[str, Sequence[str]]
    """By work."""
    shares_of: Mapping[tuple[str, str], Sequence[Share]]
    """By (subject, right)."""
    grants: Mapping[str, Grant]
    grants_of: Mapping[tuple[str, str], Sequence[Grant]]
    """By (grantor, subject); the subject `*` is the grantor's whole catalogue."""
    models: Mapping[str, Model]
    """By `id@version`."""
    tracks: Mapping[str, Track]
    payees: Mapping[str, ProposedAccount]
    moves: Mapping[str, GroupMove]
    """Between owner groups, proposed or done."""
    disputes: Mapping[str, Dispute]
    open_disputes: Mapping[str, Sequence[Dispute]]
    """By subject, and by the recording that it is said to copy."""
    receipts: Mapping[Digest, Receipt]
    clearances: Mapping[str, Sequence[Clearance]]
    """By track."""
    audits: Sequence[Audit]
    """Recorded ones, oldest first."""

    # --- things -----------------------------------------------------------------------------------

    def party(self, party: str) -> Party:
        return self.parties.get(party) or _unknown("party", party)

    def recording(self, recording: str) -> Recording:
        return self.all_recordings.get(recording) or _unknown("recording", recording)

    def recordings(self) -> Iterator[Recording]:
        """Return every recording, in the order of registration."""
        return iter(self.all_recordings.values())

    def track(self, track: str) -> Track:
        return self.tracks.get(track) or _unknown("track", track)

    def model(self, model: str, version: str) -> Model:
        return self.models.get(f"{model}@{version}") or _unknown("model", f"{model}@{version}")

    # --- ownership --------------------------------------------------------------------------------

    def group_of(self, party: str, at: Instant) -> str:
        """Return the common beneficial owner of a party at an instant; by default the party itself."""
        record = self.parties.get(party)
        group = party
        if record is not None:
            for since, name in record.groups:
                if since <= at:
                    group = name
        return group

    def members(self, group: str) -> set[str]:
        """Return the parties of an owner group, as last registered."""
        return {party.id for party in self.parties.values() if party.groups[-1][1] == group}

    def works_of(self, recording: str, at: Instant) -> list[tuple[str, int]]:
        """Return the works that a recording contains at an instant, with their confirmed ppm, in order of id."""
        sums: dict[str, int] = {}
        for link in self.links.get(recording, ()):
            if link.state == "confirmed" and link.start <= at < link.end:
                sums[link.work] = sums.get(link.work, 0) + link.ppm
        return sorted(sums.items())

    def shares(self, subject: str, right: str, territory: str, at: Instant) -> Shares:
        """Return who owns a right of a subject, there and then; `short` without parts if nobody is known."""
        lines = self.shares_of.get((subject, right), ())
        return resolve(lines, self._disputes(subject, right, at), territory=territory, at=at)

    def _disputes(self, subject: str, right: str, at: Instant) -> Sequence[Dispute]:
        disputes = self.open_disputes.get(subject, ())
        about = (dispute for dispute in disputes if dispute.right in (None, right))
        return [dispute for dispute in about if at < dispute.until] if disputes else ()

    def share_lines(self, subject: str) -> list[tuple[Share, str]]:
        """Return every share row of a subject with its state: asserted, confirmed or conflict."""
        share_lines: list[tuple[Share, str]] = []
        for right in RIGHTS:
            lines = self.shares_of.get((subject, right), ())
            conflict = overclaimed(lines)
            share_lines += [(line, "conflict" if line.id in conflict else line.state) for line in lines]
        return share_lines

    def owner_groups(self, recording: str, at: Instant) -> tuple[str, ...]:
        """Return the groups that hold a recording's master: by confirmed shares, else by asserted ones."""
        lines = [line for line in self.shares_of.get((recording, "master"), ()) if line.start <= at < line.end]
        holders = {line.party for line in lines if line.state == "confirmed"} or {line.party for line in lines}
        return tuple(sorted({self.group_of(party, at) for party in holders}))

    # --- permission -------------------------------------------------------------------------------

    def grants_by(self, grantor: str) -> list[Grant]:
        """Return every grant of a grantor."""
        return [grant for grant in self.grants.values() if grant.grantor == grantor]

    def decide(
        self,
        subject: str,
        use: str,
        territory: str = WORLD,
        *,
        at: Instant,
        licensee: str | None = None,
        model: str | None = None,
        serves_at: Instant | None = None,
    ) -> Decision:
        """Decide whether a use of a recording or a work is permitted. `model` is `id` or `id@version`."""
        return self.answer(
            Question(
                subject=subject,
                use=use,
                territory=territory,
                at=at,
                licensee=licensee,
                model=model,
                serves_at=serves_at,
            )
        )

    def answer(self, question: Question) -> Decision:
        """Return the decision on a question; `decide` and `decide_track` call this."""
        subject = question.subject
        right = "publishing" if subject in self.works else "master"
        shares = self.shares(subject, right, question.territory, question.at)
        answers = [self._holder(party, question) for party, _ in shares.parts]
        if right == "master":
            answers += self._restrictions(question)
        return deciding.combine(shares, right, answers, question)

    def _holder(self, party: str, question: Question) -> tuple[Answer, list[Grant], str]:
        specific = self.grants_of.get((party, question.subject), ())
        general = self.grants_of.get((party, CATALOGUE), ())
        return deciding.holder_answer(party, (*specific, *general) if general else specific, question)

    def _restrictions(self, question: Question) -> list[tuple[Answer, list[Grant], str]]:
        """Return the further restrictions on a recording.

        Performers decide about its voice, and owners of its works may deny or ask.
        """
        subject, at = question.subject, question.at
        restrictions = []
        if question.use == "voice" and (subject, "performer") in self.shares_of:
            performers = self.shares(subject, "performer", question.territory, at)
            restrictions += [self._holder(party, question) for party, _ in performers.parts]
        for work, _ in self.works_of(subject, at):
            about_work = replace(question, subject=work)
            for party, _ in self.shares(work, "publishing", question.territory, at).parts:
                answer = self._holder(party, about_work)
                if answer[0] != "allow" and answer[1]:
                    restrictions.append(answer)
        return restrictions

    def decide_track(
        self,
        track: str,
        subject: str,
        use: str,
        territory: str = WORLD,
        *,
        receipts: Sequence[Digest] = (),
    ) -> Decision:
        """Decide whether a source's use in this track was permitted, at the track's ledger time.

        A model version that was registered while training was allowed goes on serving: `train` is asked at the model's
        ledger time, with sunset clauses looked at when the track was made. A receipt in the log (named by the track or
        passed from its vector) proves an earlier permission.
        """
        record = self.track(track)
        question = self.question_of(record, subject, use, territory)
        decision = self.answer(question)
        if decision.decision != "allow":
            for digest in (*record.decisions, *receipts):
                receipt = self.receipts.get(digest)
                if (
                    receipt is not None
                    and deciding.proves(receipt, question, record)
                    and (record.form == 1 or not self.narrowed(question, receipt.at, record.at))
                ):
                    reason = f"decision receipt {digest[:16]} allowed it before the track was registered"
                    return Decision("allow", (), (reason, *decision.reasons))
        return decision

    def question_of(self, record: Track, subject: str, use: str, territory: str = WORLD) -> Question:
        """The question of a source's use in a track, as of the track's ledger time or its model's."""
        model = self.models.get(f"{record.model}@{record.version}") if record.model else None
        trained_at = min(model.at, record.at) if model is not None and use == "train" else record.at
        return Question(
            subject=subject,
            use=use,
            territory=territory,
            at=trained_at,
            licensee=model.operator if model is not None else None,
            model=model.key if model is not None else None,
            serves_at=record.at,
        )

    def narrowed(self, question: Question, since: Instant, until: Instant) -> bool:
        """Return whether a permission was revoked or denied between two instants, which ends every receipt of it."""
        at_start = self.answer(replace(question, at=since, serves_at=since))
        ended = any(since < end <= until for name in at_start.grants for _, end in self.grants[name].ends)
        at_end = self.answer(replace(question, at=until, serves_at=until))
        refused = any(
            self.grants[name].decision != "allow"
            and since < max(self.grants[name].at, self.grants[name].start) <= until
            for name in at_end.grants
        )
        return ended or refused

    def unlicensed(self, manifest: Sequence[str], model: Model, territory: str = WORLD) -> list[tuple[str, Decision]]:
        """Return the recordings of a training manifest that were not permitted when the version was registered."""
        missing = []
        for recording in manifest:
            decision = self.decide(recording, "train", territory, at=model.at, licensee=model.operator, model=model.key)
            if decision.decision != "allow":
                missing.append((recording, decision))
        return missing


def _unknown(kind: str, name: str) -> NoReturn:
    raise InputError(f"{kind} {name!r} is not in the registry; register it with `settle registry import`")
