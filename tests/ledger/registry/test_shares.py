from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ledger.registry.model import FOREVER, Dispute, Share, Shares
from ledger.registry.shares import overclaimed, resolve
from ledger.types import MILLION

JUNE = "2026-06-01T00:00:00Z"


def share(party: str, ppm: int, **changes: object) -> Share:
    fields: dict[str, object] = {
        "id": f"sh-{party}-{changes.get('territory', 'WORLD')}-{changes.get('start', '')}",
        "index": 0,
        "at": JUNE,
        "subject": "rec-1",
        "party": party,
        "right": "master",
        "ppm": ppm,
        "territory": "WORLD",
        "start": "2020-01-01T00:00:00Z",
        "end": FOREVER,
        "planned": FOREVER,
        "state": "confirmed",
    }
    return Share(**(fields | changes))  # type: ignore[arg-type]  # a test's shorthand


def contested(**changes: object) -> Dispute:
    fields: dict[str, object] = {"id": "dsp-1", "index": 0, "at": JUNE, "subject": "rec-1", "claimant": "p-x"}
    return Dispute(**(fields | changes))  # type: ignore[arg-type]  # a test's shorthand


def ask(*lines: Share, territory: str = "WORLD", at: str = JUNE, disputes: tuple[Dispute, ...] = ()) -> Shares:
    return resolve(lines, disputes, territory=territory, at=at)


def test_only_the_exact_whole_is_confirmed() -> None:
    """If this fails, money is paid by shares that do not make a whole."""
    assert ask(share("p-a", 600_000), share("p-b", 400_000)).state == "confirmed"
    assert ask(share("p-a", 600_000), share("p-b", 399_999)).state == "short"
    assert ask(share("p-a", 600_000), share("p-b", 600_000)).state == "conflict"
    assert ask() == Shares("short", ())


def test_asserted_shares_change_nothing() -> None:
    """If this fails, claiming a share is enough to disturb its owner's money."""
    assert ask(share("p-a", MILLION), share("p-thief", MILLION, state="asserted")).parts == (("p-a", MILLION),)


def test_a_territory_has_its_own_owners_only_once_they_are_confirmed() -> None:
    """If this fails, Swedish events are paid to the world's owners, or an unconfirmed Swedish claim blocks them."""
    world, sweden = share("p-a", MILLION), share("p-s", MILLION, territory="SE")
    assert ask(world, sweden, territory="SE").parts == (("p-s", MILLION),)
    assert ask(world, sweden, territory="DE").parts == (("p-a", MILLION),)
    assert ask(world, sweden).parts == (("p-a", MILLION),)
    assert ask(world, share("p-s", MILLION, territory="SE", state="asserted"), territory="SE").parts == (
        ("p-a", MILLION),
    )


def test_intervals_are_half_open() -> None:
    """If this fails, the instant of a sale is paid twice or not at all."""
    before = share("p-a", MILLION, end=JUNE)
    after = share("p-b", MILLION, start=JUNE)
    assert ask(before, after, at="2026-05-31T23:59:59Z").parts == (("p-a", MILLION),)
    assert ask(before, after, at=JUNE).parts == (("p-b", MILLION),)


def test_a_dispute_holds_whom_it_names() -> None:
    """If this fails, one holder's dispute stops another's money, or none."""
    lines = (share("p-a", 600_000), share("p-b", 400_000))
    assert ask(*lines, disputes=(contested(party="p-b"),)) == Shares(
        "disputed", (("p-a", 600_000), ("p-b", 400_000)), (("p-b", 400_000),)
    )
    assert ask(*lines, disputes=(contested(),)).disputed == ("p-a", "p-b")
    assert ask(*lines, disputes=(contested(party="p-gone"),)).state == "confirmed"


def test_a_dispute_holds_no_more_than_is_claimed() -> None:
    """If this fails, a claim to a tenth of a recording holds all of it, or two claims hold more than there is."""
    lines = (share("p-a", 600_000), share("p-b", 399_999), share("p-c", 1))
    assert ask(*lines, disputes=(contested(ppm=100_000),)).held == (("p-a", 60_000), ("p-b", 40_000))
    assert ask(*lines, disputes=(contested(ppm=1),)).held == (("p-a", 1),)
    assert ask(*lines, disputes=(contested(ppm=500_000, party="p-c"),)).held == (("p-c", 1),)
    two = ask(*lines, disputes=(contested(ppm=900_000), contested(party="p-a", claimant="p-y")))
    assert two.held == (("p-a", 600_000), ("p-b", 359_999), ("p-c", 1))
    assert ask(*lines, disputes=(contested(ppm=900_000), contested(ppm=900_000))).held == tuple(two.parts)


