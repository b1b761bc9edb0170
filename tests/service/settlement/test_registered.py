"""The registry as a settlement asks it: what is brought together has one answer."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from itertools import product

import msgspec

from ledger.registry.fold import fold
from ledger.registry.model import Link, Party, Recording, Share
from service.settlement.registered import ELSEWHERE, RegistryView

DAYS = [f"2026-06-{day:02d}T{hour:02d}:00:00Z" for day in range(1, 8) for hour in (0, 12)]
FAR = "9999-12-31T00:00:00Z"


def share(n: int, party: str, territory: str, start: str, end: str = FAR) -> Share:
    return Share(
        id=f"s-{n}",
        index=n,
        at=start,
        subject="rec",
        party=party,
        right="master",
        ppm=1_000_000,
        territory=territory,
        start=start,
        end=end,
        planned=end,
        state="confirmed",
    )


def registered() -> RegistryView:
    """A sale on the third, a Swedish owner for two days, a group that changes hands, a work that is linked late."""
    shares = (
        share(1, "p", "WORLD", "2026-01-01T00:00:00Z", "2026-06-03T00:00:00Z"),
        share(2, "q", "WORLD", "2026-06-03T00:00:00Z"),
        share(3, "r", "SE", "2026-06-02T00:00:00Z", "2026-06-04T00:00:00Z"),
    )
    groups = (("2026-01-01T00:00:00Z", "g"), ("2026-06-05T12:00:00Z", "h"))
    link = Link(
        id="l",
        index=4,
        at=FAR,
        recording="rec",
        work="wrk",
        ppm=5,
        start="2026-06-06T00:00:00Z",
        end=FAR,
        state="confirmed",
    )
    view = dataclasses.replace(
        fold(()),
        parties={"q": Party(id="q", index=0, at=FAR, kind="label", groups=groups)},
        links={"rec": (link,)},
        shares_of={("rec", "master"): shares},
    )
    return RegistryView(view, vectors={}, ends=datetime(2026, 7, 1, tzinfo=UTC), blob=lambda _: b"")


def test_what_is_brought_together_has_one_answer() -> None:
    """If this fails, streams are paid by shares that were not in force where and when they were heard."""
    view = registered()
    for territory, at in product(("SE", "NO", "DE"), DAYS):
        like_territory, like_at = view.like(territory, at)
        assert like_at <= at
        assert view.shares("rec", "master", like_territory, like_at) == view.shares("rec", "master", territory, at)
        assert view.group_of("q", like_at) == view.group_of("q", at)
        assert view.works_of("rec", like_at) == view.works_of("rec", at)


def test_what_nobody_owns_takes_no_part_of_a_style() -> None:
    """If this fails, whoever registers recordings by the thousand dilutes a style's pool."""
    recordings = {
        name: Recording(id=name, index=n, at=FAR, title=name, statement="", style="blues")
        for n, name in enumerate(("rec", "claimed", "nobody", "sold"))
    }
    owned = share(1, "p", "WORLD", "2026-01-01T00:00:00Z")
    view = dataclasses.replace(
        fold(()),
        all_recordings=recordings,
        shares_of={
            ("rec", "master"): (owned,),
            ("claimed", "master"): (msgspec.structs.replace(owned, state="asserted"),),
            ("nobody", "performer"): (owned,),
            ("sold", "master"): (msgspec.structs.replace(owned, end="2026-06-01T00:00:00Z"),),
        },
    )
    asked = RegistryView(view, vectors={}, ends=datetime(2026, 7, 1, tzinfo=UTC), blob=lambda _: b"")
    assert list(asked.style_members("style:blues")) == ["rec"]


def test_days_without_a_change_and_countries_without_a_row_are_brought_together() -> None:
    """If this fails, a month costs one kernel per track, day and country."""
    view = registered()
    assert {view.like(territory, at)[0] for territory, at in product(("SE", "NO", "DE"), DAYS)} == {"SE", ELSEWHERE}
    assert len({view.like("NO", at)[1] for at in DAYS}) == 6
    assert view.like("WORLD", DAYS[0])[0] == ELSEWHERE
    assert view.like("NO", "1999-01-01T00:00:00Z") == (ELSEWHERE, "0001-01-01T00:00:00Z")
