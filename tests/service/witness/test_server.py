"""A witness over HTTP and its memory: atomic, durable, and of one mind about every log."""

from __future__ import annotations

import hashlib
import http.client
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ledger.errors import ConflictError, InputError, StateError, TransientError
from ledger.proofs import checkpoint, cosign, note
from ledger.proofs.note import Vkey
from ledger.proofs.witness import CosignRequest
from service.witness.asking import post
from service.witness.memory import WitnessStore
from service.witness.server import Witness, WitnessServer
from tests.ledger.logs import TickingClock
from tests.ledger.reference import Reference
from tests.ledger.world import seeded

KEY = seeded("log")
ORIGIN = "example.org/ledger"
VKEY = Vkey(ORIGIN, KEY.public)
TREE = Reference([b"%d" % n for n in range(200)])
FORK = Reference([b"other %d" % n for n in range(200)])


def never() -> bytes:
    raise AssertionError("the key file is not sealed")


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    made = Witness.create(tmp_path / "w", "witness.example/w1", None, TickingClock())
    made.know(VKEY)
    return made


@pytest.fixture
def url(witness: Witness) -> Iterator[str]:
    with WitnessServer(witness, "127.0.0.1", 0, lambda message: None) as server:  # noqa: ARG005
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def body(old: int, new: int, tree: Reference = TREE) -> bytes:
    proof = tuple(tree.proof(old, new)) if 0 < old <= new else ()
    return CosignRequest(old=old, proof=proof, checkpoint=checkpoint.sign(ORIGIN, new, tree.root(new), KEY)).encode()


def test_over_http(witness: Witness, url: str) -> None:
    """If this fails, no log can reach us as a witness."""
    answer = post(url, body(0, 5))
    assert answer.status == 200
    text = checkpoint.Checkpoint(ORIGIN, 5, TREE.root(5)).text()
    line = note.parse_signature(answer.body.decode().removesuffix("\n"))
    assert cosign.verify(text, line, witness.vkey) == int(witness.clock().timestamp())
    conflict = post(url, body(0, 9))
    assert (conflict.status, conflict.body, conflict.content_type) == (409, b"5\n", "text/x.tlog.size")
    assert post(url, body(5, 9)).status == 200
    assert post(url, b"junk").status == 400


def test_the_last_checkpoint_is_served(witness: Witness, url: str) -> None:
    """If this fails, a monitor cannot compare what witnesses saw with what it sees."""
    post(url, body(0, 5))
    connection = http.client.HTTPConnection(url.removeprefix("http://"))
    with closing(connection):
        connection.request("GET", f"/{hashlib.sha256(ORIGIN.encode()).hexdigest()}/checkpoint")
        found = note.parse(connection.getresponse().read())
        assert note.verify(found, [VKEY])
        assert set(cosign.cosigners(found, [witness.vkey])) == {witness.vkey}
        for path in ("/", "/add-checkpoint", "/" + "0" * 64 + "/checkpoint"):
            connection.request("GET", path)  # on the same connection: answers must end where they say
            response = connection.getresponse()
            assert (response.status, response.read()) == (404, b"not found\n")


