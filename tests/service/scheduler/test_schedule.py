"""Turns: the same for everybody who asks within them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InputError
from service.config import SETTINGS
from service.scheduler.jobs import JOBS
from service.scheduler.schedule import Schedule

MOMENTS = st.integers(1_700_000_000, 1_900_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
CRONS = ("0 * * * *", "*/10 * * * *", "0 6 3-9 * *", "30 4 29 2 *", "15 3 * * mon-fri", "0 0 31 1,12 *")


def schedule(text: str) -> Schedule:
    found = Schedule.parse(text, setting="scheduler.x")
    assert found is not None
    return found


@given(st.sampled_from(CRONS), MOMENTS)
def test_a_turn_lasts_until_the_next(text: str, now: datetime) -> None:
    """If this fails, two schedulers that wake a second apart claim different turns, or one turn is never claimed."""
    one = schedule(text)
    turn, coming = one.turn(now), one.next(now)
    assert turn is not None
    assert coming is not None
    assert turn <= now < coming
    assert one.turn(turn) == turn
    assert one.next(turn) == coming
    assert one.turn(coming - timedelta(seconds=1)) == turn
    assert one.turn(coming) == coming


@pytest.mark.parametrize("text", ["", "hourly", "0 * * *", "61 * * * *", "0 0 * * 1", "0 0 1 1 * *"])
def test_what_is_no_schedule_is_refused_by_name(text: str) -> None:
    """If this fails, a mistyped schedule is found out when its job has not run for a month."""
    with pytest.raises(InputError, match=r"scheduler\.x"):
        Schedule.parse(text, setting="scheduler.x")


def test_every_job_has_a_setting_that_is_a_schedule() -> None:
    """If this fails, a job cannot be switched off, or its default never comes."""
    defaults = {setting.name: str(setting.default) for setting in SETTINGS if setting.table == "scheduler"}
    assert defaults.keys() == {job.setting for job in JOBS}
    assert all(schedule(text).next(datetime(2026, 7, 2, tzinfo=UTC)) for text in defaults.values())
    assert Schedule.parse("off", setting="scheduler.x") is None
