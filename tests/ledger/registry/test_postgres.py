from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.log.opening import open_log
from ledger.registry import payees, personal, quarantine
from ledger.registry.compare import Author
from ledger.registry.registry import Registry
from tests.ledger.registry.conftest import ORIGIN, START, Office, sample, seeded
from tests.ledger.registry.test_registry import busy, dump
from tests.postgres import database, server_url

pytestmark = pytest.mark.postgres


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with database(server_url()) as url:
        time = [START]
        log = open_log(url, origin=ORIGIN, signer=seeded(9), anchor=tmp_path / "anchor", clock=lambda: time[0])
        yield Office(tmp_path, Registry(log, entropy=lambda n: b"\x05" * n), time)
        log.close()


def test_the_registry_is_the_same_on_postgresql(office: Office) -> None:
    """If this fails, a registry kept in PostgreSQL answers otherwise, or not at all."""
    busy(office)
    office.registry.catch_up()
    before, view = dump(office), office.registry.view()
    again = Registry(office.registry.log)
    again.rebuild()
    assert dump(office) == before
    assert again.view() == view
    at = "2026-06-15T00:00:00Z"
    for subject in ("rec-1", "rec-2", "wrk-1"):
        assert again.view_of(subject).decide(subject, "train", at=at) == view.decide(subject, "train", at=at)


def test_what_stands_beside_the_log_is_kept_and_forgotten_on_postgresql(office: Office) -> None:
    """If this fails, accounts, names or quarantined rows are lost in PostgreSQL, or cannot be erased."""
    document = sample()
    document["parties"].append({"id": "p-ann2", "kind": "robot", "name": "Ann"})
    done = office.load(document)
    assert (done.accepted, done.quarantined) == (17, 1)
    view = office.registry.view()
    with office.registry.log.projection() as connection:
        assert "p-ann" in payees.current(payees.listed(connection, view), "2026-06-01T12:00:00Z")
        assert len(quarantine.waiting(connection, Author(party="p-op", role="operator", at=""))) == 1
        assert quarantine.forget(connection, "p-ann2") == 1
        assert personal.erase(connection, [("party", "p-ann")]) == 1
        assert payees.erase(connection, view, "p-ann") == 1
    assert office.registry.personal("party", "p-ann") == {}
    assert office.load(sample()).duplicates == 16
