"""Restatements: a past month divided again with today's knowledge, proposed, approved, booked, and never twice."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ledger.errors import InputError, StateError, VerificationError
from ledger.proofs import canon, dsse
from ledger.registry import acts
from ledger.registry.importing import import_files
from ledger.registry.statement import Signer
from payouts.compute import compute
from payouts.life.revisions import DOCUMENT_TYPE, Restate
from service.registry import registering
from service.settlement import held, holds, life, proposals, restating
from service.settlement.runs import given_again, holds_of, inputs_of
from service.settlement.step import read_book, signed
from service.settlement.stored import load
from service.statements import recomputing, statements
from tests.service.month import DECLARED, Month, asked, july, month, published

OTHER = {"track": "trk-1", "sources": [{"recording": "rec-1", "ppm": 300_000}, {"recording": "rec-3", "ppm": 500_000}]}
FIRST = DECLARED[0]


def lines_of(made: Month, period: str = "2026-06") -> dict[str, int]:
    found = restating.restate(made.ws, period)
    assert all(line.difference_micros == line.now_micros - line.was_micros for line in found.lines)
    assert all(sum(cause.micros for cause in line.causes) == line.difference_micros for line in found.lines)
    assert sum(part.difference_micros for part in found.parts) == 0
    return {line.holder: line.difference_micros for line in found.lines if line.difference_micros}


def booked(made: Month, *, into: str = "2026-07") -> str:
    """A restatement of June proposed and approved; its id."""
    made_id = restating.propose(made.ws, "2026-06", into=into).id
    assert made_id is not None
    life.approve(made.ws, made_id, "approver")
    return made_id


def test_a_wrong_vector_is_put_right_in_a_later_month(june: Month) -> None:
    """If this fails, who was paid by a wrong vector is not paid the difference, or is paid it twice."""
    run = published(june)
    assert lines_of(june) == {}
    june.assign(OTHER)
    differences = lines_of(june)
    assert differences == {"ann": -180_000_000, "bob": -120_000_000, "cy": 180_000_000, "dee": 120_000_000}
    causes = {line.holder: line.causes for line in restating.restate(june.ws, "2026-06").lines}
    assert [(cause.kind, cause.about, cause.micros) for cause in causes["cy"]] == [("vector", "trk-1", 180_000_000)]
    proposal = booked(june)
    assert lines_of(june) == {}
    assert restating.propose(june.ws, "2026-06", into="2026-07").id is None
    july(june)
    cy = statements.state(june.ws, "cy", "2026-07").pools[0]
    assert [(one.micros, one.run) for one in cy.adjustments] == [(180_000_000, run)]
    assert cy.adjustments[0].id.startswith(proposal)
    assert cy.adjustments[0].reason == "restatement of 2026-06: new influence vector of trk-1"
    assert lines_of(june) == {}


def test_it_works_after_later_months_and_adds_what_is_missing(june: Month) -> None:
    """If this fails, a month is only put right before the next one is published, or only once."""
    published(june)
    july(june)
    june.assign(OTHER)
    with pytest.raises(StateError, match="2026-07, pool default, is published"):
        restating.propose(june.ws, "2026-06", into="2026-07")
    booked(june, into="2026-08")
    june.assign(FIRST)
    assert lines_of(june) == {"ann": 180_000_000, "bob": 120_000_000, "cy": -180_000_000, "dee": -120_000_000}


def test_the_payers_money_is_a_part_of_its_own(june: Month) -> None:
    """If this fails, what the payer had back already is not shown as what it must bring again."""
    published(june)
    june.assign({"track": "trk-1", "sources": [{"recording": "rec-1", "ppm": 900_000}]})
    parts = {part.part: part for part in restating.restate(june.ws, "2026-06").parts}
    back = parts["unattributed"]
    assert (back.difference_micros, back.note) == (-60_000_000, "returned to the payer")
    booked(june)
    assert {part.difference_micros for part in restating.restate(june.ws, "2026-06").parts} == {0}


def test_a_dispute_since_is_named_as_the_cause(june: Month) -> None:
    """If this fails, a holder reads that money is gone and not that somebody contests it."""
    published(june)
    registering.act(
        june.ws, None, lambda view, author: acts.open_dispute(view, author, subject="rec-2", claimant="ann")
    )
    (line,) = [line for line in restating.restate(june.ws, "2026-06").lines if line.holder == "bob"]
    assert (line.now_micros, line.now_held_micros) in {(0, 120_000_000), (120_000_000, 0)}
    holds.open_hold(june.ws, scope="party", subject="cy", reason="fraud")
    (held,) = [line for line in restating.restate(june.ws, "2026-06").lines if line.holder == "cy"]
    assert [cause.kind for cause in held.causes] == ["hold"]
    assert (held.difference_micros, held.now_held_micros) == (-90_000_000, 90_000_000)


def test_released_money_is_not_booked_twice(june: Month) -> None:
    """If this fails, money that a release books with the next run is booked by a restatement as well."""
    hold = holds.open_hold(june.ws, scope="party", subject="bob", reason="fraud")
    published(june)
    life.approve(june.ws, holds.release(june.ws, hold.id, note="all real").id, "approver")
    assert lines_of(june) == {}
    july(june)
    assert lines_of(june) == {}


def test_what_is_released_after_a_restatement_goes_to_its_holder_of_now(june: Month) -> None:
    """If this fails, money held for one party, restated to another and then released is paid to both."""
    hold = holds.open_hold(june.ws, scope="subject", subject="rec-2", reason="fraud")
    published(june)
    june.assign({"track": "trk-1", "sources": [{"recording": "rec-1", "ppm": 800_000}]})
    differences = lines_of(june)
    assert differences["ann"] > 0
    booked(june)
    life.approve(june.ws, holds.release(june.ws, hold.id, note="all real").id, "approver")
    july(june)
    shown = {party: statements.state(june.ws, party, "2026-07").pools[0].adjustments for party in ("ann", "bob")}
    assert [one.micros for one in shown["ann"]] == [differences["ann"]]
    assert not shown["bob"]
    assert lines_of(june) == {}


def test_what_is_released_after_a_restatement_is_paid_by_the_next(june: Month) -> None:
    """If this fails, money that is still its holder's is lost because its month was restated before its release."""
    hold = holds.open_hold(june.ws, scope="party", subject="bob", reason="fraud")
    published(june)
    june.assign(
        {"track": "trk-1", "sources": [{"recording": "rec-1", "ppm": 300_000}, {"recording": "rec-2", "ppm": 200_000}]}
    )
    booked(june)
    life.approve(june.ws, holds.release(june.ws, hold.id, note="all real").id, "approver")
    assert "settle restate 2026-06 --propose" in way_of_bobs(june)
    waiting = lines_of(june)
    assert waiting["bob"] > 0
    booked(june)
    assert "divided again by restatement" in way_of_bobs(june)
    july(june)
    assert sum(one.micros for one in statements.state(june.ws, "bob", "2026-07").pools[0].adjustments) == waiting["bob"]
    assert lines_of(june) == {}


