"""A witness: its key, its logs, its database, and its HTTP server (c2sp.org/tlog-witness).

Its folder holds `key.json`, `witness.db` and `logs`, a tlog-policy file whose `log` lines name the logs it cosigns and,
in a comment, the witness itself. It should be run by another organisation than the log: a collecting society, an
auditor, a competitor.
"""

from __future__ import annotations

import hashlib
import io
import re
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from ledger.errors import ConflictError, InputError, SettleError, StateError, VerificationError
from ledger.files import make_folder, write_whole
from ledger.proofs import cosign, keyfile, note, policy
from ledger.proofs.keys import PrivateKey
from ledger.proofs.note import COSIGNATURE, Note, Vkey
from ledger.proofs.policy import Policy, PolicyLog
from ledger.proofs.witness import (
    MALFORMED,
    OK,
    REQUEST_MAX,
    CosignAnswer,
    answer,
    decide,
    origin_of,
    parse_request,
    stripped,
)
from service.secrets import Passphrase
from service.witness.memory import WitnessStore

Clock = Callable[[], datetime]

KEY: Final = "key.json"
DATABASE: Final = "witness.db"
LOGS: Final = "logs"
_NAME: Final = re.compile(r"^# witness (\S+)$", re.MULTILINE)
_UNAVAILABLE: Final = 503
_LENGTH_DIGITS: Final = 7
"""Digits of a Content-Length that are read as a number: Python refuses thousands of them with an exception."""


@dataclass(frozen=True)
class Witness:
    """Cosigns checkpoints that extend the stored ones. Reads its list of logs again for each request."""

    folder: Path
    name: str
    key: PrivateKey
    store: WitnessStore
    clock: Clock

    @classmethod
    def create(cls, folder: Path, name: str, passphrase: bytes | None, clock: Clock) -> Witness:
        """Create a witness with a new key and an empty database."""
        note.check_name(name)
        make_folder(folder)
        if (folder / LOGS).exists():
            raise ConflictError(f"{folder} already holds a witness; nothing was changed")
        key = PrivateKey.generate()
        keyfile.save(folder / KEY, key, passphrase)
        store = WitnessStore.create(folder / DATABASE)
        write_whole(folder / LOGS, f"# witness {name}\nquorum none\n".encode())
        return cls(folder, name, key, store, clock)

    @classmethod
    def open(cls, folder: Path, passphrase: Passphrase, clock: Clock) -> Witness:
        """Open the witness in this folder."""
        if not (folder / LOGS).is_file():
            raise InputError(f"no witness in {folder}; make one with `settle witness init {folder} --name NAME`")
        named = _NAME.search((folder / LOGS).read_text(encoding="utf-8"))
        if named is None:
            raise StateError(f"{folder / LOGS} does not say `# witness NAME`; write back the name it was made with")
        key = keyfile.load(folder / KEY, passphrase)
        return cls(folder, named[1], key, WitnessStore(folder / DATABASE), clock)

    @property
    def vkey(self) -> Vkey:
        """Return the verifier key for other people's policies."""
        return Vkey(self.name, self.key.public, COSIGNATURE)

    def logs(self) -> tuple[Vkey, ...]:
        """Return the accepted log keys; several of one name while a log's key is handed over."""
        return tuple(log.vkey for log in policy.parse((self.folder / LOGS).read_bytes()).logs)

    def know(self, *vkeys: Vkey) -> None:
        """Accept checkpoints signed by these log keys too."""
        listed = self.logs()
        logs = tuple(PolicyLog(vkey) for vkey in (*listed, *(vkey for vkey in vkeys if vkey not in listed)))
        text = f"# witness {self.name}\n".encode() + Policy(logs).encode()
        write_whole(self.folder / LOGS, text)

    def add_checkpoint(self, body: bytes) -> CosignAnswer:
        """Answer one add-checkpoint request; the cosigned state is on disk before this returns."""
        try:
            request = parse_request(body)
            origin = origin_of(request)
            signed = note.parse(request.checkpoint)
        except VerificationError as problem:
            return CosignAnswer(MALFORMED, f"{problem}\n".encode())
        now = int(self.clock().timestamp())
        line = cosign.sign(signed.text, self.name, self.key, now)
        trusted = [vkey for vkey in self.logs() if vkey.name == origin]
        own = stripped(signed, trusted)
        decision, _ = self.store.compare_and_swap(
            origin,
            own.encode(),
            time=now,
            decide=lambda held: decide(request, held, trusted),
            cosign=lambda: Note(own.text, (*own.signatures, line)).encode(),
        )
        return answer(decision, [line])

    def latest(self, origin_digest: str) -> bytes | None:
        """Return the last cosigned checkpoint of the log whose origin has this SHA-256."""
        for seen in self.store.seen():
            if hashlib.sha256(seen.origin.encode()).hexdigest() == origin_digest:
                return seen.note
        return None


