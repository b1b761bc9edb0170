"""Results of other attribution services: evidence under their names, never paid by themselves, compared with ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InputError, StateError
from ledger.proofs import vector
from ledger.types import MILLION
from service.attribution import others
from service.attribution.vectors import declare, shape
from service.log.ingesting import Admission
from service.registry.registering import load
from service.trade import shares
from tests.service.month import Month, published

TABLE = "Track ID;Match;Anteil;Note\nTRK;rec-1;50%;x\nTRK;rec-2;1/4;\n"
MAPPED = {"Track ID": "track", "Match": "source", "Anteil": "share", "Note": ""}
NAMES: dict[str, Any] = {"method": "soundtrace", "version": "3", "party": "ann"}


def track_of(june: Month) -> str:
    return next(iter(june.ws.log.assignments()))


def test_results_of_another_service_are_evidence_and_pay_nobody(june: Month, tmp_path: Path) -> None:
    """If this fails, a vendor's file moves money that nobody assigned, or stands there as our own method."""
    track = track_of(june)
    paying = june.ws.log.assignments()
    path = tmp_path / "results.csv"
    path.write_bytes(TABLE.replace("TRK", track).encode("cp1252"))
    (answer,) = others.take(june.ws, path, renamed=MAPPED, **NAMES)
    assert (answer.method, answer.assigned) == ("ann/soundtrace", False)
    assert {source["id"]: source["ppm"] for source in answer.vector["recording"]["sources"]} == {
        "rec-1": 500_000,
        "rec-2": 250_000,
    }
    assert june.ws.log.assignments() == paying

    out = tmp_path / "ours.csv"
    assert others.export(june.ws, "ann/soundtrace", out) == 1
    (again,) = others.take(june.ws, out, renamed={}, **NAMES | {"method": "copy"})
    assert again.vector == answer.vector
    with pytest.raises(InputError, match=r"recorded are .*ann/soundtrace"):
        others.export(june.ws, "ann/unknown", out)


def test_methods_are_compared_on_the_tracks_that_both_judged(june: Month, tmp_path: Path) -> None:
    """If this fails, an operator believes that two services agree where one of them names somebody else."""
    track = track_of(june)
    path = tmp_path / "results.json"
    for method, parts in (("one", {"rec-1": "50%", "rec-2": "25%"}), ("two", {"rec-1": "30%", "rec-3": "70%"})):
        rows = [{"track": track, "source": name, "share": part} for name, part in parts.items()]
        path.write_text(json.dumps(rows))
        others.take(june.ws, path, renamed={}, **NAMES | {"method": method})
    compared = others.compare(june.ws, [track])
    (row,) = [row for row in compared.tracks if (row.first, row.second) == ("ann/one", "ann/two")]
    assert (row.agreed_ppm, row.first_alone, row.second_alone) == (300_000, ("rec-2",), ("rec-3",))
    (mean,) = [row for row in compared.methods if (row.first, row.second) == ("ann/one", "ann/two")]
    assert (mean.tracks, mean.mean_ppm, mean.aspect) == (1, 300_000, "recording")
    with pytest.raises(InputError, match="has no vector"):
        others.compare(june.ws, ["trk-nobody"])


def test_a_composition_is_named_by_its_recording(june: Month, tmp_path: Path) -> None:
    """If this fails, a declared composition names a work, whose money stays in suspense for ever."""
    track, path = track_of(june), tmp_path / "works.json"
    path.write_text(json.dumps({"works": [{"id": "wrk-1", "title": "Blue"}]}))
    load(june.ws, [path], by=None, dry_run=False, on_progress=None)
    row = {"track": track, "source": "rec-1", "share": "50%", "aspect": "composition"}
    path.write_text(json.dumps([row]))
    (answer,) = others.take(june.ws, path, renamed={}, **NAMES)
    assert [source["id"] for source in answer.vector["composition"]["sources"]] == ["rec-1"]
    path.write_text(json.dumps([row | {"source": "wrk-1"}]))
    with pytest.raises(InputError, match="'wrk-1' is a work"):
        others.take(june.ws, path, renamed={}, **NAMES | {"version": "4"})
    declared = {"track": track, "sources": [{"recording": "wrk-1", "aspect": "composition", "ppm": 5}]}
    path.write_text(json.dumps(declared))
    with pytest.raises(InputError, match="'wrk-1' is a work"):
        declare(june.ws, path)
    with pytest.raises(InputError, match="'wrk-1' is a work"):
        Admission(june.ws)(vector.from_declared(declared), "WORLD")


