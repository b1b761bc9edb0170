"""Approvals that come signed from elsewhere: what the server takes, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest

from ledger.errors import InputError, SettleError, StateError
from ledger.log.append import Log
from ledger.log.whole import check_whole
from ledger.proofs import canon, leaf
from ledger.proofs.keys import PrivateKey
from service.settlement import approvers, browser_approvals, life
from service.settlement.step import read_book
from tests.service.month import Month, asked
from tests.service.web.portal import signed_in
from tests.service.web.serving import client


@pytest.fixture
def carols(june: Month) -> PrivateKey:
    """Carol's key, which only she has; June is closed and calculated."""
    key = PrivateKey.generate()
    approvers.enrol(june.ws, "carol", public=key.public.raw.hex())
    life.close(june.ws, "2026-06")
    life.run(june.ws, asked())
    return key


def signed(june: Month, key: PrivateKey, **changed: Any) -> bytes:
    """What Carol's browser sends, with these fields of the leaf changed before she signs."""
    prepared = canon.decode_object(browser_approvals.prepare(june.ws, "2026-06", "carol", key.public.id), "leaf")
    return leaf.encode(leaf.sign(prepared | changed, key))


def test_an_approval_counts_as_one_at_the_command_line(june: Month, carols: PrivateKey) -> None:
    """If this fails, what a browser signs does not release a run, or counts as a demo."""
    run = browser_approvals.enter(june.ws, signed(june, carols), "carol")
    (approval,) = read_book(june.ws).approvals[run]
    assert (approval.by, approval.key, approval.demo) == ("carol", carols.public.id, False)
    assert browser_approvals.enter(june.ws, signed_again(june, carols, run), "carol") == run
    assert len(read_book(june.ws).approvals[run]) == 1
    assert not life.publish(june.ws, run).demo


def signed_again(june: Month, key: PrivateKey, run: str) -> bytes:
    """The form sent twice, as browsers do on a reload."""
    (approval,) = read_book(june.ws).approvals[run]
    return leaf.encode(leaf.sign({**approval.leaf(), "signed_for": june.ws.log.origin}, key))


def test_an_approval_sent_again_or_of_nothing_costs_no_pass_over_the_log(
    june: Month, carols: PrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, one signed approval that is sent again and again keeps the server busy with its whole log."""
    passes: list[str] = []

    def counted(log: Log) -> None:
        passes.append(log.origin)
        check_whole(log)

    monkeypatch.setattr(browser_approvals, "check_whole", counted)
    for changed in ({"subject": "0" * 64}, {"document": "0" * 64}):
        sent = signed(june, carols, **changed)
        for enter in (browser_approvals.enter, browser_approvals.is_entered):
            with pytest.raises(SettleError):
                enter(june.ws, sent, "carol")
    assert passes == []
    sent = signed(june, carols)
    assert not browser_approvals.is_entered(june.ws, sent, "carol")
    run = browser_approvals.enter(june.ws, sent, "carol")
    assert len(passes) == 1
    assert browser_approvals.enter(june.ws, sent, "carol") == run
    assert browser_approvals.is_entered(june.ws, sent, "carol")
    assert len(passes) == 1


def test_others_read_while_an_approval_is_checked(
    june: Month, carols: PrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, everybody waits while the server reads its whole log for one approval."""
    statuses: list[int] = []
    with client(june) as web:
        carol = signed_in(web, june, "carol")
        (run,) = read_book(june.ws).runs

        def check_meanwhile(log: Log) -> None:
            reader = Thread(target=lambda: statuses.append(carol.get(f"/proposals/{run}").status_code), daemon=True)
            reader.start()
            reader.join(timeout=20)
            check_whole(log)

        monkeypatch.setattr(browser_approvals, "check_whole", check_meanwhile)
        sent = signed(june, carols).decode()
        assert carol.post(f"/proposals/{run}", leaf=sent).status_code == 303
        assert carol.post(f"/proposals/{run}", leaf=sent).status_code == 303
    assert statuses == [200]
    assert [approval.by for approval in read_book(june.reopened()).approvals[run]] == ["carol"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"by": "dan"}, "not an approval of carol"),
        ({"demo": True}, "not an approval of carol"),
        ({"signed_for": "example.org/other"}, "not an approval for log"),
        ({"type": "publish"}, "not an approval for log"),
        ({"document": "0" * 64}, "not what was signed"),
        ({"at": "2020-01-01T00:00:00Z"}, "open the page again"),
        ({"at": "2030-01-01T00:00:00Z"}, "open the page again"),
        ({"note": "x"}, "fields"),
    ],
)
def test_what_is_not_this_persons_approval_of_this_document_is_refused(
    june: Month, carols: PrivateKey, changed: dict[str, Any], said: str
) -> None:
    """If this fails, a signature is entered under something else than what its author was shown."""
    with pytest.raises(SettleError, match=said):
        browser_approvals.enter(june.ws, signed(june, carols, **changed), "carol")
    assert not any(read_book(june.ws).approvals.values())


def test_a_signature_by_another_key_is_refused(june: Month, carols: PrivateKey) -> None:
    """If this fails, whoever has Carol's session approves without her key."""
    body = canon.decode_object(signed(june, carols), "leaf")
    thief = PrivateKey.generate()
    forged = leaf.sign({name: value for name, value in body.items() if name not in ("key", "sig")}, thief)
    for sent in (forged, forged | {"key": carols.public.id}):
        with pytest.raises(SettleError, match=r"no approver's key|signature is not by key"):
            browser_approvals.enter(june.ws, leaf.encode(sent), "carol")


def test_a_page_that_was_left_open_is_signed_too_late(june: Month, carols: PrivateKey) -> None:
    """If this fails, an approval that was signed long ago is kept in a drawer and entered when it suits."""
    sent = signed(june, carols)
    june.now += timedelta(minutes=31)
    with pytest.raises(StateError, match="open the page again"):
        browser_approvals.enter(june.ws, sent, "carol")


@pytest.mark.parametrize("key_of", [lambda june: june.ws.signer("operator"), lambda _: PrivateKey.generate()])
def test_nobody_prepares_an_approval_with_a_key_that_is_not_theirs(
    june: Month, carols: PrivateKey, key_of: Callable[[Month], PrivateKey]
) -> None:
    """If this fails, the operator's or an unknown key is offered for an approval."""
    with pytest.raises(StateError):
        browser_approvals.prepare(june.ws, "2026-06", "carol", key_of(june).public.id)
    with pytest.raises(StateError):
        browser_approvals.prepare(june.ws, "2026-06", "operator", carols.public.id)


@pytest.mark.parametrize("public", ["", "xyz", "00", "g" * 64, "0" * 63])
def test_a_public_key_that_is_none_is_refused(june: Month, public: str) -> None:
    """If this fails, a mistyped key stands in the log for good."""
    with pytest.raises(InputError, match="64 hex digits"):
        approvers.enrol(june.ws, "carol", public=public)
