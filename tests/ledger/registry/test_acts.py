from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.errors import ConflictError, InputError, StateError
from ledger.registry import acts
from ledger.registry.compare import Author
from ledger.registry.intake import Planned
from ledger.registry.model import Shares
from ledger.registry.statement import Signer
from ledger.registry.view import View
from tests.ledger.registry.conftest import Office, sample

NOW = "2026-06-01T12:00:00Z"
JULY = "2026-07-01T00:00:00Z"


def do(office: Office, plan: Callable[..., list[Planned]], *args: Any, by: Signer | None = None, **named: Any) -> View:
    who = by or office.operator
    view = office.registry.view()
    planned = plan(view, Author(party=who.party, role=who.role, at=office.registry.now()), *args, **named)
    office.registry.register(planned, who, known=view.size)
    return office.registry.view()


def master(view: View, subject: str = "rec-1", at: str = NOW) -> Shares:
    return view.shares(subject, "master", "WORLD", at)


@pytest.fixture
def label(office: Office) -> Office:
    office.load(sample())
    return office


def test_confirming_is_someone_else_s_act(label: Office) -> None:
    """If this fails, a holder can confirm its own claim, or a confirmed share is not paid."""
    ann = label.holder("p-ann")
    claim = {"subject": "rec-9", "party": "p-ann", "right": "master", "ppm": 1_000_000, "state": "asserted"}
    label.load({"recordings": [{"id": "rec-9", "title": "Nine"}], "shares": [claim]}, ann)
    waiting = acts.asserted_shares(label.registry.view(), "rec-9")
    assert len(waiting) == 1
    with pytest.raises(StateError, match="asserts"):
        do(label, acts.confirm, waiting, by=ann)
    assert master(do(label, acts.confirm, waiting, by=label.approver), "rec-9").state == "confirmed"
    size = label.registry.log.head().size
    do(label, acts.confirm, ["rec-9"])
    assert label.registry.view().recording("rec-9").confirmed
    assert label.registry.log.head().size == size + 1
    with pytest.raises(InputError, match="neither"):
        do(label, acts.confirm, ["sh-nothing"])


def test_rival_claims_are_not_confirmed_in_one_breath(label: Office) -> None:
    """If this fails, confirming a subject vouches for a claim that came in unseen."""
    label.load({"recordings": [{"id": "rec-9", "title": "Nine"}]})
    claim = {"subject": "rec-9", "right": "master", "ppm": 1_000_000}
    for party in ("p-ann", "p-lbl"):
        label.load({"shares": [claim | {"party": party}]}, label.holder(party))
    view = label.registry.view()
    with pytest.raises(StateError, match=r"p-ann 1,000,000 ppm master .*; p-lbl"):
        acts.waiting(view, "rec-9")
    with pytest.raises(InputError, match="p-pub has no share"):
        acts.waiting(view, "rec-9", ["p-pub"])
    assert acts.waiting(view, "rec-9", ["p-ann"]) == acts.asserted_shares(view, "rec-9", "p-ann")
    assert len(acts.waiting(view, "rec-9", ["p-ann", "p-lbl"])) == 2


def test_a_confirmation_that_passes_the_whole_puts_the_right_in_conflict(label: Office) -> None:
    """If this fails, an over-claim is paid by guess instead of waiting in suspense."""
    claim = {"subject": "rec-1", "party": "p-pub", "right": "master", "ppm": 100_000, "state": "asserted"}
    label.load({"shares": [claim]}, label.holder("p-pub"))
    assert master(label.registry.view()).state == "confirmed"
    view = do(label, acts.confirm, acts.asserted_shares(label.registry.view(), "rec-1"))
    assert master(view).state == "conflict"
    assert {state for _, state in view.share_lines("rec-1")} == {"conflict"}


def test_a_sale_moves_what_comes_after_it(label: Office) -> None:
    """If this fails, a transferred share's past earnings move with it, or part of it is lost."""
    view = do(
        label, acts.transfer, subject="rec-1", right="master", seller="p-lbl", buyer="p-pub", when=JULY, ppm=100_000
    )
    assert master(view, at="2026-06-30T23:59:59Z").parts == (("p-ann", 600_000), ("p-lbl", 400_000))
    assert master(view, at=JULY).parts == (("p-ann", 600_000), ("p-lbl", 300_000), ("p-pub", 100_000))
    for wrong in (
        {"seller": "p-pub", "when": JULY},
        {"ppm": 400_001, "when": JULY},
        {"when": "2026-05-01T00:00:00Z"},
        {"buyer": "p-nobody", "when": JULY},
    ):
        named = {"subject": "rec-1", "right": "master", "seller": "p-lbl", "buyer": "p-pub"} | wrong
        with pytest.raises(InputError):
            do(label, acts.transfer, **named)
    with pytest.raises(StateError, match="only p-lbl"):
        do(
            label,
            acts.transfer,
            subject="rec-1",
            right="master",
            seller="p-lbl",
            buyer="p-ann",
            when=JULY,
            by=label.holder("p-ann"),
        )