# --- over HTTP ----------------------------------------------------------------------------------

CONNECTIONS_MAX: Final = 200
DEADLINE: Final = 10.0
"""Seconds in which a request must be there, from its first byte to its last."""
_LATEST: Final = re.compile(r"/([0-9a-f]{64})/checkpoint\Z")


class WitnessServer(ThreadingHTTPServer):
    """`POST /add-checkpoint` and `GET /<SHA-256 of origin>/checkpoint`.

    A connection is closed if its request is not complete in time, even if bytes keep coming, and connections beyond the
    limit are closed at once, so that threads and file handles do not run out (finding H2). Put a proxy before a public
    witness.
    """

    daemon_threads = True

    def __init__(
        self,
        witness: Witness,
        host: str,
        port: int,
        say: Callable[[str], None],
        *,
        connections: int = CONNECTIONS_MAX,
        deadline: float = DEADLINE,
    ) -> None:
        self.witness: Final = witness
        self.say: Final = say
        self.deadline: Final = deadline
        self._free: Final = threading.BoundedSemaphore(connections)
        super().__init__((host, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()


class _Timed(io.RawIOBase):
    """Reads from a connection up to a deadline that arriving bytes do not extend."""

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        self._connection, self._seconds = connection, seconds
        self.restart()

    def restart(self) -> None:
        """Give the next request its time."""
        self._until = time.monotonic() + self._seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._connection.settimeout(max(self._until - time.monotonic(), 0.001))
        return self._connection.recv_into(buffer)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: WitnessServer

    def setup(self) -> None:
        super().setup()
        self._timed = _Timed(self.connection, self.server.deadline)
        self.rfile = io.BufferedReader(self._timed)

    def handle_one_request(self) -> None:
        self._timed.restart()
        super().handle_one_request()

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if self.path != "/add-checkpoint":
            self.close_connection = True
            return self._send(CosignAnswer(404, b"not found\n"))
        if not length.isascii() or not length.isdecimal() or len(length) > _LENGTH_DIGITS or int(length) > REQUEST_MAX:
            self.close_connection = True
            return self._send(CosignAnswer(MALFORMED, b"expected a body with a length\n"))
        body = self.rfile.read(int(length))
        try:
            answer = self.server.witness.add_checkpoint(body)
        except SettleError as problem:  # the memory cannot be read or written: answer nothing that could be believed
            self.server.say(f"settle witness: {problem}")
            return self._send(CosignAnswer(_UNAVAILABLE, b"try again later\n"))
        if answer.status != OK:
            self.server.say(f"settle witness: {answer.status} {answer.body.decode(errors='replace').strip()}")
        return self._send(answer)

    def do_GET(self) -> None:
        match = _LATEST.match(self.path)
        checkpoint = self.server.witness.latest(match[1]) if match else None
        self._send(CosignAnswer(404, b"not found\n") if checkpoint is None else CosignAnswer(OK, checkpoint))

    def _send(self, found: CosignAnswer) -> None:
        self.connection.settimeout(self.server.deadline)
        self.send_response(found.status)
        self.send_header("Content-Type", found.content_type)
        self.send_header("Content-Length", str(len(found.body)))
        self.end_headers()
        self.wfile.write(found.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the framework's signature
        """Do nothing: `do_POST` reports refusals, and successful requests are not logged."""