def way_of_bobs(june: Month) -> str:
    """What the report of held money says of bob's."""
    (line,) = held.report(june.ws, party="bob").lines
    assert line.state == "released"
    return line.releases


def test_one_restatement_waits_at_a_time_and_can_be_taken_back(june: Month) -> None:
    """If this fails, two proposals correct the same money, or one that nobody wants blocks the next for ever."""
    published(june)
    june.assign(OTHER)
    first = restating.propose(june.ws, "2026-06", into="2026-07")
    size = june.ws.log.head().size
    with pytest.raises(StateError, match=f"{first.id} .*waits for a second person"):
        restating.propose(june.ws, "2026-06", into="2026-07")
    assert june.ws.log.head().size == size
    shown = next(one for one in proposals.waiting(june.ws) if one.id == first.id)
    assert (shown.kind, shown.micros) == ("restate", 0)
    assert "cy 180.000000 EUR (new influence vector of trk-1)" in shown.reason
    restating.withdraw(june.ws, "2026-06", reason="checked once more")
    assert first.id not in {one.id for one in proposals.waiting(june.ws)}
    with pytest.raises(StateError, match="withdrawn: checked once more"):
        life.approve(june.ws, str(first.id), "approver")
    with pytest.raises(StateError, match="no restatement"):
        restating.withdraw(june.ws, "2026-06", reason="again")
    assert restating.propose(june.ws, "2026-06", into="2026-07").id != first.id


def test_a_reversed_run_is_not_restated(june: Month) -> None:
    """If this fails, a month that is run again with today's knowledge is corrected by the same knowledge as well."""
    run = published(june)
    june.assign(OTHER)
    waiting = restating.propose(june.ws, "2026-06", into="2026-07").id
    life.approve(june.ws, holds.reverse(june.ws, run, reason="wrong pool").id, "approver")
    with pytest.raises(StateError, match=r"was reversed \(wrong pool\)"):
        restating.restate(june.ws, "2026-06")
    with pytest.raises(StateError, match="reversed"):
        life.approve(june.ws, str(waiting), "approver")


