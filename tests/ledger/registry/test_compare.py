"""One row against the registry: what it adds, that it stands already, or that it contradicts what stands."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.errors import ConflictError, InputError
from ledger.registry import facts as f
from ledger.registry import rows as r
from ledger.registry.compare import narrows, overlaps
from ledger.registry.model import Grant
from tests.ledger.registry.comparing import ANN, DIGEST, author, compared, only, same

T0, T1, T2, T3, T4 = (f"2026-0{month}-01T00:00:00Z" for month in range(1, 6))

PARTY = f.PartyFact(id="ann", kind="person", group="grp", personal=DIGEST, at=T1)


def party(**more: Any) -> r.PartyRow:
    return r.PartyRow(**({"id": "ann", "kind": "person"} | more))


def test_a_new_partys_names_stay_out_of_its_fact() -> None:
    """If this fails, a name stands in the log for ever, or is lost, or the party gets another group or start."""
    full = party(name="Ann", ipi="1", isni="2", dpid="3", group="grp", start=T1)
    assert only(compared(full)) == (
        f.PartyFact(id="ann", kind="person", group="grp", start=T1),
        {"name": "Ann", "ipi": "1", "isni": "2", "dpid": "3"},
    )
    assert only(compared(party(name="Ann"))) == (f.PartyFact(id="ann", kind="person"), {"name": "Ann"})
    assert only(compared(party())) == (f.PartyFact(id="ann", kind="person"), None)


def test_a_party_keeps_its_kind() -> None:
    """If this fails, an import turns a person into a platform, with a platform's rights."""
    with pytest.raises(ConflictError, match="party ann: registered with kind 'person', this row says 'platform'"):
        compared(party(kind="platform"), PARTY)


def test_a_party_that_says_nothing_new_stands() -> None:
    """If this fails, importing the same file twice writes it twice."""
    held = {"name": "Ann", "ipi": "1"}
    for row in (party(), party(name="Ann"), party(name="Ann", ipi="1", group="grp")):
        assert same(compared(row, PARTY, held=held)), row
    # What was erased does not come back by repeating the file.
    assert same(compared(party(name="Ann"), PARTY, held=None))
    nameless = f.PartyFact(id="ann", kind="person", at=T1)
    assert only(compared(party(name="Ann"), nameless, held=None))[1] == {"name": "Ann"}


def test_a_party_is_renamed_with_all_its_names() -> None:
    """If this fails, a new name drops the identifiers, or moves the party to another group."""
    assert only(compared(party(name="Anna", group="grp", start=T1), PARTY, held={"name": "Ann", "ipi": "1"})) == (
        f.PartyFact(id="ann", kind="person"),
        {"name": "Anna", "ipi": "1"},
    )


def test_a_row_moves_no_party_into_another_group() -> None:
    """If this fails, one row takes a party into an owner group, or out of a capped one, at once (C1)."""
    for row in (party(group="new", start=T2), party(group="new"), party(name="Anna", group="new")):
        with pytest.raises(InputError, match="joining or leaving one is proposed and approved"):
            compared(row, PARTY, held={"name": "Ann"})
    assert only(compared(party(name="Anna", group="grp"), PARTY, held={"name": "Ann"})) == (
        f.PartyFact(id="ann", kind="person"),
        {"name": "Anna"},
    )


def test_repeating_how_a_party_came_to_its_group_moves_nobody() -> None:
    """If this fails, an old file brings a party back to a group it has left."""
    moved = f.PartyFact(id="ann", kind="person", group="new", start=T2, at=T2)
    for row in (party(group="new"), party(group="new", start=T2), party(group="grp"), party(group="grp", start=T1)):
        assert same(compared(row, PARTY, moved, by=author(at=T3), held={})), row
    with pytest.raises(InputError, match="settle registry group propose ann grp"):
        compared(party(group="grp", start=T3), PARTY, moved, by=author(at=T3), held={})


# --- recordings and works -----------------------------------------------------------------------

BARE = f.RecordingFact(id="rec", title="R", at=T1)
FULL = f.RecordingFact(id="rec", title="R", isrc="I", audio="A", style="S", personal=DIGEST, at=T1)


