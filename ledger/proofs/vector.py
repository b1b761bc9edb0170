"""Influence vectors as signed statements: their payload, its rules, the declared form.

The payload is canonical JSON; sources are sorted by id and use, so one vector has one digest under
one key.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from ledger.errors import InputError, VerificationError
from ledger.proofs import canon, dsse
from ledger.proofs.keys import PrivateKey, PublicKey
from ledger.text import parse_hex
from ledger.types import (
    ASPECTS,
    MILLION,
    STYLE_PREFIX,
    Aspect,
    AspectVector,
    Influence,
    InfluenceVector,
    MeasuredError,
)

PAYLOAD_TYPE: Final = "application/vnd.settle.influence-vector+json"
ID_MAX: Final = 256
SOURCES_MAX: Final = 10_000

USES: Final = ("train", "condition", "style", "voice", "sample")
BASES: Final = ("declared", "estimated")
DECLARED: Final = "declared"
"""The method of a vector that a generator or a platform declares."""

_OPTIONAL: Final = ("params_sha256", "catalogue_root", "catalogue_size", "model", "model_version")


# --- rules --------------------------------------------------------------------------------------


def validate(vector: InfluenceVector) -> InfluenceVector:
    """Return the vector if it is valid; InputError names the first broken rule."""
    _check_id(vector.track, "track")
    where = f"vector of {vector.track}"
    _check_id(vector.method, f"{where}: method")
    _check_id(vector.version, f"{where}: method version")
    for value in (vector.model, vector.model_version):
        if value is not None:
            _check_id(value, f"{where}: model")
    for digest in (vector.params_sha256, vector.catalogue_root, *vector.decisions):
        if digest is not None:
            _check_digest(digest, where)
    if vector.catalogue_size is not None:
        _check_int(vector.catalogue_size, canon.INT_MAX, f"{where}: catalogue size")
    if (error := vector.error) is not None:
        _check_id(error.benchmark, f"{where}: benchmark")
        _check_id(error.metric, f"{where}: metric")
        _check_int(error.value_ppm, canon.INT_MAX, f"{where}: measured error")
        _check_int(error.n, canon.INT_MAX, f"{where}: benchmark size")
    for aspect in ASPECTS:
        _check_aspect(f"{where}, {aspect}", aspect, vector.aspect(aspect))
    return vector


def _check_aspect(where: str, name: Aspect, aspect: AspectVector) -> None:
    _check_int(len(aspect.sources), SOURCES_MAX, f"{where}: number of sources")
    _check_int(aspect.unattributed, MILLION, f"{where}: unattributed ppm")
    for source in aspect.sources:
        _check_id(source.id, f"{where}: source")
        if source.id.startswith(STYLE_PREFIX) != (name == "style"):
            raise InputError(
                f"{where}: {source.id!r}; {STYLE_PREFIX!r} begins the ids of the style aspect and no others"
            )
        if source.basis not in BASES:
            raise InputError(f"{where}: {source.id} has basis {source.basis!r}, expected one of {', '.join(BASES)}")
        if source.use is not None and source.use not in USES:
            raise InputError(f"{where}: {source.id} has use {source.use!r}, expected one of {', '.join(USES)}")
        for ppm in (source.low, source.ppm, source.high):
            _check_int(ppm, MILLION, f"{where}: ppm of {source.id}")
        if not source.low <= source.ppm <= source.high:
            raise InputError(f"{where}: {source.id} has {source.ppm} ppm outside [{source.low}, {source.high}]")
    if len({_order(source) for source in aspect.sources}) != len(aspect.sources):
        raise InputError(f"{where}: a source is listed twice for the same use")
    total = sum(source.ppm for source in aspect.sources) + aspect.unattributed
    if total != MILLION:
        raise InputError(f"{where}: sources and unattributed sum to {total} ppm, expected {MILLION}")


def _check_id(value: Any, what: str) -> None:
    if not isinstance(value, str) or not 0 < len(value) <= ID_MAX or not value.isprintable():
        raise InputError(f"{what} {str(value)[:80]!r}: expected 1 to {ID_MAX} printable characters")


def _check_digest(value: Any, where: str) -> None:
    try:
        parse_hex(value, f"{where}: digest", 32)
    except VerificationError as problem:
        raise InputError(str(problem)) from None


def _check_int(value: Any, most: int, what: str) -> None:
    if type(value) is not int or not 0 <= value <= most:
        raise InputError(f"{what} is {str(value)[:40]}, expected an integer from 0 to {most}")


def _order(source: Influence) -> tuple[str, str]:
    return source.id, source.use or ""


# --- payload ------------------------------------------------------------------------------------


def payload_digest(vector: InfluenceVector) -> bytes:
    """Return the SHA-256 of the payload of this vector's statement; a batch that declares the vector covers it."""
    return bytes.fromhex(canon.digest(canon.encode(payload(vector))))