@pytest.mark.parametrize(("into", "error"), [("2026-06", InputError), ("2026-13", InputError)])
def test_an_impossible_month_is_refused(june: Month, into: str, error: type[Exception]) -> None:
    """If this fails, a correction is booked into a month that is over, or into none."""
    published(june)
    june.assign(OTHER)
    with pytest.raises(error):
        restating.propose(june.ws, "2026-06", into=into)


def test_an_open_or_calculated_month_is_refused(june: Month) -> None:
    """If this fails, a month that can simply be run again is corrected instead."""
    with pytest.raises(StateError, match="open"):
        restating.restate(june.ws, "2026-06")
    life.close(june.ws, "2026-06")
    life.run(june.ws, asked())
    with pytest.raises(StateError, match="published"):
        restating.restate(june.ws, "2026-06")


def test_a_forged_restatement_is_refused_by_approver_and_auditor(june: Month, tmp_path: Path) -> None:
    """If this fails, an operator moves money between holders under the name of a restatement."""
    run = published(june)
    june.assign(OTHER)
    honest = restating.propose(june.ws, "2026-06", into="2026-07").id
    book = read_book(june.ws)
    record = book.restates[str(honest)]
    restating.withdraw(june.ws, "2026-06", reason="replaced")
    payload = canon.decode_object(dsse.parse(june.ws.log.blob(record.statement)).payload, "restatement")
    size = payload["size"] = read_book(june.ws).size
    row = payload["lines"][0]
    row |= {"now": str(int(row["now"]) + 1), "micros": str(int(row["micros"]) + 1)}
    maker = june.ws.signer("operator")
    envelope = dsse.sign(DOCUMENT_TYPE, canon.encode(payload), [maker])
    forged = replace(record, id="restate-forged", size=size, statement=envelope.digest)
    june.ws.log.append([signed(forged, maker)], blobs=[envelope.encode()])
    assert isinstance(read_book(june.ws).proposal(forged.id), Restate)
    with pytest.raises(VerificationError, match="does not come out the same"):
        life.approve(june.ws, forged.id, "approver")
    approve_blindly(june, forged.id)
    july(june)
    recomputing.export(june.ws, "2026-07", tmp_path / "export")
    again = recomputing.recompute(tmp_path / "export", june.ws.trust)
    assert not again.ok
    assert [problem[:55] for problem in again.problems] == ["restatement restate-forged does not come out the same w"]
    assert run


def approve_blindly(made: Month, subject: str) -> None:
    """The approver's signature, without what `settle approve` checks before."""
    from ledger.types import format_time
    from payouts.life.records import Approve
    from service.settlement.approvers import approver_key

    key, demo = approver_key(made.ws, "approver")
    document = read_book(made.ws).document(subject)
    record = Approve(
        at=format_time(made.now), by="approver", key=key.public.id, subject=subject, document=document, demo=demo
    )
    made.ws.log.append([signed(record, key)])


def test_an_auditor_derives_a_restatement_again(june: Month, tmp_path: Path) -> None:
    """If this fails, a month that books an honest restatement cannot be computed again by an outsider."""
    published(june)
    june.assign(OTHER)
    booked(june)
    july(june)
    recomputing.export(june.ws, "2026-07", tmp_path / "export")
    again = recomputing.recompute(tmp_path / "export", june.ws.trust)
    assert (again.ok, again.problems) == (True, ())


# --- the law ------------------------------------------------------------------------------------

VECTORS: tuple[dict[str, Any], ...] = (
    OTHER,
    {"track": "trk-1", "sources": [{"recording": "rec-2", "ppm": 333_333}, {"recording": "rec-4", "ppm": 123_457}]},
    {"track": "trk-2", "sources": [{"recording": "rec-1", "ppm": 77_777}, {"recording": "rec-3", "ppm": 500_001}]},
    {"track": "trk-3", "sources": [{"recording": "rec-4", "ppm": 1_000_000}]},
)
HELD = (("party", "bob"), ("party", "cy"), ("subject", "rec-3"), ("track", "trk-1"))
ACTS = st.one_of(
    st.tuples(st.just("assign"), st.integers(0, len(VECTORS) - 1)),
    st.tuples(st.just("hold"), st.integers(0, len(HELD) - 1)),
    st.tuples(st.just("release"), st.integers(0, len(HELD) - 1)),
    st.tuples(st.just("shares"), st.integers(0, 1)),
    st.tuples(st.just("restate"), st.just(0)),
    st.tuples(st.just("publish"), st.just(0)),
)


HISTORIES = given(before=st.lists(ACTS, max_size=3), after=st.lists(ACTS, min_size=1, max_size=7))
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
"""An example costs seconds: one that fails is shown as it is."""


