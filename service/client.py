"""A client of the HTTP service for platforms and generators: events, receipts, permissions, declarations.

It needs only the standard library.

    from service.client import Client

    client = Client("https://ledger.example.org", token, source="acme")
    for taken in client.send(events):
        ...

Sending events again is always safe: the log reports those that it has as `duplicates`. A generator asks before it uses
recordings, and declares afterwards what it used:

    permissions = client.ask(["rec-1", "rec-2"], licensee="p-gen", model="mdl@1", track="acme:trk-9")
    allowed = [permission for permission in permissions if permission.allowed]
    declared = client.declare("acme:trk-9", {p.recording: ppm_of(p) for p in allowed}, allowed)
    client.send([{..., "track": "acme:trk-9", "vector": declared.digest}])
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from itertools import islice
from typing import Any, Final
from urllib.parse import quote, urlsplit

BATCH: Final = 1_000
ATTEMPTS: Final = 8
WAIT_MAX: Final = 60.0
TIMEOUT: Final = 60.0
JSON: Final = {"Content-Type": "application/json"}
_AGAIN: Final = frozenset({408, 429, 502, 503, 504})


class ServiceError(Exception):
    """A refusal: its status, the cause in one word, and the message."""

    def __init__(self, status: int, cause: str, detail: str) -> None:
        super().__init__(f"{status} {cause}: {detail}")
        self.status, self.cause, self.detail = status, cause, detail


@dataclass(frozen=True)
class Permission:
    """The signed answer to one question. `statement` is a DSSE envelope by the operator; keep it.

    Its signature is not checked here: compare the key with the log's trust.json where that matters.
    """

    recording: str
    use: str
    model: str
    decision: str
    reasons: tuple[str, ...]
    cap_ppm: int | None
    receipt: str
    statement: Mapping[str, Any]

    @property
    def allowed(self) -> bool:
        return self.decision == "allow"


@dataclass(frozen=True)
class Declared:
    """A recorded declaration. `digest` goes into the events of its track; without `assigned` it pays nobody."""

    track: str
    digest: str
    assigned: bool
    findings: tuple[Mapping[str, str], ...]


class Client:
    """The client of one source. Not thread-safe: use one client per thread."""

    def __init__(self, url: str, token: str, *, source: str, sleep: Callable[[float], None] = time.sleep) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"url {url!r}: expected http://HOST or https://HOST")
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=TIMEOUT)
        self._root = f"{parts.path.rstrip('/')}/v1"
        self._base = f"{self._root}/sources/{quote(source, safe='')}"
        self._token, self._sleep = token, sleep

    def send(self, events: Iterable[Mapping[str, Any]], *, batch: int = BATCH) -> Iterator[dict[str, Any]]:
        """Send events in batches; yield the answer to each. A batch is retried until it is answered."""
        waiting = iter(events)
        while chunk := list(islice(waiting, batch)):
            body = b"".join(json.dumps(event, separators=(",", ":")).encode() + b"\n" for event in chunk)
            headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
            yield self._ask("POST", f"{self._base}/events", gzip.compress(body, 1), headers)

    def send_batch(self, events: bytes, statement: bytes) -> dict[str, Any]:
        """Send a signed batch: its file, and the output of `settle batch sign`. All of it is taken, or nothing."""
        headers = {
            "Content-Type": "application/x-ndjson",
            "Content-Encoding": "gzip",
            "Settle-Batch": base64.b64encode(statement).decode(),
        }
        return self._ask("POST", f"{self._base}/batches", gzip.compress(events, 1), headers)

    def receipts(self, event_ids: Iterable[str]) -> dict[str, bytes]:
        """Return the receipts (`.tlog-proof`, for `settle verify`) of those of these events that are in the log."""
        waiting = iter(event_ids)
        receipts: dict[str, bytes] = {}
        while chunk := list(islice(waiting, BATCH)):
            body = json.dumps({"event_ids": chunk}).encode()
            answer = self._ask("POST", f"{self._base}/receipts", body, JSON)
            receipts |= {entry["event_id"]: entry["receipt"].encode() for entry in answer["receipts"]}
        return receipts

    def ask(
        self,
        recordings: Iterable[str],
        *,
        licensee: str,
        model: str,
        use: str = "condition",
        track: str | None = None,
        territory: str = "WORLD",
    ) -> list[Permission]:
        """Ask whether this model version (`ID@VERSION`) may use recordings; the log records every answer.

        An answer serves the track that it names, or without one the tracks that are declared within 24 hours.
        """
        path = f"{self._root}/decisions/{quote(licensee, safe='')}"
        permissions = []
        for recording in recordings:
            question = {"subject": recording, "use": use, "model": model, "territory": territory}
            if track is not None:
                question["track"] = track
            answer = self._ask("POST", path, json.dumps(question).encode(), JSON)
            _check_statement(answer, question | {"licensee": licensee, "decision": answer["decision"]})
            permissions.append(
                Permission(
                    recording=recording,
                    use=use,
                    model=model,
                    decision=answer["decision"],
                    reasons=tuple(answer["reasons"]),
                    cap_ppm=answer["cap_ppm"],
                    receipt=answer["receipt"],
                    statement=answer["statement"],
                )
            )
        return permissions

    def declare(self, track: str, weights: Mapping[str, int], permissions: Sequence[Permission]) -> Declared:
        """Declare what a track was conditioned on, in parts of a million; the rest is unattributed.

        Each recording needs one of the permissions, and all are of one model version, which made the track.
        """
        by_recording = {permission.recording: permission for permission in permissions}
        if missing := sorted(set(weights) - set(by_recording)):
            raise ValueError(f"no permission for {missing[0]}; ask for it first")
        for recording, ppm in weights.items():
            cap = by_recording[recording].cap_ppm
            if cap is not None and ppm > cap:
                raise ValueError(f"{recording}: {ppm:,} ppm; its permission allows at most {cap:,}")
        models = {by_recording[recording].model for recording in weights}
        if len(models) != 1:
            raise ValueError(f"permissions of {len(models)} model versions; a track is made by one")
        model, _, version = models.pop().partition("@")
        document = {
            "track": track,
            "model": model,
            "model_version": version,
            "sources": [
                {"recording": recording, "ppm": ppm, "use": by_recording[recording].use}
                for recording, ppm in sorted(weights.items())
            ],
            "decisions": [by_recording[recording].receipt for recording in sorted(weights)],
        }
        answer = self._ask("POST", f"{self._base}/vectors", json.dumps(document).encode(), JSON)
        return Declared(answer["track"], answer["digest"], answer["assigned"], tuple(answer["findings"]))

    def close(self) -> None:
        self._connection.close()

    def _ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
        sent = headers | {"Authorization": f"Bearer {self._token}"}
        for attempt in range(1, ATTEMPTS + 1):
            wait = min(WAIT_MAX, 0.25 * 2**attempt)
            try:
                self._connection.request(method, path, body, sent)
                answer = self._connection.getresponse()
                data = answer.read()
            except (OSError, HTTPException):
                self._connection.close()  # what became of it is not known; sent again, it cannot count twice
                if attempt == ATTEMPTS:
                    raise
            else:
                if answer.status == 200:
                    document: dict[str, Any] = json.loads(data)
                    return document
                if answer.status not in _AGAIN or attempt == ATTEMPTS:
                    raise _refusal(answer, data)
                wait = max(wait, _retry_after(answer))
            self._sleep(wait)
        raise AssertionError("the last attempt returns or raises")


def _check_statement(answer: Mapping[str, Any], asked: Mapping[str, str]) -> None:
    """Refuse an answer whose statement has another digest than its receipt, or answers another question."""
    statement = answer["statement"]
    content = json.dumps(statement, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    payload = json.loads(base64.b64decode(statement["payload"]))
    different = [name for name, value in asked.items() if payload.get(name) != value]
    if hashlib.sha256(content).hexdigest() != answer["receipt"] or different:
        named = f" (it has another {different[0]})" if different else ""
        raise ServiceError(200, "altered", f"the decision on {asked['subject']} is not the one that was signed{named}")


def _retry_after(answer: HTTPResponse) -> float:
    text = answer.getheader("Retry-After", "")
    return min(WAIT_MAX, float(text)) if text.isdecimal() else 0.0


def _refusal(answer: HTTPResponse, data: bytes) -> ServiceError:
    try:
        problem = json.loads(data)
        return ServiceError(answer.status, str(problem["cause"]), str(problem["detail"]))
    except (ValueError, KeyError, TypeError):
        return ServiceError(answer.status, "unknown", data[:200].decode("utf-8", "replace"))
