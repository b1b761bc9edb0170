"""From sources to owners: whose a recording or a work is, who waits, and on what a vector's division depends."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from ledger.types import MILLION, Aspect, Influence, InfluenceVector
from payouts.division.kernel import Claim
from payouts.division.ownership import ALL_OF_IT, Owner, Ownership, claims_of, use_of, version_of
from payouts.errors import UsageError
from tests.payouts.worlds import Owned, World, vector

AT = "2026-06-03T00:00:00Z"
Mix = tuple[tuple[Aspect, int], ...]
RECORDING: Mix = (("recording", MILLION),)
COMPOSITION: Mix = (("composition", MILLION),)
STYLE: Mix = (("style", MILLION),)


@dataclass
class Asked(World):
    """A world that notes what it is asked, and allows only what it is told to."""

    asked: list[tuple[object, ...]] = field(default_factory=list)
    allowed: set[tuple[str, str, str, str | None]] = field(default_factory=set)

    def permitted(self, recording: str, use: str, territory: str, track: str | None) -> bool:
        self.asked.append((recording, use, territory, track))
        return (recording, use, territory, track) in self.allowed


def test_composition_pays_the_works_by_their_part() -> None:
    """If this fails, a song of two works pays one of them, or by the recording's owners instead of the works'."""
    world = World(works={"rec": (("w1", 250_000), ("w2", 750_000))}).own("rec", ("label", MILLION))
    world.own("w1", ("ann", 400_000), ("bob", 600_000), right="publishing").own(
        "w2", ("ann", MILLION), right="publishing"
    )
    ownership = Ownership(world)
    assert ownership.owners("rec", "composition", "SE", AT) == (
        Owner("ann", "ann", 250_000 * 400_000, "allocated", ""),
        Owner("ann", "ann", 750_000 * MILLION, "allocated", ""),
        Owner("bob", "bob", 250_000 * 600_000, "allocated", ""),
    )
    assert ownership.owners("rec", "recording", "SE", AT) == (Owner("label", "label", ALL_OF_IT, "allocated", ""),)
    assert ownership.publishing("w1", "SE", AT) == (
        Owner("ann", "ann", 400_000 * MILLION, "allocated", ""),
        Owner("bob", "bob", 600_000 * MILLION, "allocated", ""),
    )


@pytest.mark.parametrize(
    ("links", "owners"),
    [
        ((), [Owner("?publishing:rec", "", ALL_OF_IT, "suspense", "work-unknown")]),
        (
            (("w", 999_999),),
            [
                Owner("?publishing:rec", "", MILLION, "suspense", "work-unknown"),
                Owner("ann", "ann", 999_999 * MILLION, "allocated", ""),
            ],
        ),
        ((("w", MILLION),), [Owner("ann", "ann", ALL_OF_IT, "allocated", "")]),
        ((("w", MILLION), ("v", 1)), [Owner("?publishing:rec", "", ALL_OF_IT, "suspense", "works-in-conflict")]),
    ],
    ids=["none", "short", "whole", "over"],
)
def test_what_is_not_linked_to_works_waits(links: tuple[tuple[str, int], ...], owners: list[Owner]) -> None:
    """If this fails, the part of a recording whose work is unknown or contested is paid to somebody."""
    world = World(works={"rec": links}).own("w", ("ann", MILLION), right="publishing")
    assert list(Ownership(world).owners("rec", "composition", "SE", AT)) == owners


@pytest.mark.parametrize(
    ("state", "parts", "reason"),
    [
        ("short", (("ann", MILLION),), "shares-short"),
        ("conflict", (("ann", MILLION),), "shares-in-conflict"),
        ("conflict", (("ann", MILLION), ("bob", 1)), "shares-in-conflict"),
        ("confirmed", (("ann", 999_999),), "shares-short"),
        ("confirmed", (("ann", MILLION), ("bob", 1)), "shares-short"),
        ("short", (), "shares-short"),
    ],
)
def test_shares_that_are_not_whole_pay_nobody(state: str, parts: tuple[tuple[str, int], ...], reason: str) -> None:
    """If this fails, money goes to those who happened to register while the rest of the owners are unknown."""
    world = World(owned={("rec", "master", "WORLD"): [Owned(parts, state)]})  # type: ignore[arg-type]
    assert Ownership(world).owners("rec", "recording", "SE", AT) == (
        Owner("?master:rec", "", ALL_OF_IT, "suspense", reason),
    )


def test_a_partys_rows_add_up_and_nothing_is_no_row() -> None:
    """If this fails, a party that owns two parts is paid for one, or a former owner stands in the run with nothing."""
    world = World().own("rec", ("ann", 300_000), ("bob", 600_000), ("ann", 100_000), ("cy", 0))
    assert Ownership(world).owners("rec", "recording", "SE", AT) == (
        Owner("ann", "ann", 400_000 * MILLION, "allocated", ""),
        Owner("bob", "bob", 600_000 * MILLION, "allocated", ""),
    )


def test_only_the_disputed_party_waits() -> None:
    """If this fails, a dispute about one owner holds the money of the others, or does not hold theirs."""
    world = World().own("rec", ("ann", 400_000), ("bob", 600_000), state="disputed", disputed=("bob",))
    owners = Ownership(world).owners("rec", "recording", "SE", AT)
    assert [(one.party, one.state, one.reason) for one in owners] == [
        ("ann", "allocated", ""),
        ("bob", "held", "dispute"),
    ]
    two = World().own("rec", ("ann", 600_000), ("bob", 400_000), state="contested", suspended=(("ann", 150_000),))
    assert [
        (one.party, one.part // MILLION, one.reason) for one in Ownership(two).owners("rec", "recording", "SE", AT)
    ] == [
        ("", 150_000, "copy-contested"),
        ("ann", 450_000, ""),
        ("bob", 400_000, ""),
    ]
    calm = World().own("rec", ("bob", MILLION), disputed=("bob",))
    assert [one.state for one in Ownership(calm).owners("rec", "recording", "SE", AT)] == ["allocated"]


def test_owners_are_those_of_the_place_and_the_time() -> None:
    """If this fails, a Swedish stream pays the rest of the world's owners, or a sold catalogue its former one."""
    world = World(works={"rec": (("w", MILLION),)}, groups={"eve@2026-06": "label"})
    for subject, right in (("rec", "master"), ("w", "publishing")):
        world.own(subject, ("ann", MILLION), right=right)  # type: ignore[arg-type]
        world.own(subject, ("bob", MILLION), right=right, territory="SE")  # type: ignore[arg-type]
        world.own(subject, ("eve", MILLION), right=right, territory="SE", start="2026-06-02")  # type: ignore[arg-type]
    ownership = Ownership(world)
    for aspect in ("recording", "composition"):
        found = {
            (place, at): [(one.party, one.group) for one in ownership.owners("rec", aspect, place, at)]
            for place in ("SE", "NO")
            for at in ("2026-06-01T00:00:00Z", AT)
        }
        assert found == {
            ("SE", "2026-06-01T00:00:00Z"): [("bob", "bob")],
            ("SE", AT): [("eve", "label")],
            ("NO", "2026-06-01T00:00:00Z"): [("ann", "ann")],
            ("NO", AT): [("ann", "ann")],
        }
    assert [[one.party for one in ownership.publishing("w", place, AT)] for place in ("SE", "NO")] == [["eve"], ["ann"]]


