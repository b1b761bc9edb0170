"""What one person with a workspace's keys tries on settlement: revoke, rename, bring a key; none of it works."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ledger.errors import ConflictError, InputError, StateError
from ledger.proofs import keyfile, keyring, leaf
from ledger.proofs.keys import PrivateKey
from ledger.types import Leaf
from payouts.life.records import Approve, Hold
from service.bundles import verify_bundle
from service.log import keys
from service.settlement import holds, life, months, paying, step
from service.settlement.approvers import enrol, one_person
from service.settlement.step import read_book
from service.statements import statements
from service.statements.explaining import explain
from service.workspace import Workspace
from tests.service.month import Month, asked, published

AT = "2026-07-02T09:00:00Z"


def renamed(june: Month, patch: pytest.MonkeyPatch, operator: str) -> Workspace:
    """The workspace as `SETTLE_OPERATOR=NAME settle ...` opens it."""
    patch.setenv("SETTLE_OPERATOR", operator)
    ws = june.reopened()
    patch.delenv("SETTLE_OPERATOR")
    assert ws.operator == operator
    return ws


def lax(_: object) -> Callable[[int, Leaf], str]:
    """An operator whose program believes whatever it likes."""
    return lambda _, __: "nobody"


def test_a_later_revocation_reopens_nothing(june: Month) -> None:
    """If this fails, one person pays a month twice by revoking the key that approved it, back to before it did."""
    enrol(june.ws, "carol")
    life.close(june.ws, "2026-06")
    run = life.run(june.ws, asked()).run
    approved = life.approve(june.ws, run, "carol")
    life.publish(june.ws, run)
    paying.pay(june.ws, run, "file")
    before = read_book(june.ws).places["run", run].index
    keys.revoke(june.ws, approved.key, until=before, by="approver")
    keys.revoke(june.ws, june.ws.signer("approver").public.id, until=before, by="approver")
    ws = june.reopened()
    book = read_book(ws)
    assert (book.state_of(run), book.voids) == ("paying", [])
    with pytest.raises(ConflictError, match="is published"):
        life.run(ws, asked(pool="2000.00"))
    assert paying.pay(ws, run, "file").batches == 1
    assert verify_bundle(statements.prove(ws, "ann", "2026-06"), june.ws.trust).ok


def test_a_revoked_key_approves_nothing_more(june: Month) -> None:
    """If this fails, a key that was revoked still approves, or the command says it did."""
    enrol(june.ws, "carol")
    life.close(june.ws, "2026-06")
    run = life.run(june.ws, asked()).run
    carol = june.ws.key("approver-carol").public.id
    keys.revoke(june.ws, carol, until=None, by="approver")
    size = june.ws.log.head().size
    with pytest.raises(StateError, match="nothing was written"):
        life.approve(june.ws, run, "carol")
    assert june.ws.log.head().size == size
    assert one_person(june.ws)


def test_another_name_is_not_another_person(june: Month, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, the operator makes a run as somebody else and approves it in their own name."""
    life.close(june.ws, "2026-06")
    somebody = renamed(june, monkeypatch, "x")
    size = june.ws.log.head().size
    for act in (
        lambda: life.run(somebody, asked()),
        lambda: holds.open_hold(somebody, scope="party", subject="ann", reason="fraud"),
        lambda: enrol(somebody, "operator"),
    ):
        with pytest.raises(StateError):
            act()
    assert june.ws.log.head().size == size
    run = life.run(june.ws, asked()).run
    with pytest.raises(StateError, match="another person"):
        life.approve(somebody, run, "operator")
    key = june.ws.signer("operator")
    forged = Hold(at=AT, by="x", key=key.public.id, id="hold-x", scope="party", subject="ann", reason="fraud")
    june.ws.log.append([leaf.sign(forged.leaf(), key)])
    assert "said to be by x" in read_book(june.ws).voids[0].reason


@pytest.mark.parametrize("other", [False, True])
def test_a_mistyped_name_approves_nothing(june: Month, *, other: bool) -> None:
    """If this fails, the workspace's own approver key signs as a person who does not exist, or as one who does."""
    enrol(june.ws, "carol")
    life.close(june.ws, "2026-06")
    run = life.run(june.ws, asked()).run
    size = june.ws.log.head().size
    if other:  # carol keeps her key on a machine of her own
        june.ws.key_path("approver-carol").unlink()
        with pytest.raises(StateError, match="does not hold carol's key"):
            life.approve(june.ws, run, "carol")
    else:
        with pytest.raises(InputError, match=r"no approver 'dave'; known: approver, carol; settle approver add dave"):
            life.approve(june.ws, run, "dave")
    assert june.ws.log.head().size == size


def test_every_output_agrees_on_the_demo_mark(june: Month) -> None:
    """If this fails, one page says that a single person held both keys and another that two people signed."""
    life.close(june.ws, "2026-06")
    run = life.run(june.ws, asked()).run
    life.approve(june.ws, run, "approver")
    enrol(june.ws, "carol")

    def marks() -> set[bool]:
        shown, told = months.show(june.ws, "2026-06"), statements.state(june.ws, "ann", "2026-06")
        return {shown.demo, told.demo, explain(june.ws, run, "ann").demo, life.run(june.ws, asked()).demo}

    assert marks() == {True}
    life.approve(june.ws, run, "carol")
    assert marks() == {False}
    assert not life.publish(june.ws, run).demo
    assert not paying.pay(june.ws, run, "file").demo


def test_an_approver_key_of_the_maker_is_the_makers(june: Month) -> None:
    """If this fails, the operator introduces an approver key as their own and approves with it in any name."""
    life.close(june.ws, "2026-06")
    run = life.run(june.ws, asked()).run
    own = PrivateKey.generate().for_log(june.ws.log.origin)
    june.ws.log.append(
        [keyring.add(june.now, signer=june.ws.signer("approver"), role="approver", party="operator", public=own.public)]
    )
    document = read_book(june.ws).document(run)
    forged = Approve(at=AT, by="carol", key=own.public.id, subject=run, document=document, demo=True)
    june.ws.log.append([leaf.sign(forged.leaf(), own)])
    book = read_book(june.ws)
    assert not book.approved(run)
    assert "operator made" in book.voids[0].reason
    assert one_person(june.ws)


@pytest.mark.parametrize("maker", ["x", "operator"])
def test_a_holder_sees_a_run_made_in_a_false_name(june: Month, monkeypatch: pytest.MonkeyPatch, maker: str) -> None:
    """If this fails, the light verifier passes a run whose maker is not the party whose key signed it."""
    with monkeypatch.context() as patch:
        patch.setattr(step, "_authority", lax)
        june.ws = renamed(june, patch, maker)
        published(june)
        bundle = statements.prove(june.ws, "ann", "2026-06")
    report = verify_bundle(bundle, june.ws.trust)
    assert report.ok == (maker == "operator")
    assert report.ok or "said to be by x" in report.steps[-1].detail


def test_a_key_that_nobody_introduced_approves_nothing(june: Month) -> None:
    """If this fails, a key file dropped into the workspace ends the demo mark, or seems to approve."""
    keyfile.save(june.ws.key_path("approver-evil"), PrivateKey.generate(), None)
    life.close(june.ws, "2026-06")
    run = life.run(june.ws, asked())
    assert run.demo
    size = june.ws.log.head().size
    with pytest.raises(StateError, match="nothing was written"):
        life.approve(june.ws, run.run, "evil")
    assert june.ws.log.head().size == size
