"""Check an event before it is appended: pure checks, each with a reason in a sentence.

`explain` checks any JSON value and says what is wrong with it. `Checker` checks decoded events in bulk and caches
values that passed, because sources, territories, products, days and times of day repeat by the million. Both accept the
same events.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Any, Final
from unicodedata import is_normalized

import msgspec

from ledger.errors import InputError
from ledger.event import StreamEvent
from ledger.proofs.canon import INT_MAX
from ledger.types import format_time, parse_time

FIELDS: Final = StreamEvent.__struct_fields__
REQUIRED: Final = ("source", "event_id", "track", "occurred_at", "territory", "units")
NUMBERS: Final = ("units", "gross_micros")
ID_MAX: Final = 256
UNITS_MAX: Final = 1_000_000_000
"""Of one event: no single report is of more streams, and a slip of the keyboard would empty a pool."""

REMEMBERED_MAX: Final = 200_000
"""Of each kind of good value; past it the memory starts afresh."""

_TERRITORY: Final = re.compile(r"[A-Z]{2}\Z")
_CURRENCY: Final = re.compile(r"[A-Z]{3}\Z")
_CLOCK: Final = re.compile(r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z\Z")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}\Z")
_FIRST_DAY: Final = date(1970, 1, 1)


def explain(document: Any) -> StreamEvent:
    """Return the event of a JSON value; InputError names the wrong field, its value and the expected value."""
    if not isinstance(document, dict):
        raise InputError(f"expected a JSON object, got {_shown(document)}")
    if missing := [name for name in REQUIRED if document.get(name) is None]:
        raise InputError(f"missing {', '.join(missing)}")
    if unknown := sorted(set(document) - set(FIELDS)):  # `ledger.ingest.naming` leaves out what may be
        raise InputError(f"unknown field {unknown[0]!r}; known are {', '.join(FIELDS)}")
    for name, value in document.items():
        if value is None:
            continue
        if name in NUMBERS:
            if type(value) is not int:
                raise InputError(f"{name}: expected a whole number, got {_shown(value)}")
        elif name == "vector":
            if not isinstance(value, dict) and not (isinstance(value, str) and _DIGEST.match(value)):
                raise InputError(
                    f"vector: expected an object with sources, or the digest of a logged vector, got {_shown(value)}"
                )
        elif not isinstance(value, str):
            raise InputError(f"{name}: expected a text, got {_shown(value)}")
    return check(StreamEvent(**document))


def check(event: StreamEvent) -> StreamEvent:
    """Return the event with its time in our format; InputError names the first invalid field."""
    for name in ("source", "event_id", "track", "product", "listener"):
        check_id(getattr(event, name), name)
    for name in ("source", "event_id"):
        _check_spelling(getattr(event, name), name)
    for name in NUMBERS:
        number = getattr(event, name)
        if number is not None and not 0 <= number <= INT_MAX:
            raise InputError(f"{name}: {number} is {'negative' if number < 0 else 'not below 2^53'}")
    if event.units > UNITS_MAX:
        raise InputError(f"units: {event.units} in one event is impossible, at most {UNITS_MAX}")
    if isinstance(event.vector, str) and not _DIGEST.match(event.vector):
        raise InputError(f"vector: {_shown(event.vector)}, expected 64 lowercase hex digits")
    if not _TERRITORY.match(event.territory):
        raise InputError(f"territory: {_shown(event.territory)}, expected an ISO 3166 alpha-2 code such as SE")
    if event.currency is not None and not _CURRENCY.match(event.currency):
        raise InputError(f"currency: {_shown(event.currency)}, expected an ISO 4217 code such as EUR")
    if event.gross_micros is not None and event.currency is None:
        raise InputError("gross_micros without currency")
    try:
        moment = parse_time(event.occurred_at)
    except InputError as problem:
        raise InputError(f"occurred_at: {problem}") from None
    if moment.date() < _FIRST_DAY:
        raise InputError(f"occurred_at: {event.occurred_at} is before 1970")
    return msgspec.structs.replace(event, occurred_at=format_time(moment))


def check_id(value: str | None, name: str) -> None:
    """Check that an identifier is printable: no character that a terminal, a CSV or a database reads as a command."""
    if value is None:
        return
    if not 0 < len(value) <= ID_MAX:
        raise InputError(f"{name}: {len(value)} characters, expected 1 to {ID_MAX}")
    if not value.isprintable():
        unprintable = next(mark for mark in value if not mark.isprintable())
        raise InputError(f"{name}: contains U+{ord(unprintable):04X}, which is not printable")


def _check_spelling(value: str, name: str) -> None:
    """Check the spelling of a source or an event id: ids that look the same must not count twice."""
    if value != value.strip():
        raise InputError(f"{name}: {_shown(value)} begins or ends with a blank")
    if not is_normalized("NFC", value):
        raise InputError(f"{name}: {_shown(value)} is not in Unicode's normal form NFC")


def _shown(value: Any) -> str:
    """Return a value for an error message: as JSON, shortened."""
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, ValueError, OverflowError, msgspec.MsgspecError):
        text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


class Checker:
    """Checks events in bulk; an event whose values are all in the cache takes a fraction of a microsecond."""

    def __init__(self, latest: Callable[[], date], source: str | None = None) -> None:
        """`latest` returns the last possible day of an event, which is tomorrow by the ledger's clock.

        It is called for each batch, because a checker lives as long as the process that takes events.

        With a `source`, events of every other are refused.
        """
        self._latest = latest
        self._source = source
        self._good: dict[str, set[str | None]] = {
            name: set() for name in ("source", "product", "territory", "currency", "day", "clock", "vector")
        }

    def run(self, events: list[StreamEvent]) -> dict[int, str]:
        """Return the reasons for the refused events by position.

        A valid event with another time format is replaced in place.
        """
        refused: dict[int, str] = {}
        latest = self._latest().isoformat()
        good = self._good
        sources, products, territories, currencies = (
            good["source"],
            good["product"],
            good["territory"],
            good["currency"],
        )
        days, clocks, vectors = good["day"], good["clock"], good["vector"]
        for i, event in enumerate(events):
            occurred, gross = event.occurred_at, event.gross_micros
            if (
                event.source in sources
                and event.territory in territories
                and event.product in products
                and event.currency in currencies
                and occurred[:10] in days
                and occurred[10:] in clocks
                and 0 <= event.units <= UNITS_MAX
                and (gross is None or (0 <= gross <= INT_MAX and event.currency is not None))
                and 0 < len(event_id := event.event_id) <= ID_MAX
                and event_id.isprintable()
                and event_id[0] != " " != event_id[-1]
                and (event_id.isascii() or is_normalized("NFC", event_id))
                and 0 < len(track := event.track) <= ID_MAX
                and track.isprintable()
                and ((vector := event.vector) is None or isinstance(vector, dict) or vector in vectors)
                and ((listener := event.listener) is None or (0 < len(listener) <= ID_MAX and listener.isprintable()))
            ):
                continue
            try:
                events[i] = self._learn(check(event), latest)
            except InputError as problem:
                refused[i] = str(problem)
        return refused

    def _learn(self, event: StreamEvent, latest: str) -> StreamEvent:
        """Cache values that passed the full check."""
        day, clock = event.occurred_at[:10], event.occurred_at[10:]
        if day > latest:
            raise InputError(f"occurred_at: {event.occurred_at} is in the future")
        if self._source not in (None, event.source):
            raise InputError(f"source: {_shown(event.source)}, and this file is taken as one of {self._source!r}")
        seen = {
            "source": event.source,
            "product": event.product,
            "territory": event.territory,
            "currency": event.currency,
            "day": day,
            "clock": clock,
            "vector": event.vector if isinstance(event.vector, str) else None,
        }
        for name, value in seen.items():
            remembered = self._good[name]
            if len(remembered) >= REMEMBERED_MAX:
                remembered.clear()
            remembered.add(value)
        return event
