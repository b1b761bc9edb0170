"""Decision receipts over HTTP: for whom, for what, and how many."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ledger.proofs import dsse, leaf
from service.web.guard.limits import Limits
from tests.service.month import Month
from tests.service.web.serving import PARTIES, bearer, client, served_month, token

ASKED = {"subject": "rec-1", "use": "condition", "model": "mdl@1"}


@pytest.fixture
def june(tmp_path: Path) -> Month:
    return served_month(tmp_path / "home")


def test_a_receipt_is_bound_to_who_asked_and_recorded(june: Month) -> None:
    """If this fails, a receipt proves a permission for another licensee, model or track, or the log lacks it."""
    holder = PARTIES["holder"]
    secret = bearer(token(june, holder))
    with client(june) as web:

        def ask(party: str, **changed: Any) -> Any:
            return web.post(f"/v1/decisions/{party}", headers=secret, json=ASKED | changed)

        answer = ask(holder, track="trk-1").json()
        assert (answer["decision"], answer["statement"]["payloadType"]) == (
            "allow",
            "application/vnd.settle.decision+json",
        )
        assert ask("dee").status_code == 404
        assert ask(holder, model="mdl").status_code == 400
        assert ask(holder, licensee="dee").status_code == 400
        assert web.post(f"/v1/decisions/{holder}", json=ASKED).status_code == 401
        operator = bearer(token(june, "operator"))
        assert web.post("/v1/decisions/dee", headers=operator, json=ASKED).status_code == 200
    (entry, second) = list(june.ws.log.entries(types={"decision"}))
    body = leaf.decode(entry.body)
    assert (body["id"], body["licensee"], body["model"], body["track"]) == (answer["receipt"], holder, "mdl@1", "trk-1")
    assert "track" not in leaf.decode(second.body)
    envelope = dsse.parse(june.ws.log.blob(answer["receipt"]))
    assert dsse.signers(envelope, [june.ws.signer("operator").public])


def test_one_key_cannot_fill_the_log_with_receipts(june: Month) -> None:
    """If this fails, a licensee's key appends leaves to the log as fast as it can ask."""
    secret = bearer(token(june, PARTIES["holder"]))
    with client(june, Limits(receipts_per_second=2)) as web:
        path = f"/v1/decisions/{PARTIES['holder']}"
        answers = [web.post(path, headers=secret, json=ASKED | {"territory": "SE"}) for _ in range(6)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert {(answer.json()["cause"], "retry-after" in answer.headers) for answer in refused} == {("rate", True)}


@pytest.mark.parametrize(
    "changed",
    [
        {"subject": "rec\x1b[2J"},
        {"subject": "*"},
        {"territory": "Sweden"},
        {"territory": "SE\n"},
        {"track": ""},
        {"track": "trk 1"},
        {"model": "mdl@"},
        {"model": "@1"},
        {"model": "mdl@1\u202e"},
    ],
    ids=ascii,
)
def test_what_is_no_id_is_not_signed(june: Month, changed: dict[str, str]) -> None:
    """If this fails, a licensee's request writes control characters or made-up names into the log for ever."""
    secret = bearer(token(june, PARTIES["holder"]))
    size = june.ws.log.head().size
    with client(june) as web:
        answer = web.post(f"/v1/decisions/{PARTIES['holder']}", headers=secret, json=ASKED | changed)
    assert answer.status_code == 400, answer.text
    assert not list(june.ws.log.entries(types={"decision"}))
    assert june.ws.log.head().size == size


@pytest.mark.parametrize("known_at", ["9" * 30, "\u0663", "9" * 16])
def test_a_size_that_no_log_has_is_refused(june: Month, known_at: str) -> None:
    """If this fails, anybody without a key makes the server answer 500."""
    with client(june) as web:
        answer = web.get("/v1/decisions", params={"subject": "rec-1", "use": "train", "known_at": known_at})
        assert answer.status_code == 400, answer.text
        assert "a size of the log" in answer.text
        known = {"subject": "rec-1", "use": "train", "known_at": "9" * 15}
        assert web.get("/v1/decisions", params=known).status_code == 200
