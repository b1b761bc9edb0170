"""Terms of a pool: parsed once, refused with a reason, written one way."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.proofs import canon
from payouts.errors import TermsError
from payouts.terms import PARAMS, Terms, parse_terms


def parsed(micros: int | None = 1_000_000, currency: str = "EUR", **params: str) -> Terms:
    terms, _ = parse_terms(period="2026-06", currency=currency, micros=micros, params=params)
    return terms


def test_terms_and_rule_parameters_arrive_in_one_list() -> None:
    """If this fails, a rule's parameter is taken for a pool term, or the other way round."""
    terms, rest = parse_terms(
        period="2026-06",
        currency="EUR",
        micros=5,
        params={"weight": "gross", "tau": "500000", "aspects": "composition:300000,recording:700000"},
    )
    assert terms.weight == "gross"
    assert terms.aspects == (("recording", 700_000), ("composition", 300_000))
    assert rest == {"tau": "500000"}


@pytest.mark.parametrize(
    ("params", "seen"),
    [
        ({"micros": 0}, "is 0.000000 EUR: expected more than zero"),
        ({"micros": -1}, "is -0.000001 EUR: expected more than zero"),
        ({"micros": None}, "has neither an amount nor a price"),
        ({"price": "0.01"}, "has an amount and a price"),
        ({"micros": None, "price": "0"}, "is 0.000000 EUR: expected more than zero"),
        ({"micros": None, "price": "0.0000001"}, "0.0000001"),
        ({"currency": "XAU"}, "XAU"),
        ({"currency": "eur"}, "eur"),
        ({"aspects": "recording:700000"}, "700000"),
        ({"aspects": "recording:700000,recording:300000"}, "at most once"),
        ({"aspects": "lyrics:1000000"}, "lyrics"),
        ({"aspects": "recording"}, "recording:70%"),
        ({"aspects": "recording:0.5"}, "0.5"),
        ({"weight": "plays"}, "plays"),
        ({"unattributed": "keep"}, "keep"),
        ({"reserve": "1000001"}, "1000001"),
        ({"reserve": "1e5"}, "1e5"),
        ({"territories": "SE|Norway"}, "Norway"),
        ({"suspense_months": "0"}, "suspense_months 0"),
        ({"fallback": "guess"}, "guess"),
        ({"error_max": "-1"}, "-1"),
    ],
)
def test_bad_terms_are_refused_with_what_was_seen(params: dict[str, str], seen: str) -> None:
    """If this fails, a pool is shared out on terms that mean nothing."""
    with pytest.raises(TermsError, match=seen) as refused:
        parsed(**params)  # type: ignore[arg-type]
    assert "expected" in str(refused.value)


def test_a_pool_name_is_part_of_paths_and_keys() -> None:
    """If this fails, a pool could be named so that a file or a key means something else."""
    with pytest.raises(TermsError, match="pool name"):
        Terms(period="2026-06", currency="EUR", micros=1, pool="../x")


def test_terms_are_of_the_pool_that_was_named() -> None:
    """If this fails, every pool is called the same, and one takes the place of another."""
    terms, _ = parse_terms(period="2026-06", currency="EUR", pool="extra", micros=1, params={})
    assert (terms.pool, terms.payload()["pool"], parsed().pool) == ("extra", "extra", "default")


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"reserve": "1000001"}, "^reserve 1000001"),
        ({"error_max": "1000001"}, "^error_max 1000001"),
        ({"suspense_months": "1201"}, "^suspense_months 1201"),
        ({"reserve": "x"}, "^reserve=x"),
        ({"aspects": "recording:x"}, "^aspect recording=x"),
        ({"aspects": "lyrics:1000000"}, "^aspects 'lyrics'"),
        ({"aspects": "recording:1:2"}, "^aspect recording=1:2"),
        ({"weight": "plays"}, "^weight 'plays'"),
        ({"aspects": "recording:1000001"}, "^aspect recording 1000001"),
        ({"reserve": "\u0665"}, "^reserve="),
    ],
)
def test_a_refusal_names_the_term(params: dict[str, str], named: str) -> None:
    """If this fails, whoever typed ten terms is not told which of them is wrong."""
    with pytest.raises(TermsError, match=named):
        parsed(**params)  # type: ignore[arg-type]
    assert parsed(suspense_months="1").suspense_months == 1
    assert parsed(suspense_months="1200", aspects="recording:1000000,style:0").aspects == (("recording", 1_000_000),)


def test_the_payload_is_canonical_and_comes_back() -> None:
    """If this fails, the same terms have two run keys, or a run cannot be recomputed from its record."""
    terms = parsed(
        micros=None, price="0.004000", weight="units", sources="b|a|b", territories="SE|NO", aspects="recording:1000000"
    )
    assert terms.sources == ("a", "b")
    encoded = canon.encode(terms.payload())
    assert Terms.from_payload(canon.decode(encoded)) == terms
    assert terms.payload()["price_micros"] == "4000"
    with pytest.raises(TermsError, match="unknown fields"):
        Terms.from_payload({**terms.payload(), "novel": 1})


def test_every_pool_term_can_be_given_and_changes_the_payload() -> None:
    """If this fails, a documented term is not reachable, or leaves the run key as it was."""
    values = {
        "price": "0.01",
        "sources": "a",
        "products": "p",
        "territories": "SE",
        "weight": "gross",
        "aspects": "composition:1000000",
        "unattributed": "carry",
        "reserve": "5",
        "fallback": "training",
        "error_max": "5",
        "suspense_months": "5",
        "suspense_to": "training",
    }
    assert set(values) == set(PARAMS)
    for name, value in values.items():
        micros = None if name == "price" else 1_000_000
        assert parsed(micros, **{name: value}).payload() != parsed().payload()


CRITERIA = st.fixed_dictionaries(
    {
        name: st.sets(st.sampled_from(values))
        for name, values in (
            ("sources", ["acme", "beta"]),
            ("products", ["free", "premium"]),
            ("territories", ["NO", "SE"]),
        )
    }
)


@given(CRITERIA, CRITERIA)
def test_two_pools_overlap_just_where_an_event_meets_the_criteria_of_both(
    one: dict[str, set[str]], other: dict[str, set[str]]
) -> None:
    """If this fails, an event is paid for out of two pools, or two that share nothing cannot stand side by side."""

    def takes(criteria: dict[str, set[str]], event: tuple[str, str | None, str]) -> bool:
        named = zip(("sources", "products", "territories"), event, strict=True)
        return all(not criteria[name] or value in criteria[name] for name, value in named)

    worlds = product(["acme", "beta", "gamma"], ["free", "premium", None], ["NO", "SE", "DE"])
    both = any(takes(one, event) and takes(other, event) for event in worlds)
    first, second = (
        parsed(**{name: "|".join(values) for name, values in criteria.items()})  # type: ignore[arg-type]
        for criteria in (one, other)
    )
    assert first.overlaps(second) == second.overlaps(first) == both
