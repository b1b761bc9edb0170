"""Check the rows of an import one by one and turn them into facts.

Each list of the registry document (`parties`, `recordings`, ...) has one struct here: its fields are the columns of the
CSV of that name. A row is valid as a whole or refused with the reason; references to other rows are checked later, in
`ledger.registry.intake`, when everything has been read.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Annotated, Any, Final, get_args

import msgspec

from ledger import units
from ledger.errors import InputError
from ledger.proofs import canon
from ledger.registry import identifiers
from ledger.registry.model import BEGINNING, RIGHTS, WORLD, Answer, Instant, PartyKind, Right, State, Use
from ledger.types import MILLION, STYLE_PREFIX, format_time, parse_time

# `\Z`, since `$` also matches before a last newline.
# No control characters anywhere: values are shown on terminals and pages, and need one canonical spelling.
# No invisible or direction-changing characters either: two ids must not look the same.
_HIDDEN = r"\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"
_ID: Final = rf"^[^\s|*{_HIDDEN}][^\s|{_HIDDEN}]*\Z"
_COUNTRY: Final = r"^[A-Z]{2}\Z"
_TERRITORY: Final = r"^([A-Z]{2}|WORLD)\Z"
_CURRENCY: Final = r"^[A-Z]{3}\Z"
_PATTERNS: Final = {
    _ID: "an id without blanks, | or invisible letters (a name may have blanks, an id may have accents)",
    _COUNTRY: "a country of two capital letters, such as SE",
    _TERRITORY: "WORLD or a country of two capital letters, such as SE",
    _CURRENCY: "a currency of three capital letters, such as EUR",
}
"""What a text that does not match should have been, in words."""
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=256, pattern=_ID)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f\x7f]*\Z")]
Ppm = Annotated[int, msgspec.Meta(ge=1, le=MILLION)]
Territory = Annotated[str, msgspec.Meta(pattern=_TERRITORY)]
Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Alias = Annotated[str, msgspec.Meta(max_length=200, pattern=rf"^[^\s|:{_HIDDEN}]+::[^|{_HIDDEN}]*[^\s|{_HIDDEN}]\Z")]
Micros = Annotated[int, msgspec.Meta(ge=0, le=canon.INT_MAX)]
Currency = Annotated[str, msgspec.Meta(pattern=_CURRENCY)]

_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)


class Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"start": "from", "end": "to"}):
    """One row of one list."""


class PartyRow(Row, frozen=True, kw_only=True):
    """parties: who exists. `group` is the common beneficial owner, `from` when that began."""

    id: Id
    name: Text | None = None
    kind: PartyKind
    group: Id | None = None
    start: str | None = None
    ipi: str | None = None
    isni: str | None = None
    dpid: str | None = None


class RecordingRow(Row, frozen=True, kw_only=True):
    """recordings: what was recorded. `audio` is a path relative to the file."""

    id: Id
    title: Text
    artist: Text | None = None
    isrc: str | None = None
    work: Id | None = None
    audio: Text | None = None
    style: Text | None = None


class WorkRow(Row, frozen=True, kw_only=True):
    """works: what was composed."""

    id: Id
    title: Text
    iswc: str | None = None


class LinkRow(Row, frozen=True, kw_only=True):
    """links: which works a recording contains, beyond the one in its own `work` column."""

    recording: Id
    work: Id
    ppm: Ppm = MILLION
    start: str | None = None
    end: str | None = None
    state: State = "asserted"


class ShareRow(Row, frozen=True, kw_only=True):
    """shares: who owns how much of which right."""

    subject: Id
    party: Id
    right: Right
    ppm: Ppm
    territory: Territory = WORLD
    start: str | None = None
    end: str | None = None
    state: State = "asserted"


class GrantRow(Row, frozen=True, kw_only=True):
    """grants: who permits what. `subject` is a recording, a work, or * for all the grantor controls."""

    id: Id
    grantor: Id
    subject: Annotated[str, msgspec.Meta(min_length=1, max_length=256, pattern=r"^(\*|[^\s|*][^\s|]*)\Z")]
    uses: Annotated[tuple[Use, ...], msgspec.Meta(min_length=1)]
    decision: Answer
    territory: Territory = WORLD
    start: str | None = None
    end: str | None = None
    licensee: Id | None = None
    model: Id | None = None
    floor_micros: Micros | None = None
    currency: Currency | None = None
    cap_ppm: Ppm | None = None
    sunset: str | None = None


class ModelRow(Row, frozen=True, kw_only=True):
    """models: one version each. `training` lists recordings; `training_file` names a file with one id a line."""

    id: Id
    version: Id
    operator: Id
    weights_sha256: Sha256 | None = None
    licences: tuple[Text, ...] = ()
    training: tuple[Id, ...] | None = None
    training_file: Text | None = None


class TrackRow(Row, frozen=True, kw_only=True):
    """tracks: what was generated. `decisions` are digests of decision receipts obtained beforehand.

    `aliases` are what others call it, with a namespace: `PADPIDA2014999999Z::RES-1` is a platform's RES-1.
    """

    id: Id
    title: Text | None = None
    model: Id
    version: Id
    generated_at: str | None = None
    audio_sha256: Sha256 | None = None
    conditioning: tuple[Id, ...] = ()
    decisions: tuple[Sha256, ...] = ()
    isrc: str | None = None
    aliases: tuple[Alias, ...] = ()


class PayeeRow(Row, frozen=True, kw_only=True):
    """payees: where a party's money goes. Stored outside the log. `holder`: the name on the account."""

    party: Id
    method: Annotated[str, msgspec.Meta(pattern=r"^(bank|chain)\Z")]
    account: Text
    holder: Text | None = None
    bic: Annotated[str, msgspec.Meta(pattern=r"^[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?\Z")] | None = None
    town: Text | None = None
    country: Annotated[str, msgspec.Meta(pattern=_COUNTRY)] | None = None
    start: str | None = None


