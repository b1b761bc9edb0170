"""From facts to state: each field of a fact reaches its record, and later facts change what they may and no more."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.registry import facts as f
from ledger.registry.fold import State, fold
from ledger.registry.model import (
    BEGINNING,
    FOREVER,
    RIGHTS,
    Audit,
    Clearance,
    Dispute,
    Grant,
    Link,
    Manifest,
    Model,
    Party,
    Receipt,
    Recording,
    Share,
    Track,
    Work,
)
from ledger.registry.view import View

T1, T2, T3, T4 = (f"2026-0{month}-01T00:00:00Z" for month in (1, 2, 3, 4))
D1, D2, D3 = (one * 64 for one in "abc")


def after(*facts: f.AnyFact, first: int = 7) -> View:
    """The view after facts at indices from 7 on."""
    return fold((first + n, fact) for n, fact in enumerate(facts))


def share(name: str = "sh", party: str = "ann", ppm: int = 600_000, **more: Any) -> f.ShareFact:
    given: dict[str, Any] = {"subject": "rec", "right": "master", "territory": "WORLD", "state": "asserted", "at": T1}
    return f.ShareFact(id=name, party=party, ppm=ppm, **(given | more))


def link(name: str = "ln", work: str = "wrk", **more: Any) -> f.LinkFact:
    given: dict[str, Any] = {"recording": "rec", "ppm": 1_000_000, "state": "asserted", "at": T1} | more
    return f.LinkFact(id=name, work=work, **given)


def grant(name: str = "g", **more: Any) -> f.GrantFact:
    given: dict[str, Any] = {
        "grantor": "ann",
        "subject": "rec",
        "uses": ("train", "style"),
        "decision": "allow",
        "territory": "WORLD",
        "at": T1,
    }
    return f.GrantFact(id=name, **(given | more))


def dispute(name: str = "d", **more: Any) -> f.DisputeFact:
    return f.DisputeFact(id=name, **({"subject": "rec", "claimant": "eve", "at": T2} | more))


def test_a_view_knows_the_size_it_is_of() -> None:
    """If this fails, a decision names another state of the log than it was taken at."""
    assert (after().size, after(share()).size) == (0, 8)
    state = State()
    state.apply(3, share())
    assert (state.view().size, state.view(9).size) == (4, 9)


def test_a_view_stays_as_it_was() -> None:
    """If this fails, what was decided at one size changes when the log grows."""
    state = State()
    facts: list[f.AnyFact] = [
        f.PartyFact(id="ann", kind="person", at=T1),
        f.RecordingFact(id="rec", title="R", at=T1),
        f.WorkFact(id="wrk", title="W", at=T1),
        share(),
        link(),
        grant(),
        dispute(),
        f.ModelFact(id="m", version="1", operator="lab", at=T1),
        f.TrackFact(id="t", at=T1),
        f.DecisionFact(id=D1, subject="rec", use="train", territory="SE", decision="allow", at=T1),
        f.ClearFact(id=D1, track="t", vector=D2, at=T1),
        f.AuditFact(id=D1, size=5, violations=1, findings=2, at=T1),
    ]
    empty = state.view()
    for n, fact in enumerate(facts):
        state.apply(n, fact)
    assert empty == State().view()
    assert state.view() == fold(enumerate(facts))


def test_a_party_and_its_groups_over_time() -> None:
    """If this fails, a sold label is paid as part of its old group, or a renamed party loses its name."""
    first = f.PartyFact(id="ann", kind="person", group="grp", personal=D1, at=T1)
    assert after(first).parties == {
        "ann": Party(id="ann", index=7, at=T1, kind="person", groups=((BEGINNING, "grp"),), personal=D1)
    }
    assert after(f.PartyFact(id="ann", kind="person", at=T1)).party("ann").groups == ((BEGINNING, "ann"),)
    moved = after(first, f.PartyFact(id="ann", kind="label", group="new", start=T3, at=T2)).party("ann")
    assert (moved.index, moved.at, moved.kind, moved.personal) == (7, T1, "label", D1)
    assert moved.groups == ((BEGINNING, "grp"), (T3, "new"))
    undated = after(first, f.PartyFact(id="ann", kind="person", group="new", personal=D2, at=T2)).party("ann")
    assert (undated.groups[1], undated.personal) == ((T2, "new"), D2)
    for same in (None, "grp"):
        assert len(after(first, f.PartyFact(id="ann", kind="person", group=same, at=T2)).party("ann").groups) == 1


def test_a_recording_is_filled_in_and_never_overwritten() -> None:
    """If this fails, a later import changes whose code, audio or style a registered recording has."""
    bare = f.RecordingFact(id="rec", title="R", at=T1)
    full = f.RecordingFact(id="rec", title="Other", isrc="I", audio="A", style="S", personal=D1, at=T2)
    other = f.RecordingFact(id="rec", title="Third", isrc="J", audio="B", style="T", personal=D2, at=T3)
    assert after(full).recording("rec") == Recording(
        id="rec", index=7, at=T2, title="Other", statement="", isrc="I", audio="A", style="S", personal=D1
    )
    assert after(bare, full, other).recording("rec") == Recording(
        id="rec", index=7, at=T1, title="R", statement="", isrc="I", audio="A", style="S", personal=D1
    )


def test_a_work_is_filled_in_and_never_overwritten() -> None:
    """If this fails, a later import changes which work a code stands for."""
    facts = [
        f.WorkFact(id="wrk", title=title, iswc=iswc, at=T1) for title, iswc in (("W", None), ("X", "1"), ("Y", "2"))
    ]
    assert after(*facts).works == {"wrk": Work(id="wrk", index=7, at=T1, title="W", iswc="1")}
    assert after(facts[1]).works["wrk"].iswc == "1"


def test_links_lead_both_ways() -> None:
    """If this fails, composition money of a recording goes to another work, or for another time."""
    one = link(state="confirmed", start=T2, end=T3, ppm=400_000)
    view = after(one, link("ln2", "wrk2"), link("ln", ppm=500_000, at=T2))
    assert view.links["rec"][0] == Link(
        id="ln2",
        index=8,
        at=T1,
        recording="rec",
        work="wrk2",
        ppm=1_000_000,
        start=BEGINNING,
        end=FOREVER,
        state="asserted",
    )
    assert view.links["rec"][1] == Link(
        id="ln",
        index=9,
        at=T2,
        recording="rec",
        work="wrk",
        ppm=500_000,
        start=BEGINNING,
        end=FOREVER,
        state="asserted",
    )
    (alone,) = after(one).links["rec"]
    assert (alone.start, alone.end, alone.state, alone.ppm) == (T2, T3, "confirmed", 400_000)
    assert view.recordings_of == {"wrk": ("rec",), "wrk2": ("rec",)}
    assert after(link(), link("ln3", recording="live")).recordings_of == {"wrk": ("rec", "live")}


def test_a_share_is_what_was_registered() -> None:
    """If this fails, somebody's part is another, of another right, elsewhere or at another time."""
    view = after(share(right="performer", territory="SE", start=T2, end=T3, state="confirmed"))
    assert view.shares_of == {
        ("rec", "performer"): (
            Share(
                id="sh",
                index=7,
                at=T1,
                subject="rec",
                party="ann",
                right="performer",
                ppm=600_000,
                territory="SE",
                start=T2,
                end=T3,
                planned=T3,
                state="confirmed",
            ),
        )
    }
    (open_ended,) = after(share()).shares_of["rec", "master"]
    assert (open_ended.start, open_ended.end, open_ended.planned) == (BEGINNING, FOREVER, FOREVER)
    again = after(share(), share("sh2", "bob"), share(ppm=1)).shares_of["rec", "master"]
    assert [(one.id, one.ppm) for one in again] == [("sh2", 600_000), ("sh", 1)]


