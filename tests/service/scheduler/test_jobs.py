"""Each job on a real workspace: what it does, and that it says so when there is nothing to do."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import soundfile

from attribution.lab import synth
from contracts.client import TOKEN
from ledger.errors import InputError, TransientError, VerificationError
from ledger.log.fsck import fsck
from ledger.proofs.verify import verify_bundle
from service.attribution.indexing import build_index
from service.chain.pool import opened
from service.log.trusting import adopt_policy
from service.operating import prove
from service.scheduler.jobs import job_named
from service.scheduler.work import JobOutcome, do
from service.settlement import holds
from service.settlement.step import read_book
from service.witness.server import Witness, WitnessServer
from service.workspace import Workspace
from tests.cli.support import settle_json
from tests.ledger.logs import TickingClock
from tests.service.month import Month
from tests.service.scheduler.office import count, turn


def done(june: Month, name: str, *, hours: int = 0) -> JobOutcome:
    """The job in its turn, or in a later one."""
    june.now = datetime(2026, 7, 3, 9 + hours, 50, tzinfo=UTC)
    return turn(june, job_named(name), "test")


def test_sealing_once_an_hour(june: Month) -> None:
    """If this fails, hours pass unsealed, or a log at rest grows by a seal an hour."""
    assert done(june, "seal").state == "done"
    assert done(june, "seal", hours=1).state == "nothing"
    june.stream(["trk-1"])
    assert done(june, "seal", hours=2).state == "done"
    assert count(june.ws.log)["seal"] == 2


def test_segments_of_new_events_only(june: Month) -> None:
    """If this fails, every sealing makes another segment that holds nothing but the leaf of the one before."""
    assert done(june, "segments").detail.startswith("10 events in 1 segments")
    assert done(june, "segments", hours=1).state == "nothing"
    june.stream(["trk-1"] * 2)
    assert done(june, "segments", hours=2).detail.startswith("2 events in 1 segments")


def test_every_month_that_has_ended_is_closed_in_order(june: Month) -> None:
    """If this fails, a month that passed while no scheduler ran is never closed, and its events weigh elsewhere."""
    assert done(june, "close").detail == "closed 2026-06"
    assert done(june, "close").already
    june.now = datetime(2026, 9, 15, tzinfo=UTC)
    assert turn(june, job_named("close"), "test").detail == "closed 2026-07, 2026-08"
    june.now = datetime(2026, 10, 2, tzinfo=UTC)  # before the third, the turn is still September's
    assert turn(june, job_named("close"), "test").already
    june.now = datetime(2026, 10, 4, 7, tzinfo=UTC)
    assert turn(june, job_named("close"), "test").detail == "closed 2026-09"
    june.now = datetime(2026, 10, 5, 7, tzinfo=UTC)
    assert turn(june, job_named("close"), "test").state == "nothing"
    assert sorted(read_book(june.ws).closes) == ["2026-06", "2026-07", "2026-08", "2026-09"]


def test_a_log_without_events_closes_nothing(tmp_path: Path) -> None:
    """If this fails, starting a scheduler in a new workspace closes a month whose events have yet to come."""
    settle_json("init", "--no-passphrase", home=tmp_path / "w")
    assert settle_json("scheduler", "--once", "close", home=tmp_path / "w")["detail"] == "no event yet"


@pytest.fixture
def witness(tmp_path: Path, june: Month) -> Iterator[WitnessServer]:
    made = Witness.create(tmp_path / "w", "witness.example/w1", None, TickingClock())
    made.know(*(vkey for log in june.ws.trust.logs for vkey in log.vkeys()))
    with WitnessServer(made, "127.0.0.1", 0, lambda _: None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        adopt_policy(june.ws, f"witness w1 {made.vkey} {url}\nquorum w1\n".encode())
        yield server
        server.shutdown()
        thread.join()


def test_witnesses_are_asked_once_a_checkpoint(june: Month, witness: WitnessServer) -> None:
    """If this fails, checkpoints go unwitnessed, or a witness is bothered with what it has signed."""
    assert done(june, "witness").detail.endswith("w1 cosigned")
    assert done(june, "witness", hours=1).state == "nothing"
    june.stream(["trk-1"])
    assert done(june, "witness", hours=2).state == "done"


def test_a_witness_that_is_away_or_contradicts(june: Month, witness: WitnessServer) -> None:
    """If this fails, a fork that a witness sees is written down as a job well done."""
    assert done(june, "witness").state == "done"
    june.stream(["trk-1"])
    held = witness.witness.store
    with held._connection() as connection:
        connection.execute("UPDATE held SET size = size + 50")
    with pytest.raises(VerificationError, match="w1 rollback"):
        done(june, "witness", hours=1)
    adopt_policy(june.ws, f"witness w1 {witness.witness.vkey} http://127.0.0.1:9\nquorum w1\n".encode())
    with pytest.raises(TransientError, match="w1 unreachable"):
        done(june, "witness", hours=2)


def test_a_hold_ends_by_its_witnesses_clocks(june: Month, witness: WitnessServer) -> None:
    """If this fails, an operator who sets the clock forward lets held money go early and alone."""
    end = datetime(2026, 7, 3, 9, 0, tzinfo=UTC)
    hold = holds.open_hold(june.reopened(), scope="party", subject="bob", reason="fraud", until=end)
    assert done(june, "witness").state == "done"
    waits = f"waits: {hold.id} until a witness has seen the time come"
    assert done(june, "holds").detail == waits
    june.stream(["trk-1"])
    clock = witness.witness.clock
    assert isinstance(clock, TickingClock)
    clock.now = end
    assert done(june, "holds", hours=1).detail == waits
    assert done(june, "witness", hours=1).state == "done"
    assert done(june, "holds", hours=2).detail == f"ended {hold.id}"
    assert not read_book(june.ws).open_holds()
    assert [one.startswith("whether the hold's witnesses") for one in fsck(june.ws.log).unchecked] == [True]


def test_a_hold_without_witnesses_says_whose_clock_ended_it(june: Month) -> None:
    """If this fails, a date that rests on the operator's clock looks like one that others have checked."""
    end = datetime(2026, 7, 3, 9, 0, tzinfo=UTC)
    hold = holds.open_hold(june.ws, scope="party", subject="bob", reason="fraud", until=end)
    assert done(june, "holds").detail == f"ended {hold.id}"
    (said,) = fsck(june.ws.log).unchecked
    assert "by its operator's clock" in said
    (leaf,) = june.ws.log.entries(types={"expire"})
    assert said in verify_bundle(prove(june.ws, index=leaf.index).bundle, june.ws.trust).unchecked


