from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import InputError
from ledger.registry import exporting, manifest, personal
from ledger.registry import facts as f
from ledger.registry.compare import Author
from ledger.registry.fold import fold
from ledger.registry.importing import import_files
from ledger.registry.intake import plan
from ledger.registry.model import USES, Manifest, Use
from ledger.registry.readers import RawRow, columns
from ledger.registry.rows import LISTS
from ledger.registry.view import View
from tests.ledger.registry.conftest import MakeOffice, Office, sample


def exported(office: Office) -> dict[str, list[dict[str, object]]]:
    def names(kind: str, one: str) -> personal.Fields:
        return office.registry.personal(kind, one)

    return exporting.document(
        office.registry.view(), names, lambda blob: manifest.decode(office.registry.log.blob(blob))
    )


def test_what_is_exported_imports_to_the_same_answers(make_office: MakeOffice) -> None:
    """If this fails, a registry cannot be moved to another system and back."""
    first, second = make_office("first"), make_office("second")
    first.load(sample())
    document = exported(first)
    done = second.load(document)
    assert (done.conflicts, done.quarantined) == (0, 0), done.refused
    assert exported(second) == document
    at = "2026-06-01T00:00:00Z"
    for subject in ("rec-1", "rec-2"):
        assert first.registry.view().decide(subject, "train", at=at) == second.registry.view().decide(
            subject, "train", at=at
        )


def test_csv_exports_read_back(make_office: MakeOffice, tmp_path: Path) -> None:
    """If this fails, an exported CSV does not import, or a title becomes a formula in a spreadsheet."""
    first, second = make_office("first"), make_office("second")
    document = sample()
    document["recordings"][0]["title"] = "=HYPERLINK(1)"
    document["recordings"][1]["title"] = 'Says "no", twice'
    first.load(document)
    paths = []
    for name, rows in exported(first).items():
        text = exporting.csv_text(name, rows)
        for cells in csv.reader(io.StringIO(text)):
            assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)
        paths.append(tmp_path / f"{name}.csv")
        paths[-1].write_text(text, encoding="utf-8")
    done = import_files(second.registry, paths, second.operator)
    assert (done.conflicts, done.quarantined) == (0, 0), done.refused
    assert exported(second) == exported(first)


def test_every_list_has_an_example_that_imports(make_office: MakeOffice, tmp_path: Path) -> None:
    """If this fails, a template does not work as it stands."""
    assert set(exporting.EXAMPLE) == set(LISTS)
    whole = make_office("whole").load(exporting.EXAMPLE)
    assert (whole.read, whole.accepted, whole.leaves) == (9, 9, 9), whole.refused
    office = make_office("lists")
    for name, rows in exporting.EXAMPLE.items():
        path = tmp_path / f"{name}.csv"
        path.write_text(exporting.csv_text(name, rows), encoding="utf-8")
        assert path.read_text(encoding="utf-8").splitlines()[0] == ",".join(columns(name))
        done = import_files(office.registry, [path], office.operator)
        assert (done.conflicts, done.quarantined) == (0, 0), done.refused


# --- in memory ----------------------------------------------------------------------------------

T1, T2, T3, T4 = (f"2026-0{month}-01T00:00:00Z" for month in range(1, 5))
TERMS: dict[str, Any] = {
    "territory": "SE",
    "licensee": "lab",
    "model": "m@1",
    "floor_micros": 4,
    "currency": "EUR",
    "cap_ppm": 9,
    "sunset": T4,
}


def grant(name: str = "g", uses: tuple[Use, ...] = ("train", "style"), **more: Any) -> f.GrantFact:
    given = {"territory": "WORLD", "at": T1} | more
    return f.GrantFact(id=name, grantor="ann", subject="rec", uses=uses, decision="allow", **given)


def revoke(start: str, *uses: Use, name: str = "g") -> f.RevokeFact:
    return f.RevokeFact(grant=name, grantor="ann", subject="rec", start=start, uses=uses, at=T1)


def registered(*facts: f.AnyFact) -> View:
    base: tuple[f.AnyFact, ...] = (
        f.PartyFact(id="ann", kind="person", group="grp", at=T1),
        f.PartyFact(id="lab", kind="model-operator", at=T1),
        f.WorkFact(id="wrk", title="W", iswc="T0345246801", at=T1),
        f.RecordingFact(id="rec", title="R", isrc="SEA012600001", audio="a.wav", style="blues", at=T1),
        f.ShareFact(
            id="sh",
            subject="rec",
            party="ann",
            right="master",
            ppm=1_000_000,
            territory="WORLD",
            state="confirmed",
            start=T1,
            at=T1,
        ),
    )
    return fold(enumerate((*base, *facts)))


def written(view: View, training: list[str] | None = None) -> dict[str, list[dict[str, Any]]]:
    names = {("party", "ann"): {"name": "Ann"}, ("recording", "rec"): {"artist": "Ann B"}}
    return exporting.document(view, lambda kind, one: names.get((kind, one), {}), lambda _: training or [])


def imported(document: dict[str, list[dict[str, Any]]]) -> View:
    """The document in an empty registry of next year, in which everything was registered at once."""
    at = "2027-01-01T00:00:00Z"
    raw = [
        RawRow(list=name, file="f", line=n, value=row) for name, rows in document.items() for n, row in enumerate(rows)
    ]
    made = plan(raw, fold([]), Author(party="op", role="operator", at=at), lambda _kind, _id: None, lambda _: "op")
    assert (made.conflicts, made.quarantined) == ([], [])
    return fold((n, one.fact) for n, one in enumerate(made.facts))


