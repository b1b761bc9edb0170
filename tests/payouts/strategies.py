"""Hypothesis strategies: whole pools, with everything that can be wrong about rights in them."""

from __future__ import annotations

from random import Random

from hypothesis import strategies as st

from ledger.types import MILLION, InfluenceVector
from payouts.compute import Inputs
from payouts.protocols import HoldMatch, ShareState, UsageRow
from payouts.rules.artist_centric import ArtistCentric
from payouts.rules.base import Rule
from payouts.rules.pro_rata import ProRata
from payouts.rules.shapley_capped import ShapleyCapped
from payouts.rules.thresholded import Thresholded
from payouts.rules.training import Training
from payouts.rules.user_centric import UserCentric
from tests.payouts.worlds import ROOT, Owned, World, digest, inputs, vector

RECORDINGS = tuple(f"rec-{n}" for n in range(6))
WORKS = tuple(f"wrk-{n}" for n in range(4))
PARTIES = tuple(f"p-{n}" for n in range(6))
TRACKS = tuple(f"trk-{n}" for n in range(4))


def _variants(names: tuple[str, ...], *, whole: bool) -> tuple[tuple[tuple[str, int], ...], ...]:
    """Ways for some of the names to share a million (or at most that): equal, skewed, down to one ppm."""
    random = Random(f"{names} {whole}")
    out = []
    for _ in range(64):
        chosen = random.sample(names, random.randint(1, 4))
        cuts = sorted(random.choice((1, 333_333, 500_000, 999_999, random.randint(0, MILLION))) for _ in chosen)
        if whole:
            cuts[-1] = MILLION
        out.append(
            tuple((name, high - low) for name, low, high in zip(chosen, [0, *cuts], cuts, strict=False) if high > low)
        )
    return tuple(out)


def parts_of_million(names: tuple[str, ...], *, whole: bool = True) -> st.SearchStrategy[tuple[tuple[str, int], ...]]:
    """Drawn from a fixed set: one choice each, so that thousands of pools are made in seconds."""
    return st.sampled_from(_variants(names, whole=whole))


def _owned(parts: tuple[tuple[str, int], ...], state: ShareState, claimed: int) -> Owned:
    if state == "disputed":
        party, ppm = parts[0]
        held = ((party, ppm * claimed // 4),) if ppm * claimed // 4 else ()
        suspended = ((party, ppm // 5),) if claimed == 1 and ppm // 5 else ()
        return Owned(parts, state, disputed=(party,), claimed=held, suspended=suspended)
    return Owned(parts if state == "confirmed" else parts[:1], state)


owned = st.builds(
    _owned,
    parts_of_million(PARTIES),
    st.sampled_from(("confirmed", "confirmed", "confirmed", "confirmed", "disputed", "short", "conflict")),
    st.integers(0, 4),
)


links = st.sampled_from(((), *_variants(WORKS, whole=True), *_variants(WORKS, whole=False)))
some_parts = st.sampled_from(({}, *map(dict, _variants(RECORDINGS, whole=False))))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    world = World()
    for recording in RECORDINGS:
        world.owned[recording, "master", "WORLD"] = [draw(owned)]
        if draw(st.booleans()):
            world.owned[recording, "master", "SE"] = [draw(owned)]
        world.works[recording] = draw(links)
    for work in WORKS:
        world.owned[work, "publishing", "WORLD"] = [draw(owned)]
    world.groups = {party: draw(st.sampled_from(("g-0", "g-1", party))) for party in PARTIES}
    world.denied = set(draw(st.lists(st.tuples(st.sampled_from(RECORDINGS), st.just("condition")), max_size=2)))
    world.models = dict.fromkeys(TRACKS[:2], ("mdl", "1"))
    world.training = {("mdl", "1"): draw(st.lists(st.sampled_from(RECORDINGS), min_size=1).map(tuple))}
    world.styles = {"style:blues": draw(st.lists(st.sampled_from(RECORDINGS)).map(tuple))}
    return world


@st.composite
def vectors(draw: st.DrawFn, track: str) -> InfluenceVector:
    return vector(
        track,
        draw(some_parts),
        draw(some_parts),
        draw(st.sampled_from(({}, {"style:blues": 1}, {"style:blues": MILLION}))),
        basis=draw(st.sampled_from(("declared", "estimated"))),
        error_ppm=draw(st.none() | st.integers(0, MILLION)),
    )


@st.composite
def rows(draw: st.DrawFn) -> UsageRow:
    track = draw(st.sampled_from(TRACKS))
    units = draw(st.integers(0, 2000))
    return UsageRow(
        track=track,
        vector=draw(st.sampled_from((digest(track), digest(track), digest(track), None))),
        territory=draw(st.sampled_from(("SE", "NO"))),
        at=f"2026-06-{draw(st.integers(1, 3)):02d}T00:00:00Z",
        source=draw(st.sampled_from(("acme", "best"))),
        product=draw(st.sampled_from((None, "premium"))),
        listener=draw(st.sampled_from(("l-1", "l-2", None))),
        units=units,
        gross=draw(st.integers(0, 10**7)),
        currency="EUR",
        count=units,
    )


MIXES = (
    (("recording", MILLION),),
    (("recording", 700_000), ("composition", 300_000)),
    (("recording", 500_001), ("composition", 299_999), ("style", 200_000)),
)

rules: st.SearchStrategy[Rule] = st.one_of(
    st.just(ProRata()),
    st.builds(
        Thresholded,
        min_streams=st.integers(0, 3000),
        min_influence=st.integers(0, MILLION),
        below=st.sampled_from(("unattributed", "redistribute")),
    ),
    st.builds(ShapleyCapped, tau=st.integers(1, MILLION), kappa=st.integers(1, MILLION)),
    st.just(UserCentric(anonymous="together")),
    st.builds(
        ArtistCentric, min_streams=st.integers(0, 100), min_listeners=st.integers(0, 2), listener_max=st.integers(1, 99)
    ),
    st.just(Training(model="mdl", model_version="1")),
)

holds = st.lists(
    st.builds(
        HoldMatch,
        id=st.sampled_from(("h-1", "h-2")),
        reason=st.sampled_from(("fraud", "payee-incomplete")),
        party=st.none() | st.sampled_from(PARTIES),
        subject=st.none() | st.sampled_from(RECORDINGS),
        track=st.none() | st.sampled_from(TRACKS),
        source=st.none() | st.just("best"),
    ),
    max_size=2,
)


@st.composite
def pools(draw: st.DrawFn, any_rule: st.SearchStrategy[Rule] = rules) -> Inputs:
    amount = draw(st.sampled_from(("micros", "price_micros")))
    return inputs(
        draw(worlds()),
        draw(st.lists(rows(), max_size=8)),
        [draw(vectors(track)) for track in TRACKS],
        rule=draw(any_rule),
        holds=draw(holds),
        root=draw(st.sampled_from((ROOT, bytes(32)))),
        **{amount: draw(st.integers(1, 10**15) | st.integers(1, 50))},
        weight=draw(st.sampled_from(("units", "gross"))),
        aspects=draw(st.sampled_from(MIXES)),
        unattributed=draw(st.sampled_from(("return", "training", "carry"))),
        reserve_ppm=draw(st.sampled_from((0, 0, 12_345))),
        fallback=draw(st.sampled_from(("suspense", "training"))),
        error_max_ppm=draw(st.sampled_from((MILLION, 500_000))),
        territories=draw(st.sampled_from(((), (), ("SE",)))),
    )
