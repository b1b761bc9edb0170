from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InputError
from ledger.registry import facts as f
from ledger.registry.fold import State
from ledger.registry.model import SEVERITY, USES, Decision
from ledger.registry.view import View

NOW = "2026-06-01T00:00:00Z"


def world(*more: f.AnyFact) -> View:
    """rec-1 owned by p-a and p-b, of wrk-1 owned by p-pub; then whatever a test adds."""
    state = State()
    base: list[f.AnyFact] = [
        *(f.PartyFact(id=party, kind="person", at=NOW) for party in ("p-a", "p-b", "p-pub", "p-x")),
        f.WorkFact(id="wrk-1", title="Blue", at=NOW),
        f.RecordingFact(id="rec-1", title="Blue", at=NOW),
        f.LinkFact(id="ln-1", recording="rec-1", work="wrk-1", ppm=1_000_000, state="confirmed", at=NOW),
        owned("rec-1", "p-a", 600_000),
        owned("rec-1", "p-b", 400_000),
        owned("wrk-1", "p-pub", 1_000_000, right="publishing"),
    ]
    for index, fact in enumerate([*base, *more]):
        state.apply(index, fact)
    return state.view()


def owned(subject: str, party: str, ppm: int, **changes: Any) -> f.ShareFact:
    fields = {"right": "master", "territory": "WORLD", "state": "confirmed", "at": NOW} | changes
    return f.ShareFact(id=f"sh-{subject}-{party}", subject=subject, party=party, ppm=ppm, **fields)


def granted(name: str, grantor: str, **changes: Any) -> f.GrantFact:
    fields = {"subject": "rec-1", "uses": ("train",), "decision": "allow", "territory": "WORLD", "at": NOW} | changes
    return f.GrantFact(id=name, grantor=grantor, **fields)


def ask(view: View, use: str = "train", **changes: Any) -> Decision:
    return view.decide("rec-1", use, **({"territory": "WORLD", "at": NOW} | changes))


BOTH = (granted("g-a", "p-a"), granted("g-b", "p-b"))


def test_no_record_means_deny() -> None:
    """If this fails, a recording is free to use because nobody said anything."""
    assert ask(world()).decision == "deny"
    assert world().decide("rec-unknown", "train", at=NOW).decision == "deny"


def test_every_holder_must_allow() -> None:
    """If this fails, one co-owner can license what is not theirs alone."""
    assert ask(world(BOTH[0])).decision == "deny"
    allowed = ask(world(*BOTH))
    assert (allowed.decision, allowed.grants) == ("allow", ("g-a", "g-b"))


def test_a_stranger_decides_nothing() -> None:
    """If this fails, anyone can block or permit what others own."""
    assert ask(world(*BOTH, granted("g-x", "p-x", decision="deny"))).decision == "allow"
    assert ask(world(BOTH[0], granted("g-x", "p-x"))).decision == "deny"


@pytest.mark.parametrize(
    ("general", "specific", "expected"),
    [
        ("allow", "deny", "deny"),
        ("deny", "allow", "deny"),
        ("ask", "allow", "ask"),
        ("allow", "ask", "ask"),
        ("allow", "allow", "allow"),
        ("ask", "deny", "deny"),
    ],
)
def test_the_more_restrictive_of_general_and_specific_wins(general: str, specific: str, expected: str) -> None:
    """If this fails, a broad permission loosens a narrow refusal, or the other way round."""
    view = world(
        BOTH[1], granted("g-all", "p-a", subject="*", decision=general), granted("g-one", "p-a", decision=specific)
    )
    assert ask(view).decision == expected


def test_a_catalogue_grant_covers_what_its_grantor_owns() -> None:
    """If this fails, a label has to license its catalogue recording by recording."""
    assert ask(world(granted("g-1", "p-a", subject="*"), granted("g-2", "p-b", subject="*"))).decision == "allow"