def test_a_confirmation_is_of_one_thing() -> None:
    """If this fails, vouching for one share, link or recording makes another count."""
    facts: list[f.AnyFact] = [
        f.RecordingFact(id="rec", title="R", at=T1),
        link(),
        link("ln2", "wrk2"),
        *(share(f"sh-{right}", right=right) for right in RIGHTS),
        share("sh2", "bob"),
    ]

    def confirmed(name: str) -> set[str]:
        view = after(*facts, f.ConfirmFact(id=name, subject="rec", at=T2))
        rows: list[Any] = [*view.links["rec"], *(one for lines in view.shares_of.values() for one in lines)]
        return {one.id for one in rows if one.state == "confirmed"}

    for name in ("ln", "ln2", "sh2", *(f"sh-{right}" for right in RIGHTS)):
        assert confirmed(name) == {name}
    assert confirmed("rec") == set()
    view = after(*facts, f.ConfirmFact(id="rec", subject="rec", at=T2))
    assert (view.recording("rec").confirmed, after(*facts).recording("rec").confirmed) == (True, False)
    lone = after(share("sh"), f.ConfirmFact(id="sh", subject="rec", at=T2))
    assert [one.state for one in lone.shares_of["rec", "master"]] == ["confirmed"]


def test_an_end_brings_forward_and_never_extends() -> None:
    """If this fails, a sold share counts on, or one that had ended is brought back by an act."""

    def ends(end: str, *, name: str = "sh") -> list[tuple[str, str]]:
        view = after(share(end=T3), share("sh2", end=T3), f.EndFact(id=name, subject="rec", end=end, at=T2))
        return [(one.end, one.planned) for one in view.shares_of["rec", "master"]]

    assert ends(T2) == [(T2, T3), (T3, T3)]
    assert ends(T4) == ends(T2, name="unknown") == [(T3, T3), (T3, T3)]


