from __future__ import annotations

import pytest
from sqlalchemy import text

from ledger.errors import InputError
from ledger.registry import acts, personal, tables
from ledger.registry.compare import Author
from ledger.registry.intake import Planned
from ledger.registry.model import FOREVER, USES
from ledger.registry.registry import Registry
from tests.ledger.registry.conftest import Office, sample


def busy(office: Office) -> None:
    """A registry with a bit of everything in it, made over some weeks; accounts are no leaves of release 0.1."""
    office.load(sample() | {"payees": []})
    claim = {"subject": "rec-1", "party": "p-pub", "right": "performer", "ppm": 1_000_000, "state": "asserted"}
    office.load({"shares": [claim]}, office.holder("p-pub"))
    deny = {"id": "g-all", "grantor": "p-ann", "subject": "*", "uses": ["voice", "sample"], "decision": "deny"}
    office.load({"grants": [deny | {"from": "2026-07-01"}], "recordings": [{"id": "rec-3", "title": "Three"}]})
    for step in (
        lambda view, author: acts.confirm(view, author, acts.asserted_shares(view, "rec-1")),
        lambda view, author: acts.revoke(view, author, grant="g-3", when="2026-08-01T00:00:00Z"),
        lambda view, author: acts.open_dispute(view, author, subject="rec-1", claimant="p-pub", reason="mine"),
        lambda view, author: acts.transfer(
            view, author, subject="rec-2", right="master", seller="p-ann", buyer="p-lbl", when="2026-09-01T00:00:00Z"
        ),
        lambda view, author: acts.resolve_dispute(
            view,
            author,
            dispute=next(iter(view.disputes)),
            outcome="resplit",
            right="master",
            parts={"p-pub": 1_000_000},
        ),
    ):
        office.wait(days=1)
        view = office.registry.view()
        author = Author(party="p-op", role="operator", at=office.registry.now())
        planned: list[Planned] = step(view, author)  # type: ignore[no-untyped-call]
        office.registry.register(planned, office.operator, known=view.size)


def dump(office: Office) -> list[tuple[str, int]]:
    with office.registry.log.store.reading() as connection:
        return [
            (key, idx) for key, idx in connection.execute(text("SELECT key, idx FROM registry_about ORDER BY 1, 2"))
        ]


def test_dropping_the_tables_and_replaying_the_log_gives_them_back(office: Office) -> None:
    """If this fails, the registry holds state that is not in the log."""
    busy(office)
    office.registry.catch_up()
    before, view = dump(office), office.registry.view()
    assert len(before) > 40
    with office.registry.log.projection() as connection:
        tables.ABOUT.drop(connection)
        connection.execute(text("DELETE FROM projected"))
    again = Registry(office.registry.log)
    again.catch_up()
    assert dump(office) == before
    assert again.view() == view
    office.registry.rebuild()
    assert dump(office) == before


def test_an_index_that_is_not_the_log_s_is_noticed(office: Office) -> None:
    """If this fails, whoever deletes a row of the index makes a revoked grant allow again, unseen."""
    busy(office)
    office.registry.catch_up()
    assert office.registry.index_differences() == ([], [])
    before = dump(office)
    with office.registry.log.projection() as connection:
        connection.execute(text("DELETE FROM registry_about WHERE key = 'rec-2'"))
        connection.execute(text("INSERT INTO registry_about (key, idx) VALUES ('rec-7', 1)"))
    lacking, strange = office.registry.index_differences()
    assert (lacking, strange) == ([row for row in before if row[0] == "rec-2"], [("rec-7", 1)])
    with office.registry.log.projection() as connection:
        tables.ABOUT.drop(connection)
    assert office.registry.index_differences() == (before, [])


def test_a_view_folded_in_steps_is_the_view_folded_at_once(office: Office) -> None:
    """If this fails, what the registry says depends on when it was last looked at."""
    stepwise = Registry(office.registry.log)
    stepwise.view()
    busy(office)
    sizes = range(office.registry.log.head().size + 1)
    at_once = [Registry(office.registry.log).view(size) for size in sizes]
    assert [stepwise.view(size) for size in sizes] == at_once


@pytest.mark.parametrize("subject", ["rec-1", "rec-2", "rec-3", "wrk-1", "rec-unknown"])
def test_a_narrow_view_decides_as_the_whole_does(office: Office, subject: str) -> None:
    """If this fails, `registry decide` answers otherwise than the settlement does."""
    busy(office)
    for size in (0, 5, 12, 18, office.registry.log.head().size):
        whole, narrow = office.registry.view(size), office.registry.view_of(subject, size=size)
        for use in USES:
            for month in range(1, 13):
                at = f"2026-{month:02d}-15T00:00:00Z"
                assert narrow.decide(subject, use, at=at) == whole.decide(subject, use, at=at)
                assert narrow.shares(subject, "master", "SE", at) == whole.shares(subject, "master", "SE", at)


def test_what_was_known_at_a_time_is_found_by_time(office: Office) -> None:
    """If this fails, `--known-at` with a date asks about another state of the registry."""
    office.load(sample())
    first = office.registry.log.head().size
    office.wait(days=10)
    office.load({"recordings": [{"id": "rec-9", "title": "Nine"}]})
    assert office.registry.size_at("2026-06-05T00:00:00Z") == first
    assert office.registry.size_at("2026-06-11T12:00:00Z") == first + 1
    assert office.registry.size_at("2026-05-01T00:00:00Z") == 0
    assert "rec-9" not in office.registry.view(first).all_recordings


def test_forgetting_a_person_leaves_every_proof_standing(office: Office) -> None:
    """If this fails, an erasure changes the log, the state, or leaves the name behind."""
    office.load(sample())
    before = office.registry.view()
    with office.registry.log.projection() as connection:
        assert personal.erase(connection, [("party", "p-ann"), ("recording", "rec-1")]) == 2
    assert Registry(office.registry.log).view() == before
    assert office.registry.personal("party", "p-ann") == {}
    again = office.load(sample())
    assert (again.accepted, again.conflicts) == (0, 0)
    assert office.registry.personal("party", "p-ann") == {}


def test_a_salted_digest_proves_what_was_registered(office: Office) -> None:
    """If this fails, a name that is still held cannot be shown to be the one that was registered."""
    office.load(sample())
    with office.registry.log.store.reading() as connection:
        found = personal.find(connection, "party", "p-ann")
    assert found is not None
    salt, fields = found
    assert fields == {"name": "Ann", "ipi": "00014107338"}
    assert office.registry.view().party("p-ann").personal == personal.digest(salt, fields)
    assert personal.digest(b"\x06" * 32, fields) != personal.digest(salt, fields)


def test_asking_for_what_is_not_there_says_what_to_do(office: Office) -> None:
    """If this fails, an unknown id is an internal error instead of an answer."""
    view = office.registry.view()
    for ask in (view.party, view.recording, view.track):
        with pytest.raises(InputError, match="settle registry import"):
            ask("nobody")
    assert FOREVER > "9999-12-31T23:59:59Z"