def test_permission_for_one_country_is_not_permission_for_the_world() -> None:
    """If this fails, a Swedish licence is used everywhere, or a Swedish refusal is ignored by a world-wide use."""
    swedish = world(granted("g-a", "p-a", territory="SE"), BOTH[1])
    assert (ask(swedish, territory="SE").decision, ask(swedish).decision) == ("allow", "deny")
    but_sweden = world(*BOTH, granted("g-no", "p-a", territory="SE", decision="deny"))
    assert [ask(but_sweden, territory=one).decision for one in ("DE", "SE", "WORLD")] == ["allow", "deny", "deny"]


def test_a_licence_is_for_its_licensee_and_model_version() -> None:
    """If this fails, one model's licence serves another model or company."""
    view = world(granted("g-a", "p-a", licensee="p-lab", model="mdl@1"), BOTH[1])
    assert ask(view).decision == "deny"
    assert ask(view, licensee="p-lab", model="mdl@1").decision == "allow"
    assert ask(view, licensee="p-lab", model="mdl@2").decision == "deny"
    assert ask(view, licensee="p-other", model="mdl@1").decision == "deny"
    every_version = world(granted("g-a", "p-a", model="mdl"), BOTH[1])
    assert ask(every_version, model="mdl@7").decision == "allow"


def test_a_grant_counts_from_its_start_to_before_its_end() -> None:
    """If this fails, a grant is used before it starts or after it ends."""
    view = world(granted("g-a", "p-a", start="2026-01-01T00:00:00Z", end=NOW), BOTH[1])
    assert ask(view, at="2025-12-31T23:59:59Z").decision == "deny"
    assert ask(view, at="2026-01-01T00:00:00Z").decision == "allow"
    assert ask(view, at=NOW).decision == "deny"


def test_unknown_owners_permit_nothing() -> None:
    """If this fails, a recording half of whose owners are unknown is used on the other half's word."""
    short = world(*BOTH, f.EndFact(id="sh-rec-1-p-b", subject="rec-1", end="2026-01-01T00:00:00Z", at=NOW))
    answer = ask(short)
    assert answer.decision == "deny"
    assert "600,000 of 1,000,000" in answer.reasons[-1]


def test_the_owners_of_the_work_may_forbid_but_their_silence_does_not() -> None:
    """If this fails, a publisher's refusal is ignored, or a recording without publishing grants cannot be used."""
    assert ask(world(*BOTH)).decision == "allow"
    refused = world(*BOTH, granted("g-pub", "p-pub", subject="wrk-1", decision="deny"))
    assert ask(refused).decision == "deny"
    assert refused.decide("wrk-1", "train", at=NOW).decision == "deny"


def test_a_voice_is_its_performers_too() -> None:
    """If this fails, a voice is cloned on the label's word alone."""
    voice = {"uses": ("voice",)}
    grants = (granted("g-a", "p-a", **voice), granted("g-b", "p-b", **voice))
    assert ask(world(*grants), "voice").decision == "allow"
    sung = (*grants, owned("rec-1", "p-x", 1_000_000, right="performer"))
    assert ask(world(*sung), "voice").decision == "deny"
    assert ask(world(*sung, granted("g-x", "p-x", **voice)), "voice").decision == "allow"


def test_the_strictest_terms_travel_with_the_answer() -> None:
    """If this fails, a holder's price floor or influence cap is lost on the way."""
    view = world(
        granted("g-a", "p-a", cap_ppm=300_000, floor_micros=10, currency="EUR"),
        granted("g-b", "p-b", cap_ppm=200_000, floor_micros=40, currency="EUR"),
    )
    answer = ask(view)
    assert (answer.cap_ppm, answer.floors) == (200_000, (("EUR", 40),))
    refused = ask(world(*BOTH, granted("g-no", "p-a", decision="deny", cap_ppm=5)))
    assert (refused.decision, refused.cap_ppm, refused.floors) == ("deny", None, ())