def test_works_are_those_of_the_time() -> None:
    """If this fails, a corrected link to a work reaches back into months before it."""

    class Dated(World):
        def works_of(self, recording: str, at: str) -> tuple[tuple[str, int], ...]:
            assert recording == "rec"
            return (("w" if at < AT else "v", MILLION),)

    world = Dated().own("w", ("ann", MILLION), right="publishing").own("v", ("bob", MILLION), right="publishing")
    ownership = Ownership(world)
    found = [ownership.owners("rec", "composition", "SE", at)[0].party for at in ("2026-06-01T00:00:00Z", AT)]
    assert found == ["ann", "bob"]


@pytest.mark.parametrize("group", ["?master:rec", "*style:x@SE", "?", "*", ""])
def test_no_group_can_pass_for_a_waiting_or_a_style_group(group: str) -> None:
    """If this fails, a registered name collects what is set aside for unknown owners or for a style's members."""
    world = World(groups={"ann": group}).own("rec", ("ann", MILLION))
    with pytest.raises(UsageError, match="'ann'"):
        Ownership(world).owners("rec", "recording", "SE", AT)


def test_each_question_is_asked_once() -> None:
    """If this fails, a month of a million rows asks the registry about every one of them."""
    world = Asked(allowed={("rec", "train", "SE", "t")}).own("rec", ("ann", MILLION))
    ownership = Ownership(world)
    for _ in range(2):
        assert ownership.permitted("rec", "train", "SE", "t")
        assert not ownership.permitted("rec", "train", "SE", None)
    assert world.asked == [("rec", "train", "SE", "t"), ("rec", "train", "SE", None)]
    first = ownership.owners("rec", "recording", "SE", AT)
    world.owned.clear()
    assert ownership.owners("rec", "recording", "SE", AT) is first
    assert ownership.owners("rec", "recording", "NO", AT) != first