@settings(max_examples=3, deadline=None, phases=PHASES)
@HISTORIES
def test_run_and_proposals_equal_a_run_with_todays_knowledge(
    before: list[tuple[str, int]], after: list[tuple[str, int]]
) -> None:
    """If this fails, a holder gets another amount by way of corrections than a run that knew it all would allocate."""
    check_law(before, after)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, phases=PHASES)
@HISTORIES
def test_the_law_of_restatements_holds_for_many_histories(
    before: list[tuple[str, int]], after: list[tuple[str, int]]
) -> None:
    """If this fails, some order of assignments, holds, releases and shares is corrected to a wrong amount."""
    check_law(before, after)


def check_law(before: list[tuple[str, int]], after: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        made = month(Path(place) / "home")
        history = _History(made, Path(place))
        for act in before:
            history.take(*act)
        run = published(made)
        history.published = True
        for act in after:
            history.take(*act)
        history.take("restate", 0)
        history.publish()
        assert history.received(run) == history.as_known_now(run)


class _History:
    """A month and what became known of it later, each act as the product's own doors write it."""

    def __init__(self, made: Month, place: Path) -> None:
        self.made = made
        self.place = place
        self.published = False
        self.months = [
            "2026-07",
            "2026-08",
            "2026-09",
            "2026-10",
            "2026-11",
            "2026-12",
            "2027-01",
            "2027-02",
            "2027-03",
        ]
        self.open: dict[int, str] = {}
        self.shared = False

    def take(self, kind: str, which: int) -> None:
        ws = self.made.ws
        if kind == "assign":
            self.made.assign(VECTORS[which])
        elif kind == "hold" and which not in self.open:
            scope, subject = HELD[which]
            self.open[which] = holds.open_hold(ws, scope=scope, subject=subject, reason="fraud").id
        elif kind == "release" and which in self.open:
            freed = holds.release(ws, self.open.pop(which), note="checked").id
            life.approve(ws, freed, "approver")
        elif kind == "shares" and not self.shared:
            self.shared = True
            self._share()
        elif kind == "restate" and self.published:
            made_id = restating.propose(ws, "2026-06", into=self.months[0]).id
            if made_id is not None:
                life.approve(ws, made_id, "approver")
            assert restating.propose(ws, "2026-06", into=self.months[0]).id is None
        elif kind == "publish" and self.published:
            self.publish()

    def _share(self) -> None:
        """rec-4, which nobody owned, turns out to be ann's and dee's, from before June on."""
        shares = [
            {
                "subject": "rec-4",
                "party": party,
                "right": "master",
                "ppm": ppm,
                "territory": "WORLD",
                "from": "2020-01-01",
                "state": "confirmed",
            }
            for party, ppm in (("ann", 333_333), ("dee", 666_667))
        ]
        path = self.place / "shares.json"
        path.write_text(json.dumps({"shares": shares}))
        done = import_files(
            self.made.ws.registry, [path], Signer(self.made.ws.signer("operator"), "operator", "operator")
        )
        assert done.accepted == done.read, done.refused

    def publish(self) -> None:
        """The next month, without a stream of its own: it books what waits."""
        period = self.months.pop(0)
        year, number = int(period[:4]), int(period[5:])
        self.made.now = datetime(year + number // 12, number % 12 + 1, 3, tzinfo=UTC)
        life.close(self.made.ws, period)
        run = life.run(self.made.ws, asked(period=period, pool="1.00")).run
        life.approve(self.made.ws, run, "approver")
        life.publish(self.made.ws, run)

    def received(self, run: str) -> dict[str, int]:
        """What each holder has of June, in all runs together."""
        book = read_book(self.made.ws)
        sums: Counter[str] = Counter()
        for record in book.standing():
            stored = load(self.made.ws.log, record)
            for account in stored.accounts.values():
                sums[account.party] += account.earned if record.run == run else 0
                sums[account.party] += sum(one.micros for one in account.corrections if one.run == run)
        return {party: micros for party, micros in sums.items() if micros}

    def as_known_now(self, run: str) -> dict[str, int]:
        """June's entries by the last vectors, registry and holds, each looked up here."""
        ws = self.made.ws
        book = read_book(ws)
        stored = load(ws.log, book.runs[run])
        assigned = ws.log.assignments()
        knowing = given_again(stored)
        rows = [
            type(row)(**{**_fields(row), "vector": assigned[row.track][0] if row.track in assigned else row.vector})
            for row in stored.usage
        ]
        inputs = inputs_of(ws, replace(knowing, registry_size=book.size, holds=holds_of(book)), rows)
        return compute(inputs).allocated_by_party()


def _fields(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__struct_fields__}