grants = st.builds(
    lambda number, grantor, subject, uses, decision, territory, start, end, licensee: granted(
        f"g-{number}",
        grantor,
        subject=subject,
        uses=tuple(sorted(uses)),
        decision=decision,
        territory=territory,
        start=start,
        end=end,
        licensee=licensee,
    ),
    st.integers(0, 10**9),
    st.sampled_from(["p-a", "p-b", "p-pub"]),
    st.sampled_from(["rec-1", "wrk-1", "*"]),
    st.sets(st.sampled_from(USES), min_size=1),
    st.sampled_from(list(SEVERITY)),
    st.sampled_from(["WORLD", "SE"]),
    st.sampled_from([None, "2026-01-01T00:00:00Z"]),
    st.sampled_from([None, "2026-03-01T00:00:00Z", "2027-01-01T00:00:00Z"]),
    st.sampled_from([None, "p-lab"]),
)
questions = st.fixed_dictionaries(
    {
        "use": st.sampled_from(USES),
        "territory": st.sampled_from(["WORLD", "SE", "DE"]),
        "at": st.sampled_from(["2025-06-01T00:00:00Z", "2026-02-01T00:00:00Z", NOW]),
        "licensee": st.sampled_from([None, "p-lab"]),
    }
)


@given(st.lists(grants, max_size=8, unique_by=lambda one: one.id), grants, questions)
def test_one_more_refusal_never_permits(known: list[f.GrantFact], extra: f.GrantFact, question: dict[str, Any]) -> None:
    """If this fails, adding a deny or an ask turns a refusal into a permission."""
    if extra.decision == "allow" or any(one.id == extra.id for one in known):
        return
    before, after = ask(world(*known), **question), ask(world(*known, extra), **question)
    if extra.decision == "deny":
        assert SEVERITY[after.decision] >= SEVERITY[before.decision]
    assert after.decision != "allow" or before.decision == "allow"


@given(st.lists(grants, max_size=8, unique_by=lambda one: one.id), questions, st.randoms(use_true_random=False))
def test_the_order_of_grants_does_not_matter(known: list[f.GrantFact], question: dict[str, Any], random: Any) -> None:
    """If this fails, a permission depends on the order in which grants arrived."""
    shuffled = list(known)
    random.shuffle(shuffled)
    first, second = ask(world(*known), **question), ask(world(*shuffled), **question)
    assert (first.decision, first.grants, first.cap_ppm) == (second.decision, second.grants, second.cap_ppm)


@given(
    st.lists(grants, min_size=1, max_size=8, unique_by=lambda one: one.id),
    questions,
    st.data(),
    st.sampled_from(["2025-06-02T00:00:00Z", "2026-02-02T00:00:00Z", "2026-05-31T00:00:00Z", NOW]),
)
def test_a_revocation_leaves_the_past_alone(
    known: list[f.GrantFact], question: dict[str, Any], data: st.DataObject, when: str
) -> None:
    """If this fails, revoking a grant at T changes what was permitted before T."""
    grant = data.draw(st.sampled_from(known))
    uses = data.draw(st.sets(st.sampled_from(grant.uses)))
    revocation = f.RevokeFact(
        grant=grant.id, grantor=grant.grantor, subject=grant.subject, start=when, uses=tuple(sorted(uses)), at=when
    )
    if question["at"] < when:
        assert ask(world(*known), **question) == ask(world(*known, revocation), **question)


def test_floors_are_the_highest_of_each_currency() -> None:
    """If this fails, a holder is paid less than the floor of their grant, or in a currency that nobody named."""
    view = world(
        granted("g-a", "p-a", floor_micros=10, currency="EUR"),
        granted("g-a2", "p-a", floor_micros=7, currency="USD"),
        granted("g-b", "p-b", floor_micros=4, currency="EUR"),
    )
    answer = ask(view)
    assert (answer.cap_ppm, answer.floors) == (None, (("EUR", 10), ("USD", 7)))
    assert ask(world(*BOTH)).floors == ()


