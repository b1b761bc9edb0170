from __future__ import annotations

import copy
import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.errors import ConflictError, InputError
from ledger.proofs import canon
from ledger.registry import importing, payees, readers
from ledger.registry.facts import TYPES
from ledger.registry.importing import import_files
from ledger.registry.intake import Planned
from tests.ledger.registry.conftest import MakeOffice, Office, sample

JUNE = "2026-06-01T00:00:00Z"


def counts(done: Any) -> tuple[int, int, int, int]:
    assert done.read == done.accepted + done.duplicates + done.conflicts + done.quarantined
    return done.accepted, done.duplicates, done.conflicts, done.quarantined


def leaves(office: Office) -> list[dict[str, Any]]:
    return [canon.decode(one.body) for one in office.registry.log.entries(types=TYPES)]


def test_a_document_is_registered_and_answers(office: Office) -> None:
    """If this fails, the registry document that the formats page promises does not import."""
    done = office.load(sample())
    assert counts(done) == (17, 0, 0, 0), done.refused
    view = office.registry.view()
    assert view.shares("rec-1", "master", "SE", JUNE).parts == (("p-ann", 600_000), ("p-lbl", 400_000))
    assert view.works_of("rec-1", JUNE) == [("wrk-1", 1_000_000)]
    assert view.decide("rec-1", "train", at=JUNE).decision == "allow"
    assert view.group_of("p-ann", JUNE) == "ann"
    assert view.group_of("p-lbl", JUNE) == "p-lbl"
    assert [one.artist for one in office.registry.catalogue()] == ["Ann", "Ann"]


def test_importing_again_changes_nothing(office: Office) -> None:
    """If this fails, sending the same file twice registers things twice."""
    office.load(sample())
    size = office.registry.log.head().size
    assert counts(office.load(sample())) == (0, 17, 0, 0)
    assert office.registry.log.head().size == size


def test_a_dry_run_says_the_same_and_changes_nothing(office: Office) -> None:
    """If this fails, a rehearsal registers something, or promises what the import does not keep."""
    size = office.registry.log.head().size
    rehearsed = office.load(sample(), dry_run=True)
    assert (counts(rehearsed), office.registry.log.head().size) == ((17, 0, 0, 0), size)
    assert counts(office.load(sample())) == (17, 0, 0, 0)


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("recordings", {"id": "rec-x", "title": "X", "isrc": "SEA01260000"}, "ISRC"),
    ("recordings", {"id": "rec-x", "title": "X", "work": "wrk-nobody"}, "wrk-nobody"),
    ("recordings", {"id": "style:x", "title": "X"}, "style groups"),
    ("recordings", {"id": "rec x", "title": "X"}, "without blanks"),
    ("recordings", {"id": "rec-x", "title": "X", "colour": "red"}, "colour"),
    ("works", {"id": "wrk-x", "title": "X", "iswc": "T-034.524.680-2"}, "check digit"),
    ("parties", {"id": "p-x", "kind": "robot"}, "robot"),
    ("shares", {"subject": "rec-1", "party": "p-ann", "right": "master", "ppm": 1_000_001}, "1000000"),
    ("shares", {"subject": "rec-1", "party": "p-ann", "right": "master", "ppm": 1.5}, "int"),
    ("shares", {"subject": "rec-1", "party": "p-nobody", "right": "master", "ppm": 1}, "p-nobody"),
    ("shares", {"subject": "wrk-1", "party": "p-ann", "right": "master", "ppm": 1}, "recordings"),
    (
        "shares",
        {"subject": "rec-1", "party": "p-ann", "right": "master", "ppm": 1, "territory": "se"},
        "country of two capital letters",
    ),
    ("shares", {"subject": "rec-1", "party": "p-lbl", "right": "master", "ppm": 1, "from": "2026-02-30"}, "time"),
    ("grants", {"id": "g-x", "grantor": "p-ann", "subject": "rec-9", "uses": ["train"], "decision": "allow"}, "rec-9"),
    ("grants", {"id": "g-x", "grantor": "p-ann", "subject": "rec-1", "uses": [], "decision": "allow"}, "length"),
    ("grants", {"id": "g-x", "grantor": "p-ann", "subject": "rec-1", "uses": ["remix"], "decision": "allow"}, "remix"),
    ("models", {"id": "mdl@1", "version": "1", "operator": "p-lab"}, "@"),
    ("tracks", {"id": "trk-x", "model": "mdl-1", "version": "9"}, "mdl-1@9"),
    ("payees", {"party": "p-ann", "method": "bank", "account": "SE45 5000 0000 0583 9825 7467"}, "check digits"),
    ("payees", {"party": "p-ann", "method": "cash", "account": "under the mat"}, "regex"),
]


