"""Consuming with librdkafka's mock broker, and with scripted ones for what no broker does on demand."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import InputError, StateError, TransientError
from service.consuming import positions
from service.consuming.broker import Message, Start
from service.consuming.connecting import opener
from service.log.ingesting import quarantined
from service.workspace import Workspace
from tests.service.consuming.streams import MockKafka, Scripted, consumer, drained, events_of, message
from tests.service.month import Month


def test_messages_are_taken_once_and_reading_goes_on_where_it_was(june: Month) -> None:
    """If this fails, events of a Kafka topic are lost or doubled when a consumer is started again."""
    kafka = MockKafka()
    connect = opener(f"kafka://{kafka.servers}/plays")
    kafka.send("plays", [message("a", "b"), message("c")])
    kafka.send("plays", [message("d")], partition=1)
    with consumer(june.ws, connect) as (reading, _):
        drained(reading)
        assert (reading.consumed.messages, reading.consumed.counts.accepted) == (3, 4)
    kafka.send("plays", [message("a", "e"), None])
    with consumer(june.ws, connect) as (reading, _):
        drained(reading)
        counts = reading.consumed.counts
        assert (reading.consumed.messages, counts.accepted, counts.duplicates) == (2, 1, 1)
    assert sorted(events_of(june.ws.home)[-5:]) == ["a", "b", "c", "d", "e"]
    standing = {row.partition: row for row in positions.listed(june.ws.log)}
    assert (standing["0"].next, standing["1"].next, standing["0"].behind) == (4, 1, 0)
    assert all(row.consumer is None for row in standing.values())


def test_poison_messages_are_kept_aside_with_their_place(june: Month) -> None:
    """If this fails, one message that is no events stops a stream, or disappears without a word."""
    kafka = MockKafka()
    kafka.send(
        "plays",
        [
            message("a"),
            b"\x00\xff\xfe not an event",
            gzip.compress(message("b")),
            gzip.compress(message("c"))[:-9],
            gzip.compress(b"\n" * (65 << 20)),
            b"x\n" * 60_000,
            message("d", track="nobody-knows"),
            message("e", source="other"),
            message("f"),
        ],
    )
    with consumer(june.ws, opener(f"kafka://{kafka.servers}/plays"), source="acme") as (reading, _):
        drained(reading)
        counts = reading.consumed.counts
        assert (reading.consumed.messages, reading.consumed.poisoned, counts.accepted) == (9, 3, 3)
        assert counts.read == counts.accepted + counts.duplicates + counts.conflicts + counts.quarantined == 9
    rows = {row.file: row for row in quarantined(june.ws)}
    assert {name.rpartition("@")[2]: row.kind for name, row in rows.items()} == {
        "1": "invalid",
        "3": "invalid",
        "4": "invalid",
        "5": "invalid",
        "6": "unknown-track",
        "7": "other-source",
    }
    assert all(name.startswith("kafka:plays/0@") for name in rows)


def test_two_consumers_share_and_take_over(june: Month) -> None:
    """If this fails, two consumers read the same partition, or one that died keeps its partitions for ever."""
    log, now = june.ws.log, june.ws.clock()
    names = ["0", "1", "2"]

    def lease(consumer: str, at: Any = now) -> list[str]:
        return sorted(positions.lease(log, "kafka:plays", "g", names, consumer=consumer, now=at))

    assert lease("first") == names
    assert lease("second") == []
    assert lease("first") == ["0", "1"]
    assert lease("second") == ["2"]
    later = now + positions.LEASE
    assert lease("second", later) == names
    positions.release(log, "kafka:plays", consumer="second")
    assert lease("third", later) == names


def test_a_consumer_that_was_thought_dead_writes_nothing(june: Month) -> None:
    """If this fails, a consumer that wakes up after another took over moves the position back or appends beside it."""
    log, now = june.ws.log, june.ws.clock()
    sent = [[Message("0", 1, message("a"))], [Message("0", 2, message("b"))], []]
    broker = Scripted(lambda _: sent.pop(0))
    with consumer(june.ws, lambda: broker) as (reading, lines):
        assert reading.turn() == 1
        late = now + 2 * positions.LEASE
        assert positions.lease(log, broker.stream, "g1", ["0"], consumer="second", now=late) == {"0": Start(2)}
        assert reading.turn() == 0
        assert "another consumer" in lines[0]
        assert reading.turn() == 0
        assert broker.assigned == [{"0": 0}, {}]
    assert events_of(june.ws.home)[-1] == "a"


def test_positions_and_events_are_kept_or_lost_together(june: Month, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a crash between the events and their position loses messages."""
    sent = [[Message("0", 1, message("a"))], [Message("0", 1, message("a"))], []]
    broker = Scripted(lambda _: sent.pop(0))
    before = events_of(june.ws.home)

    def crash(*_: Any, **__: Any) -> None:
        raise StateError("crashed")

    with consumer(june.ws, lambda: broker) as (reading, _):
        with monkeypatch.context() as broken:
            broken.setattr(positions, "advance", crash)
            with pytest.raises(StateError, match="crashed"):
                reading.turn()
        assert broker.closed
        assert events_of(june.ws.home) == before
        assert [row.next for row in positions.listed(june.ws.log)] == [0]
        assert reading.turn() == 1
        assert reading.turn() == 0
    assert events_of(june.ws.home) == [*before, "a"]
    assert [row.next for row in positions.listed(june.ws.log)] == [2]