def test_a_sale_by_its_holder_waits_for_confirmation(label: Office) -> None:
    """If this fails, a holder can move a share to someone who is paid without anyone vouching for the sale."""
    view = do(
        label,
        acts.transfer,
        subject="rec-2",
        right="master",
        seller="p-ann",
        buyer="p-lbl",
        when=JULY,
        by=label.holder("p-ann"),
    )
    assert (master(view, "rec-2").state, master(view, "rec-2", JULY).state) == ("confirmed", "short")
    view = do(label, acts.confirm, acts.asserted_shares(view, "rec-2"))
    assert master(view, "rec-2", JULY).parts == (("p-lbl", 1_000_000),)


def test_re_importing_after_a_sale_does_not_undo_it(label: Office) -> None:
    """If this fails, loading last year's catalogue file again gives a sold share back."""
    do(label, acts.transfer, subject="rec-2", right="master", seller="p-ann", buyer="p-lbl", when=JULY)
    again = label.load(sample())
    assert (again.accepted, again.duplicates) == (0, 17)
    assert master(label.registry.view(), "rec-2", JULY).parts == (("p-lbl", 1_000_000),)


def test_revoking_conditioning_ends_it_from_then_on(label: Office) -> None:
    """If this fails, a revoked permission lingers, or tracks made before lose theirs."""
    label.wait(days=1)
    view = do(label, acts.revoke, grant="g-1", when="2026-06-02T12:00:00Z", uses=("condition",))
    assert view.decide("rec-1", "condition", at="2026-06-02T11:59:59Z").decision == "allow"
    assert view.decide("rec-1", "condition", at="2026-06-02T12:00:00Z").decision == "deny"
    assert view.decide("rec-1", "train", at="2026-06-02T12:00:00Z").decision == "allow"
    assert view.decide_track("trk-1", "rec-1", "condition").decision == "allow"


def test_revoking_training_leaves_trained_versions_serving(label: Office) -> None:
    """If this fails, a model registered while training was allowed loses its permission afterwards."""
    label.wait(days=1)
    do(label, acts.revoke, grant="g-1", when="2026-06-02T12:00:00Z")
    label.wait(days=1)
    label.load(
        {
            "models": [{"id": "mdl-1", "version": "2", "operator": "p-lab", "training": ["rec-1"]}],
            "tracks": [
                {"id": "trk-old", "model": "mdl-1", "version": "1"},
                {"id": "trk-new", "model": "mdl-1", "version": "2"},
            ],
        }
    )
    view = label.registry.view()
    assert view.decide_track("trk-old", "rec-1", "train").decision == "allow"
    assert view.decide_track("trk-old", "rec-1", "condition").decision == "deny"
    assert view.decide_track("trk-new", "rec-1", "train").decision == "deny"
    assert view.decide("rec-1", "train", at=label.registry.now()).decision == "deny"


def test_a_sunset_ends_even_what_was_trained(label: Office) -> None:
    """If this fails, a licence's sunset date means nothing to versions trained under it."""
    grant = {
        "id": "g-sun",
        "grantor": "p-ann",
        "subject": "rec-5",
        "uses": ["train"],
        "decision": "allow",
        "from": "2026-01-01",
        "sunset": "2026-06-10",
    }
    share = {"subject": "rec-5", "party": "p-ann", "right": "master", "ppm": 1_000_000, "state": "confirmed"}
    label.load({"recordings": [{"id": "rec-5", "title": "Five"}], "shares": [share], "grants": [grant]})
    label.wait(days=5)
    label.load({"tracks": [{"id": "trk-5", "model": "mdl-1", "version": "1"}]})
    label.wait(days=5)
    label.load({"tracks": [{"id": "trk-10", "model": "mdl-1", "version": "1"}]})
    view = label.registry.view()
    assert view.decide_track("trk-5", "rec-5", "train").decision == "allow"
    assert view.decide_track("trk-10", "rec-5", "train").decision == "deny"


def test_backdated_revocations_are_refused(label: Office) -> None:
    """If this fails, a permission can be taken back for the past."""
    with pytest.raises(InputError, match="cannot be narrowed"):
        do(label, acts.revoke, grant="g-1", when="2026-06-01T11:59:59Z")
    with pytest.raises(StateError, match="only p-ann"):
        do(label, acts.revoke, grant="g-1", when=JULY, by=label.holder("p-lbl"))
    with pytest.raises(InputError, match="not registered"):
        do(label, acts.revoke, grant="g-9", when=JULY)
    with pytest.raises(InputError, match="does not speak of"):
        do(label, acts.revoke, grant="g-1", when=JULY, uses=("voice",))


