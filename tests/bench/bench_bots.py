"""The fraud rules on the published case, on seeds that neither the model nor the rules were made with.

`python -m pytest -m bench -s tests/bench/bench_bots.py`; SETTLE_BENCH_LISTENERS (20,000) honest accounts a seed.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Final

import numpy as np
import pytest

from service.fraud.scoring import UNKNOWN, PlayColumns, even_spread
from tests.bench.listening import Listening, bots, honest, together

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]

LISTENERS: Final = int(os.environ.get("SETTLE_BENCH_LISTENERS", "20000"))
SEEDS: Final = (101, 102, 103)
CASES: Final = (
    ("636 a day", 636, False, 0.0),
    ("120 a day", 120, False, 0.0),
    ("60 a day", 60, False, 0.0),
    ("60 a day, asleep at night", 60, True, 0.0),
    ("120 a day, asleep at night, one play in ten a popular track", 120, True, 0.1),
    ("120 a day, asleep at night, one play in two a popular track", 120, True, 0.5),
)


def test_the_published_case() -> None:
    """If this fails, fewer than 95 % of the published case's streams are found, or more than 0.5 % of people's."""
    print()
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        people = honest(LISTENERS, rng)
        for name, per_day, sleeping, camouflage in CASES:
            found, accused, kinds = scored(people, bots(per_day, rng, sleeping=sleeping, camouflage=camouflage))
            print(
                f"seed {seed}, {name}: {found:.2%} of the bots' streams, {accused:.3%} of people's; accused: {kinds}",
                flush=True,
            )
            if not camouflage:
                assert found >= 0.95
            assert accused <= 0.005


def scored(people: Listening, machines: Listening) -> tuple[float, float, dict[str, int]]:
    """The part of the bots' streams that is found, the part of people's, and which people were accused."""
    both = together(people, machines)
    device = np.full(len(both.at), UNKNOWN)
    plays = PlayColumns(listener=both.listener, track=both.track, at=both.at, device=device)
    held = even_spread(plays, len(both.kinds)).held
    bot = np.array([kind == "bot" for kind in both.kinds])
    streams = np.bincount(both.listener, minlength=len(both.kinds))
    accused = Counter(kind for kind, suspect in zip(both.kinds, held & ~bot, strict=True) if suspect)
    return (
        streams[held & bot].sum() / streams[bot].sum(),
        streams[held & ~bot].sum() / streams[~bot].sum(),
        dict(accused),
    )
