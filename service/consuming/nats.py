"""NATS JetStream: each subject given is a partition, read by an ordered pull consumer that the server forgets.

Nothing is acknowledged to the server: where to go on is the ledger's to know. The server's own delivery numbers
show whether a message was lost on the way; then the connection is given up and opened again from the position.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, RetentionPolicy
from nats.js.errors import NotFoundError

from ledger.errors import InputError, TransientError
from service.consuming.broker import Message, Start

if TYPE_CHECKING:
    from nats.aio.msg import Msg
    from nats.js.client import JetStreamContext

EVERYTHING: Final = ">"
CONNECT_SECONDS: Final = 5
FORGET_SECONDS: Final = 60.0
"""After which the server drops the reading place of a consumer that is gone."""

Answer = TypeVar("Answer")


class NatsStream:
    """One JetStream stream over one connection."""

    def __init__(self, server: str, stream: str, subjects: Sequence[str], credentials: Path | None) -> None:
        self.stream: Final = f"nats:{stream}"
        self._name, self._subjects = stream, tuple(subjects) or (EVERYTHING,)
        self._runner = asyncio.Runner()
        self._pulls: dict[str, JetStreamContext.PullSubscription] = {}
        self._delivered: dict[str, int] = {}
        self._behind: dict[str, int] = {}
        self._lost: Exception | None = None
        self._client = Client()
        try:
            self._run(self._connected(server, credentials))
            self._jetstream = self._client.jetstream()
            info = self._run(self._jetstream.stream_info(stream))
        except NotFoundError:
            self.close()
            raise InputError(f"{server} has no stream {stream!r}") from None
        except BaseException:
            self.close()
            raise
        if info.config.retention != RetentionPolicy.LIMITS:
            self.close()
            raise InputError(
                f"stream {stream!r} drops what is acknowledged ({info.config.retention}): give it retention `limits`"
            )
        self.generation: Final = str(info.created)

    async def _connected(self, server: str, credentials: Path | None) -> None:
        # No reconnecting behind our back: a server that was away has forgotten our reading places.
        await self._client.connect(
            server,
            allow_reconnect=False,
            # Else it tries for two minutes without a word; trying again is for the consumer, which says so.
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            connect_timeout=CONNECT_SECONDS,
            user_credentials=None if credentials is None else str(credentials),
            error_cb=self._note,
            disconnected_cb=self._note_end,
        )

    async def _note(self, problem: Exception) -> None:
        self._lost = problem

    async def _note_end(self) -> None:
        self._lost = self._lost or ConnectionError("the connection ended")

    def _run(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        try:
            return self._runner.run(work)
        except NotFoundError:
            raise
        except (NatsError, OSError) as problem:
            raise TransientError(f"{self.stream}: {str(problem) or type(problem).__name__}") from problem

    def partitions(self) -> Sequence[str]:
        return self._subjects

    def assign(self, starts: Mapping[str, Start]) -> list[str]:
        positions = {name: start.position for name, start in starts.items()}
        self._run(self._subscribed(positions))
        first = self._run(self._jetstream.stream_info(self._name)).state.first_seq
        return [
            f"{self.stream}: messages {start} to {first - 1} were dropped by the server before they were read"
            for start in positions.values()
            if 0 < start < first
        ]

    async def _subscribed(self, positions: Mapping[str, int]) -> None:
        for pull in self._pulls.values():
            await pull.unsubscribe()
        self._pulls.clear()
        self._delivered = dict.fromkeys(positions, 0)
        for subject, start in positions.items():
            self._pulls[subject] = await self._jetstream.pull_subscribe(
                "" if subject == EVERYTHING else subject,
                stream=self._name,
                config=ConsumerConfig(
                    ack_policy=AckPolicy.NONE,
                    deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
                    opt_start_seq=max(start, 1),
                    inactive_threshold=FORGET_SECONDS,
                ),
            )
            self._behind[subject] = (await self._pulls[subject].consumer_info()).num_pending or 0

    def receive(self, most: int, seconds: float) -> list[Message]:
        if not self._pulls:
            return self._run(_pause(seconds))
        share = max(1, most // len(self._pulls))
        fetched = self._run(self._fetched(share, seconds))
        if self._lost is not None:
            raise TransientError(f"{self.stream}: {self._lost}")
        return [self._message(subject, message) for subject, messages in fetched for message in messages]

    async def _fetched(self, most: int, seconds: float) -> list[tuple[str, list[Msg]]]:
        fetches = [_quiet(pull.fetch(most, timeout=seconds)) for pull in self._pulls.values()]
        return list(zip(self._pulls, await asyncio.gather(*fetches), strict=True))

    def _message(self, subject: str, message: Msg) -> Message:
        about = message.metadata
        self._delivered[subject] += 1
        if about.sequence.consumer != self._delivered[subject]:
            raise TransientError(f"{self.stream}: a message was lost on the way; reading on from the last position")
        self._behind[subject] = about.num_pending or 0
        return Message(subject, about.sequence.stream, message.data)

    def behind(self, partition: str) -> int:
        return self._behind.get(partition, 0)

    def confirm(self, positions: Mapping[str, int]) -> None:
        """Nothing to tell: the server keeps messages by age and size."""

    def close(self) -> None:
        with suppress(NatsError, OSError):  # it may be gone already
            self._runner.run(self._client.close())
        self._runner.close()


async def _quiet(fetch: Awaitable[list[Msg]]) -> list[Msg]:
    """What a fetch brings; nothing where its time is over."""
    try:
        return await fetch
    except TimeoutError:
        return []


async def _pause(seconds: float) -> list[Message]:
    await asyncio.sleep(seconds)
    return []
