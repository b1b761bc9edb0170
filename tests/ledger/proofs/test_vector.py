"""Influence vectors: they sum exactly, are written one way, and say what is not known."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InputError, VerificationError
from ledger.proofs import canon, dsse, vector
from ledger.types import MILLION, AspectVector, Influence, InfluenceVector, MeasuredError
from tests.golden import check_golden
from tests.ledger.world import seeded

KEY = seeded("attribution")
IDS = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=8).filter(
    lambda text: text[:6] != "style:"
)


def influence(ident: str, ppm: int, **fields: Any) -> Influence:
    return replace(Influence(id=ident, ppm=ppm, basis="estimated", low=0, high=MILLION), **fields)


def aspect(*sources: Influence) -> AspectVector:
    return AspectVector(sources=sources, unattributed=MILLION - sum(source.ppm for source in sources))


FULL = InfluenceVector(
    track="trk-1",
    recording=aspect(influence("rec-2", 250_000, low=200_000, high=300_000), influence("rec-1", 1)),
    composition=aspect(influence("wrk-1", 0, use="train")),
    style=aspect(influence("style:blues", MILLION)),
    method="hybrid",
    version="1",
    params_sha256="a" * 64,
    catalogue_root="b" * 64,
    catalogue_size=12,
    model="mdl-1",
    model_version="1",
    error=MeasuredError(benchmark="toy", metric="l1", value_ppm=81_000, n=64),
    decisions=("c" * 64,),
)
PLAIN = InfluenceVector(track="trk-1", recording=aspect(influence("rec-1", 5)), method="declared", version="1")


@st.composite
def aspects(draw: st.DrawFn) -> AspectVector:
    rest, sources = MILLION, []
    for ident in draw(st.lists(IDS, unique=True, max_size=5)):
        ppm = draw(st.integers(0, rest))
        rest -= ppm
        low, high = draw(st.integers(0, ppm)), draw(st.integers(ppm, MILLION))
        sources.append(influence(ident, ppm, low=low, high=high, use=draw(st.sampled_from([None, *vector.USES]))))
    return AspectVector(sources=tuple(sorted(sources, key=lambda one: one.id)), unattributed=rest)


def test_golden_statement() -> None:
    """If this fails, digests of existing vectors are no longer found."""
    check_golden("vector.dsse.json", vector.sign(FULL, KEY).encode())


def test_statements_are_read_as_written() -> None:
    """If this fails, a vector changes between attribution and payout."""
    envelope = vector.sign(FULL, KEY).encode()
    found = vector.open_statement(envelope, [KEY.public])
    assert found == replace(FULL, recording=aspect(*sorted(FULL.recording.sources, key=lambda one: one.id)))
    assert vector.read_statement(envelope) == found
    with pytest.raises(VerificationError):
        vector.open_statement(envelope, [seeded("other").public])


def test_the_order_of_sources_does_not_matter() -> None:
    """If this fails, one vector has several digests."""
    turned = replace(FULL, recording=aspect(*reversed(FULL.recording.sources)))
    assert vector.sign(turned, KEY).digest == vector.sign(FULL, KEY).digest


def test_other_statements_are_not_vectors() -> None:
    """If this fails, something that was signed for another purpose pays."""
    other = dsse.sign("application/vnd.settle.other+json", canon.encode(vector.payload(FULL)), [KEY]).encode()
    with pytest.raises(VerificationError):
        vector.open_statement(other, [KEY.public])
    with pytest.raises(VerificationError):
        vector.read_statement(other)


@given(aspects(), aspects())
def test_any_vector_is_read_as_written(recording: AspectVector, composition: AspectVector) -> None:
    """If this fails, some vector cannot be settled, or is settled as another."""
    one = replace(FULL, recording=recording, composition=composition)
    assert vector.parse(canon.encode(vector.payload(one))) == one


@pytest.mark.parametrize(
    "wrong",
    [
        replace(PLAIN, recording=AspectVector(unattributed=MILLION - 1)),
        replace(PLAIN, recording=AspectVector(sources=(influence("a", MILLION),), unattributed=1)),
        replace(PLAIN, recording=AspectVector(sources=(influence("a", MILLION + 1),), unattributed=-1)),
        replace(PLAIN, recording=aspect(influence("a", 5, low=6))),
        replace(PLAIN, recording=aspect(influence("a", 5, high=4))),
        replace(PLAIN, recording=aspect(influence("a", 5, high=MILLION + 1))),
        replace(PLAIN, recording=aspect(influence("a", 5, low=-1))),
        replace(PLAIN, recording=aspect(influence("a", True))),
        replace(PLAIN, recording=aspect(influence("a", 5), influence("a", 6))),
        replace(PLAIN, recording=aspect(influence("style:x", 5))),
        replace(PLAIN, style=aspect(influence("x", 5))),
        replace(PLAIN, recording=aspect(influence("", 5))),
        replace(PLAIN, recording=aspect(influence("a\n", 5))),
        replace(PLAIN, recording=aspect(influence("a" * 257, 5))),
        replace(PLAIN, recording=aspect(influence("a", 5, basis="guessed"))),
        replace(PLAIN, recording=aspect(influence("a", 5, use="steal"))),
        replace(PLAIN, track=""),
        replace(PLAIN, model=""),
        replace(PLAIN, params_sha256="A" * 64),
        replace(PLAIN, decisions=("x",)),
        replace(PLAIN, catalogue_size=-1),
        replace(PLAIN, error=MeasuredError(benchmark="b", metric="m", value_ppm=-1, n=1)),
    ],
)
def test_rules(wrong: InfluenceVector) -> None:
    """If this fails, a vector pays more or less than the whole, or to a source that cannot be."""
    with pytest.raises(InputError):
        vector.validate(wrong)
    with pytest.raises(InputError):
        vector.sign(wrong, KEY)


def changed(**fields: Any) -> bytes:
    return canon.encode(vector.payload(FULL) | fields)


@pytest.mark.parametrize(
    "data",
    [
        changed(v=2),
        changed(type="x"),
        changed(more=1),
        changed(track=None),
        changed(recording={}),
        changed(recording=None),
        changed(recording={"sources": [], "unattributed": True}),
        changed(style={"sources": 5, "unattributed": MILLION}),
        changed(style={"sources": [{}], "unattributed": MILLION}),
        changed(error={}),
        changed(decisions=[]),
        changed(decisions=5),
        changed(decisions=["x"]),
        changed(
            recording={"sources": list(reversed(vector.payload(FULL)["recording"]["sources"])), "unattributed": 749_999}
        ),
        changed(catalogue_size="12"),
        changed(
            style={
                "sources": [{"id": "style:x", "ppm": 0, "basis": "declared", "low": 0, "high": 0, "use": None}],
                "unattributed": MILLION,
            }
        ),
        b"{}",
        b"[]",
        b"",
        b"null",
    ],
)
def test_payloads_that_are_not_as_written(data: bytes) -> None:
    """If this fails, a payload is read that we would not write, or a malformed one crashes."""
    with pytest.raises(VerificationError):
        vector.parse(data)


@given(st.binary(max_size=80))
def test_any_bytes(data: bytes) -> None:
    """If this fails, a foreign statement crashes the reader."""
    with pytest.raises(VerificationError):
        vector.parse(data)
    with pytest.raises(VerificationError):
        vector.read_statement(data)


DOCUMENT = {
    "track": "trk-1",
    "sources": [
        {"recording": "rec-1", "aspect": "recording", "ppm": 600_000, "use": "condition"},
        {"recording": "rec-2", "aspect": "recording", "ppm": 200_000, "use": "condition"},
        {"recording": "rec-1", "aspect": "composition", "ppm": 1},
        {"style": "style:blues", "aspect": "style", "ppm": 2},
    ],
}


def test_the_declared_form() -> None:
    """If this fails, a generator's declaration is not what it says; the rest must stay unattributed."""
    found = vector.from_declared(DOCUMENT)
    assert (found.track, found.method, found.recording.unattributed) == ("trk-1", "declared", 200_000)
    assert found.recording.sources[0] == Influence(
        id="rec-1", ppm=600_000, basis="declared", low=600_000, high=600_000, use="condition"
    )
    assert (found.composition.unattributed, found.style.unattributed) == (999_999, 999_998)
    assert vector.from_declared({"sources": DOCUMENT["sources"]}, track="trk-1") == found
    whole = vector.from_declared({"track": "t", "sources": [{"recording": "r", "ppm": MILLION}]})
    assert (whole.recording.sources[0].id, whole.recording.unattributed) == ("r", 0)
    named = vector.from_declared({**DOCUMENT, "model": "mdl", "model_version": "2", "decisions": ["ab" * 32]})
    assert (named.model, named.model_version, named.decisions) == ("mdl", "2", ("ab" * 32,))


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"track": "t"},
        {"track": "t", "sources": {}},
        {"track": 5, "sources": []},
        {"sources": []},
        {"track": "t", "sources": [], "x": 1},
        {"track": "t", "sources": [5]},
        {"track": "t", "sources": [{}]},
        {"track": "t", "sources": [{"recording": "r"}]},
        {"track": "t", "sources": [{"recording": "r", "ppm": 1.0}]},
        {"track": "t", "sources": [{"recording": "r", "ppm": "1"}]},
        {"track": "t", "sources": [{"recording": "r", "ppm": -1}]},
        {"track": "t", "sources": [{"recording": "r", "ppm": 600_000}, {"recording": "q", "ppm": 400_001}]},
        {"track": "t", "sources": [{"recording": "r", "ppm": 1}, {"recording": "r", "ppm": 1}]},
        {"track": "t", "sources": [{"recording": "r", "ppm": 1, "aspect": []}]},
        {"track": "t", "sources": [{"work": "r", "ppm": 1}]},
        {"track": "t", "sources": [{"recording": 5, "ppm": 1}]},
        {"track": "t", "sources": [{"recording": "r", "ppm": 1, "weight": 1}]},
        {"track": "t", "sources": [{"recording": "r", "ppm": True}]},
    ],
)
def test_declarations_that_cannot_be(document: Any) -> None:
    """If this fails, a malformed declaration pays somebody, or crashes instead of being refused."""
    with pytest.raises(InputError):
        vector.from_declared(document)


