"""C3: from when, for whom and how long a dispute holds money."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.errors import ConflictError, InputError, StateError
from ledger.registry import acts
from ledger.registry.compare import Author
from ledger.registry.model import Dispute
from ledger.registry.statement import Signer
from tests.ledger.registry.conftest import Office, sample


def do(office: Office, signer: Signer, step: Any, **more: Any) -> None:
    view = office.registry.view()
    acting = Author(party=signer.party, role=signer.role, at=office.registry.now())
    office.registry.register(step(view, acting, **more), signer, known=view.size, at=acting.at)


def state(office: Office, at: str) -> str:
    return office.registry.view().shares("rec-1", "master", "WORLD", at).state


def opened(office: Office) -> Dispute:
    """Label's dispute about Ann's recording, as it stands; it is opened by the label's own key."""
    label = office.holder("p-lbl")
    do(office, label, acts.open_dispute, subject="rec-1", claimant="p-lbl")
    return list(office.registry.view().disputes.values())[-1]


def test_a_holders_dispute_holds_once_it_is_admitted_and_for_thirty_days(office: Office) -> None:
    """If this fails, a holder's key alone holds another's money, or an admitted dispute holds it for ever."""
    office.load(sample())
    dispute = opened(office)
    assert state(office, "2026-06-10T00:00:00Z") == "confirmed"
    with pytest.raises(StateError, match="does not claim it"):
        do(office, office.holder("p-lbl"), acts.admit_dispute, dispute=dispute.id)
    office.wait(days=1)
    do(office, office.operator, acts.admit_dispute, dispute=dispute.id)
    assert state(office, "2026-06-10T00:00:00Z") == "disputed"
    assert state(office, "2026-07-02T11:59:59Z") == "disputed"
    assert state(office, "2026-07-02T12:00:00Z") == "confirmed"


def test_a_dispute_over_a_copy_holds_what_they_share_for_sixty_days(office: Office) -> None:
    """If this fails, a sample in common suspends two whole recordings, or the copy is paid while people listen."""
    office.load(sample())
    parts = {"ppm": 250_000, "like_ppm": 500_000}
    do(office, office.operator, acts.open_dispute, subject="rec-1", claimant="p-ann", like="rec-2", **parts)
    shares = office.registry.view().shares
    assert sum(ppm for _, ppm in shares("rec-1", "master", "WORLD", "2026-07-30T00:00:00Z").suspended) == 250_000
    assert sum(ppm for _, ppm in shares("rec-2", "master", "WORLD", "2026-07-30T00:00:00Z").suspended) == 500_000
    assert state(office, "2026-07-31T12:00:00Z") == "confirmed"


@pytest.mark.parametrize(
    "parts", [{"ppm": 0}, {"ppm": 1_000_001}, {"ppm": 5, "like": "rec-2"}, {"like_ppm": 5, "ppm": 5}]
)
def test_a_dispute_claims_a_part_that_there_is(office: Office, parts: dict[str, Any]) -> None:
    """If this fails, a dispute is signed that every reader passes over."""
    office.load(sample())
    with pytest.raises(InputError, match="claims"):
        do(office, office.operator, acts.open_dispute, subject="rec-1", claimant="p-lbl", **parts)


def test_a_claimant_has_one_dispute_about_a_subject_at_a_time(office: Office) -> None:
    """If this fails, four disputes of one claimant hold what one may not."""
    office.load(sample())
    opened(office)
    with pytest.raises(ConflictError, match="one at a time"):
        do(office, office.holder("p-lbl"), acts.open_dispute, subject="rec-1", claimant="p-lbl", party="p-ann")


def test_after_a_rejection_two_people_admit_the_next(office: Office) -> None:
    """If this fails, one person lets a rejected claimant hold the money again."""
    office.load(sample())
    do(office, office.operator, acts.resolve_dispute, dispute=opened(office).id, outcome="released")
    office.wait(hours=1)
    again = opened(office)
    do(office, office.operator, acts.admit_dispute, dispute=again.id)
    assert state(office, "2026-06-10T00:00:00Z") == "confirmed"
    with pytest.raises(StateError, match="has not admitted it"):
        do(office, office.operator, acts.admit_dispute, dispute=again.id)
    do(office, office.approver, acts.admit_dispute, dispute=again.id)
    assert state(office, "2026-06-10T00:00:00Z") == "disputed"


def test_in_a_log_of_release_01_a_dispute_holds_at_once(office: Office) -> None:
    """If this fails, an old month computed again holds other money than it did."""
    office.load(sample() | {"payees": []})
    opened(office)
    assert state(office, "2030-01-01T00:00:00Z") == "disputed"