def test_a_dispute_is_open_until_it_is_resolved() -> None:
    """If this fails, money is held for a dispute that is over, or paid during one."""
    full = dispute(right="master", party="ann", evidence=D1, personal=D2)
    opened = after(full, dispute("d2", subject="other"))
    assert opened.disputes["d"] == Dispute(
        id="d", index=7, at=T2, subject="rec", claimant="eve", right="master", party="ann", evidence=D1, personal=D2
    )
    assert {subject: [one.id for one in found] for subject, found in opened.open_disputes.items()} == {
        "rec": ["d"],
        "other": ["d2"],
    }
    closed = after(full, dispute("d2"), f.ResolveFact(dispute="d", subject="rec", outcome="released", at=T3))
    assert (closed.disputes["d"].resolved_at, closed.disputes["d"].outcome) == (T3, "released")
    assert [one.id for one in closed.open_disputes["rec"]] == ["d2"]
    resolved = f.ResolveFact(dispute="d", subject="rec", outcome="released", at=T3)
    later = f.ResolveFact(dispute="d", subject="rec", outcome="resplit", at=T4)
    assert after(full, resolved, later).disputes["d"].resolved_at == T3
    assert after(resolved).disputes == {}


def resplit(**more: Any) -> f.ResolveFact:
    given: dict[str, Any] = {
        "outcome": "resplit",
        "right": "master",
        "territory": "SE",
        "start": T2,
        "at": T4,
        "parts": (f.SharePart(party="eve", ppm=700_000), f.SharePart(party="ann", ppm=300_000)),
    }
    return f.ResolveFact(dispute="d", subject="rec", **(given | more))


BEFORE = (
    share("se", territory="SE", start=T1, state="confirmed"),
    share("late", territory="SE", start=T3, state="confirmed"),
    share("over", territory="SE", start=BEGINNING, end=T1, state="confirmed"),
    share("world", state="confirmed"),
    share("claim", territory="SE"),
    share("other", right="performer", territory="SE", state="confirmed"),
)


def test_a_resplit_replaces_confirmed_shares_of_its_place_from_its_start() -> None:
    """If this fails, a settled dispute pays the old owners on, or changes another country, right or time."""
    view = after(*BEFORE, dispute(), resplit())
    ends = {one.id: one.end for lines in view.shares_of.values() for one in lines}
    assert ends == {
        "se": T2,
        "late": T3,
        "over": T1,
        "world": FOREVER,
        "claim": FOREVER,
        "other": FOREVER,
        "d:eve": FOREVER,
        "d:ann": FOREVER,
    }
    assert view.shares_of["rec", "master"][-2:] == tuple(
        Share(
            id=f"d:{party}",
            index=14,
            at=T4,
            subject="rec",
            party=party,
            right="master",
            ppm=ppm,
            territory="SE",
            start=T2,
            end=FOREVER,
            planned=FOREVER,
            state="confirmed",
        )
        for party, ppm in (("eve", 700_000), ("ann", 300_000))
    )


def test_a_resplit_without_place_or_start_is_for_the_world_since_the_dispute() -> None:
    """If this fails, what was agreed for everywhere counts nowhere, or from another day than the dispute's."""
    view = after(*BEFORE, dispute(), resplit(territory=None, start=None))
    ends = {one.id: one.end for one in view.shares_of["rec", "master"]}
    assert (ends["world"], ends["se"]) == (T2, FOREVER)
    made = view.shares_of["rec", "master"][-1]
    assert (made.territory, made.start) == ("WORLD", T2)
    assert after(dispute(), resplit()).shares_of["rec", "master"][0].party == "eve"


@pytest.mark.parametrize("changed", [{"outcome": "released"}, {"right": None}])
def test_a_dispute_that_changes_nothing_leaves_every_share(changed: dict[str, Any]) -> None:
    """If this fails, a dispute that was dismissed moves somebody's money."""
    view = after(*BEFORE, dispute(), resplit(**changed))
    assert view.shares_of == after(*BEFORE).shares_of
    assert view.disputes["d"].resolved_at == T4


