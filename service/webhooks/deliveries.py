"""Deliveries: the result of a submitted track, sent to the address named with it until it is acknowledged.

Each is a file in the workspace's folder `webhooks/`, so that a crash loses none and an operator can send one again. A
receiver may get one twice, with the same bytes and id. It is signed by the attribution key, which is in trust.json.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from ledger.errors import InputError, SettleError, TransientError
from ledger.files import make_folder, write_whole
from ledger.proofs import canon
from ledger.proofs.dsse import pae
from ledger.text import format_base64
from ledger.types import format_time
from service.attribution.queue import queued
from service.webhooks import posting

if TYPE_CHECKING:
    from service.standing import Standing
    from service.workspace import Workspace

FOLDER: Final = "webhooks"
ENDED: Final = "ended"
"""Of the folder: what was delivered or given up, and is not looked at again unless it is asked for."""
PAYLOAD_TYPE: Final = "application/vnd.settle.webhook+json"
"""The DSSE type under which a message is signed."""
ATTEMPTS_MAX: Final = 12
FIRST_WAIT: Final = timedelta(seconds=5)
LONGEST_WAIT: Final = timedelta(hours=1)
LOOK_SECONDS: Final = 0.5
WAITING_MAX: Final = 10_000

_LOG: Final = logging.getLogger("settle.web")


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A message on its way. `state`: `pending` until the track is done, then `sending`, `delivered` or `failed`."""

    id: str
    track: str
    url: str
    made_at: str
    state: str = "pending"
    attempts: int = 0
    next_at: str = ""
    problem: str = ""
    body: str = ""
    """The message, once there is one: the same bytes at every attempt."""


def hosts_of(ws: Workspace) -> frozenset[str]:
    """Return the hosts that the operator allows although they are private or without TLS."""
    return frozenset(ws.settings.text("service.webhook_hosts").replace(",", " ").split())


def announce(ws: Workspace, track: str, url: str) -> Delivery:
    """Store a pending message about a track that was just submitted; durable on return."""
    posting.destination(url, hosts_of(ws))
    folder = ws.home / FOLDER
    make_folder(folder)
    for former in _in(folder, []):  # what cannot be read is reported by whoever sends
        if former.track == track and former.state == "pending":  # the file it waited for was replaced
            (folder / f"{former.id}.json").unlink(missing_ok=True)
    if sum(1 for _ in folder.glob("*.json")) >= WAITING_MAX:
        raise TransientError(f"{WAITING_MAX:,} deliveries wait already; send it again later")
    delivery = Delivery(id=secrets.token_hex(8), track=track, url=url, made_at=format_time(ws.clock()))
    _keep(folder, delivery)
    return delivery


def listed(ws: Workspace) -> list[Delivery]:
    """Return every stored delivery, oldest first."""
    folder = ws.home / FOLDER
    problems: list[Exception] = []
    deliveries = [*_in(folder, problems), *_in(folder / ENDED, problems)]
    if problems:
        raise problems[0]
    return sorted(deliveries, key=lambda delivery: (delivery.made_at, delivery.id))


def replay(ws: Workspace, name: str) -> Delivery:
    """Send a delivered or failed message again, with the same bytes and id."""
    folder = ws.home / FOLDER
    for delivery in (*_in(folder, []), *_in(folder / ENDED, [])):
        if delivery.id == name:
            if not delivery.body:
                raise InputError(f"delivery {name} has no message yet: track {delivery.track} is not attributed")
            renewed = msgspec.structs.replace(delivery, state="sending", attempts=0, next_at="", problem="")
            _keep(folder, renewed)
            return renewed
    raise InputError(f"no delivery {name!r}; see settle webhook list")


def deliver(
    ws: Workspace,
    *,
    look_up: posting.Resolve = posting.resolve,
    stopping: Callable[[], bool] = lambda: False,
) -> list[Delivery]:
    """Send the due deliveries; return each with its new state. A failed delivery does not stop the others."""
    folder, tried, problems = ws.home / FOLDER, [], list[Exception]()
    for delivery in _in(folder, problems):
        if stopping():
            break
        try:
            due = _ready(ws, delivery)
            if due is None:
                continue
            attempt = _attempt(ws, due, look_up)
            _keep(folder, attempt)
        except Exception as problem:  # noqa: BLE001  raised below, after the others were sent
            problem.add_note(f"delivery {delivery.id}")
            problems.append(problem)
        else:
            _LOG.info("webhook %s: %s after %d attempts", attempt.id, attempt.state, attempt.attempts)
            tried.append(attempt)
    if problems:
        raise ExceptionGroup("some deliveries wait; the others were looked at", problems)
    return tried