def test_no_chain_is_nothing_to_watch(june: Month) -> None:
    """If this fails, a workspace without a chain has a job that fails every five minutes."""
    assert done(june, "chain").detail == "nothing is under way on the chain"
    assert not (june.home / "chain.db").exists()


@pytest.mark.slow
def test_what_the_chain_has_confirmed_is_written_down_once(june: Month) -> None:
    """If this fails, a transaction waits for a person who asks after it, or what became final is not in the log."""
    settle_json("chain", "deploy", "--currency", "EUR", home=june.home)
    assert done(june, "chain").state == "nothing"
    with opened(june.ws) as client:
        pool = client.book.pool(client.chain_id, "EUR")
        client.courier.plan(
            "fund:waiting",
            kind="fund",
            chain_id=client.chain_id,
            target=pool.token,
            data=TOKEN.data("mint", pool.address, 1_000_000),
        )
    assert done(june, "chain", hours=1).detail == "fund is final"
    assert done(june, "chain", hours=2).state == "nothing"


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with four recordings indexed and two tracks registered."""
    home = tmp_path_factory.mktemp("heard")
    pieces = synth.make_world(78, pieces=4, styles=2).pieces
    (home / "audio").mkdir()
    for piece in pieces:
        soundfile.write(home / "audio" / f"{piece.id}.wav", synth.perform(piece, 6.0), 16_000)
    recordings = [{"id": piece.id, "title": piece.id, "audio": f"audio/{piece.id}.wav"} for piece in pieces]
    tracks = [{"id": f"trk-{n}", "title": f"Track {n}", "model": "mdl", "version": "1"} for n in (1, 2)]
    parties = [{"id": "lab", "name": "Lab", "kind": "model-operator"}]
    models = [{"id": "mdl", "version": "1", "operator": "lab", "training": []}]
    document = {"parties": parties, "recordings": recordings, "models": models, "tracks": tracks}
    (home / "registry.json").write_text(json.dumps(document))
    settle_json("init", "--no-passphrase", home=home)
    done = settle_json("registry", "import", home / "registry.json", home=home)
    assert done["accepted"] == done["read"], done
    build_index(Workspace.open(home))
    return home


@pytest.mark.slow
def test_what_comes_into_the_inbox_is_attributed_once(heard: Path) -> None:
    """If this fails, a track waits though its file is there, is judged twice, or one bad file stops all."""
    now = datetime.now(UTC).replace(microsecond=0)

    def attribute(minutes: int) -> JobOutcome:
        later = datetime.fromtimestamp(now.timestamp() + 60 * minutes, UTC)
        return do(Workspace.open(heard, clock=lambda: later), job_named("attribute"), holder="test")

    assert attribute(0).state == "nothing"
    inbox = heard / "inbox"
    inbox.mkdir()
    sound = next((heard / "audio").iterdir())
    (inbox / "trk-1.wav").write_bytes(sound.read_bytes())
    (inbox / "trk-2.wav").write_bytes(b"no sound")
    (inbox / "unknown.wav").write_bytes(sound.read_bytes())
    with pytest.raises(InputError, match=r"1 tracks attributed, 1 not: trk-2: "):
        attribute(20)
    (inbox / "trk-2.wav").unlink()
    assert attribute(40).state == "nothing"
    assert Workspace.open(heard).log.assignments().keys() == {"trk-1"}