AnyRow = PartyRow | RecordingRow | WorkRow | LinkRow | ShareRow | GrantRow | ModelRow | TrackRow | PayeeRow

LISTS: Final[Mapping[str, type[Row]]] = {
    "parties": PartyRow,
    "works": WorkRow,
    "recordings": RecordingRow,
    "links": LinkRow,
    "shares": ShareRow,
    "grants": GrantRow,
    "models": ModelRow,
    "tracks": TrackRow,
    "payees": PayeeRow,
}
"""The lists of a registry document, in the order in which rows may refer to earlier ones."""


def parse(name: str, value: Any, *, from_text: bool = False) -> AnyRow:
    """Return the checked row; InputError says what is wrong with it. `from_text`: every value is still a text."""
    try:
        row: Any = msgspec.convert(_counted(value), LISTS[name], strict=not from_text)
    except msgspec.ValidationError as problem:
        raise InputError(_with_values(_in_words(str(problem)), LISTS[name])) from None
    return _checked(row)


class ReceiptRow(Row, frozen=True, kw_only=True):
    """The question of a decision receipt, which the log records: not a list of a document, but checked like one."""

    subject: Id
    territory: Territory
    licensee: Id
    model: Id
    version: Id
    track: Id | None


def check_receipt(subject: str, territory: str, licensee: str | None, model: str | None, track: str | None) -> None:
    """Refuse a receipt's question that would not be valid as a row; `model` is ID@VERSION."""
    name, _, version = (model or "").partition("@")
    row = {"subject": subject, "territory": territory, "licensee": licensee, "track": track}
    try:
        msgspec.convert(row | {"model": name, "version": version}, ReceiptRow)
    except msgspec.ValidationError as problem:
        raise InputError(f"receipt: {_in_words(str(problem))}") from None


def _in_words(problem: str) -> str:
    """Return the library's message, with the meaning of a pattern in words."""
    for pattern, words in _PATTERNS.items():
        problem = problem.replace(f"`str` matching regex {pattern!r}", words)
    return problem


def _with_values(problem: str, row: type[Row]) -> str:
    """Return the message about a word that is none of a column's, with the column's words."""
    for column in msgspec.structs.fields(row):
        if problem.startswith("Invalid enum value") and problem.endswith(f"- at `$.{column.encode_name}`"):
            return f"{problem}: expected one of {', '.join(map(str, get_args(column.type)))}"
    return problem


