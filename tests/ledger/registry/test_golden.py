from __future__ import annotations

from ledger.registry import papers
from ledger.registry.decide import Question
from ledger.registry.facts import TYPES
from tests.golden import check_golden
from tests.ledger.registry.conftest import Office, sample
from tests.ledger.registry.test_membership import bundle, untrained
from tests.ledger.registry.test_registry import busy


def test_registry_leaves_are_written_as_they_were(office: Office) -> None:
    """If this fails, registrations made by an earlier release would be written, and hashed, otherwise now."""
    busy(office)
    log = office.registry.log
    check_golden("registry-leaves.ndjson", b"".join(one.body + b"\n" for one in log.entries(types=TYPES)))


def test_a_registration_statement_is_written_as_it_was(office: Office) -> None:
    """If this fails, statements signed by an earlier release no longer have the digests that leaves name."""
    office.load(sample() | {"payees": []})
    (_, first), *_ = office.registry.facts()
    check_golden("registration.dsse.json", office.registry.log.blob(first.statement))


def test_a_decision_receipt_is_written_as_it_was(office: Office) -> None:
    """If this fails, a receipt's digest in a vector no longer names the receipt that holders keep."""
    office.load(sample() | {"payees": []})
    view, now = office.registry.view(), office.registry.now()
    question = Question(subject="rec-2", use="condition", territory="SE", at=now, licensee="p-lab", model="mdl-1@1")
    paper = papers.receipt(question, view.answer(question), origin="o", size=view.size, at=now, key=office.operator.key)
    check_golden("decision.dsse.json", paper.encode())


def test_a_membership_bundle_is_written_as_it_was(office: Office) -> None:
    """If this fails, proofs handed to a court by an earlier release may no longer verify."""
    untrained(office)
    check_golden("membership.bundle", bundle(office, "rec-x"))
