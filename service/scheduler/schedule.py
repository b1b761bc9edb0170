"""Compute a job's last and next turn from a crontab expression in UTC, with APScheduler.

A turn is the last instant that matches the expression. Claims are about turns, so that schedulers that wake at slightly
different times, or one that was down, refer to the same turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ledger.errors import InputError, StateError

OFF: Final = "off"
_LOOK_BACK: Final = (timedelta(hours=1), timedelta(days=1), timedelta(days=32), timedelta(days=1500))
"""How far back the last turn is looked for: nearer first, so that frequent turns cost few steps."""
_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A crontab expression, and APScheduler's trigger for it."""

    text: str
    trigger: Any

    @classmethod
    def parse(cls, text: str, *, setting: str) -> Schedule | None:
        """Parse a crontab expression, or `off` (None); InputError for anything else."""
        if text.strip() == OFF:
            return None
        try:
            from apscheduler.triggers.cron import CronTrigger
        except ImportError:
            raise StateError("the scheduler needs APScheduler: pip install 'settle-engine[service]'") from None
        wrong = f'{setting} is {text!r}, expected "off" or a crontab expression in UTC such as "0 * * * *"'
        if any(sign.isdecimal() for sign in (text.split() or [""])[-1]):  # 0 is Monday to some and Sunday to others
            raise InputError(f"{wrong}, with weekdays by name (mon-fri)")
        try:
            return cls(text, CronTrigger.from_crontab(text, timezone=UTC))
        except ValueError as problem:
            raise InputError(f"{wrong}: {problem}") from None

    def next(self, now: datetime) -> datetime | None:
        """Return the first turn after now; None if there will be none."""
        return self._from(now + _SECOND)

    def turn(self, now: datetime) -> datetime | None:
        """Return the last turn up to now; None if there was none in four years."""
        for back in _LOOK_BACK:
            fire_time = self._from(now - back)
            if fire_time is not None and fire_time <= now:
                while (later := self._from(fire_time + _SECOND)) is not None and later <= now:
                    fire_time = later
                return fire_time
        return None

    def _from(self, moment: datetime) -> datetime | None:
        fire_time: datetime | None = self.trigger.get_next_fire_time(None, moment)
        return fire_time