def payload(vector: InfluenceVector) -> dict[str, Any]:
    """Return the vector as canonical JSON types, without absent fields."""
    validate(vector)
    document: dict[str, Any] = {"v": 1, "type": "influence-vector", "track": vector.track}
    for name in ASPECTS:
        aspect = vector.aspect(name)
        sources = [_source(source) for source in sorted(aspect.sources, key=_order)]
        document[name] = {"sources": sources, "unattributed": aspect.unattributed}
    document |= {"method": vector.method, "version": vector.version}
    document |= {name: value for name in _OPTIONAL if (value := getattr(vector, name)) is not None}
    if vector.error is not None:
        error = vector.error
        document["error"] = {
            "benchmark": error.benchmark,
            "metric": error.metric,
            "value_ppm": error.value_ppm,
            "n": error.n,
        }
    if vector.decisions:
        document["decisions"] = list(vector.decisions)
    return document


def _source(source: Influence) -> dict[str, Any]:
    fields = {"id": source.id, "ppm": source.ppm, "basis": source.basis, "low": source.low, "high": source.high}
    return fields if source.use is None else {**fields, "use": source.use}


def parse(data: bytes) -> InfluenceVector:
    """The vector with exactly this payload."""
    document = canon.decode_object(data, "influence vector")
    try:
        vector = validate(_vector(document))
        same = payload(vector) == document
    except (InputError, KeyError, TypeError, AttributeError) as problem:
        raise VerificationError(f"influence vector: {problem!r}") from None
    if not same:
        raise VerificationError("influence vector: unknown fields, or sources out of order")
    return vector


def _vector(document: dict[str, Any]) -> InfluenceVector:
    error = document.get("error")
    return InfluenceVector(
        track=document["track"],
        recording=_aspect(document["recording"]),
        composition=_aspect(document["composition"]),
        style=_aspect(document["style"]),
        method=document["method"],
        version=document["version"],
        error=None if error is None else MeasuredError(**error),
        decisions=tuple(document.get("decisions", ())),
        **{name: document[name] for name in _OPTIONAL if name in document},
    )


def _aspect(document: dict[str, Any]) -> AspectVector:
    sources = tuple(Influence(**source) for source in document["sources"])
    return AspectVector(sources=sources, unattributed=document["unattributed"])


# --- statements ---------------------------------------------------------------------------------


def sign(vector: InfluenceVector, *keys: PrivateKey) -> dsse.Envelope:
    """The vector as a signed statement; its digest is what assignments and events name."""
    return dsse.sign(PAYLOAD_TYPE, canon.encode(payload(vector)), keys)


def open_statement(envelope: bytes, keys: Iterable[PublicKey]) -> InfluenceVector:
    """The vector in these envelope bytes, if one of these keys signed it."""
    return parse(dsse.verify(dsse.parse(envelope), keys, PAYLOAD_TYPE))