@pytest.mark.parametrize(
    "facts",
    [
        (grant(),),
        (grant(), revoke(T3)),
        (grant(), revoke(T3, "train")),
        (grant(), revoke(T2, "train"), revoke(T3, "style")),
        (grant(end=T3), revoke(T2, "style")),
        (grant(start=T2), revoke(T1)),
        (grant(start=T2), revoke(T2, "train")),
        (grant(uses=("train", "style", "voice")), revoke(T2, "train", "voice")),
        (grant(), grant("h"), revoke(T2, name="h")),
        (grant(**TERMS),),
        (grant(**TERMS), revoke(T3, "train")),
    ],
)
def test_a_revocation_is_exported_with_what_it_revoked(facts: tuple[f.AnyFact, ...]) -> None:
    """If this fails, moving a registry to another system brings back a permission that was withdrawn."""
    view = registered(*facts)
    moved = imported(written(view))
    for use in USES:
        for at in (T1, "2026-01-31T23:59:59Z", T2, "2026-02-28T23:59:59Z", T3, T4):
            for who in ({}, {"licensee": "lab", "model": "m@1", "territory": "SE"}):
                answers = [one.decide("rec", use, at=at, **who) for one in (view, moved)]
                assert len({(one.decision, one.cap_ppm, one.floors) for one in answers}) == 1, (use, at, who)


def test_uses_that_end_apart_are_grants_of_their_own() -> None:
    """If this fails, an exported grant says other uses, or another end, than count."""
    rows = written(registered(grant(**TERMS), revoke(T3, "train"), grant("h", start=T2), revoke(T1, name="h")))[
        "grants"
    ]
    whole = {"grantor": "ann", "subject": "rec", "decision": "allow", **TERMS, "sunset": "2026-04-01"}
    assert rows == [
        {"id": "g", "uses": ["style"], **whole},
        {"id": "g:train", "uses": ["train"], "to": "2026-03-01", **whole},
    ]


TRACK: dict[str, Any] = {
    "title": "T",
    "model": "m",
    "version": "1",
    "generated_at": T1,
    "audio_sha256": "a" * 64,
    "conditioning": ("rec",),
    "decisions": ("b" * 64,),
}

EXPORTED: dict[str, list[dict[str, Any]]] = {
    "parties": [
        {"id": "ann", "kind": "person", "group": "grp", "name": "Ann"},
        {"id": "lab", "kind": "model-operator", "group": "lab"},
    ],
    "works": [{"id": "wrk", "title": "W", "iswc": "T0345246801"}],
    "recordings": [
        {"id": "rec", "title": "R", "isrc": "SEA012600001", "audio": "a.wav", "style": "blues", "artist": "Ann B"}
    ],
    "links": [
        {"recording": "rec", "work": "wrk", "ppm": 7, "state": "confirmed"},
        {
            "recording": "rec",
            "work": "wrk",
            "ppm": 5,
            "from": "2026-02-01",
            "to": "2026-03-01",
            "state": "asserted",
        },
    ],
    "shares": [
        {
            "subject": "rec",
            "party": "ann",
            "right": "master",
            "ppm": 1_000_000,
            "territory": "WORLD",
            "from": "2026-01-01",
            "state": "confirmed",
        }
    ],
    "grants": [],
    "models": [
        {
            "id": "m",
            "version": "1",
            "operator": "lab",
            "weights_sha256": "d" * 64,
            "licences": ["l"],
            "training": ["rec"],
        },
        {"id": "m", "version": "2", "operator": "lab"},
    ],
    "tracks": [
        {"id": "t", **TRACK, "conditioning": ["rec"], "decisions": ["b" * 64]},
        {"id": "u", "model": "m", "version": "1"},
    ],
}


def test_every_field_of_every_list_is_exported() -> None:
    """If this fails, moving a registry loses a code, a digest, a source or a name."""
    listed = Manifest(root="0" * 64, size=1, blob="c" * 64)
    weighed: dict[str, Any] = {"operator": "lab", "weights_sha256": "d" * 64, "licences": ("l",)}
    found = written(
        registered(
            f.LinkFact(id="l2", recording="rec", work="wrk", ppm=5, state="asserted", start=T2, end=T3, at=T1),
            f.LinkFact(id="l1", recording="rec", work="wrk", ppm=7, state="confirmed", at=T1),
            f.ModelFact(id="m", version="1", **weighed, manifest=listed, at=T1),
            f.ModelFact(id="m", version="2", operator="lab", at=T1),
            f.TrackFact(id="t", at=T1, **TRACK),
            f.TrackFact(id="u", model="m", version="1", at=T1),
            f.TrackFact(id="draft", draft=True, at=T1),
        ),
        ["rec"],
    )
    assert found == EXPORTED


def test_an_unknown_list_has_no_template() -> None:
    """If this fails, a mistyped list gives an empty file."""
    with pytest.raises(InputError, match="unknown list 'songs'; known are parties, works"):
        exporting.csv_text("songs", [])
    assert exporting.csv_text("works", [{"id": "w", "surplus": 1}]).splitlines() == ["id,title,iswc", "w,,"]