def _counted(value: Any) -> Any:
    """Return the row with shares and amounts converted from people's units to ppm and micro-units."""
    if not isinstance(value, dict):
        return value
    counted = dict(value)
    for column, read, marks in _UNITS:
        text = counted.get(column)
        if isinstance(text, str) and any(mark in text for mark in marks):
            counted[column] = read(text)
    return counted


_UNITS: Final = (("ppm", units.ppm, "%/"), ("cap_ppm", units.ppm, "%/"), ("floor_micros", units.micros, "."))
"""Columns, how they are read, and the signs that show that a text is not a whole number already."""


def _checked(row: AnyRow) -> AnyRow:
    """Return the row with its identifiers and times in canonical spelling."""
    changes: dict[str, Any] = {}
    for field, spell in _SPELLING.items():
        value = getattr(row, field, None)
        if value is not None:
            changes[field] = spell(value)
    result: AnyRow = msgspec.structs.replace(row, **changes) if changes else row
    start, end = getattr(result, "start", None), getattr(result, "end", None)
    if end is not None and end <= (start or BEGINNING):
        raise InputError(f"to {end} is not after from {start}")
    match result:
        case GrantRow() if (result.floor_micros is None) != (result.currency is None):
            raise InputError("floor_micros and currency come together or not at all")
        case GrantRow() if len(set(result.uses)) != len(result.uses):
            raise InputError(f"uses {'|'.join(result.uses)}: one is named twice")
        case ModelRow() if "@" in result.id:
            raise InputError(f"model id {result.id!r}: @ separates id and version, so an id has none")
        case ModelRow() if result.training is not None and result.training_file is not None:
            raise InputError("training and training_file: give one of them")
        case RecordingRow() | WorkRow() if result.id.startswith(STYLE_PREFIX):
            raise InputError(f"id {result.id!r}: ids that start with {STYLE_PREFIX!r} are style groups")
        case PayeeRow():
            spell_account = identifiers.bank_account if result.method == "bank" else identifiers.evm_address
            return msgspec.structs.replace(result, account=spell_account(result.account))
    return result


@lru_cache(maxsize=4096)
def instant(text: str) -> Instant:
    """Parse a date (its first second, in UTC) or an RFC 3339 time; return it as `format_time` writes it."""
    return format_time(parse_time(f"{text}T00:00:00Z" if _DATE.match(text) else text))


def right_named(text: str) -> Right:
    """Return a right by the name that a person typed."""
    for right in RIGHTS:
        if right == text:
            return right
    raise InputError(f"right {text!r}: expected one of {', '.join(RIGHTS)}")


def beside(path: str) -> str:
    """Return a path inside the document's folder, so that a document cannot name other files of this host."""
    location = PurePosixPath(path)
    if location.is_absolute() or ".." in location.parts or "\\" in path:
        raise InputError(f"path {path!r}: expected one below the folder of the file, with / and without ..")
    return path


def day(moment: Instant) -> str:
    """Format an instant for people: midnight becomes a date."""
    return moment.removesuffix("T00:00:00Z")


_SPELLING: Final[Mapping[str, Any]] = {
    "start": instant,
    "end": instant,
    "sunset": instant,
    "generated_at": instant,
    "audio": beside,
    "training_file": beside,
    "isrc": identifiers.isrc,
    "iswc": identifiers.iswc,
    "ipi": identifiers.ipi,
    "isni": identifiers.isni,
}
"""Fields with one spelling. A DPID is kept as given: the industry's own test data carries wrong ones."""


def share_id(row: ShareRow) -> str:
    """Return the id of a share, made of its fields, because a share has no id of its own."""
    return _derived("sh", row.subject, row.party, row.right, row.territory, row.start or BEGINNING)


def link_id(row: LinkRow) -> str:
    """Return the id of a link, made in the same way."""
    return _derived("ln", row.recording, row.work, row.start or BEGINNING)


def _derived(prefix: str, *parts: str) -> str:
    return f"{prefix}-{hashlib.sha256('|'.join(parts).encode()).hexdigest()[:20]}"
