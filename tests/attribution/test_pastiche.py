"""Pastiche: one artist's manner, without their sound or tunes, is told from everything else."""

from __future__ import annotations

from tests.bench.pastiche import LEAST_PPM, in_the_manner_of


def test_one_manner_that_stands_out_is_named() -> None:
    """If this fails, a deliberate imitation goes unnoticed."""
    assert in_the_manner_of({"ann": 300_000, "bo": 60_000, "cy": 50_000}, named=()) == "ann"
    assert in_the_manner_of({"ann": LEAST_PPM}, named=()) == "ann"


def test_what_is_diffuse_faint_or_heard_outright_is_no_pastiche() -> None:
    """If this fails, artists are told of imitations that are none."""
    assert in_the_manner_of({"ann": 200_000, "bo": 150_000}, named=()) is None
    assert in_the_manner_of({"ann": LEAST_PPM - 1}, named=()) is None
    assert in_the_manner_of({"ann": 300_000, "bo": 20_000}, named={"ann"}) is None
    assert in_the_manner_of({}, named=()) is None
