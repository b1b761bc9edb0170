"""Names that nobody knows, and a month in which nothing happened: told with what was probably meant."""

from __future__ import annotations

import pytest

from service.settlement import life
from tests.cli.support import settle
from tests.service.month import JULY_OVER, Month, published

RUN = ("run", "--period", "2026-06", "--engine", "log", "--currency")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("statement", "Ann", "--period", "2026-06"), 2, "Ann is the name of ann"),
        (("statement", "annn", "--period", "2026-06"), 2, "did you mean ann?"),
        (("statement", "zoe", "--period", "2026-06"), 2, "settle registry export"),
        (("explain", "2026-06", "zoe"), 2, "party 'zoe' is not in the registry"),
        (("explain", "2026-06", "ann", "trk-9"), 2, "did you mean trk-3 or trk-2 or trk-1?"),
        (
            ("explain", "2026-06", "ann", "trk-2"),
            2,
            "has no line of ann for track trk-2; see settle statement ann --period",
        ),
        (("report", "trk-9"), 2, "track 'trk-9' is not registered"),
        (("report", "rec-1"), 2, "rec-1 is a recording; expected the id of a generated track"),
        (("report", "trk-3"), 4, "track 'trk-3' has no vector; run `settle attribute`"),
        ((*RUN, "EUR", "--pool", "-5"), 2, "is -5.000000 EUR: expected more than zero"),
        ((*RUN, "euro", "--pool", "5"), 2, "three capital letters, such as EUR"),
        ((*RUN, "EUR"), 2, "neither an amount nor a price per stream: expected one of them; give --pool AMOUNT"),
    ],
)
def test_a_refusal_says_what_was_meant(june: Month, words: tuple[str, ...], code: int, says: str) -> None:
    """If this fails, a newcomer who mistypes an id is left with a riddle, or with the wrong exit code."""
    published(june)
    answer = settle(*words, home=june.home)
    assert answer.code == code
    assert says in answer.err


def test_a_month_without_events_is_said_before_it_is_approved(june: Month) -> None:
    """If this fails, a run over the wrong month looks like any other until the holders ask for their money."""
    published(june)
    june.now = JULY_OVER
    life.close(june.ws, "2026-07")
    words = ("run", "--period", "2026-07", "--pool", "5", "--currency", "EUR", "--engine", "log", "--dry-run")
    answer = settle(*words, home=june.home)
    assert answer.code == 0
    assert "2026-07 has no event that counts in pool default" in answer.err