def test_an_answer_says_whose_it_is_and_by_what() -> None:
    """If this fails, whoever is refused cannot tell whom to ask, or for what."""
    assert ask(world(BOTH[0]), territory="SE").reasons == (
        "p-a allows train by g-a",
        "p-b has no grant that covers train in SE at 2026-06-01T00:00:00Z",
    )
    asked = world(granted("g-2", "p-a", decision="ask"), granted("g-1", "p-a", decision="ask"), BOTH[1])
    assert ask(asked).reasons == ("p-a wants to be asked about train by g-1, g-2", "p-b allows train by g-b")
    assert ask(asked).grants == ("g-1", "g-2", "g-b")
    denied = world(*BOTH, granted("g-no", "p-a", decision="deny"))
    assert ask(denied).reasons[0] == "p-a denies train by g-no"
    nobody = world().decide("rec-2", "train", at=NOW)
    assert nobody.reasons == (f"rec-2 has no confirmed master shares at {NOW}",)
    assert (nobody.decision, nobody.grants) == ("deny", ())


def test_contested_ownership_is_told_and_asks_everybody() -> None:
    """If this fails, a decision hides that more than the whole is claimed, or that somebody contests it."""
    over = ask(world(*BOTH, owned("rec-1", "p-x", 1), granted("g-x", "p-x")))
    assert (over.decision, over.grants) == ("allow", ("g-a", "g-b", "g-x"))
    assert over.reasons[-1] == "more than the whole of the master right is claimed: every claimant was asked"
    assert ask(world(*BOTH, owned("rec-1", "p-x", 1))).decision == "deny"
    contested = ask(world(*BOTH, f.DisputeFact(id="d", subject="rec-1", claimant="p-x", party="p-b", at=NOW)))
    assert contested.decision == "allow"
    assert contested.reasons[-1] == "ownership of p-b is disputed: money is held until it is resolved"


LATER = "2026-06-02T00:00:00Z"
SOON = "2026-06-01T23:59:59Z"


def test_a_sunset_ends_what_a_model_serves_not_what_it_was_trained_on() -> None:
    """If this fails, a model goes on serving after its licence said it must stop, or stops before."""
    view = world(granted("g-a", "p-a", sunset=LATER), BOTH[1])
    assert ask(view).decision == "allow"
    assert ask(view, at=LATER).decision == "deny"
    assert ask(view, serves_at=LATER).decision == "deny"
    assert ask(view, serves_at=NOW).decision == "allow"
    forbidden = world(*BOTH, granted("g-no", "p-a", decision="deny", sunset=NOW))
    assert ask(forbidden, at=LATER).decision == "deny"


def test_a_refusal_anywhere_counts_for_the_world_a_permission_there_does_not() -> None:
    """If this fails, `ask` in one country is taken for silence by a world-wide use."""
    view = world(*BOTH, granted("g-ask", "p-a", territory="SE", decision="ask"))
    assert [ask(view, territory=one).decision for one in ("SE", "NO", "WORLD")] == ["ask", "allow", "ask"]


def receipt(**changes: Any) -> f.DecisionFact:
    fields = {"subject": "rec-1", "use": "train", "territory": "WORLD", "decision": "allow", "at": NOW} | changes
    return f.DecisionFact(id="a" * 64, **fields)


def made(**changes: Any) -> list[f.AnyFact]:
    model = f.ModelFact(id="mdl", version="1", operator="p-lab", at=NOW)
    given = {"model": "mdl", "version": "1", "decisions": ("a" * 64,), "at": LATER} | changes
    return [model, f.TrackFact(id="trk", **given)]


@pytest.mark.parametrize(
    ("changes", "use", "proven"),
    [
        ({}, "train", True),
        ({"decision": "deny"}, "train", False),
        ({"decision": "ask"}, "train", False),
        ({"subject": "rec-2"}, "train", False),
        ({}, "style", False),
        ({"territory": "NO"}, "train", False),
        ({"territory": "SE"}, "train", True),
        ({"licensee": "p-lab"}, "train", True),
        ({"licensee": "p-x"}, "train", False),
        ({"model": "mdl"}, "train", True),
        ({"model": "mdl@1"}, "train", True),
        ({"model": "mdl@2"}, "train", False),
        ({"at": LATER}, "train", True),
        ({"at": "2026-06-02T00:00:01Z"}, "train", False),
    ],
)
def test_a_receipt_proves_an_earlier_permission(changes: dict[str, Any], use: str, *, proven: bool) -> None:
    """If this fails, a track is refused that was permitted, or a receipt of something else permits it."""
    decision = world(receipt(**changes), *made()).decide_track("trk", "rec-1", use, "SE")
    assert decision.decision == ("allow" if proven else "deny")
    assert ("decision receipt aaaaaaaaaaaaaaaa allowed it" in decision.reasons[0]) == proven