@pytest.mark.parametrize("length", [None, "-1", "x", "99999999", "9" * 5000])
def test_requests_without_an_honest_length(url: str, length: str | None) -> None:
    """If this fails, one sender can make the witness wait or swallow gigabytes."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"))
    with closing(connection):
        connection.putrequest("POST", "/add-checkpoint")
        if length is not None:
            connection.putheader("Content-Length", length)
        connection.endheaders()
        assert connection.getresponse().status == 400


def test_a_split_view_is_refused_and_kept_as_evidence(witness: Witness) -> None:
    """If this fails, a log can show two faces through one witness, or the proof of it is lost."""
    assert witness.add_checkpoint(body(0, 7)).status == 200
    assert witness.add_checkpoint(body(7, 7, FORK)).status == 422
    assert witness.add_checkpoint(body(7, 9, FORK)).status == 422
    assert witness.add_checkpoint(body(7, 7, FORK)).status == 422
    same_size, longer = witness.store.refused()
    assert note.verify(note.parse(same_size.note), [VKEY])
    assert same_size.held is not None
    assert note.verify(note.parse(same_size.held), [VKEY])
    assert b"\n7\n" in same_size.note
    assert b"\n7\n" in same_size.held
    assert b"\n9\n" in longer.note
    assert [seen.root for seen in witness.store.seen()] == [TREE.root(7)]


def test_a_rollback_is_refused(witness: Witness) -> None:
    """If this fails, a restored old database gets its old tree cosigned as the newest."""
    assert witness.add_checkpoint(body(0, 9)).status == 200
    answer = witness.add_checkpoint(body(0, 5))
    assert (answer.status, answer.body) == (409, b"9\n")
    assert witness.add_checkpoint(body(5, 5)).status == 409


def test_it_remembers_across_restarts(witness: Witness) -> None:
    """If this fails, restarting a witness makes it forget, and a fork can begin."""
    witness.add_checkpoint(body(0, 9))
    again = Witness.open(witness.folder, never, witness.clock)
    assert again.vkey == witness.vkey
    assert again.logs() == (VKEY,)
    assert again.add_checkpoint(body(0, 5, FORK)).status == 409
    assert again.add_checkpoint(body(9, 12)).status == 200


def test_a_lost_memory_is_not_made_anew(witness: Witness) -> None:
    """If this fails, a witness without its database goes on cosigning under the same key."""
    (witness.folder / "witness.db").unlink()
    with pytest.raises(StateError, match="lost its memory"):
        Witness.open(witness.folder, never, witness.clock)
    with pytest.raises(ConflictError):
        Witness.create(witness.folder, "witness.example/w1", None, witness.clock)


def test_a_witness_is_where_it_is_said_to_be(tmp_path: Path, witness: Witness) -> None:
    """If this fails, a wrong folder is a crash."""
    with pytest.raises(InputError, match="settle witness init"):
        Witness.open(tmp_path, never, witness.clock)
    (witness.folder / "logs").write_text("quorum none\n")
    with pytest.raises(StateError, match="# witness NAME"):
        Witness.open(witness.folder, never, witness.clock)


def test_the_memory_itself_refuses_to_go_back(witness: Witness) -> None:
    """If this fails, a slip in our own program can take a witness back."""
    witness.add_checkpoint(body(0, 9))
    with closing(sqlite3.connect(witness.folder / "witness.db", isolation_level=None)) as connection:
        for statement in (
            "UPDATE held SET size = 5",
            "UPDATE held SET root = x'00'",
            "UPDATE held SET origin = 'x'",
            "DELETE FROM held",
        ):
            with pytest.raises(sqlite3.IntegrityError, match="a witness never"):
                connection.execute(statement)


def test_what_cannot_be_kept_is_not_cosigned(witness: Witness, url: str) -> None:
    """If this fails, a cosignature leaves before it is remembered."""
    with closing(sqlite3.connect(witness.folder / "witness.db", isolation_level=None)) as connection:
        connection.execute("DROP TABLE held")
    with pytest.raises(TransientError, match="nothing was cosigned"):
        witness.add_checkpoint(body(0, 5))
    assert post(url, body(0, 5)).status == 503


def test_requests_at_once_never_take_it_back(witness: Witness) -> None:
    """If this fails, two requests at once can get two contradicting cosignatures."""
    witness.add_checkpoint(body(0, 10))
    cosigned: list[tuple[str, int]] = []
    guard = threading.Lock()

    def push(name: str, tree: Reference) -> None:
        size = 10
        while size < 60:
            answer = witness.add_checkpoint(body(size, size + 5, tree))
            if answer.status == 200:
                size += 5
                with guard:
                    cosigned.append((name, size))
            elif answer.status == 409:
                size = int(answer.body)
            else:
                return

    threads = [threading.Thread(target=push, args=(name, tree)) for name in "ab" for tree in (TREE,)]
    threads += [threading.Thread(target=push, args=("fork", FORK)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sizes = [size for name, size in cosigned if name != "fork"]
    assert sorted(sizes) == sorted(set(sizes)), "each growth is cosigned for one request only"
    assert max(sizes) == 60
    assert not [name for name, _ in cosigned if name == "fork"]
    assert [(seen.size, seen.root) for seen in witness.store.seen()] == [(60, TREE.root(60))]


def test_a_store_is_made_once(tmp_path: Path) -> None:
    """If this fails, making a witness twice empties the first one's memory."""
    WitnessStore.create(tmp_path / "witness.db")
    with pytest.raises(ConflictError):
        WitnessStore.create(tmp_path / "witness.db")