def test_a_dispute_holds_from_its_opening_until_its_end(label: Office) -> None:
    """If this fails, a contested holder is paid during the dispute, or not after it."""
    named: dict[str, Any] = {"subject": "rec-1", "claimant": "p-pub", "party": "p-lbl", "reason": "Anna said so"}
    view = do(label, acts.open_dispute, **named)
    opened = view.size
    assert master(view) == Shares("disputed", (("p-ann", 600_000), ("p-lbl", 400_000)), (("p-lbl", 400_000),))
    with pytest.raises(ConflictError, match="already"):
        do(label, acts.open_dispute, **named)
    (dispute,) = view.disputes
    with pytest.raises(StateError, match="not a party to it"):
        do(label, acts.resolve_dispute, dispute=dispute, outcome="released", by=label.holder("p-pub"))
    view = do(label, acts.resolve_dispute, dispute=dispute, outcome="released")
    assert master(view).state == "confirmed"
    assert master(label.registry.view(opened)).state == "disputed"
    with pytest.raises(StateError, match="was resolved"):
        do(label, acts.resolve_dispute, dispute=dispute, outcome="released")
    assert b"Anna said so" not in b"".join(one.body for one in label.registry.log.entries())
    assert label.registry.personal("dispute", dispute) == {"reason": "Anna said so"}


def test_a_dispute_may_end_in_new_shares_from_its_opening_on(label: Office) -> None:
    """If this fails, held money is re-split to the wrong people, or what was earned before the dispute is."""
    view = do(label, acts.open_dispute, subject="rec-2", claimant="p-lbl", right="master")
    (dispute,) = view.disputes
    label.wait(days=3)
    for wrong in ({"p-ann": 999_999}, {"p-ann": 1_100_000, "p-lbl": -100_000}, {"p-nobody": 1_000_000}):
        with pytest.raises(InputError):
            do(label, acts.resolve_dispute, dispute=dispute, outcome="resplit", parts=wrong)
    with pytest.raises(InputError, match="reaches back"):
        do(
            label,
            acts.resolve_dispute,
            dispute=dispute,
            outcome="resplit",
            parts={"p-lbl": 1_000_000},
            when="2026-05-01T00:00:00Z",
        )
    view = do(
        label, acts.resolve_dispute, dispute=dispute, outcome="resplit", parts={"p-ann": 250_000, "p-lbl": 750_000}
    )
    assert master(view, "rec-2", "2026-06-01T11:00:00Z").parts == (("p-ann", 1_000_000),)
    assert master(view, "rec-2", NOW) == Shares("confirmed", (("p-ann", 250_000), ("p-lbl", 750_000)))


def test_a_squatter_dispute_leaves_no_payee_of_either(label: Office) -> None:
    """If this fails, what a squatter earns waits under the squatter's name, and a release pays it there."""
    named: dict[str, Any] = {"subject": "rec-1", "claimant": "p-ann", "like": "rec-2"}
    view = do(label, acts.open_dispute, **named)
    assert master(view).state == master(view, "rec-2").state == "contested"
    assert master(label.registry.view_of("rec-1")).state == "contested"
    assert master(label.registry.view_of("rec-2"), "rec-2").state == "contested"
    with pytest.raises(ConflictError, match="already"):
        do(label, acts.open_dispute, **named)
    do(label, acts.open_dispute, subject="rec-2", claimant="p-ann")
    dispute = next(one for one in view.disputes)
    view = do(label, acts.resolve_dispute, dispute=dispute, outcome="released")
    assert master(view).state == "confirmed"
    assert master(view, "rec-2").state == "disputed"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"subject": "rec-2", "like": "rec-1"}, "registered before"),
        ({"like": "rec-1"}, "registered before"),
        ({"like": "rec-9"}, "rec-9"),
        ({"like": "wrk-1"}, "wrk-1"),
        ({"claimant": "p-pub"}, "claims no share"),
        ({"right": "master"}, "leave out master"),
        ({"party": "p-lbl"}, "leave out p-lbl"),
    ],
)
def test_only_the_later_one_s_claimant_calls_the_earlier_a_squatter(
    label: Office, changed: dict[str, Any], said: str
) -> None:
    """If this fails, anybody stops all money of a recording with nothing to show for it."""
    with pytest.raises(InputError, match=said):
        do(label, acts.open_dispute, **({"subject": "rec-1", "claimant": "p-ann", "like": "rec-2"} | changed))