def test_a_grant_is_what_was_granted() -> None:
    """If this fails, a permission is wider, longer, cheaper or for somebody else than its grantor signed."""
    terms: dict[str, Any] = {
        "licensee": "lab",
        "model": "m@1",
        "floor_micros": 5,
        "currency": "EUR",
        "cap_ppm": 9,
        "sunset": T4,
    }
    view = after(
        grant(decision="ask", territory="SE", start=T2, end=T3, **terms), grant("g2"), grant("g3", subject="*")
    )
    assert view.grants["g"] == Grant(
        id="g",
        index=7,
        at=T1,
        grantor="ann",
        subject="rec",
        uses=("train", "style"),
        decision="ask",
        territory="SE",
        start=T2,
        end=T3,
        **terms,
    )
    assert (view.grants["g2"].start, view.grants["g2"].end, view.grants["g2"].index) == (BEGINNING, FOREVER, 8)
    assert {key: [one.id for one in found] for key, found in view.grants_of.items()} == {
        ("ann", "rec"): ["g", "g2"],
        ("ann", "*"): ["g3"],
    }


def test_a_revocation_ends_the_uses_it_names() -> None:
    """If this fails, a use that was revoked goes on, or one that was not is ended with it."""

    def revoke(start: str, *uses: str, name: str = "g") -> f.RevokeFact:
        return f.RevokeFact(grant=name, grantor="ann", subject="rec", start=start, uses=uses, at=T2)  # type: ignore[arg-type]

    view = after(grant(), grant("g2"), revoke(T3, "train"))
    assert view.grants["g"].ends == (("train", T3),)
    assert view.grants_of["ann", "rec"] == (view.grants["g"], view.grants["g2"])
    assert view.grants["g2"].ends == ()
    assert after(grant(), revoke(T3)).grants["g"].ends == (("style", T3), ("train", T3))
    assert after(grant(), revoke(T2, "train"), revoke(T3, "train")).grants["g"].ends == (("train", T2),)
    assert after(grant(end=T2), revoke(T3, "train")).grants["g"].ends == (("train", T2),)
    assert after(grant(), revoke(T3, name="unknown")).grants == after(grant()).grants


def test_models_tracks_and_papers_are_what_was_registered() -> None:
    """If this fails, a track's model, its vector's clearance or a receipt is another than its operator signed."""
    manifest = Manifest(root=D1, size=2, blob=D2)
    facts: list[f.AnyFact] = [
        f.ModelFact(id="m", version="2", operator="lab", weights_sha256=D1, licences=("l",), manifest=manifest, at=T1),
        f.TrackFact(id="t", draft=True, at=T1),
        f.TrackFact(
            id="t",
            title="T",
            model="m",
            version="2",
            generated_at=T1,
            audio_sha256=D1,
            conditioning=("rec",),
            decisions=(D2,),
            at=T2,
        ),
        f.DecisionFact(
            id=D1, subject="rec", use="train", territory="SE", decision="ask", licensee="lab", model="m@2", at=T1
        ),
        f.ClearFact(id=D1, track="t", vector=D2, at=T1),
        f.ClearFact(id=D2, track="t", vector=D3, at=T2),
        f.AuditFact(id=D1, size=5, violations=1, findings=2, at=T1),
        f.AuditFact(id=D2, size=6, violations=0, findings=3, at=T2),
    ]
    view = after(*facts)
    model = Model(
        id="m", index=7, at=T1, version="2", operator="lab", weights_sha256=D1, licences=("l",), manifest=manifest
    )
    assert view.models == {"m@2": model}
    assert view.tracks == {
        "t": Track(
            id="t",
            index=8,
            at=T2,
            title="T",
            model="m",
            version="2",
            generated_at=T1,
            audio_sha256=D1,
            conditioning=("rec",),
            decisions=(D2,),
            draft=False,
        )
    }
    assert after(facts[1]).tracks["t"].draft
    receipt = Receipt(
        id=D1, index=10, at=T1, subject="rec", use="train", territory="SE", decision="ask", licensee="lab", model="m@2"
    )
    assert view.receipts == {D1: receipt}
    assert view.clearances["t"] == (
        Clearance(id=D1, index=11, at=T1, track="t", vector=D2),
        Clearance(id=D2, index=12, at=T2, track="t", vector=D3),
    )
    assert view.audits == (
        Audit(id=D1, index=13, at=T1, size=5, violations=1, findings=2),
        Audit(id=D2, index=14, at=T2, size=6, violations=0, findings=3),
    )