def test_a_receipt_travels_with_the_track_or_with_its_vector() -> None:
    """If this fails, a receipt that the vector carries is not looked at, or one that nobody carries is."""
    view = world(receipt(), *made(decisions=()))
    assert view.decide_track("trk", "rec-1", "train").decision == "deny"
    assert view.decide_track("trk", "rec-1", "train", receipts=["a" * 64]).decision == "allow"
    assert view.decide_track("trk", "rec-1", "train", receipts=["b" * 64]).decision == "deny"


def test_training_is_asked_for_when_the_model_was_registered() -> None:
    """If this fails, a model may not serve after a revocation, or a use at generation is judged by the past."""
    until = granted("g-a", "p-a", end=LATER, uses=("train", "style")), granted("g-b", "p-b", uses=("train", "style"))
    view = world(*until, *made())
    assert view.decide_track("trk", "rec-1", "train").decision == "allow"
    assert view.decide_track("trk", "rec-1", "style").decision == "deny"
    assert world(*until, *made(model=None)).decide_track("trk", "rec-1", "train").decision == "deny"
    early = world(*until, *made(at="2026-05-01T00:00:00Z"))
    assert early.decide_track("trk", "rec-1", "train").decision == "allow"
    sunset = world(granted("g-a", "p-a", sunset=LATER), BOTH[1], *made())
    assert sunset.decide_track("trk", "rec-1", "train").decision == "deny"
    licensed = world(granted("g-a", "p-a", licensee="p-lab", model="mdl@1"), BOTH[1], *made())
    assert licensed.decide_track("trk", "rec-1", "train").decision == "allow"


def test_what_a_model_trained_on_without_permission_is_listed() -> None:
    """If this fails, unlicensed training is not found, or licensed training is called unlicensed."""
    view = world(granted("g-a", "p-a", licensee="p-lab", model="mdl", territory="SE"), BOTH[1], *made())
    model = view.model("mdl", "1")
    found = view.unlicensed(["rec-1", "rec-2"], model)
    assert [(name, decision.decision) for name, decision in found] == [("rec-1", "deny"), ("rec-2", "deny")]
    assert [name for name, _ in view.unlicensed(["rec-1", "rec-2"], model, "SE")] == ["rec-2"]


def test_a_view_answers_by_id_and_names_what_it_does_not_know() -> None:
    """If this fails, a page shows another party's record, or an unknown id is a crash."""
    view = world(*made())
    assert (view.party("p-a").id, view.recording("rec-1").id, view.track("trk").id) == ("p-a", "rec-1", "trk")
    assert [one.id for one in view.recordings()] == ["rec-1"]
    unknown = {"party": view.party, "recording": view.recording, "track": view.track}
    for kind, look_up in unknown.items():
        with pytest.raises(InputError, match=f"{kind} 'nobody' is not in the registry"):
            look_up("nobody")
    with pytest.raises(InputError, match="model 'mdl@2' is not in the registry"):
        view.model("mdl", "2")


def test_a_page_tells_what_each_share_counts_as() -> None:
    """If this fails, an over-claimed share is shown as paying, or an asserted one as confirmed."""
    view = world(owned("rec-1", "p-x", 1), owned("rec-1", "p-pub", 5, right="performer", state="asserted"))
    assert [(line.party, said) for line, said in view.share_lines("rec-1")] == [
        ("p-a", "conflict"),
        ("p-b", "conflict"),
        ("p-x", "conflict"),
        ("p-pub", "asserted"),
    ]
    assert [said for _, said in world().share_lines("rec-1")] == ["confirmed", "confirmed"]