def _ready(ws: Workspace, delivery: Delivery) -> Delivery | None:
    """Return a due delivery with its message; None if the track is not done or the time has not come."""
    if delivery.state == "pending":
        standing = queued(ws, delivery.track)
        if standing.state not in ("done", "failed"):
            return None
        message = {
            "v": 1,
            "delivery": delivery.id,
            "log": ws.log.origin,
            "at": format_time(ws.clock()),
            "track": delivery.track,
            "state": standing.state,
            "vector": None if standing.answer is None else standing.answer.get("digest"),
            "reason": standing.reason,
        }
        return msgspec.structs.replace(delivery, state="sending", body=canon.encode(message).decode())
    return delivery if delivery.state == "sending" and delivery.next_at <= format_time(ws.clock()) else None


def _attempt(ws: Workspace, delivery: Delivery, look_up: posting.Resolve) -> Delivery:
    key, body = ws.signer("attribution"), delivery.body.encode()
    headers = {
        "Content-Type": PAYLOAD_TYPE,
        "Settle-Delivery": delivery.id,
        "Settle-Key": key.public.id,
        "Settle-Signature": format_base64(key.sign(pae(PAYLOAD_TYPE, body))),
    }
    allowed, attempts = hosts_of(ws), delivery.attempts + 1
    try:
        posting.post(posting.destination(delivery.url, allowed), body, headers, allowed=allowed, look_up=look_up)
    except Exception as problem:  # noqa: BLE001  whatever a receiver provokes counts as an attempt
        over = attempts >= ATTEMPTS_MAX
        return msgspec.structs.replace(
            delivery,
            state="failed" if over else "sending",
            attempts=attempts,
            next_at="" if over else format_time(_later(ws.clock(), attempts)),
            problem=str(problem) if isinstance(problem, SettleError) else f"{type(problem).__name__}: {problem}",
        )
    return msgspec.structs.replace(delivery, state="delivered", attempts=attempts, next_at="", problem="")


def _later(now: datetime, attempts: int) -> datetime:
    """Return the time of the next attempt: the delay doubles each time, up to an hour."""
    wait: timedelta = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (attempts - 1))
    return now + wait


def _keep(folder: Path, delivery: Delivery) -> None:
    """Write the delivery to its new folder, then delete the old file: a crash may duplicate it, but never loses it."""
    ended = delivery.state in ("delivered", "failed")
    places = (folder / ENDED, folder) if ended else (folder, folder / ENDED)
    make_folder(places[0])
    name = f"{delivery.id}.json"
    write_whole(places[0] / name, msgspec.json.format(msgspec.json.encode(delivery), indent=1))
    (places[1] / name).unlink(missing_ok=True)


def _in(folder: Path, problems: list[Exception]) -> Iterator[Delivery]:
    """Yield the deliveries of a folder; `problems` receives one text for each unreadable file."""
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.suffix == ".json" and not path.name.startswith("."):
            try:
                yield msgspec.json.decode(path.read_bytes(), type=Delivery)
            except FileNotFoundError:
                continue
            except (OSError, msgspec.MsgspecError) as problem:
                problems.append(InputError(f"{path} is no delivery: {problem}; move it away"))


@dataclass(slots=True, eq=False)
class DeliveryWorker:
    """One thread that sends due deliveries while the server runs."""

    standing: Standing
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the current message and start no other."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            try:
                self._look()
            except Exception:  # noqa: BLE001  logged: the messages are tried again, and the server goes on
                _LOG.exception("webhooks were not sent; trying again")
                self._stop.wait(LOOK_SECONDS * 20)

    def _look(self) -> None:
        with self.standing.workspace() as ws:
            deliver(ws, stopping=self._stop.is_set)
