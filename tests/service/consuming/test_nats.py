"""Consuming from a real nats-server: shared, killed, restarted, with the consumer killed as well."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from threading import Event, Thread

import pytest

from ledger.errors import InputError, TransientError
from service.consuming import positions
from service.consuming.connecting import opener
from service.workspace import Workspace
from tests.service.consuming.streams import (
    NatsServer,
    consumer,
    consuming,
    drained,
    events_of,
    message,
    nats_server,
)
from tests.service.month import Month
from tests.service.web.serving import served_month
from tests.support import until

pytestmark = pytest.mark.slow


def test_subjects_are_partitions_that_two_consumers_share(june: Month, tmp_path: Path) -> None:
    """If this fails, two consumers of a JetStream stream lose or double messages between them."""
    clock = [june.ws.clock()]
    with nats_server(tmp_path / "nats") as server:
        server.make("PLAYS", "acme.*")
        for shard in range(3):
            server.send(f"acme.{shard}", [message(f"{shard}-{n}") for n in range(20)])
        connect = opener(f"{server.url}/PLAYS", subjects=[f"acme.{shard}" for shard in range(3)])
        ws = Workspace.open(june.ws.home, clock=lambda: clock[0])
        with consumer(ws, connect) as (first, _), consumer(ws, connect, "second") as (second, _):
            first.turn()
            second.turn()
            clock[0] += positions.LEASE / 2
            for shard in range(3):
                server.send(f"acme.{shard}", [message(f"{shard}-{n}") for n in range(20, 40)])
            while first.turn() or second.turn():
                pass
            assert {row.consumer for row in positions.listed(june.ws.log)} == {"first", "second"}
            total = first.consumed.counts.accepted + second.consumed.counts.accepted
            assert (total, first.consumed.counts.duplicates + second.consumed.counts.duplicates) == (120, 0)
    ids = [name for name in events_of(june.ws.home) if name[0] != "e"]
    assert len(ids) == len(set(ids)) == 120


def test_a_stream_that_is_not_there_or_forgets_is_refused(june: Month, tmp_path: Path) -> None:
    """If this fails, a mistyped stream looks like an empty one, or one that deletes what is read is consumed."""
    with nats_server(tmp_path / "nats") as server:
        with pytest.raises(InputError, match="no stream"):
            opener(f"{server.url}/NOTHING")()
        server.make("PLAYS", "acme.*")
        connect = opener(f"{server.url}/PLAYS")
        server.send("acme.0", [message("a"), b"\xff", message("b")])
        with consumer(june.ws, connect) as (reading, _):
            drained(reading)
            assert (reading.consumed.messages, reading.consumed.counts.accepted) == (3, 2)
            server.kill()
            with pytest.raises(TransientError):
                until(lambda: reading.turn() < 0)


class Publisher(Thread):
    """Sends messages of twenty events each until told to stop, and remembers what the broker confirmed."""

    def __init__(self, server: NatsServer) -> None:
        super().__init__(daemon=True)
        self._server, self.over, self.confirmed = server, Event(), set[str]()

    def run(self) -> None:
        number = 0
        while not self.over.is_set():
            ids = [f"m{number}-{i}" for i in range(20)]
            try:
                self._server.send("acme.0", [message(*ids)])
            except Exception:  # noqa: BLE001  the broker is away: the same message again, as a producer does
                self.over.wait(0.05)
                continue
            self.confirmed.update(ids)
            number += 1


def end_leases(home: Path) -> None:
    """As if half a minute had passed since the consumers that are listed were killed."""
    ws = Workspace.open(home)
    for row in positions.listed(ws.log):
        if row.consumer is not None:
            positions.release(ws.log, row.stream, consumer=row.consumer)
    ws.close()


def test_kill_minus_nine_of_consumer_and_broker_under_load(tmp_path: Path) -> None:
    """If this fails, an event that the broker confirmed is lost or counted twice when consumer or broker is killed."""
    home = tmp_path / "home"
    june = served_month(home)
    before = len(events_of(home))
    june.ws.close()
    with nats_server(tmp_path / "nats") as server:
        server.make("PLAYS", "acme.*")
        publisher = Publisher(server)
        publisher.start()
        words = (f"{server.url}/PLAYS", "--source", "acme")
        for turn in range(3):
            process = consuming(home, *words)
            start = len(events_of(home))
            until(lambda start=start: len(events_of(home)) > start + 100)  # type: ignore[misc]  # bound for this turn
            if turn == 1:
                server.kill()
                server.start()
                start = len(events_of(home))
                until(lambda start=start: len(events_of(home)) > start + 100)  # type: ignore[misc]  # likewise
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=60)
            end_leases(home)
        publisher.over.set()
        publisher.join(30)
        process = consuming(home, *words, "--drain")
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        done = json.loads(out)
        assert done["read"] == done["accepted"] + done["duplicates"] + done["conflicts"] + done["quarantined"]
    stored = events_of(home)[before:]
    assert len(stored) == len(set(stored))
    assert set(stored) == publisher.confirmed