def test_the_groups_of_a_recording_are_its_masters_holders_then() -> None:
    """If this fails, a copy of a group's own recording counts as a stranger's, or a stranger's as its own."""
    grouped = f.PartyFact(id="p-b", kind="person", group="grp", start=LATER, at=NOW)
    view = world(grouped, owned("rec-2", "p-x", 5, state="asserted"), owned("rec-1", "p-x", 5, state="asserted"))
    assert view.owner_groups("rec-1", NOW) == ("p-a", "p-b")
    assert view.owner_groups("rec-1", LATER) == ("grp", "p-a")
    assert (view.owner_groups("rec-2", NOW), view.owner_groups("rec-3", NOW)) == (("p-x",), ())
    ended = world(f.EndFact(id="sh-rec-1-p-b", subject="rec-1", end=NOW, at=NOW))
    assert ended.owner_groups("rec-1", NOW) == ("p-a",)
    assert ended.owner_groups("rec-1", "2026-05-31T23:59:59Z") == ("p-a", "p-b")


def test_the_works_in_a_recording_are_those_linked_then() -> None:
    """If this fails, composition money goes to a work whose link was only asserted, has ended or not begun."""
    linked = [
        f.LinkFact(id="ln-2", recording="rec-1", work="wrk-2", ppm=5, state="confirmed", start=NOW, end=LATER, at=NOW),
        f.LinkFact(id="ln-3", recording="rec-1", work="wrk-2", ppm=7, state="confirmed", at=NOW),
        f.LinkFact(id="ln-4", recording="rec-1", work="wrk-3", ppm=9, state="asserted", at=NOW),
    ]
    view = world(*linked)
    assert view.works_of("rec-1", NOW) == [("wrk-1", 1_000_000), ("wrk-2", 12)]
    assert view.works_of("rec-1", LATER) == [("wrk-1", 1_000_000), ("wrk-2", 7)]
    assert view.works_of("rec-1", "2026-05-31T23:59:59Z") == [("wrk-1", 1_000_000), ("wrk-2", 7)]
    assert view.works_of("rec-2", NOW) == []


def test_a_dispute_is_about_its_right_or_about_all() -> None:
    """If this fails, a dispute about a song holds the money of a recording, or one about both holds neither."""
    expected = {
        "master": ("disputed", "confirmed"),
        "performer": ("confirmed", "confirmed"),
        None: ("disputed", "disputed"),
    }
    for right, states in expected.items():
        about = f.DisputeFact(id="d", subject="rec-1", claimant="p-x", right=right, at=NOW)  # type: ignore[arg-type]
        view = world(about, owned("rec-1", "p-pub", 1_000_000, right="publishing"))
        assert tuple(view.shares("rec-1", one, "SE", NOW).state for one in ("master", "publishing")) == states


def test_every_grant_of_a_grantor_is_found() -> None:
    """If this fails, a refusal does not see the permissions that it would take back."""
    view = world(*BOTH, granted("g-all", "p-a", subject="*"))
    assert [one.id for one in view.grants_by("p-a")] == ["g-a", "g-all"]


@pytest.mark.parametrize(
    ("changes", "at", "proven"),
    [
        ({}, SOON, True),
        ({"licensee": None}, SOON, False),
        ({"model": None}, SOON, False),
        ({"model": "mdl"}, SOON, False),
        ({"licensee": "p-x"}, SOON, False),
        ({"track": "trk"}, LATER, True),
        ({"track": "other"}, SOON, False),
        ({}, LATER, False),
    ],
)
def test_a_receipt_serves_whom_and_what_it_was_for(changes: dict[str, Any], at: str, *, proven: bool) -> None:
    """If this fails, whoever reads a receipt's digest in the log uses it for its own tracks, for ever (C2)."""
    fields = {"licensee": "p-lab", "model": "mdl@1"} | changes
    view = world(receipt(**fields), *made(form=2, at=at))
    assert (view.decide_track("trk", "rec-1", "train", "SE").decision == "allow") == proven
