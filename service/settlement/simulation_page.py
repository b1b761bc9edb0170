"""Render a simulation as one printable HTML page without scripts and external files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ledger.shown import NOTHING, cents, cents_together, percent
from ledger.types import MILLION
from payouts.simulation import lorenz

if TYPE_CHECKING:
    from service.settlement.simulating import Contender, Simulation

PAGE: Final = Path(__file__).with_name("simulation.html")
MOST: Final = 12
"""Rows of a table of holders; the JSON has them all."""
WIDTH: Final = 220
"""Pixels for the largest range of a rule."""


def as_html(simulation: Simulation) -> str:
    """Return the page; every text in it is escaped."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(autoescape=True, trim_blocks=True, undefined=StrictUndefined)
    return environment.from_string(PAGE.read_text(encoding="utf-8")).render(
        s=simulation,
        noisy=all(rule.noise for rule in simulation.rules),
        attacked=any(rule.attack for rule in simulation.rules),
        most=MOST,
        colour=lorenz.colour,
        curves=Markup(lorenz.svg(simulation.curves())),  # noqa: S704  our own drawing; it escapes its labels
        money=cents,
        percent=percent,
        gini=gini,
        parts=_parts,
        params=_params,
        nothing=NOTHING,
        relative=_relative,
        ranges=_ranges,
    )


def gini(ppm: int) -> str:
    """Format a Gini coefficient with three decimals, rounded half up."""
    thousandths = (ppm + 500) // 1000
    return f"{thousandths // 1000}.{thousandths % 1000:03d}"


def _parts(one: Contender) -> list[str]:
    """Return the parts of the pool under a rule; with the reserve they add up to it."""
    return cents_together(
        [one.allocated_micros, one.unattributed_micros, one.held_micros + one.suspense_micros, one.reserve_micros]
    )


def _params(one: Contender) -> str:
    return ", ".join(f"{name} {value}" for name, value in one.params.items())


def _relative(by: int, had: int) -> str:
    if not had:
        return "new"
    part = MILLION * abs(by) // had
    return f"{'+' if by > 0 else '-'}{percent(part)}" if part >= 100 else "under 0.01 %"


def _ranges(one: Contender) -> list[dict[str, Any]]:
    """Return the best-paid parties, with the ends and the middle of each bar in pixels."""
    if one.noise is None:
        return []
    ordered = sorted(one.noise.ranges, key=lambda row: (-one.amounts.get(row[0], 0), row[0]))[:MOST]
    whole = max((most for _, _, most in ordered), default=0) or 1
    return [
        {
            "party": party,
            "least": least,
            "now": (now := one.amounts.get(party, 0)),
            "most": most,
            "x1": 2 + WIDTH * least // whole,
            "x": 2 + WIDTH * now // whole,
            "x2": 2 + WIDTH * most // whole,
        }
        for party, least, most in ordered
    ]