def recording(**more: Any) -> r.RecordingRow:
    return r.RecordingRow(**({"id": "rec", "title": "R"} | more))


def test_a_new_recordings_artist_stays_out_of_its_fact() -> None:
    """If this fails, a person's name stands in the log for ever, or a field of the recording is lost."""
    row = recording(artist="Ann", isrc="I", audio="A", style="S")
    assert only(compared(row)) == (
        f.RecordingFact(id="rec", title="R", isrc="I", audio="A", style="S"),
        {"artist": "Ann"},
    )
    assert only(compared(recording()))[1] is None


@pytest.mark.parametrize(("field", "value"), [("isrc", "I"), ("audio", "A"), ("style", "S")])
def test_a_recording_is_filled_in_and_never_rewritten(field: str, value: str) -> None:
    """If this fails, a second file changes what a registered recording is."""
    found = compared(recording(**{field: value}), BARE)
    assert only(found) == (f.RecordingFact(id="rec", title="R", **{field: value}), None)  # type: ignore[arg-type]
    assert same(compared(recording(**{field: value}), FULL))
    assert same(compared(recording(), FULL))
    with pytest.raises(ConflictError, match=f"recording rec: registered with {field} '{value}', this row says 'other'"):
        compared(recording(**{field: "other"}), FULL)


def test_a_recordings_title_and_artist_stand() -> None:
    """If this fails, a recording is renamed, or its artist is, by whoever sends a file."""
    with pytest.raises(ConflictError, match="recording rec: registered with title 'R', this row says 'Q'"):
        compared(recording(title="Q"), BARE)
    with pytest.raises(ConflictError, match="recording rec: registered with artist 'Ann', this row says 'Eve'"):
        compared(recording(artist="Eve"), FULL, held={"artist": "Ann"})
    assert same(compared(recording(artist="Ann"), FULL, held={"artist": "Ann"}))
    # An erased artist is not asked for again; an unknown one may be filled in.
    assert same(compared(recording(artist="Ann"), FULL, held=None))
    assert only(compared(recording(artist="Ann"), BARE)) == (f.RecordingFact(id="rec", title="R"), {"artist": "Ann"})
    assert only(compared(recording(artist="Ann", isrc="I"), BARE, held={"artist": "Ann"}))[1] is None


def share_of(party_: str, subject: str = "rec", right: Any = "master", **more: Any) -> f.ShareFact:
    given: dict[str, Any] = {"ppm": 1, "territory": "WORLD", "state": "confirmed", "at": T1} | more
    return f.ShareFact(id=f"sh-{party_}", subject=subject, party=party_, right=right, **given)


@pytest.mark.parametrize(
    ("fact", "row", "right", "other"),
    [
        (BARE, recording(isrc="I"), "master", "publishing"),
        (f.WorkFact(id="rec", title="R", at=T1), r.WorkRow(id="rec", title="R", iswc="I"), "publishing", "master"),
    ],
    ids=["recording", "work"],
)
def test_who_may_fill_in_what_was_left_out(fact: f.AnyFact, row: r.AnyRow, right: str, other: str) -> None:
    """If this fails, a stranger gives somebody's recording or work a code of their own."""
    assert compared(row, fact).facts
    assert compared(row, fact, by=ANN, wrote="ann").facts
    assert compared(row, fact, share_of("ann", right=right), by=ANN).facts
    refused: list[tuple[f.AnyFact, ...]] = [
        (fact,),
        (fact, share_of("bob", right=right)),
        (fact, share_of("ann", right=other)),
        (fact, share_of("ann", right=right, state="asserted")),
        (fact, share_of("ann", right=right, start=T3)),
        (fact, share_of("ann", right=right, end=T2)),
        (fact, share_of("ann", "other", right=right)),
    ]
    for facts in refused:
        with pytest.raises(InputError, match=f"rec: .*confirmed {right} share .*signed by ann"):
            compared(row, *facts, by=ANN)


def test_an_id_is_of_a_recording_or_of_a_work() -> None:
    """If this fails, a recording's money and a work's are confused."""
    with pytest.raises(ConflictError, match="recording rec"):
        compared(recording(), f.WorkFact(id="rec", title="R", at=T1))
    with pytest.raises(ConflictError, match="work rec"):
        compared(r.WorkRow(id="rec", title="R"), BARE)