def test_bad_rows_are_quarantined_with_their_reason_and_good_ones_kept(office: Office) -> None:
    """If this fails, one bad row stops an import, or a wrong row enters the registry."""
    document = sample()
    for name, row, _ in BAD:
        document[name].append(row)
    done = office.load(document)
    assert counts(done) == (17, 0, 0, len(BAD))
    with office.registry.log.store.reading() as connection:
        kept = connection.exec_driver_sql(
            "SELECT name, line, reason, raw FROM quarantine WHERE kind = 'registry'"
        ).all()
    assert len(kept) == len(BAD)
    reasons = {canon.digest(bytes(raw)): reason for _, _, reason, raw in kept}
    for name, row, said in BAD:
        raw = json.dumps({name: [row]}, ensure_ascii=False, sort_keys=True).encode()
        assert said in reasons[canon.digest(raw)], (row, reasons[canon.digest(raw)])


def test_what_waits_in_quarantine_can_be_replayed(office: Office) -> None:
    """If this fails, a row that came before what it refers to is lost, or registered twice."""
    document = sample()
    parties = document.pop("parties")
    first = office.load(document)
    assert counts(first) == (3, 0, 0, 10)
    assert counts(importing.replay(office.registry, office.operator)) == (0, 0, 0, 10)
    office.load({"parties": parties})
    assert counts(importing.replay(office.registry, office.operator)) == (10, 0, 0, 0)
    assert counts(importing.replay(office.registry, office.operator)) == (0, 0, 0, 0)
    assert office.registry.view().decide("rec-1", "train", at=JUNE).decision == "allow"


def test_what_is_registered_is_never_rewritten(office: Office) -> None:
    """If this fails, a later file changes a title, a share, a grant or a model version that was registered."""
    office.load(sample())
    changed = sample()
    changed["recordings"][0]["title"] = "Red"
    changed["shares"][0]["ppm"] = 500_000
    changed["grants"][0]["decision"] = "deny"
    changed["models"][0]["training"] = ["rec-1"]
    changed["tracks"][0]["title"] = "Red again"
    changed["works"][0]["title"] = "Red"
    before = office.registry.view()
    done = office.load(changed)
    assert counts(done) == (0, 11, 6, 0), done.refused
    assert office.registry.view().all_recordings == before.all_recordings


def test_what_was_left_out_may_be_filled_in(office: Office) -> None:
    """If this fails, an ISRC assigned after registration can never be added."""
    office.load({"recordings": [{"id": "rec-7", "title": "Seven"}]})
    done = office.load({"recordings": [{"id": "rec-7", "title": "Seven", "isrc": "SEA012600007", "artist": "Ann"}]})
    assert counts(done) == (1, 0, 0, 0)
    assert office.registry.view().recording("rec-7").isrc == "SEA012600007"
    assert office.registry.personal("recording", "rec-7") == {"artist": "Ann"}


def test_two_rows_that_contradict_each_other_are_both_refused(office: Office) -> None:
    """If this fails, which of two contradicting rows counts depends on their order."""
    rows = [{"id": "rec-7", "title": "Seven"}, {"id": "rec-7", "title": "Sieben"}]
    assert counts(office.load({"recordings": rows})) == (0, 0, 2, 0)
    assert counts(office.load({"recordings": rows[:1] * 3})) == (1, 2, 0, 0)


def test_the_order_of_rows_in_an_import_changes_no_byte(make_office: MakeOffice) -> None:
    """If this fails, the same registry imported in another order is another registry."""
    document = sample()
    office = make_office("straight")
    office.load(document)
    expected = leaves(office)
    for seed in range(5):
        shuffled = copy.deepcopy(document)
        for rows in shuffled.values():
            Random(seed).shuffle(rows)
        other = make_office(f"shuffled-{seed}")
        other.load(dict(sorted(shuffled.items(), reverse=bool(seed % 2))))
        assert leaves(other) == expected


