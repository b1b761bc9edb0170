"""What nobody entitled signed has no effect: not in a view, in what is read of one subject, or in a list of facts."""

from __future__ import annotations

import dataclasses

import pytest
from msgspec.structs import replace

from ledger.log.opening import open_log
from ledger.proofs import leaf
from ledger.proofs.keyring import Key
from ledger.registry import facts as f
from ledger.registry import statement
from ledger.registry.registry import Registry
from ledger.registry.statement import Signer
from ledger.types import Role
from tests.ledger.registry.conftest import ORIGIN, Office, sample, seeded

AT = "2026-06-01T12:00:00Z"
STRANGER = Signer(seeded(77), "p-op", "operator")
FORGED = f.ShareFact(
    id="sh-forged", subject="rec-1", party="p-pub", right="master", ppm=1_000_000, territory="WORLD", state="confirmed"
)


def trusting(office: Office, *more: Signer) -> Registry:
    """The same log, read by somebody who trusts these people's keys."""
    people: list[tuple[Role, str, Signer]] = [
        (one.role, one.party, one) for one in (office.operator, office.approver, office.holder("p-ann"), *more)
    ]
    log = open_log(
        office.folder / "settle.db",
        origin=ORIGIN,
        signer=seeded(9),
        anchor=office.folder / "settle.anchor",
        clock=lambda: office.time[0],
        trusted=[
            Key(role="log", party="p-op", public=seeded(9).public),
            *(Key(role=role, party=party, public=one.key.public) for role, party, one in people),
        ],
    )
    return Registry(log)


def forge(office: Office, signer: Signer, *facts: f.AnyFact, origin: str = ORIGIN) -> None:
    """Append rows as whoever holds the log key can, under a statement of whoever's."""
    envelope = statement.sign([f.encode(fact) for fact in facts], signer, origin)
    leaves = [f.encode_leaf(fact, at=AT, statement=envelope.digest, row=n) for n, fact in enumerate(facts)]
    office.registry.log.append([leaf.decode(body) for body in leaves], blobs=[envelope.encode()])


def parties(registry: Registry) -> set[str]:
    return {line.party for line in registry.view().shares_of["rec-1", "master"]}


def test_rows_that_nobody_entitled_signed_have_no_effect(office: Office) -> None:
    """If this fails, whoever holds the log key alone registers shares, and everything but the audit believes them."""
    office.load(sample())
    forge(office, STRANGER, FORGED)
    forge(office, office.operator, replace(FORGED, id="sh-other"), origin="example.org/other")
    forge(office, office.holder("p-ann"), replace(FORGED, id="sh-holder"))
    registry = trusting(office)
    assert parties(registry) == {"p-ann", "p-lbl"}
    about = registry.view_of("rec-1")
    assert {line.party for line in about.shares_of["rec-1", "master"]} == {"p-ann", "p-lbl"}
    assert not [
        fact
        for _, fact in registry.facts()
        if isinstance(fact, f.ShareFact) and fact.party == "p-pub" and fact.subject == "rec-1"
    ]
    assert registry.index_differences() == ([], [])


def test_rows_repeated_elsewhere_in_the_log_have_no_effect(office: Office) -> None:
    """If this fails, an old registration appended again undoes what came after it (V8)."""
    office.load(sample())
    entries = list(office.registry.log.entries(types=f.TYPES))
    size = office.registry.view().size
    office.registry.log.append([leaf.decode(entry.body) for entry in entries])
    registry = trusting(office)
    assert dataclasses.replace(registry.view(), size=size) == office.registry.view(size)
    registry.catch_up()
    assert registry.index_differences() == ([], [])


@pytest.mark.parametrize("place", ["before", "after"])
def test_forged_rows_under_a_genuine_statement_do_not_void_it(office: Office, place: str) -> None:
    """If this fails, whoever holds the log key alone takes genuine rows out of the registry by rows beside them."""
    office.load(sample())
    fact = replace(FORGED, state="asserted")
    envelope = statement.sign([f.encode(fact)], office.operator, ORIGIN)
    rows = [(fact, 0), (replace(fact, ppm=1), 1)] if place == "after" else [(replace(fact, ppm=1), 0), (fact, 0)]
    registry = trusting(office)
    for written, row in rows:
        body = f.encode_leaf(written, at=AT, statement=envelope.digest, row=row)
        office.registry.log.append([leaf.decode(body)], blobs=[envelope.encode()])
        registry.view()
    size = registry.log.head().size
    for reader in (registry, trusting(office)):
        shares = [fact_ for _, fact_ in reader.facts() if isinstance(fact_, f.ShareFact) and fact_.id == FORGED.id]
        assert [share.ppm for share in shares] == [1_000_000]
    registry.catch_up()
    assert registry.index_differences() == ([], [])
    assert registry.view() == trusting(office).view(size)


def test_a_reading_that_stops_within_a_statement_reads_on(office: Office) -> None:
    """If this fails, who asks what was known at a size between two rows loses the whole statement."""
    office.load(sample())
    registry = trusting(office)
    for size in range(office.registry.log.head().size + 1):
        assert registry.view(size) == office.registry.view(size)


def test_who_comes_back_to_what_they_said_first_is_heard(office: Office) -> None:
    """If this fails, a correction that is taken back counts for nobody, although its import was accepted."""
    office.load(sample())
    claim = {"subject": "rec-1", "party": "p-pub", "right": "performer", "state": "asserted"}
    for ppm in (500_000, 400_000, 500_000, 400_000, 500_000):
        assert office.load({"shares": [claim | {"ppm": ppm}]}, office.holder("p-pub")).accepted == 1
        registry = trusting(office, office.holder("p-pub"))
        for view in (registry.view(), registry.view_of("rec-1")):
            assert [line.ppm for line in view.shares_of["rec-1", "performer"]] == [ppm]
    assert registry.index_differences() == ([], [])


def test_a_statement_stands_after_the_size_that_it_names(office: Office) -> None:
    """If this fails, a statement signed for one place in the log counts at an earlier one."""
    office.load(sample())
    size = office.registry.log.head().size
    for after, counts in ((size + 2, False), (size + 1, True)):
        fact = replace(FORGED, id=f"sh-{after}")
        envelope = statement.sign([f.encode(fact)], office.operator, ORIGIN, after=after)
        body = f.encode_leaf(fact, at=AT, statement=envelope.digest, row=0)
        office.registry.log.append([leaf.decode(body)], blobs=[envelope.encode()])
        assert ("p-pub" in parties(trusting(office))) == counts