def test_of_two_like_recordings_what_they_have_in_common_is_suspended() -> None:
    """If this fails, a copy of a quarter of a recording suspends all of it, or the copy is paid meanwhile."""
    quarter = contested(like="rec-2", ppm=250_000, like_ppm=MILLION)
    lines = (share("p-a", 600_000), share("p-b", 400_000))
    asked = ask(*lines, disputes=(quarter,))
    assert (asked.state, asked.suspended, asked.held) == ("contested", (("p-a", 150_000), ("p-b", 100_000)), ())
    copy = ask(share("p-x", MILLION, subject="rec-2"), disputes=(quarter,))
    assert copy.suspended == (("p-x", MILLION),)
    both = ask(*lines, disputes=(contested(), quarter))
    assert (both.suspended, both.held) == ((("p-a", 150_000), ("p-b", 100_000)), (("p-a", 450_000), ("p-b", 300_000)))


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=6), st.lists(st.integers(1, 10**6), max_size=3), st.data())
def test_disputes_take_whole_ppm_and_no_more_than_there_is(
    weights: list[int], claims: list[int], data: st.DataObject
) -> None:
    """If this fails, a share is paid to its holder and held as well, or vanishes between the two."""
    total = sum(weights)
    cuts = [sum(weights[:n]) * MILLION // total for n in range(len(weights) + 1)]
    lines = [share(f"p-{n}", high - low) for n, (low, high) in enumerate(pairwise(cuts)) if high > low]
    likes = data.draw(st.lists(st.booleans(), min_size=len(claims), max_size=len(claims)))
    disputes = [
        contested(ppm=ppm, **({"like": "rec-2", "like_ppm": 1} if like else {}))
        for ppm, like in zip(claims, likes, strict=True)
    ]
    asked = ask(*lines, disputes=tuple(disputes))
    parts = dict(asked.parts)
    for party, ppm in parts.items():
        assert 0 <= dict(asked.held).get(party, 0) + dict(asked.suspended).get(party, 0) <= ppm
    assert sum(ppm for _, ppm in (*asked.held, *asked.suspended)) == min(MILLION, sum(claims))


INSTANTS = [f"20{year}-01-01T00:00:00Z" for year in range(20, 27)]


@st.composite
def share_sets(draw: st.DrawFn) -> list[Share]:
    found = []
    for number in range(draw(st.integers(0, 8))):
        start, end = sorted(draw(st.lists(st.sampled_from(INSTANTS), min_size=2, max_size=2, unique=True)))
        found.append(
            share(
                draw(st.sampled_from(["p-a", "p-b", "p-c"])),
                draw(st.sampled_from([250_000, 500_000, 750_000, MILLION])),
                id=f"sh-{number}",
                territory=draw(st.sampled_from(["WORLD", "SE"])),
                state=draw(st.sampled_from(["confirmed", "asserted"])),
                start=start,
                end=draw(st.sampled_from([end, FOREVER])),
            )
        )
    return found


@given(share_sets(), st.sampled_from(INSTANTS), st.sampled_from(["WORLD", "SE", "DE"]))
def test_confirmed_shares_never_pass_the_whole(lines: list[Share], at: str, territory: str) -> None:
    """If this fails, a right is paid out more than once: its confirmed parts pass 1,000,000 ppm."""
    found = ask(*lines, territory=territory, at=at)
    total = sum(ppm for _, ppm in found.parts)
    assert (found.state == "confirmed") == (total == MILLION)
    assert (found.state == "conflict") == (total > MILLION)
    over = overclaimed(lines)
    for one in ("WORLD", "SE"):
        live = [
            line.ppm
            for line in lines
            if line.state == "confirmed"
            and line.id not in over
            and line.territory == one
            and line.start <= at < line.end
        ]
        assert sum(live) <= MILLION


@given(share_sets())
def test_exactly_the_rows_that_pass_the_whole_together_are_in_conflict(lines: list[Share]) -> None:
    """If this fails, an innocent or merely asserted share is shown in conflict, or a guilty one is not."""
    expected = set()
    for territory in ("WORLD", "SE"):
        for instant in INSTANTS:
            live = [
                line
                for line in lines
                if line.state == "confirmed" and line.territory == territory and line.start <= instant < line.end
            ]
            if sum(line.ppm for line in live) > MILLION:
                expected |= {line.id for line in live}
    assert overclaimed(lines) == expected


@given(share_sets(), st.sampled_from(INSTANTS), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(lines: list[Share], at: str, random: object) -> None:
    """If this fails, who is paid depends on the order in which rows were imported."""
    shuffled = list(lines)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis hands out a Random
    assert ask(*lines, at=at) == ask(*shuffled, at=at)
    assert overclaimed(lines) == overclaimed(shuffled)
