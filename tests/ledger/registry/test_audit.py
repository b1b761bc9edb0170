from __future__ import annotations

from typing import Any

from ledger.event import Entry
from ledger.proofs import canon
from ledger.proofs.keyring import Key, KeyRing
from ledger.registry import acts, audit
from ledger.registry import facts as f
from ledger.registry.compare import Author
from ledger.registry.facts import TYPES
from ledger.registry.intake import Planned
from tests.ledger.registry.conftest import Office, sample


def ring(office: Office) -> KeyRing:
    people = (office.operator, office.approver, office.holder("p-pub"))
    return KeyRing(tuple(Key(role=one.role, party=one.party, public=one.key.public) for one in people))


def replay(office: Office, change: Any = None, keys: KeyRing | None = None) -> audit.AuditReport:
    log = office.registry.log
    entries = list(log.entries(types=TYPES))
    if change is not None:
        entries = change(entries)
    return audit.audit(entries, origin=log.origin, size=log.head().size, ring=keys or ring(office), blob=log.blob)


def altered(index: int, **fields: Any) -> Any:
    """Change one leaf, as someone with the database could."""

    def change(entries: list[Entry]) -> list[Entry]:
        body = canon.decode(entries[index].body) | fields
        return [*entries[:index], Entry(entries[index].index, canon.encode(body)), *entries[index + 1 :]]

    return change


def test_an_honest_registry_passes_and_says_what_to_know(office: Office) -> None:
    """If this fails, the audit refuses what the product itself writes, or hides what it found."""
    document = sample()
    document["models"][0]["training"].append("rec-unlicensed")
    office.load(document)
    claim = {"subject": "rec-2", "party": "p-pub", "right": "master", "ppm": 100_000, "state": "asserted"}
    office.load({"shares": [claim]}, office.holder("p-pub"))
    view = office.registry.view()
    author = Author(party="p-approver", role="approver", at=office.registry.now())
    facts = acts.confirm(view, author, acts.asserted_shares(view, "rec-2"))
    office.registry.register(facts, office.approver, known=view.size)
    report = replay(office)
    assert report.ok, report.violations
    assert (report.leaves, report.statements) == (21, 4)
    assert {note.kind for note in report.findings} == {"over-claim", "unlicensed-training"}
    assert replay(office) == report


def test_every_altered_leaf_is_found(office: Office) -> None:
    """If this fails, a registration can be changed after it was signed."""
    office.load(sample())
    entries = list(office.registry.log.entries(types=TYPES))
    for index, entry in enumerate(entries):
        body = canon.decode(entry.body)
        for name, value in body.items():
            if name in ("v", "type", "at", "statement"):
                continue
            if type(value) is dict:
                wrong: Any = value | {"size": 99}
            else:
                wrong = value + 1 if type(value) is int else [*value, "rec-9"] if type(value) is list else f"{value}x"
            report = replay(office, altered(index, **{name: wrong}))
            assert not report.ok, (body["type"], name)


def test_rows_left_out_repeated_or_reordered_are_found(office: Office) -> None:
    """If this fails, part of what someone signed can be withheld or entered twice."""
    office.load(sample())
    assert not replay(office, lambda entries: entries[1:]).ok
    assert not replay(office, lambda entries: entries[:-2]).ok  # the last row is a statement of its own
    assert not replay(office, lambda entries: [*entries[:3], *entries[4:]]).ok
    assert not replay(office, lambda entries: [entries[1], entries[0], *entries[2:]]).ok
    assert not replay(office, lambda entries: [*entries, *(Entry(one.index + 100, one.body) for one in entries)]).ok


def test_a_key_nobody_knows_signs_nothing(office: Office) -> None:
    """If this fails, anyone's signature makes a registration."""
    office.load(sample())
    stranger = KeyRing((Key(role="operator", party="p-op", public=office.approver.key.public),))
    assert not replay(office, keys=stranger).ok
    renamed = KeyRing((Key(role="operator", party="p-else", public=office.operator.key.public),))
    assert not replay(office, keys=renamed).ok
    demoted = KeyRing((Key(role="holder", party="p-op", public=office.operator.key.public),))
    assert not replay(office, keys=demoted).ok
    retired = KeyRing((Key(role="operator", party="p-op", public=office.operator.key.public, until=1),))
    assert not replay(office, keys=retired).ok


def test_authority_is_checked_leaf_by_leaf(office: Office) -> None:
    """If this fails, a holder's key can confirm shares by writing the leaf itself."""
    office.load({key: sample()[key] for key in ("parties", "works", "recordings")})
    publisher = office.holder("p-pub")
    view = office.registry.view()
    planned = acts.confirm(view, Author(party="p-op", role="operator", at=office.registry.now()), ["rec-1"])
    office.registry.register(planned, publisher, known=view.size)
    report = replay(office)
    assert [note.kind for note in report.violations] == ["confirm"]
    assert "holder key" in report.violations[0].detail


def test_acts_on_nothing_change_nothing_and_are_named(office: Office) -> None:
    """If this fails, a leaf that speaks of an unknown grant or dispute stops the registry from being read."""
    office.load(sample())
    before = office.registry.view()
    stray: list[f.AnyFact] = [
        f.RevokeFact(grant="g-none", grantor="p-ann", subject="rec-1", start="2030-01-01T00:00:00Z"),
        f.ResolveFact(dispute="dsp-none", subject="rec-1", outcome="released"),
        f.ConfirmFact(id="sh-none", subject="rec-1"),
        f.EndFact(id="sh-none", subject="rec-1", end="2030-01-01T00:00:00Z"),
    ]
    office.registry.register([Planned(fact) for fact in stray], office.operator, known=before.size)
    after = office.registry.view()
    assert (after.shares_of, after.grants, after.disputes) == (before.shares_of, before.grants, before.disputes)
    assert {note.kind for note in replay(office).violations} == {"revoke", "resolve"}


def test_an_id_that_looks_like_a_key_of_the_index_does_no_harm(office: Office) -> None:
    """If this fails, a recording named like an index key makes every decision fail."""
    row = {"right": "master", "ppm": 1_000_000, "state": "confirmed", "party": "p-a"}
    names = ("of:p-a", "all:p-a")
    office.load(
        {
            "parties": [{"id": "p-a", "kind": "person"}],
            "recordings": [{"id": name, "title": "X"} for name in names],
            "shares": [row | {"subject": name} for name in names],
        }
    )
    for name in names:
        assert office.registry.view_of(name).decide(name, "train", at="2026-06-01T00:00:00Z").decision == "deny"