def test_a_holder_asserts_and_speaks_only_for_itself(office: Office) -> None:
    """If this fails, a rights holder can confirm its own claims or grant away what is others'."""
    office.load({key: sample()[key] for key in ("parties", "works", "recordings")})
    ann = office.holder("p-ann")
    share = {"subject": "rec-1", "party": "p-ann", "right": "master", "ppm": 1_000_000}
    grant = {"id": "g-1", "subject": "rec-1", "uses": ["train"], "decision": "allow"}
    done = office.load(
        {
            "shares": [share | {"state": "asserted"}, share | {"state": "confirmed", "from": "2021-01-01"}],
            "grants": [grant | {"grantor": "p-ann"}, grant | {"id": "g-2", "grantor": "p-lbl"}],
            "parties": [{"id": "p-lbl", "kind": "label", "group": "ann"}],
        },
        ann,
    )
    assert counts(done) == (2, 0, 0, 3), done.refused
    view = office.registry.view()
    assert view.shares("rec-1", "master", "WORLD", JUNE).state == "short"
    assert view.decide("rec-1", "train", at=JUNE).decision == "deny"
    confirmed = office.load({"shares": [share | {"state": "confirmed"}]})
    assert counts(confirmed) == (1, 0, 0, 0)
    assert leaves(office)[-1]["type"] == "confirm"
    assert office.registry.view().decide("rec-1", "train", at="2026-07-01T00:00:00Z").decision == "allow"


def test_a_wrong_claim_does_not_stand_in_the_right_one_s_way(office: Office) -> None:
    """If this fails, asserting a false split first keeps the true one from ever being registered."""
    office.load({key: sample()[key] for key in ("parties", "works", "recordings")})
    row = {"subject": "rec-1", "party": "p-ann", "right": "master"}
    office.load({"shares": [row | {"ppm": 1, "state": "asserted"}]}, office.holder("p-ann"))
    assert counts(office.load({"shares": [row | {"ppm": 1_000_000, "state": "confirmed"}]})) == (1, 0, 0, 0)
    assert office.registry.view().shares("rec-1", "master", "WORLD", JUNE).parts == (("p-ann", 1_000_000),)


def test_nobody_s_refused_rows_become_another_s_word(office: Office) -> None:
    """If this fails, the operator's replay signs what a holder was not allowed to say."""
    office.load({key: sample()[key] for key in ("parties", "works", "recordings")})
    lbl = office.holder("p-lbl")
    refused = {
        "shares": [{"subject": "rec-1", "party": "p-lbl", "right": "master", "ppm": 1_000_000, "state": "confirmed"}],
        "grants": [{"id": "g-x", "grantor": "p-ann", "subject": "rec-1", "uses": ["train"], "decision": "allow"}],
        "payees": [{"party": "p-ann", "method": "bank", "account": "DE89370400440532013000"}],
    }
    late = {"recordings": [{"id": "rec-9", "title": "Nine", "work": "wrk-9"}]}
    assert counts(office.load(refused | late, lbl)) == (0, 0, 0, 4)
    office.load({"works": [{"id": "wrk-9", "title": "Nine"}]})
    size = office.registry.log.head().size
    done = importing.replay(office.registry, office.operator)
    assert (done.read, office.registry.log.head().size) == (0, size)
    assert done.notices == ("4 rows that p-lbl handed in wait on: only who handed them in can replay them",)
    assert counts(importing.replay(office.registry, lbl)) == (1, 0, 0, 3)
    with office.registry.log.store.reading() as connection:
        assert payees.listed(connection, office.registry.view()) == []
    assert counts(office.load(refused)) == (3, 0, 0, 0), "the operator may still hand them in knowingly"


def test_the_same_refused_row_of_two_authors_is_kept_for_both(office: Office) -> None:
    """If this fails, a row that a holder was refused keeps the operator's own from being replayed."""
    rows = {"works": [], "recordings": [{"id": "rec-9", "title": "Nine", "work": "wrk-9"}]}
    for who in (office.holder("p-ann"), office.operator):
        assert counts(office.load(rows, who)) == (0, 0, 0, 1)
    office.load({"works": [{"id": "wrk-9", "title": "Nine"}]})
    assert counts(importing.replay(office.registry, office.operator)) == (1, 0, 0, 0)


def test_a_holder_asserts_and_changes_only_its_own_shares(office: Office) -> None:
    """If this fails, a holder rewrites what somebody else claimed, and the next confirmation blesses it."""
    office.load({key: sample()[key] for key in ("parties", "works", "recordings")})
    ann, lbl = office.holder("p-ann"), office.holder("p-lbl")
    row = {"subject": "rec-1", "party": "p-ann", "right": "master", "ppm": 600_000}
    assert counts(office.load({"shares": [row]}, lbl)) == (0, 0, 0, 1)
    assert counts(office.load({"shares": [row]})) == (1, 0, 0, 0)
    assert counts(office.load({"shares": [row | {"ppm": 1_000_000}]}, ann)) == (0, 0, 1, 0)
    assert counts(office.load({"shares": [row | {"ppm": 500_000}]})) == (1, 0, 0, 0)
    link = {"recording": "rec-2", "work": "wrk-1", "ppm": 300_000, "from": "2025-01-01"}
    assert counts(office.load({"links": [link]}, ann)) == (1, 0, 0, 0)
    assert counts(office.load({"links": [link | {"ppm": 1}]}, lbl)) == (0, 0, 1, 0)
    assert counts(office.load({"links": [link | {"ppm": 2}]}, ann)) == (1, 0, 0, 0)