def test_a_work_is_filled_in_and_never_rewritten() -> None:
    """If this fails, a second file changes which song a code stands for."""
    bare, full = (f.WorkFact(id="wrk", title="W", iswc=iswc, at=T1) for iswc in (None, "1"))
    row = r.WorkRow(id="wrk", title="W", iswc="1")
    assert only(compared(row)) == only(compared(row, bare)) == (f.WorkFact(id="wrk", title="W", iswc="1"), None)
    assert same(compared(row, full))
    assert same(compared(r.WorkRow(id="wrk", title="W"), full))
    for field, value in (("title", "X"), ("iswc", "2")):
        with pytest.raises(ConflictError, match=f"work wrk: registered with {field} "):
            compared(r.WorkRow(**({"id": "wrk", "title": "W"} | {field: value})), full)


# --- links and shares ---------------------------------------------------------------------------


def link(**more: Any) -> r.LinkRow:
    return r.LinkRow(**({"recording": "rec", "work": "wrk"} | more))


def linked(row: r.LinkRow | None = None, **more: Any) -> f.LinkFact:
    row = row or link()
    given: dict[str, Any] = {"state": row.state, "at": T1} | more
    return f.LinkFact(
        id=r.link_id(row), recording=row.recording, work=row.work, ppm=row.ppm, start=row.start, end=row.end, **given
    )


def test_a_recordings_own_work_is_a_link() -> None:
    """If this fails, composition money of a recording goes nowhere, or a holder's word alone moves it."""
    by_operator = compared(recording(work="wrk")).facts
    assert [fact for fact, _ in by_operator] == [
        f.RecordingFact(id="rec", title="R"),
        f.LinkFact(id=r.link_id(link()), recording="rec", work="wrk", ppm=1_000_000, state="confirmed"),
    ]
    by_holder = compared(recording(work="wrk"), by=ANN).facts[-1][0]
    assert isinstance(by_holder, f.LinkFact)
    assert by_holder.state == "asserted"
    # A link that stands is not compared further, whatever its part.
    assert same(compared(recording(work="wrk"), BARE, linked(link(ppm=5))))
    with pytest.raises(ConflictError, match="recording rec: registered with work 'other', this row says 'wrk'"):
        compared(recording(work="wrk"), BARE, linked(link(work="other")))
    assert same(compared(recording(work="wrk"), BARE, linked(link(work="other")), linked()))


def share(**more: Any) -> r.ShareRow:
    given: dict[str, Any] = {"subject": "rec", "party": "ann", "right": "master", "ppm": 5} | more
    return r.ShareRow(**given)


def shared(row: r.ShareRow | None = None, **more: Any) -> f.ShareFact:
    row = row or share()
    given: dict[str, Any] = {"state": row.state, "at": T1} | more
    return f.ShareFact(
        id=r.share_id(row),
        subject=row.subject,
        party=row.party,
        right=row.right,
        ppm=row.ppm,
        territory=row.territory,
        start=row.start,
        end=row.end,
        **given,
    )


def test_a_new_link_or_share_is_what_the_row_says() -> None:
    """If this fails, a part is registered for another party, right, place, time or amount than the row's."""
    row = share(territory="SE", start=T1, end=T3, state="confirmed")
    assert only(compared(row)) == (
        f.ShareFact(
            id=r.share_id(row),
            subject="rec",
            party="ann",
            right="master",
            ppm=5,
            territory="SE",
            state="confirmed",
            start=T1,
            end=T3,
        ),
        None,
    )
    joined = link(ppm=7, start=T1, end=T3, state="confirmed")
    assert only(compared(joined)) == (
        f.LinkFact(id=r.link_id(joined), recording="rec", work="wrk", ppm=7, state="confirmed", start=T1, end=T3),
        None,
    )
    # Another party's, or another time's, is another share.
    assert compared(share(party="bob"), shared()).facts
    assert compared(share(start=T2), shared(share(start=T1))).facts
    assert compared(link(start=T2), linked(link(start=T1))).facts