def test_another_stream_of_the_same_name_is_read_from_its_beginning(june: Month) -> None:
    """If this fails, the positions of a deleted stream hide the first messages of its successor."""
    connect: list[Callable[[], Scripted]] = [
        lambda: Scripted(lambda _: [Message("0", 41, message("a"))]),
        lambda: Scripted(lambda _: [Message("0", 1, message("b"))], generation="g2"),
    ]
    for make in connect:
        with consumer(june.ws, make) as (reading, _):
            assert reading.turn() == 1
    assert events_of(june.ws.home)[-2:] == ["a", "b"]
    assert [row.next for row in positions.listed(june.ws.log)] == [2]


def test_a_topic_that_was_made_anew_is_read_from_its_beginning(june: Month) -> None:
    """If this fails, the first messages of a recreated topic are skipped once it has grown past the old position."""
    old, new = MockKafka(), MockKafka()
    old.send("plays", [message("a"), message("b")])
    connect = opener(f"kafka://{old.servers}/plays")
    with consumer(june.ws, connect) as (reading, _):
        drained(reading)
    with consumer(june.ws, connect) as (reading, lines):
        drained(reading)
        assert (reading.consumed.messages, lines) == (0, []), "the same topic goes on where it was"
    new.send("plays", [message("c"), message("b"), message("d")])
    broker = opener(f"kafka://{new.servers}/plays")()
    vars(broker)["generation"] = connect().generation  # the cluster is the same, only the topic is new
    with consumer(june.ws, lambda: broker) as (reading, lines):
        drained(reading)
        counts = reading.consumed.counts
        assert (reading.consumed.messages, counts.accepted, counts.duplicates) == (3, 2, 1)
        assert "message 1 of partition 0 is not the one that was read" in lines[0]
    assert events_of(june.ws.home)[-4:] == ["a", "b", "c", "d"]
    assert {row.partition: row.next for row in positions.listed(june.ws.log)}["0"] == 3


def test_what_a_broker_dropped_is_said(june: Month) -> None:
    """If this fails, messages that Kafka no longer has are passed over in silence."""
    kafka = MockKafka()
    connect = opener(f"kafka://{kafka.servers}/plays")
    kafka.send("plays", [message("a")])
    with consumer(june.ws, connect) as (reading, _):
        drained(reading)
    positions_at = june.ws.clock() + timedelta(hours=1)
    positions.lease(june.ws.log, "kafka:plays", connect().generation, ["0"], consumer="test", now=positions_at)
    with june.ws.log.projection() as tx:
        positions.advance(tx, "kafka:plays", "0", consumer="test", start=1, following=Start(99), behind=0)
    positions.release(june.ws.log, "kafka:plays", consumer="test")
    with consumer(june.ws, connect) as (reading, lines):
        drained(reading)
        assert reading.consumed.counts.duplicates == 1
        assert "ends at 1, not at 99" in lines[0]


