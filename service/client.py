"""A client of the HTTP service for platforms: batches, retries, receipts. Needs only the standard library.

    from service.client import Client

    client = Client("https://ledger.example.org", token, source="acme")
    for taken in client.send(events):
        ...

Sending events again is always safe: the log reports those that it has as `duplicates`.
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from itertools import islice
from typing import Any, Final
from urllib.parse import quote, urlsplit

BATCH: Final = 1_000
ATTEMPTS: Final = 8
WAIT_MAX: Final = 60.0
TIMEOUT: Final = 60.0
_AGAIN: Final = frozenset({408, 429, 502, 503, 504})


class ServiceError(Exception):
    """A refusal: its status, the cause in one word, and the message."""

    def __init__(self, status: int, cause: str, detail: str) -> None:
        super().__init__(f"{status} {cause}: {detail}")
        self.status, self.cause, self.detail = status, cause, detail


class Client:
    """The client of one source. Not thread-safe: use one client per thread."""

    def __init__(self, url: str, token: str, *, source: str, sleep: Callable[[float], None] = time.sleep) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"url {url!r}: expected http://HOST or https://HOST")
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=TIMEOUT)
        self._base = f"{parts.path.rstrip('/')}/v1/sources/{quote(source, safe='')}"
        self._token, self._sleep = token, sleep

    def send(self, events: Iterable[Mapping[str, Any]], *, batch: int = BATCH) -> Iterator[dict[str, Any]]:
        """Send events in batches; yield the answer to each. A batch is retried until it is answered."""
        waiting = iter(events)
        while chunk := list(islice(waiting, batch)):
            body = b"".join(json.dumps(event, separators=(",", ":")).encode() + b"\n" for event in chunk)
            headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
            yield self._ask("POST", "/events", gzip.compress(body, 1), headers)

    def receipts(self, event_ids: Iterable[str]) -> dict[str, bytes]:
        """Return the receipts (`.tlog-proof`, for `settle verify`) of those of these events that are in the log."""
        waiting = iter(event_ids)
        receipts: dict[str, bytes] = {}
        while chunk := list(islice(waiting, BATCH)):
            body = json.dumps({"event_ids": chunk}).encode()
            answer = self._ask("POST", "/receipts", body, {"Content-Type": "application/json"})
            receipts |= {entry["event_id"]: entry["receipt"].encode() for entry in answer["receipts"]}
        return receipts

    def close(self) -> None:
        self._connection.close()

    def _ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
        sent = headers | {"Authorization": f"Bearer {self._token}"}
        for attempt in range(1, ATTEMPTS + 1):
            wait = min(WAIT_MAX, 0.25 * 2**attempt)
            try:
                self._connection.request(method, self._base + path, body, sent)
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


def _retry_after(answer: HTTPResponse) -> float:
    text = answer.getheader("Retry-After", "")
    return min(WAIT_MAX, float(text)) if text.isdecimal() else 0.0


def _refusal(answer: HTTPResponse, data: bytes) -> ServiceError:
    try:
        problem = json.loads(data)
        return ServiceError(answer.status, str(problem["cause"]), str(problem["detail"]))
    except (ValueError, KeyError, TypeError):
        return ServiceError(answer.status, "unknown", data[:200].decode("utf-8", "replace"))