@pytest.mark.parametrize(("make", "fact"), [(link, linked), (share, shared)], ids=["link", "share"])
def test_a_row_that_stands_is_confirmed_once(make: Any, fact: Any) -> None:
    """If this fails, repeating a file writes it again, or the operator's confirmation is not recorded."""
    for state in ("asserted", "confirmed"):
        assert same(compared(make(state=state), fact(state="confirmed")))
    assert same(compared(make(), fact()))
    assert same(compared(make(end=T3), fact(make(end=T3))))
    row = make(state="confirmed")
    name = r.link_id(row) if isinstance(row, r.LinkRow) else r.share_id(row)
    assert only(compared(row, fact())) == (f.ConfirmFact(id=name, subject="rec"), None)


@pytest.mark.parametrize(
    ("make", "fact", "named"),
    [(link, linked, "link rec to wrk"), (share, shared, r"master share of ann in rec \(WORLD\)")],
    ids=["link", "share"],
)
def test_an_asserted_row_is_changed_by_its_author_a_confirmed_one_by_nobody(make: Any, fact: Any, named: str) -> None:
    """If this fails, a stranger rewrites somebody's claim, or a file rewrites what was vouched for."""
    for changed in ({"ppm": 9}, {"end": T3}):
        row = make(**changed)
        for by, wrote in ((author(), "bob"), (ANN, "ann")):
            assert compared(row, fact(), by=by, wrote=wrote).facts
        with pytest.raises(ConflictError, match=f"{named}: asserted by bob"):
            compared(row, fact(), by=ANN, wrote="bob")
        with pytest.raises(ConflictError, match=named):
            compared(row, fact(state="confirmed"))
    with pytest.raises(ConflictError, match=f"{named}: registered with ppm .*, this row says 9"):
        compared(make(ppm=9), fact(state="confirmed"))


def test_a_share_that_was_ended_since_stands_as_it_was_planned() -> None:
    """If this fails, repeating the file of a sold share brings it back, or is a conflict."""
    ended = f.EndFact(id=r.share_id(share()), subject="rec", end=T3, at=T2)
    assert same(compared(share(state="confirmed"), shared(state="confirmed"), ended))
    with pytest.raises(ConflictError, match="settle registry transfer"):
        compared(share(end=T4, state="confirmed"), shared(state="confirmed"))


# --- grants -------------------------------------------------------------------------------------


def grant(name: str = "g", **more: Any) -> r.GrantRow:
    given = {"grantor": "ann", "subject": "rec", "uses": ("train", "condition"), "decision": "allow", "start": T0}
    return r.GrantRow(id=name, **(given | more))


def granted(row: r.GrantRow) -> f.GrantFact:
    fact, _ = only(compared(row, by=author(at=T0)))
    assert isinstance(fact, f.GrantFact)
    return fact


TERMS: dict[str, Any] = {
    "territory": "SE",
    "end": T4,
    "licensee": "lab",
    "model": "m@1",
    "floor_micros": 4,
    "currency": "EUR",
    "cap_ppm": 9,
    "sunset": T4,
}


def test_a_new_grant_is_what_its_grantor_said() -> None:
    """If this fails, a permission is wider or cheaper than the one that was signed."""
    assert granted(grant(**TERMS)) == f.GrantFact(
        id="g", grantor="ann", subject="rec", uses=("condition", "train"), decision="allow", start=T0, **TERMS
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"grantor": "bob"},
        {"subject": "other"},
        {"uses": ("train",)},
        {"decision": "ask"},
        {"territory": "NO"},
        {"start": T1},
        {"end": T3},
        {"licensee": "x"},
        {"model": "x"},
        {"floor_micros": 5},
        {"currency": "USD"},
        {"cap_ppm": 8},
        {"sunset": T3},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_grant_is_registered_once_with_all_its_terms(changed: dict[str, Any]) -> None:
    """If this fails, the terms of a standing permission are rewritten by another file."""
    known = granted(grant(**TERMS))
    assert same(compared(grant(**TERMS | {"uses": ("condition", "train")}), known))
    with pytest.raises(ConflictError, match="grant g"):
        compared(grant(**TERMS | changed), known)