def test_only_those_concerned_fill_in_what_was_left_out(office: Office) -> None:
    """If this fails, a stranger decides where a recording's audio lies and which style pool it is in."""
    document = sample()
    document["recordings"].append({"id": "rec-3", "title": "Three"})
    office.load(document)
    office.load({"recordings": [{"id": "rec-4", "title": "Four"}]}, office.holder("p-lbl"))
    style = {"id": "rec-2", "title": "Blue (live)", "style": "blues"}
    for by, row, taken in (
        ("p-lbl", style, False),
        ("p-ann", style, True),
        ("p-ann", {"id": "rec-3", "title": "Three", "audio": "mine.wav"}, False),
        ("p-ann", {"id": "rec-4", "title": "Four", "isrc": "SEA012600004"}, False),
        ("p-lbl", {"id": "rec-4", "title": "Four", "isrc": "SEA012600004"}, True),
    ):
        done = office.load({"recordings": [row]}, office.holder(by))
        assert counts(done) == (int(taken), 0, 0, int(not taken)), (by, row)
    assert (
        "fill in"
        in office.load(
            {"recordings": [{"id": "rec-3", "title": "Three", "isrc": "SEA012600005"}]}, office.holder("p-ann")
        )
        .refused[0]
        .reason
    )
    office.load({"works": [{"id": "wrk-2", "title": "Two"}]})
    work = {"works": [{"id": "wrk-2", "title": "Two", "iswc": "T-034.524.680-1"}]}
    assert counts(office.load(work, office.holder("p-pub"))) == (0, 0, 0, 1)


@pytest.mark.parametrize("path", ["../secret.txt", "/etc/hostname", "a/../../secret.txt", "..", "a\\..\\secret.txt"])
def test_a_document_names_no_file_outside_its_folder(office: Office, path: str) -> None:
    """If this fails, whoever hands in a document has a file of this host read, and its words shown in an error."""
    (office.folder.parent / "secret.txt").write_text("passphrase-of-the-operator")
    recording = {"id": "rec-9", "title": "Nine", "audio": path}
    model = {"id": "mdl-9", "version": "1", "operator": "p-lab", "training_file": path}
    known = sample()
    done = office.load(known | {"recordings": [*known["recordings"], recording], "models": [*known["models"], model]})
    assert sorted(one.list for one in done.refused) == ["models", "recordings"]
    assert all("without .." in one.reason and "passphrase" not in one.reason for one in done.refused)


def test_a_backdated_refusal_is_refused_once_something_was_permitted(office: Office) -> None:
    """If this fails, a denial dated in the past takes back what was permitted then."""
    office.load(sample())
    deny = {"grantor": "p-ann", "subject": "rec-1", "uses": ["train"], "decision": "deny", "from": "2026-02-01"}
    done = office.load(
        {
            "grants": [
                deny | {"id": "g-x"},
                deny | {"id": "g-y", "uses": ["voice"]},
                deny | {"id": "g-z", "from": "2026-07-01"},
            ]
        }
    )
    assert counts(done) == (2, 0, 0, 1)
    assert "narrow" in done.refused[0].reason


REFUSED_LATE: list[dict[str, Any]] = [
    {"grantor": "p-ann", "subject": "*", "decision": "deny"},
    {"grantor": "p-ann", "subject": "rec-1", "decision": "ask"},
    {"grantor": "p-ann", "subject": "rec-1", "decision": "allow", "cap_ppm": 1},
    {"grantor": "p-ann", "subject": "rec-1", "decision": "allow", "floor_micros": 1, "currency": "EUR"},
    {"grantor": "p-pub", "subject": "wrk-1", "decision": "deny"},
    {"grantor": "p-ann", "subject": "rec-1", "decision": "deny", "territory": "SE"},
    {"grantor": "p-ann", "subject": "rec-1", "decision": "deny", "licensee": "p-lab"},
]


