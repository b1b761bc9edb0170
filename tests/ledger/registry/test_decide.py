from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.registry import facts as f
from ledger.registry.fold import State
from ledger.registry.model import ANSWERS, SEVERITY, USES, Decision
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
    [("allow", "deny", "deny"), ("deny", "allow", "deny"), ("ask", "allow", "ask"), ("allow", "ask", "ask"),
     ("allow", "allow", "allow"), ("ask", "deny", "deny")],
)  # fmt: skip
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
        f"g-{number}", grantor, subject=subject, uses=tuple(sorted(uses)), decision=decision, territory=territory,
        start=start, end=end, licensee=licensee,
    ),
    st.integers(0, 10**9),
    st.sampled_from(["p-a", "p-b", "p-pub"]),
    st.sampled_from(["rec-1", "wrk-1", "*"]),
    st.sets(st.sampled_from(USES), min_size=1),
    st.sampled_from(ANSWERS),
    st.sampled_from(["WORLD", "SE"]),
    st.sampled_from([None, "2026-01-01T00:00:00Z"]),
    st.sampled_from([None, "2026-03-01T00:00:00Z", "2027-01-01T00:00:00Z"]),
    st.sampled_from([None, "p-lab"]),
)  # fmt: skip
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