NARROW: list[dict[str, Any]] = [
    {"decision": "deny"},
    {"decision": "ask"},
    {"cap_ppm": 5},
    {"floor_micros": 5, "currency": "EUR"},
]


@pytest.mark.parametrize("narrow", NARROW, ids=str)
def test_a_narrowing_never_reaches_back(narrow: dict[str, Any]) -> None:
    """If this fails, somebody forbids in May what they permitted in April, and April's money is held."""
    old = granted(grant("old"))
    with pytest.raises(InputError, match=f"grant new would narrow old from 2026-01-01 on, .* start at {T2} or later"):
        compared(grant("new", **narrow), old)
    with pytest.raises(InputError, match="narrow old from the beginning on"):
        compared(grant("new", **narrow | {"start": None}), old)
    assert compared(grant("new", **narrow | {"start": T2}), old).facts
    assert compared(grant("new"), old).facts
    assert compared(grant("new", **narrow), granted(grant("old", start=T2))).facts


@pytest.mark.parametrize(
    ("old", "new", "narrowed"),
    [
        ({}, {"subject": "*"}, True),
        ({"subject": "*"}, {}, True),
        ({"subject": "other"}, {}, False),
        ({"subject": "other"}, {"subject": "*"}, True),
        ({"grantor": "bob"}, {}, False),
        ({"grantor": "bob", "subject": "*"}, {"subject": "*"}, False),
        ({"decision": "ask"}, {}, False),
        ({"uses": ("voice",)}, {}, False),
        ({"uses": ("train", "voice")}, {}, True),
        ({"territory": "SE"}, {}, True),
        ({}, {"territory": "SE"}, True),
        ({"territory": "NO"}, {"territory": "SE"}, False),
        ({"licensee": "lab"}, {}, True),
        ({}, {"licensee": "lab"}, True),
        ({"licensee": "lab"}, {"licensee": "other"}, False),
        ({"end": T1}, {"start": T1}, False),
    ],
)
def test_only_a_permission_that_speaks_of_the_same_is_narrowed(
    old: dict[str, Any], new: dict[str, Any], *, narrowed: bool
) -> None:
    """If this fails, a new refusal is turned away for a permission it does not touch, or reaches into one it does."""
    known, row = granted(grant("old", **old)), grant("new", **{"decision": "deny"} | new)
    if narrowed:
        with pytest.raises(InputError, match="would narrow old"):
            compared(row, known)
    else:
        assert compared(row, known).facts


def test_a_works_refusal_reaches_the_recordings_of_it() -> None:
    """If this fails, a publisher forbids in retrospect what a recording's owner had permitted."""
    facts: tuple[f.AnyFact, ...] = (linked(link(state="confirmed")), share_of("ann"))
    row = grant("new", grantor="pub", subject="wrk", decision="deny")
    for subject in ("rec", "*"):
        with pytest.raises(InputError, match="would narrow old"):
            compared(row, *facts, granted(grant("old", subject=subject)))
    assert compared(row, *facts, granted(grant("old", grantor="bob"))).facts
    assert compared(row, granted(grant("old"))).facts


def test_terms_narrow_and_plain_permission_does_not() -> None:
    """If this fails, a permission with a floor or a cap is taken for one without."""
    plain: dict[str, Any] = {
        "id": "g",
        "index": 1,
        "at": T1,
        "grantor": "ann",
        "subject": "rec",
        "uses": ("train",),
        "decision": "allow",
        "territory": "WORLD",
        "start": T1,
        "end": T3,
    }
    narrowing: list[dict[str, Any]] = [{"cap_ppm": 0}, {"floor_micros": 0}, {"decision": "ask"}]
    assert [narrows(Grant(**plain | more)) for more in ({}, *narrowing)] == [False, True, True, True]
    before, after = (Grant(**plain | {"start": start, "end": end}) for start, end in ((T1, T2), (T2, T3)))
    assert not overlaps(before, after, until=T4)
    assert overlaps(before, before, until=T2)
    assert not overlaps(before, before, until=T1)


# --- models and tracks --------------------------------------------------------------------------