def test_a_work_is_no_source() -> None:
    """If this fails, a declared composition stays in suspense for ever, because payouts find works by recordings."""
    with pytest.raises(InputError, match=r"'wrk-1' is a work, .*name a registered recording of it"):
        vector.from_declared({"track": "t", "sources": [{"work": "wrk-1", "aspect": "composition", "ppm": 1}]})


@pytest.mark.parametrize("decisions", [5, "x", [5], ["x"], {}])
def test_receipts_that_are_none(decisions: Any) -> None:
    """If this fails, a declaration cites permissions by something that names none."""
    with pytest.raises(InputError):
        vector.from_declared({**DOCUMENT, "decisions": decisions})


def test_an_embedded_declaration_is_of_its_own_event() -> None:
    """If this fails, an event carries a vector of another track."""
    with pytest.raises(InputError, match="expected 'trk-2'"):
        vector.from_declared(DOCUMENT, track="trk-2")


FIELDS = st.sampled_from(["track", "sources", "recording", "ppm", "aspect", "use"])
DOCUMENTS = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=4),
)


@given(DOCUMENTS)
def test_any_document_as_a_declaration(document: Any) -> None:
    """If this fails, what a platform sends can crash ingestion."""
    try:
        found = vector.from_declared(document)
    except InputError:
        return
    assert json.loads(canon.encode(vector.payload(found)))["track"] == document["track"]
