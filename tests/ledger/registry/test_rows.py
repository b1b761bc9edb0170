"""Rows as people hand them in: one spelling each, refused with the reason, and turned into leaves by kind."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.errors import InputError, VerificationError
from ledger.proofs import canon
from ledger.proofs.tile import ENTRY_MAX
from ledger.registry import facts as f
from ledger.registry import rows as r

GRANT: dict[str, Any] = {"id": "g", "grantor": "ann", "subject": "rec", "uses": ["train"], "decision": "allow"}
SHARE: dict[str, Any] = {"subject": "rec", "party": "ann", "right": "master", "ppm": 5}
MODEL: dict[str, Any] = {"id": "m", "version": "1", "operator": "lab"}


def test_a_word_that_is_not_allowed_is_refused_with_those_that_are() -> None:
    """If this fails, a newcomer must guess which kinds of party there are."""
    with pytest.raises(InputError, match=r"organisation.*expected one of person, label, publisher, cmo"):
        r.parse("parties", {"id": "ann", "kind": "organisation"})


def test_dates_and_codes_have_one_spelling() -> None:
    """If this fails, the same share or recording is registered twice, under two spellings."""
    share = r.parse("shares", SHARE | {"from": "2026-01-01", "to": "2026-02-01T00:00:00+00:00"})
    assert share == r.parse("shares", SHARE | {"from": "2026-01-01T01:00:00+01:00", "to": "2026-02-01"})
    assert isinstance(share, r.ShareRow)
    assert (share.start, share.end) == ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")
    recording = r.parse("recordings", {"id": "rec", "title": "R", "isrc": "se-a01-26-00001"})
    work = r.parse("works", {"id": "wrk", "title": "W", "iswc": "T-034.524.680-1"})
    party = r.parse("parties", {"id": "ann", "kind": "person", "ipi": "14107338", "isni": "0000 0001 2103 2683"})
    assert isinstance(recording, r.RecordingRow)
    assert isinstance(work, r.WorkRow)
    assert isinstance(party, r.PartyRow)
    assert (recording.isrc, work.iswc) == ("SEA012600001", "T0345246801")
    assert (party.ipi, party.isni) == ("00014107338", "0000000121032683")
    grant = r.parse("grants", GRANT | {"sunset": "2027-01-01"})
    track = r.parse("tracks", {"id": "t", "model": "m", "version": "1", "generated_at": "2026-05-30T12:00:00+02:00"})
    assert isinstance(grant, r.GrantRow)
    assert isinstance(track, r.TrackRow)
    assert (grant.sunset, track.generated_at) == ("2027-01-01T00:00:00Z", "2026-05-30T10:00:00Z")


def test_texts_are_numbers_only_where_everything_is_a_text() -> None:
    """If this fails, a CSV file cannot be read, or a number written as text passes in JSON."""
    as_text = {name: str(value) for name, value in SHARE.items()}
    assert r.parse("shares", as_text, from_text=True) == r.parse("shares", SHARE)
    with pytest.raises(InputError, match="ppm"):
        r.parse("shares", as_text)


@pytest.mark.parametrize(
    ("name", "row", "said"),
    [
        ("shares", SHARE | {"from": "2026-02-01", "to": "2026-02-01"}, "to 2026-02-01T00:00:00Z is not after from"),
        ("shares", SHARE | {"from": "2026-02-01", "to": "2026-01-01"}, "is not after from"),
        ("shares", SHARE | {"from": "2026-02-30"}, "2026-02-30"),
        ("grants", GRANT | {"floor_micros": 5}, "come together"),
        ("grants", GRANT | {"currency": "EUR"}, "come together"),
        ("grants", GRANT | {"uses": ["train", "train"]}, "named twice"),
        ("grants", GRANT | {"uses": []}, "uses"),
        ("models", MODEL | {"id": "m@1"}, "@ separates"),
        ("models", MODEL | {"training": ["rec"], "training_file": "list.txt"}, "give one of them"),
        ("recordings", {"id": "style:x", "title": "R"}, "style groups"),
        ("works", {"id": "style:x", "title": "W"}, "style groups"),
        ("recordings", {"id": "rec", "title": "R", "isrc": "x"}, "ISRC"),
        ("payees", {"party": "ann", "method": "bank", "account": "SE45 5000 0000 0583 9825 7467"}, "IBAN"),
        ("payees", {"party": "ann", "method": "chain", "account": "0x12"}, "0x and forty"),
        ("parties", {"id": "ann", "kind": "person", "surplus": 1}, "surplus"),
    ],
)
def test_a_row_is_wholly_valid_or_refused(name: str, row: dict[str, Any], said: str) -> None:
    """If this fails, a row that means nothing is signed into the log, or refused without a word."""
    with pytest.raises(InputError, match=said):
        r.parse(name, row)


def test_what_is_almost_refused_is_taken() -> None:
    """If this fails, ordinary rows are turned away."""
    rows: list[tuple[str, dict[str, Any]]] = [
        ("grants", GRANT | {"floor_micros": 5, "currency": "EUR"}),
        ("grants", GRANT | {"uses": ["train", "style"]}),
        ("models", MODEL | {"training": []}),
        ("models", MODEL | {"training_file": "list.txt"}),
        ("shares", SHARE | {"to": "2026-01-01"}),
    ]
    assert [type(r.parse(name, row)) for name, row in rows] == [r.GrantRow] * 2 + [r.ModelRow] * 2 + [r.ShareRow]
    paid = r.parse("payees", {"party": "ann", "method": "bank", "account": "SE45 5000 0000 0583 9825 7466"})
    assert isinstance(paid, r.PayeeRow)
    assert paid.account == "SE4550000000058398257466"
    chained = r.parse("payees", {"party": "ann", "method": "chain", "account": "0x" + "aB" * 20})
    assert isinstance(chained, r.PayeeRow)
    assert chained.account == "0x" + "aB" * 20


def test_a_share_or_link_is_named_by_what_it_is_about() -> None:
    """If this fails, two shares have one name, and one replaces the other."""
    plain = r.ShareRow(**SHARE)
    others = [
        r.ShareRow(**SHARE | changed)
        for changed in (
            {"subject": "x"},
            {"party": "x"},
            {"right": "performer"},
            {"territory": "SE"},
            {"start": "2026"},
        )
    ]
    assert len({r.share_id(one) for one in (plain, *others)}) == 6
    assert r.share_id(r.ShareRow(**SHARE | {"ppm": 9, "state": "confirmed", "end": "2027"})) == r.share_id(plain)
    links = [
        r.LinkRow(recording=a, work=b, start=c)
        for a, b, c in (("r", "w", None), ("x", "w", None), ("r", "x", None), ("r", "w", "2026"))
    ]
    assert len({r.link_id(one) for one in links}) == 4
    assert r.share_id(plain).startswith("sh-")
    assert len(r.link_id(links[0])) == len("ln-") + 20


def test_rights_and_days_as_people_write_them() -> None:
    """If this fails, a right is taken for another, or midnight is shown as a time."""
    assert r.right_named("performer") == "performer"
    with pytest.raises(InputError, match=r"right 'mechanical'.*master, publishing"):
        r.right_named("mechanical")
    assert r.day("2026-01-01T00:00:00Z") == "2026-01-01"
    assert r.day("2026-01-01T00:00:01Z") == "2026-01-01T00:00:01Z"


# --- facts --------------------------------------------------------------------------------------

FACTS: list[tuple[f.AnyFact, str, tuple[str, ...]]] = [
    (f.PartyFact(id="ann", kind="person"), "ann", ("ann",)),
    (f.RecordingFact(id="rec", title="R"), "rec", ("rec",)),
    (f.WorkFact(id="wrk", title="W"), "wrk", ("wrk",)),
    (f.LinkFact(id="ln", recording="rec", work="wrk", ppm=1, state="asserted"), "ln", ("rec", "wrk")),
    (
        f.ShareFact(id="sh", subject="rec", party="ann", right="master", ppm=1, territory="SE", state="asserted"),
        "sh",
        ("rec", "of:ann"),
    ),
    (f.ConfirmFact(id="sh", subject="rec"), "sh", ("rec",)),
    (f.EndFact(id="sh", subject="rec", end="2026"), "sh", ("rec",)),
    (
        f.GrantFact(id="g", grantor="ann", subject="rec", uses=("train",), decision="allow", territory="SE"),
        "g",
        ("rec", "of:ann"),
    ),
    (
        f.GrantFact(id="g", grantor="ann", subject="*", uses=("train",), decision="allow", territory="SE"),
        "g",
        ("all:ann", "of:ann"),
    ),
    (f.RevokeFact(grant="g", grantor="ann", subject="rec", start="2026"), "g", ("rec", "of:ann")),
    (f.RevokeFact(grant="g", grantor="ann", subject="*", start="2026"), "g", ("all:ann", "of:ann")),
    (f.ModelFact(id="m", version="1", operator="lab"), "m", ("m",)),
    (f.TrackFact(id="t"), "t", ("t",)),
    (f.DisputeFact(id="d", subject="rec", claimant="eve"), "d", ("rec", "d")),
    (f.ResolveFact(dispute="d", subject="rec", outcome="released"), "d", ("rec",)),
    (f.ClearFact(id="a" * 64, track="t", vector="b" * 64), "a" * 64, ("t",)),
]


@pytest.mark.parametrize(
    ("fact", "name", "keys"), FACTS, ids=[f"{fact.type}-{n}" for n, (fact, _, _) in enumerate(FACTS)]
)
def test_a_fact_is_found_by_what_it_is_about(fact: f.AnyFact, name: str, keys: tuple[str, ...]) -> None:
    """If this fails, one recording's state is read without a fact that bears on it, or an act is named wrongly."""
    assert (f.id_of(fact), f.keys_of(fact)) == (name, keys)