@pytest.mark.parametrize("grant", REFUSED_LATE, ids=lambda grant: "-".join(map(str, grant.values())))
def test_no_kind_of_narrowing_can_be_backdated(office: Office, grant: dict[str, Any]) -> None:
    """If this fails, terms, questions or a co-owner's denial reach back into what was permitted."""
    office.load(sample())
    before, march = office.registry.view(), "2026-03-01T00:00:00Z"
    late = grant | {"id": "g-late", "uses": ["train"], "from": "2026-02-01"}
    assert counts(office.load({"grants": [late]})) == (0, 0, 0, 1)
    assert counts(office.load({"grants": [late | {"from": "2026-06-01T12:00:00Z"}]})) == (1, 0, 0, 0)
    after = office.registry.view()
    assert after.decide("rec-1", "train", at=march) == before.decide("rec-1", "train", at=march)


def test_names_and_accounts_never_enter_the_log(office: Office) -> None:
    """If this fails, the append-only log holds what a person may ask to have erased."""
    document = sample()
    document["parties"][0]["name"] = "Annabel Very-Private"
    document["recordings"][0]["artist"] = "Annabel Very-Private"
    office.load(document)
    everything = b"".join(one.body for one in office.registry.log.entries())
    assert b"Very-Private" not in everything
    assert b"00014107338" not in everything
    assert b"4550000000058398257466" not in everything
    assert b'"personal":' in everything


def test_a_document_moves_nobody_into_another_group(office: Office) -> None:
    """If this fails, one row of a document takes a party into a group, or out of a capped one, at once (C1)."""
    office.load(sample())
    moved = {"id": "p-lbl", "kind": "label", "group": "big", "from": "2026-07-01"}
    assert counts(office.load({"parties": [moved]})) == (0, 0, 0, 1)
    assert counts(office.load({"parties": [moved]}, office.holder("p-lbl"))) == (0, 0, 0, 1)
    again = office.load({"parties": [{"id": "p-lbl", "kind": "label", "group": "p-lbl"}]})
    assert counts(again) == (0, 1, 0, 0)
    assert office.registry.view().group_of("p-lbl", "2026-07-01T00:00:00Z") == "p-lbl"
    assert office.registry.view().group_of("p-ann", "2026-07-01T00:00:00Z") == "ann"


def test_csv_and_json_say_the_same(make_office: MakeOffice) -> None:
    """If this fails, a list means one thing as CSV and another in the document."""
    document = sample()
    by_json, by_csv = make_office("json"), make_office("csv")
    by_json.load(document)
    paths = []
    for name, rows in document.items():
        columns = list(dict.fromkeys(column for row in rows for column in row))
        lines = [",".join(columns)]
        for row in rows:
            cells = [
                "|".join(value) if isinstance(value, list) else str(value)
                for value in (row.get(c, "") for c in columns)
            ]
            lines.append(",".join(cells))
        paths.append(by_csv.folder / f"{name}.csv")
        paths[-1].write_text("\ufeff" + "\r\n".join(lines) + "\r\n", encoding="utf-8")
    done = import_files(by_csv.registry, paths, by_csv.operator)
    assert counts(done) == (17, 0, 0, 0), done.refused
    assert leaves(by_csv) == leaves(by_json)


def test_files_that_cannot_be_read_are_refused_whole(tmp_path: Path) -> None:
    """If this fails, a file in a wrong format is taken for an empty registry."""
    for name, text in [
        ("a.json", "{"),
        ("b.json", '{"partys": []}'),
        ("c.json", "[]"),
        ("people.csv", "id\n"),
        ("d.xml", ""),
    ]:
        (tmp_path / name).write_text(text, encoding="utf-8")
        with pytest.raises(InputError):
            list(readers.read(tmp_path / name))
    with pytest.raises(InputError, match="no such file"):
        list(readers.read(tmp_path / "absent.json"))


def test_a_registry_that_moved_on_is_not_written_to_blindly(office: Office) -> None:
    """If this fails, two imports at once can register contradicting facts."""
    known = office.registry.view().size
    office.load(sample())
    facts = [Planned(fact) for _, fact in office.registry.facts()][:1]
    with pytest.raises(ConflictError, match="try again"):
        office.registry.register(facts, office.operator, known=known)


texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=12)
@given(st.lists(texts, min_size=1, max_size=5))
def test_any_title_is_recorded_canonically(make_office: MakeOffice, titles: list[str]) -> None:
    """If this fails, some title makes a leaf that the log's own reader refuses."""
    office = make_office(f"titles-{canon.digest(repr(titles).encode())[:12]}")
    rows = [{"id": f"rec-{number}", "title": title} for number, title in enumerate(titles)]
    assert counts(office.load({"recordings": rows})) == (len(rows), 0, 0, 0)
    assert [leaf["title"] for leaf in leaves(office)] == titles
