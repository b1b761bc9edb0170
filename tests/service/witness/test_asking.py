"""A log asking its witnesses: every way an answer can fail to come, kept or not, and what is left afterwards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from ledger.errors import InputError, StateError, TransientError, VerificationError
from ledger.log.append import Log
from ledger.proofs import cosign, note, policy
from ledger.proofs.note import Vkey
from ledger.proofs.policy import Policy
from ledger.proofs.witness import CosignAnswer
from service.witness.asking import Send, ask, base, checkpoint_with, post
from service.witness.server import Witness
from tests.ledger.logs import KEY, ORIGIN, TickingClock, log_in
from tests.ledger.logs import note as leaf
from tests.ledger.world import seeded


@pytest.fixture
def log(tmp_path: Path) -> Log:
    (tmp_path / "log").mkdir()
    found = log_in(tmp_path / "log")
    found.append([leaf("a"), leaf("b")])
    return found


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    made = Witness.create(tmp_path / "w", "witness.example/w1", None, TickingClock())
    made.know(Vkey(ORIGIN, KEY.public))
    return made


@pytest.fixture
def one(witness: Witness) -> Policy:
    return policy.parse(f"witness w1 {witness.vkey} https://w1.example\nquorum w1\n".encode())


def sender(witness: Witness) -> Send:
    """The witness itself, without a network between."""
    return lambda _, body: witness.add_checkpoint(body)


def held(witness: Witness) -> list[int]:
    return [seen.size for seen in witness.store.seen()]


def test_growth_is_followed(log: Log, witness: Witness, one: Policy) -> None:
    """If this fails, a log's second checkpoint is not cosigned, or rests on the first one's proof."""
    for n in range(3):
        done = ask(log, one, send=sender(witness))
        assert done.quorum
        assert held(witness) == [done.size]
        assert base(log, one).size == done.size
        assert note.verify(note.parse(checkpoint_with(log)), [Vkey(ORIGIN, KEY.public)])
        log.append([leaf(str(n))] * (n + 1))
    assert base(log, one).size < log.head().size


class LostError(Exception):
    """The process ends here."""


def answering(answer: CosignAnswer) -> Callable[[Witness], Send]:
    return lambda witness: lambda _, body: answer  # noqa: ARG005


def failing_before(_: Witness) -> Send:
    def send(_: str, body: bytes) -> CosignAnswer:
        raise TransientError("no route")

    return send


def failing_after(witness: Witness) -> Send:
    """The witness cosigned and remembered; the answer is lost on its way."""

    def send(_: str, body: bytes) -> CosignAnswer:
        witness.add_checkpoint(body)
        raise TransientError("connection reset")

    return send


def foreign(_: Witness) -> Send:
    """An answer signed by another key under the witness's name."""

    def send(_: str, body: bytes) -> CosignAnswer:
        signed = body.partition(b"\n\n")[2]
        line = cosign.sign(note.parse(signed).text, "witness.example/w1", seeded("evil"), 1)
        return CosignAnswer(200, str(line).encode())

    return send


def elsewhere(witness: Witness) -> Send:
    """A genuine cosignature, on another checkpoint."""

    def send(_: str, body: bytes) -> CosignAnswer:
        return CosignAnswer(200, str(cosign.sign(f"{ORIGIN}\n1\nx\n", witness.name, witness.key, 1)).encode())

    return send


FAULTS = {
    "no answer, not persisted": (failing_before, "unreachable", False),
    "answer lost, persisted": (failing_after, "unreachable", True),
    "server error": (answering(CosignAnswer(500, b"oops\n")), "refused", False),
    "unknown log": (answering(CosignAnswer(404, b"who?\n")), "refused", False),
    "junk instead of a line": (answering(CosignAnswer(200, b"\xff")), "refused", False),
    "nothing": (answering(CosignAnswer(200, b"")), "refused", False),
    "another key": (foreign, "refused", False),
    "another checkpoint": (elsewhere, "refused", False),
    "a size that is none": (answering(CosignAnswer(409, b"many\n")), "refused", False),
    "a size that is never right": (answering(CosignAnswer(409, b"1\n")), "refused", False),
    "a larger tree than ours": (answering(CosignAnswer(409, b"99\n")), "rollback", False),
    "another tree": (answering(CosignAnswer(422, b"no\n")), "fork", False),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_may_go_wrong(log: Log, witness: Witness, one: Policy, fault: str) -> None:
    """If this fails, a failed answer counts, is kept, or cannot be made good by asking again."""
    send, outcome, persisted = FAULTS[fault]
    done = ask(log, one, send=send(witness))
    assert (done.quorum, [asked.outcome for asked in done.witnesses]) == (False, [outcome])
    assert done.alarming == (outcome in ("fork", "rollback"))
    assert bool(held(witness)) == persisted
    assert checkpoint_with(log) == log.checkpoint(), "nothing was kept"
    with pytest.raises(StateError, match="witness ask"):
        base(log, one)
    log.append([leaf("life goes on")])
    again = ask(log, one, send=sender(witness))
    assert again.quorum
    assert held(witness) == [again.size] == [log.head().size]


def test_a_crash_before_the_answer_is_kept(log: Log, witness: Witness, one: Policy) -> None:
    """If this fails, dying at the wrong moment leaves a log that its witness no longer follows."""

    def send(_: str, body: bytes) -> CosignAnswer:
        witness.add_checkpoint(body)
        raise LostError

    with pytest.raises(LostError):
        ask(log, one, send=send)
    assert held(witness) == [log.head().size]
    assert ask(log, one, send=sender(witness)).quorum


def test_a_kept_line_that_was_changed(log: Log, witness: Witness, one: Policy) -> None:
    """If this fails, a cosignature edited in the database goes out in proofs."""
    ask(log, one, send=sender(witness))
    other = cosign.sign(f"{ORIGIN}\n1\nx\n", witness.name, witness.key, 1)
    with log.projection() as connection:
        connection.execute(text("UPDATE witness_cosignature SET line = :line"), {"line": str(other)})
    with pytest.raises(VerificationError, match="is not on this checkpoint"):
        base(log, one)
    assert ask(log, one, send=sender(witness)).quorum, "asking again mends it"


def test_addresses_that_are_none() -> None:
    """If this fails, a policy can make us read a local file, or a dead witness is a crash."""
    with pytest.raises(InputError, match="http"):
        post("file:///etc/passwd", b"")
    with pytest.raises(TransientError, match="does not answer"):
        post("http://127.0.0.1:9", b"")