@pytest.mark.parametrize("fact", [fact for fact, _, _ in FACTS], ids=lambda fact: fact.type)
def test_a_leaf_holds_the_row_its_author_signed(fact: f.AnyFact) -> None:
    """If this fails, a registration in the log is not the one that was signed."""
    row = canon.decode(f.encode(fact))
    assert row == fact.fields()
    assert row["type"] == fact.type
    body = f.encode_leaf(fact, at="2026-06-01T00:00:00Z", statement="c" * 64, row=3)
    assert canon.decode(body) == row | {"v": 1, "at": "2026-06-01T00:00:00Z", "statement": "c" * 64, "row": 3}
    found = f.decode(body)
    assert (found.at, found.statement, found.row, found.v) == ("2026-06-01T00:00:00Z", "c" * 64, 3, 1)
    assert type(found) is type(fact)


def test_a_fact_too_large_for_the_log_is_refused_by_name() -> None:
    """If this fails, one long row stops an import in the middle of a batch."""
    given: dict[str, Any] = {"at": "2026-06-01T00:00:00Z", "statement": "c" * 64, "row": 0}
    fits = ENTRY_MAX - len(f.encode_leaf(f.WorkFact(id="wrk", title=""), **given))
    assert len(f.encode_leaf(f.WorkFact(id="wrk", title="x" * fits), **given)) == ENTRY_MAX
    with pytest.raises(InputError, match="work wrk"):
        f.encode_leaf(f.WorkFact(id="wrk", title="x" * (fits + 1)), **given)
    with pytest.raises(VerificationError, match="registry leaf"):
        f.decode(b'{"type":"work"}')
