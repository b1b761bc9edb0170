from __future__ import annotations

from tests.ledger.registry.conftest import Office, sample


def test_a_document_is_registered_and_answers(office: Office) -> None:
    """If this fails, the registry document that the formats page promises does not import."""
    done = office.load(sample())
    assert (done.read, done.accepted, done.duplicates, done.conflicts, done.quarantined) == (17, 17, 0, 0, 0), (
        done.refused
    )
    view = office.registry.view()
    assert view.shares("rec-1", "master", "SE", "2026-06-01T00:00:00Z").parts == (
        ("p-ann", 600_000),
        ("p-lbl", 400_000),
    )
    assert view.works_of("rec-1", "2026-06-01T00:00:00Z") == [("wrk-1", 1_000_000)]
    assert view.decide("rec-1", "train", at="2026-06-01T00:00:00Z").decision == "allow"
    assert view.group_of("p-ann", "2026-06-01T00:00:00Z") == "ann"


def test_importing_again_changes_nothing(office: Office) -> None:
    """If this fails, sending the same file twice registers things twice."""
    office.load(sample())
    size = office.registry.log.head().size
    again = office.load(sample())
    assert (again.accepted, again.duplicates, again.conflicts, again.quarantined) == (0, 17, 0, 0), again.refused
    assert office.registry.log.head().size == size