@pytest.mark.parametrize(
    ("use", "basis", "asked"),
    [
        (None, "estimated", "train"),
        (None, "declared", "condition"),
        ("voice", "estimated", "voice"),
        ("sample", "declared", "sample"),
    ],
)
def test_what_was_done_with_a_source_is_what_permission_is_asked_for(use: str | None, basis: str, asked: str) -> None:
    """If this fails, training is paid for under a permission to condition, or the reverse."""
    source = Influence(id="rec", ppm=1, basis=basis, low=1, high=1, use=use)  # type: ignore[arg-type]
    assert use_of(source) == asked


def streamed(aspect: Aspect, *sources: str) -> InfluenceVector:
    """A track half of which is estimated to come from each of two sources, or all of it from one."""
    parts = dict.fromkeys(sources, MILLION // len(sources))
    return vector("t", **{aspect: parts}, basis="estimated")  # type: ignore[arg-type]  # one of three, by name


def test_permission_is_asked_for_the_source_use_place_and_track() -> None:
    """If this fails, money is paid under the permission of another recording, use, country or track."""
    world = Asked(allowed={("a", "train", "SE", "t")}).own("a", ("ann", MILLION)).own("b", ("bob", MILLION))
    claims = claims_of(streamed("recording", "a", "b"), RECORDING, "SE", AT, Ownership(world))
    assert [claim for claim, _ in claims] == [
        Claim("ann", "ann", "a", "recording", "estimated", "allocated", ""),
        Claim("bob", "bob", "b", "recording", "estimated", "held", "permission"),
    ]
    assert world.asked == [("a", "train", "SE", "t"), ("b", "train", "SE", "t")]
    (elsewhere, _), _ = claims_of(streamed("recording", "a", "b"), RECORDING, "NO", AT, Ownership(world))
    assert (elsewhere.state, elsewhere.reason) == ("held", "permission")


def test_a_missing_permission_changes_no_other_reason() -> None:
    """If this fails, money in suspense or dispute is said to wait for a permission, and is released by one."""
    world = Asked().own("a", ("ann", 1)).own("b", ("bob", MILLION), state="disputed", disputed=("bob",))
    claims = claims_of(streamed("recording", "a", "b"), RECORDING, "SE", AT, Ownership(world))
    assert [(claim.state, claim.reason) for claim, _ in claims] == [("suspense", "shares-short"), ("held", "dispute")]


@pytest.mark.parametrize(("aspect", "style"), [("style", "style:x"), ("style", "plain"), ("recording", "style:x")])
def test_a_style_group_stays_whole_and_apart_by_country(aspect: Aspect, style: str) -> None:
    """If this fails, a style's money is divided before it is summed, or among another country's members."""
    made = vector("t", **{aspect: {style: 400_000}}, basis="estimated")  # type: ignore[arg-type]
    ((claim, mass),) = claims_of(made, ((aspect, 500_000),), "SE", AT, Ownership(Asked()))
    assert claim == Claim(f"*{style}@SE", "", style, aspect, "estimated", "allocated", "")
    assert mass == 500_000 * 400_000 * ALL_OF_IT


def test_a_vectors_division_depends_on_owners_permissions_and_the_styles_place() -> None:
    """If this fails, a kernel is taken from memory although a share, a permission or a country has changed."""
    made = replace(streamed("recording", "a"), style=streamed("style", "style:x").style)
    mix: tuple[Mix, Mix] = ((*RECORDING, *STYLE), (*STYLE, *RECORDING))

    def version(world: World, order: int = 0, place: str = "SE", at: str = AT) -> object:
        return version_of(made, mix[order], place, at, Ownership(world))

    allowed = Asked(allowed={("a", "train", place, "t") for place in ("SE", "NO")}).own("a", ("ann", MILLION))
    plain = version(allowed)
    assert version(allowed) == plain
    assert version(Asked().own("a", ("ann", MILLION))) != plain
    sold = Asked(allowed=allowed.allowed).own("a", ("bob", MILLION))
    assert version(sold) != plain
    assert version(allowed, place="NO") != plain
    # What comes after a style counts too.
    assert version(sold, 1) != version(allowed, 1)
    ownership = Ownership(allowed)
    assert version_of(made, RECORDING, "SE", AT, ownership) == version_of(made, RECORDING, "NO", AT, ownership)


def test_a_compositions_division_depends_on_the_works_owners() -> None:
    """If this fails, a change of publisher does not reach the tracks whose division is in memory."""
    made = streamed("composition", "rec")
    worlds = [
        World(works={"rec": (("w", MILLION),)})
        .own("w", (party, MILLION), right="publishing")
        .own("rec", ("x", MILLION))
        for party in ("ann", "bob")
    ]
    one, other = (version_of(made, COMPOSITION, "SE", AT, Ownership(world)) for world in worlds)
    assert one != other
