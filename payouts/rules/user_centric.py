"""User-centric: each listener's money goes to the tracks that this listener played.

Under `weight=gross` a listener's money is the gross of that listener's events; under `weight=units` every
listener brings the same. SoundCloud's fan-powered royalties are of this kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from payouts.errors import UsageError
from payouts.protocols import UsageRow
from payouts.rules.base import Rule, base_weights, parameter
from payouts.rules.listeners import QUANTUM, by_listener, divide_money
from payouts.terms import Weight


@dataclass(frozen=True, slots=True, kw_only=True)
class UserCentric(Rule):
    """A listener's money divided over that listener's streams; then by influence, as pro-rata."""

    name: ClassVar[str] = "user-centric"
    listeners: ClassVar[bool] = True

    anonymous: str = parameter(
        default="refuse",
        choices=("refuse", "together"),
        doc="events without a listener: refuse the run, or treat a platform's as one listener",
    )

    def weigh(self, rows: Sequence[UsageRow], weight: Weight) -> Sequence[int]:
        unnamed = sum(row.units for row in rows if row.listener is None)
        if unnamed and self.anonymous == "refuse":
            raise UsageError(
                f"{unnamed} of {sum(row.units for row in rows)} units have no listener: user-centric expects one on "
                "every event; ask the platform for it, limit the pool to sources that give it, or pass "
                "--param anonymous=together"
            )
        listeners = by_listener(rows)
        if weight == "units":
            money = {who: QUANTUM for who, at in listeners.items() if any(rows[n].units for n in at)}
        else:
            gross = base_weights(rows, "gross")
            money = {who: QUANTUM * sum(gross[n] for n in at) for who, at in listeners.items()}
        brings = {who: at for who, at in listeners.items() if money.get(who)}
        return divide_money(rows, brings, money, base_weights(rows, "units"))
