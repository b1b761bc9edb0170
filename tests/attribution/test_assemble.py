"""Shares become whole numbers that sum to a million, with the unknown as one of the entries."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from attribution.assemble import assemble, claim, fill, grouped_by_style, whole_ppm
from attribution.methods.calibration import EDGES, Calibration, shipped
from attribution.methods.protocol import Estimate
from ledger.proofs import canon, vector
from ledger.types import ASPECTS, MILLION, Aspect, AspectVector, Basis, Influence, InfluenceVector

SHARES = st.dictionaries(st.text("abcdef", min_size=1, max_size=4), st.floats(0, 1, allow_nan=False), max_size=12)


@given(SHARES)
def test_parts_and_rest_are_a_million(shares: dict[str, float]) -> None:
    """If this fails, a vector sums to something else and is refused, or somebody is paid twice."""
    parts, rest = whole_ppm(shares)
    assert sum(parts.values()) + rest == MILLION
    assert rest >= 0
    assert all(value >= 0 for value in parts.values())
    if sum(shares.values()) <= 1:
        assert all(abs(parts[name] - share * MILLION) <= 1 for name, share in shares.items())


@given(SHARES)
def test_order_changes_nothing(shares: dict[str, float]) -> None:
    """If this fails, the same beliefs give two vectors with two digests."""
    assert whole_ppm(dict(reversed(shares.items()))) == whole_ppm(shares)


@given(st.dictionaries(st.sampled_from(["recording", "composition", "style"]), SHARES, max_size=3))
def test_every_estimate_makes_a_valid_vector(shares: dict[str, dict[str, float]]) -> None:
    """If this fails, a method can answer something that the ledger refuses."""
    styles = {name: "blues" if name < "c" else None for share in shares.values() for name in share}
    aspects = assemble(Estimate(shares=shares), styles, shipped(), "hybrid")  # type: ignore[arg-type]
    made = InfluenceVector(
        track="t",
        recording=aspects["recording"],
        composition=aspects["composition"],
        style=aspects["style"],
        method="hybrid",
        version="1",
    )
    assert vector.parse(canon.encode(vector.payload(made))) == made
    assert set(aspects) == set(ASPECTS)


def test_small_shares_are_not_claimed() -> None:
    """If this fails, noise is paid."""
    assert claim({"a": 0.5, "b": 0.04}, 0.05) == {"a": 0.5}


def test_style_pays_groups_and_names_nobody() -> None:
    """If this fails, a blues track pays one blues player by name, or a recording without a style pays a group."""
    grouped = grouped_by_style({"a": 0.2, "b": 0.3, "c": 0.1}, {"a": "blues", "b": "blues", "c": None})
    assert grouped == {"style:blues": 0.5}


def test_small_shares_are_claimed_only_above_chance() -> None:
    """If this fails, a track by five bands pays none of their groups, or a stranger's track pays one."""
    calibration = Calibration(thresholds={"m/groups": 0.35})
    shares: dict[Aspect, dict[str, float]] = {"style": {"a": 0.2, "b": 0.3, "c": 0.01}}
    styles = {"a": "blues", "b": "jazz", "c": "rock"}

    def paid(above: frozenset[Aspect]) -> list[str]:
        made = assemble(Estimate(shares=shares, above_chance=above), styles, calibration, "m")
        return [one.id for one in made["style"].sources]

    assert paid(frozenset()) == []
    assert paid(frozenset({"recording"})) == []
    assert paid(frozenset({"style"})) == ["style:blues", "style:jazz"]


def test_intervals_are_chosen_by_size_and_clipped() -> None:
    """If this fails, an interval leaves 0..1 or belongs to shares of another size."""
    calibration = Calibration(intervals={"m/recording": tuple(0.1 * (k + 1) for k in range(len(EDGES) + 1))})
    assert calibration.interval("m", "recording", 0.0) == (0.0, 0.1)
    assert calibration.interval("m", "recording", 0.95) == (0.95 - 0.4, 1.0)
    assert calibration.interval("other", "recording", 0.5) == (0.0, 1.0)


@given(
    st.lists(st.integers(0, 250_000), max_size=4),
    st.lists(st.integers(0, 250_000), max_size=4),
)
def test_an_estimate_fills_only_what_a_declaration_leaves(declared: list[int], estimated: list[int]) -> None:
    """If this fails, an estimate takes from what a generator declared, or parts of a track are lost or made."""

    def aspect(parts: list[int], basis: Basis, use: str | None) -> AspectVector:
        sources = tuple(
            Influence(id=f"rec-{n}", ppm=ppm, basis=basis, low=0, high=ppm, use=use) for n, ppm in enumerate(parts)
        )
        return AspectVector(sources=sources, unattributed=MILLION - sum(parts))

    nothing = AspectVector(sources=(), unattributed=MILLION)
    base = InfluenceVector(
        track="t", recording=nothing, composition=nothing, style=nothing, method="hybrid", version="1"
    )
    declaration = replace(base, recording=aspect(declared, "declared", "condition"), method="declared")
    joined = fill(declaration, replace(base, recording=aspect(estimated, "estimated", None)))
    vector.validate(joined)
    sources = joined.recording.sources
    assert tuple(source for source in sources if source.basis == "declared") == declaration.recording.sources
    left = MILLION - sum(declared)
    assert sum(source.ppm for source in sources if source.basis == "estimated") <= sum(estimated) * left // MILLION
    assert fill(joined, replace(base, recording=aspect(estimated, "estimated", None))).recording == joined.recording