def test_what_fails_for_a_while_is_tried_again(june: Month) -> None:
    """If this fails, a broker that is away for a moment ends the consumer."""
    from threading import Event

    stop, calls = Event(), 0

    def script(_: int) -> list[Message]:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise TransientError("the broker is away")
        if calls == 3:
            stop.set()
        return [Message("0", calls, message(f"e-{calls}"))]

    with consumer(june.ws, lambda: Scripted(script)) as (reading, lines):
        reading.run(stop)
        assert reading.consumed.messages == 2
        assert lines == ["the broker is away; trying again"]


def test_a_consumer_that_stops_while_disconnected_gives_its_partitions_back(june: Month) -> None:
    """If this fails, whoever takes over waits until the lease of a consumer that has long ended runs out."""
    from threading import Event

    stop = Event()

    def script(_: int) -> list[Message]:
        stop.set()
        raise TransientError("the broker is away")

    with consumer(june.ws, lambda: Scripted(script)) as (reading, _):
        reading.run(stop)
        assert [row.consumer is None for row in positions.listed(june.ws.log)] == [False]
        reading.close()
        assert [row.consumer for row in positions.listed(june.ws.log)] == [None]


@pytest.mark.parametrize("jump", [timedelta(days=40), timedelta(days=-3)])
def test_a_clock_that_jumps_counts_no_event_twice(june: Month, jump: timedelta) -> None:
    """If this fails, a wrong clock makes two consumers append the same messages, or stops both."""
    begun: list[int] = []

    def script(_: int) -> list[Message]:
        start = brokers[-1].assigned[-1].get("0")
        begun.append(-1 if start is None else start)
        return [] if start is None or start >= 3 else [Message("0", start, message(f"e-{start}"))]

    brokers: list[Scripted] = []

    def connect() -> Scripted:
        brokers.append(Scripted(script))
        return brokers[-1]

    with consumer(june.ws, connect) as (first, _):
        first.turn()
        june.now += jump
        with consumer(june.ws, connect, name="second") as (second, _):
            for _ in range(4):
                second.turn()
                first.turn()
            june.now -= jump
            for _ in range(4):
                first.turn()
                second.turn()
    stored = [event for event in events_of(june.home) if not event.startswith("e-0")]
    assert {"e-1", "e-2"} <= set(stored)
    assert len(stored) == len(set(stored))


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://127.0.0.1/x", "expected nats://"),
        ("nats://127.0.0.1:4222", "expected nats://"),
        ("kafka://ann:secret@127.0.0.1:9092/plays", "--credentials"),
    ],
)
def test_bad_urls_are_refused(url: str, says: str) -> None:
    """If this fails, a mistyped URL or one with a password in it is tried."""
    with pytest.raises(InputError, match=says):
        opener(url)


def test_settings_that_decide_what_is_read_cannot_be_overridden(tmp_path: Any) -> None:
    """If this fails, a properties file can make the consumer commit positions of its own."""
    from service.consuming.kafka import read_properties

    path = tmp_path / "kafka.properties"
    path.write_text("# our cluster\nsecurity.protocol = SASL_SSL\n")
    assert read_properties(path) == {"security.protocol": "SASL_SSL"}
    path.write_text("enable.auto.commit=true\n")
    with pytest.raises(InputError, match="line 1"):
        read_properties(path)


def test_a_workspace_without_consumers_lists_no_positions(june: Month) -> None:
    """If this fails, asking for positions fails where nothing was ever consumed."""
    assert positions.listed(Workspace.open(june.ws.home).log) == []


def test_a_server_that_is_not_there_is_told_at_once() -> None:
    """If this fails, a mistyped address is tried for two minutes without a word."""
    began = time.monotonic()
    with pytest.raises(TransientError, match="no servers"):
        opener("nats://127.0.0.1:1/EVENTS")()
    assert time.monotonic() - began < 30


def test_a_setting_that_librdkafka_does_not_know_is_named(tmp_path: Path) -> None:
    """If this fails, a mistyped setting ends in a traceback."""
    settings = tmp_path / "kafka.properties"
    settings.write_text("security.protocoll=SSL\n")
    with pytest.raises(InputError, match=r"security\.protocoll"):
        opener("kafka://127.0.0.1:1/plays", credentials=settings)()
