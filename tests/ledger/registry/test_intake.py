"""What an import would do: a pure plan, in which every row is accounted for, whoever hands it in."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.errors import ConflictError, InputError
from ledger.registry import facts as f
from ledger.registry import rows as r
from ledger.registry.compare import Author
from ledger.registry.fold import fold
from ledger.registry.intake import ImportPlan, check_author, check_references, identity, plan
from ledger.registry.readers import RawRow
from ledger.registry.view import View
from ledger.types import Role

AT = "2026-06-01T00:00:00Z"
BASE: tuple[f.AnyFact, ...] = (
    f.PartyFact(id="ann", kind="person", at=AT),
    f.PartyFact(id="lab", kind="model-operator", at=AT),
    f.RecordingFact(id="rec", title="R", at=AT),
    f.WorkFact(id="wrk", title="W", at=AT),
    f.ModelFact(id="m", version="1", operator="lab", at=AT),
)
ANN: dict[str, Any] = {"id": "ann", "kind": "person"}
SHARE: dict[str, Any] = {"subject": "rec", "party": "ann", "right": "master", "ppm": 5}


def by(party: str = "op", role: Role = "operator") -> Author:
    return Author(party=party, role=role, at=AT)


def raw(*rows: tuple[str, dict[str, Any]]) -> list[RawRow]:
    return [RawRow(list=name, file="f", line=n, value=value) for n, (name, value) in enumerate(rows, 1)]


def planned(*rows: tuple[str, dict[str, Any]], author: Author | None = None, known: View | None = None) -> ImportPlan:
    view = fold(enumerate(BASE)) if known is None else known
    return plan(raw(*rows), view, author or by(), lambda _kind, _id: None, lambda _: "op")


def lines(found: list[Any]) -> list[int]:
    return [problem.row.line for problem in found]


def test_every_row_is_accounted_for() -> None:
    """If this fails, a row of an import disappears without a word, or is counted twice."""
    found = planned(
        ("shares", SHARE),
        ("shares", SHARE),
        ("parties", ANN),
        ("shares", SHARE | {"ppm": "x"}),
        ("works", {"id": "wrk", "title": "Other"}),
        ("works", {"id": "new", "title": "A"}),
        ("works", {"id": "new", "title": "B"}),
        ("shares", SHARE | {"party": "nobody"}),
        ("parties", ANN),
        ("recordings", {"id": "wrk", "title": "R"}),
        ("recordings", {"id": "r2", "title": "R"}),
        ("works", {"id": "two", "title": "A"}),
        ("works", {"id": "two", "title": "B"}),
    )
    assert (found.read, found.accepted, found.duplicates) == (13, 2, 3)
    assert lines(found.quarantined) == [4, 8]
    assert sorted(lines(found.conflicts)) == [5, 6, 7, 10, 12, 13]
    assert found.read == found.accepted + found.duplicates + len(found.conflicts) + len(found.quarantined)
    assert [type(one.fact) for one in found.facts] == [f.RecordingFact, f.ShareFact]
    reasons = {problem.row.line: problem.reason for problem in (*found.conflicts, *found.quarantined)}
    assert "ppm" in reasons[4]
    assert "2 rows of this import speak of new and differ" in reasons[6] == reasons[7]
    assert "'nobody' is not among the registered parties" in reasons[8]
    assert "a work has this id" in reasons[10]


def test_rows_refer_to_rows_of_the_same_import_in_any_order() -> None:
    """If this fails, a file must be written in the one order that the importer likes."""
    rows: list[tuple[str, dict[str, Any]]] = [
        ("shares", {"subject": "r2", "party": "bob", "right": "master", "ppm": 5}),
        ("recordings", {"id": "r2", "title": "R", "work": "w2"}),
        ("works", {"id": "w2", "title": "W"}),
        ("parties", {"id": "bob", "kind": "person"}),
    ]
    found = planned(*rows)
    assert (found.accepted, found.conflicts, found.quarantined) == (4, [], [])
    assert found.facts == planned(*reversed(rows)).facts
    assert [one.fact.type for one in found.facts] == ["party", "work", "recording", "link", "share"]
    # A row that was refused is nothing to refer to.
    broken = planned(
        ("works", {"id": "w3", "title": "A"}),
        ("works", {"id": "w3", "title": "B"}),
        ("recordings", {"id": "r3", "title": "R", "work": "w3"}),
    )
    assert lines(broken.quarantined) == [3]


def test_a_links_own_row_says_more_than_its_recordings_column() -> None:
    """If this fails, the part that a recording contains of a work is registered twice, or as the whole."""
    link = {"recording": "r2", "work": "wrk", "ppm": 400_000, "state": "confirmed"}
    found = planned(("recordings", {"id": "r2", "title": "R", "work": "wrk"}), ("links", link))
    facts = [one.fact for one in found.facts if isinstance(one.fact, f.LinkFact)]
    assert [fact.ppm for fact in facts] == [400_000]
    assert found.accepted == 2


def test_a_models_list_and_a_partys_names_come_along() -> None:
    """If this fails, a training list is registered without its matter, or a name is lost or put into the log."""
    found = planned(
        ("models", {"id": "m", "version": "2", "operator": "lab", "training": ["rec"]}),
        ("parties", {"id": "bob", "kind": "person", "name": "Bob"}),
    )
    assert (len(found.blobs), found.accepted) == (1, 2)
    assert [one.personal for one in found.facts] == [{"name": "Bob"}, None]


def test_a_payee_row_goes_to_the_payee_book() -> None:
    """If this fails, an account is lost, or its row counts as one that stands already."""
    row = {"party": "ann", "method": "bank", "account": "SE45 5000 0000 0583 9825 7466"}
    found = planned(("payees", row), ("payees", row), ("payees", row | {"from": "2026-07-01"}))
    assert (found.accepted, found.duplicates, found.facts) == (2, 1, [])
    assert [one.start for one in found.payees] == [None, "2026-07-01T00:00:00Z"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (r.PartyRow(id="ann", kind="person"), r.PartyRow(id="ann", kind="label"), True),
        (r.ModelRow(id="m", version="1", operator="a"), r.ModelRow(id="m", version="2", operator="a"), False),
        (r.ModelRow(id="m", version="1", operator="a"), r.ModelRow(id="m", version="1", operator="b"), True),
        (r.ShareRow(**SHARE), r.ShareRow(**SHARE | {"ppm": 6}), True),
        (r.ShareRow(**SHARE), r.ShareRow(**SHARE | {"territory": "SE"}), False),
        (r.LinkRow(recording="r", work="w"), r.LinkRow(recording="r", work="w", ppm=5), True),
        (r.LinkRow(recording="r", work="w"), r.LinkRow(recording="r", work="x"), False),
        (r.PayeeRow(party="a", method="bank", account="x"), r.PayeeRow(party="a", method="bank", account="y"), True),
        (
            r.PayeeRow(party="a", method="bank", account="x"),
            r.PayeeRow(party="a", method="bank", account="x", start="2026"),
            False,
        ),
    ],
)
def test_which_rows_are_about_one_thing(one: r.AnyRow, other: r.AnyRow, *, same: bool) -> None:
    """If this fails, two rows that contradict each other are both taken, or two that do not are both refused."""
    assert (identity(one) == identity(other)) == same


# --- who may register what ----------------------------------------------------------------------

OWN: list[tuple[r.AnyRow, str]] = [
    (r.PartyRow(id="ann", kind="person"), "ann"),
    (r.GrantRow(id="g", grantor="ann", subject="rec", uses=("train",), decision="allow"), "ann"),
    (r.ModelRow(id="m", version="2", operator="lab"), "lab"),
    (r.TrackRow(id="t", model="m", version="1"), "lab"),
    (r.ShareRow(**SHARE), "ann"),
    (r.PayeeRow(party="ann", method="bank", account="x"), "ann"),
]
ANYBODYS: list[r.AnyRow] = [
    r.RecordingRow(id="rec", title="R"),
    r.WorkRow(id="wrk", title="W"),
    r.LinkRow(recording="rec", work="wrk"),
    r.TrackRow(id="t", model="unknown", version="1"),
]


@pytest.mark.parametrize(("row", "owner"), OWN, ids=[type(row).__name__ for row, _ in OWN])
def test_a_holder_registers_its_own_and_the_operator_anybodys(row: r.AnyRow, owner: str) -> None:
    """If this fails, somebody grants, claims or is paid in the name of another."""
    view = fold(enumerate(BASE))
    check_author(row, by(owner, "holder"), view)
    check_author(row, by(), view)
    with pytest.raises(InputError, match=f"only {owner} or the operator .* signed by eve"):
        check_author(row, by("eve", "holder"), view)
    for role in ("approver", "platform", "attribution", "log"):
        with pytest.raises(InputError, match=f"role {role}"):
            check_author(row, by(owner, role), view)


@pytest.mark.parametrize("row", ANYBODYS, ids=lambda row: type(row).__name__)
def test_what_belongs_to_nobody_any_holder_may_hand_in(row: r.AnyRow) -> None:
    """If this fails, a holder cannot register a recording, a work or the link between them."""
    check_author(row, by("eve", "holder"), fold(enumerate(BASE)))


@pytest.mark.parametrize(
    "row",
    [r.ShareRow(**SHARE | {"state": "confirmed"}), r.LinkRow(recording="rec", work="wrk", state="confirmed")],
    ids=["share", "link"],
)
def test_a_holder_confirms_nothing(row: r.AnyRow) -> None:
    """If this fails, a holder vouches for their own claim, and is paid by it."""
    view = fold(enumerate(BASE))
    with pytest.raises(InputError, match="asserts and someone else confirms"):
        check_author(row, by("ann", "holder"), view)
    check_author(row, by(), view)


# --- what a row may refer to --------------------------------------------------------------------

REFERENCES: list[tuple[r.AnyRow, set[tuple[str, str]]]] = [
    (r.PartyRow(id="ann", kind="person"), set()),
    (r.RecordingRow(id="r2", title="R"), set()),
    (r.RecordingRow(id="r2", title="R", work="wrk"), {("works", "wrk")}),
    (r.LinkRow(recording="rec", work="wrk"), {("recordings", "rec"), ("works", "wrk")}),
    (r.ShareRow(**SHARE), {("recordings", "rec"), ("parties", "ann")}),
    (r.ShareRow(**SHARE | {"subject": "wrk", "right": "publishing"}), {("works", "wrk"), ("parties", "ann")}),
    (r.ShareRow(**SHARE | {"right": "performer"}), {("recordings", "rec"), ("parties", "ann")}),
    (r.GrantRow(id="g", grantor="ann", subject="*", uses=("train",), decision="allow"), {("parties", "ann")}),
    (
        r.GrantRow(id="g", grantor="ann", subject="rec", uses=("train",), decision="allow"),
        {("parties", "ann"), ("recordings", "rec")},
    ),
    (
        r.GrantRow(id="g", grantor="ann", subject="wrk", uses=("train",), decision="allow"),
        {("parties", "ann"), ("works", "wrk")},
    ),
    (r.ModelRow(id="m", version="1", operator="lab"), {("parties", "lab")}),
    (
        r.TrackRow(id="t", model="m", version="1", conditioning=("rec", "r2")),
        {("models", "m@1"), ("recordings", "rec"), ("recordings", "r2")},
    ),
    (r.PayeeRow(party="ann", method="bank", account="x"), {("parties", "ann")}),
]


@pytest.mark.parametrize(
    ("row", "wanted"), REFERENCES, ids=[f"{type(row).__name__}-{n}" for n, (row, _) in enumerate(REFERENCES)]
)
def test_what_a_row_names_is_registered(row: r.AnyRow, wanted: set[tuple[str, str]]) -> None:
    """If this fails, a share, a grant or a track speaks of something that does not exist."""
    check_references(row, lambda name, one: (name, one) in wanted)
    for missing in wanted:
        rest = wanted - {missing}
        with pytest.raises(InputError, match=f"'{missing[1]}'"):
            check_references(row, lambda name, one, rest=rest: (name, one) in rest)  # type: ignore[misc]


def test_a_recording_has_no_works_id() -> None:
    """If this fails, one id is of a recording and of a work, and their money is confused."""
    with pytest.raises(ConflictError, match="recording wrk"):
        check_references(r.RecordingRow(id="wrk", title="R"), lambda name, one: (name, one) == ("works", "wrk"))