@pytest.mark.parametrize(
    ("text", "names", "reason"),
    [
        ("track,source,share\nTRK,rec-nobody,5%\n", {}, "not registered: rec-nobody"),
        ("track,source,share\nnobody,rec-1,5%\n", {}, "not registered: nobody"),
        ("track,source,share\nTRK,rec-1,60%\nTRK,rec-2,60%\n", {}, "at most"),
        ("track,source,share\nTRK,rec-1,0%\n", {}, "row 2: 0%"),
        ("track,source,share\nTRK,rec-1,12\n", {}, "row 2"),
        ("track,source,share,ppm\nTRK,rec-1,12%,5\n", {}, "one of them"),
        ("track,source,share\nTRK,,5%\n", {}, "row 2: missing source"),
        ("track,source,score\nTRK,rec-1,0.5\n", {}, "'score' not understood"),
        ("track,source,share,aspect\nTRK,rec-1,5%,taste\n", {}, "aspect 'taste'"),
        ("track,source,share\n", {}, "holds no result"),
        ('[{"track": "1"}]', {}, "missing source"),
        ('[{"track": 1, "source": "rec-1", "share": "5%"}]', {}, "track 1: expected a text"),
        ('[{"track": "TRK", "source": ["rec-1"], "share": "5%"}]', {}, "expected a text"),
        ('[{"track": "TRK", "source": "rec-1", "share": "5%", "share": "6%"}]', {}, "'share' stands twice"),
        ("{}", {}, "list of objects"),
        ("[", {}, "not JSON"),
        ("track,source,share\nTRK,rec-1,5%\n", {"party": "nobody"}, "nobody"),
        ("track,source,share\nTRK,rec-1,5%\n", {"method": "ann/x"}, "between party and method"),
    ],
)
def test_results_that_do_not_hold_are_refused_whole(
    june: Month, tmp_path: Path, text: str, names: dict[str, str], reason: str
) -> None:
    """If this fails, half of a vendor's file is recorded, or shares of something else are taken for influence."""
    path = tmp_path / "results.csv"
    path.write_text(text.replace("TRK", track_of(june)))
    size = june.ws.log.head().size
    with pytest.raises(InputError, match=reason):
        others.take(june.ws, path, renamed={}, **NAMES | names)
    assert june.ws.log.head().size == size


marks = st.characters(categories=("L", "N", "P", "S"), exclude_characters="'")
names = st.text(marks, min_size=1, max_size=12)


@given(st.dictionaries(names, st.integers(1, MILLION // 8), min_size=1, max_size=8))
def test_what_is_written_is_read_back_as_the_same(parts: dict[str, int]) -> None:
    """If this fails, a vector that was exchanged is another one, or a cell of it runs in a spreadsheet."""
    sources = [{"recording": name, "ppm": ppm} for name, ppm in parts.items()]
    found = vector.from_declared({"track": "=trk", "sources": sources})
    table = shares.as_csv([found])
    assert not any(cell.startswith(("=", "+", "-", "@")) for line in table.splitlines() for cell in line.split(","))
    (document,) = shares.read(table.encode(), "x", {})
    assert shape(vector.from_declared(document)) == shape(found)


def test_a_month_shows_what_each_method_would_have_paid(june: Month, tmp_path: Path) -> None:
    """If this fails, an operator who weighs two services is shown other money than their vectors would move."""
    rows = [{"track": "trk-1", "source": "rec-2", "share": "80%"}]
    (tmp_path / "results.json").write_text(json.dumps(rows))
    published(june)
    others.take(june.ws, tmp_path / "results.json", renamed={}, **NAMES)
    size = june.ws.log.head().size
    by_method = {(row.method, row.party): row for row in others.compare(june.ws, period="2026-06").amounts}
    declared, vendor = (
        {party: row.micros for (method, party), row in by_method.items() if method == name}
        for name in ("declared", "ann/soundtrace")
    )
    paid = {party: row.paid_micros for (_, party), row in by_method.items()}
    assert declared == paid, "the vectors that paid pay again what they paid"
    assert (vendor["ann"], vendor["bob"]) == (0, paid["ann"] + paid["bob"])
    assert by_method["ann/soundtrace", "bob"].tracks == 1
    assert june.ws.log.head().size == size
    with pytest.raises(StateError, match="no published run"):
        others.compare(june.ws, period="2026-05")