def read_statement(envelope: bytes) -> InfluenceVector:
    """Return the vector in these envelope bytes without checking the signer, for bytes found by their digest."""
    statement = dsse.parse(envelope)
    if statement.payload_type != PAYLOAD_TYPE:
        raise VerificationError(f"statement is a {statement.payload_type!r}, expected {PAYLOAD_TYPE!r}")
    return parse(statement.payload)


# --- the declared form --------------------------------------------------------------------------

_DECLARED: Final = ("track", "sources", "model", "model_version", "decisions")
_ID_FIELDS: Final[dict[Any, str]] = {"recording": "recording", "composition": "recording", "style": "style"}
"""By aspect, the field that names a source. A composition is paid through the works of a recording that plays it."""


def from_declared(document: Any, *, track: str | None = None) -> InfluenceVector:
    """Return a vector as a generator declares it; the part of a million that an aspect's sources leave is unattributed.

    `track` is for declarations that travel inside an event, which names the track itself.
    """
    if not isinstance(document, dict) or not isinstance(document.get("sources"), list):
        raise InputError('declared vector: expected {"track": ..., "sources": [...]}')
    if unknown := sorted(set(document) - set(_DECLARED)):
        raise InputError(f"declared vector: unknown field {unknown[0]!r}; known are {', '.join(_DECLARED)}")
    named: Any = document.get("track", track)
    if track is not None and named != track:
        raise InputError(f"declared vector is of track {named!r}, expected {track!r}")
    decisions = document.get("decisions", [])
    if not isinstance(decisions, list) or not all(isinstance(decision, str) for decision in decisions):
        raise InputError(f"declared vector of {named}: decisions is a list of receipts' digests")
    by_aspect: dict[str, list[Influence]] = {name: [] for name in ASPECTS}
    for source in document["sources"]:
        aspect, influence = _declared_source(f"declared vector of {named}", source)
        by_aspect[aspect].append(influence)
    aspects = {name: _declared_aspect(f"declared vector of {named}, {name}", by_aspect[name]) for name in ASPECTS}
    return validate(
        InfluenceVector(
            track=named,
            recording=aspects["recording"],
            composition=aspects["composition"],
            style=aspects["style"],
            method=DECLARED,
            version="1",
            model=document.get("model"),
            model_version=document.get("model_version"),
            decisions=tuple(decisions),
        )
    )


def _declared_aspect(where: str, sources: list[Influence]) -> AspectVector:
    total = sum(source.ppm for source in sources)
    if total > MILLION:
        raise InputError(f"{where}: the sources sum to {total} ppm, at most {MILLION}")
    return AspectVector(sources=tuple(sources), unattributed=MILLION - total)


def _declared_source(where: str, source: Any) -> tuple[str, Influence]:
    if not isinstance(source, dict):
        raise InputError(f"{where}: source {str(source)[:80]!r} is not an object")
    aspect = source.get("aspect", "recording")
    if not isinstance(aspect, str) or aspect not in _ID_FIELDS:
        raise InputError(f"{where}: aspect {aspect!r}, expected one of {', '.join(ASPECTS)}")
    if "work" in source:  # a payout looks for the works of a recording, so that a work's own id would pay nobody
        raise InputError(
            f"{where}: source {str(source['work'])[:80]!r} is a work, which no payout can pay; name a registered "
            'recording of it: {"recording": ID, "aspect": "composition", "ppm": ...}'
        )
    field = _ID_FIELDS[aspect]
    if field not in source or set(source) - {field, "aspect", "ppm", "use"}:
        expected = f"{field}, ppm, and at most aspect and use"
        raise InputError(f"{where}: a source of aspect {aspect} has {sorted(source)}, expected {expected}")
    ppm: Any = source.get("ppm")
    _check_int(ppm, MILLION, f"{where}: ppm of {source[field]!r}")
    return aspect, Influence(id=source[field], ppm=ppm, basis="declared", low=ppm, high=ppm, use=source.get("use"))
