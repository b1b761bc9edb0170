"""A simulation as one page: nothing loaded from anywhere, nothing that runs, fit for print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ledger.types import MILLION
from payouts import lorenz

if TYPE_CHECKING:
    from service.settlement.simulating import Contender, Simulation

PAGE: Final = Path(__file__).with_name("simulation.html")
MOST: Final = 12
"""Rows of a table of holders; the JSON has them all."""
WIDTH: Final = 220
"""Pixels for the largest range of a rule."""


def as_html(simulation: Simulation) -> str:
    """The page; every text in it is escaped."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(autoescape=True, trim_blocks=True, undefined=StrictUndefined)
    return environment.from_string(PAGE.read_text(encoding="utf-8")).render(
        s=simulation, noisy=all(one.noise for one in simulation.rules),
        attacked=any(one.attack for one in simulation.rules), most=MOST, colour=lorenz.colour,
        curves=Markup(lorenz.svg(simulation.curves())),  # noqa: S704  our own drawing; it escapes its labels
        money=cents, percent=percent, gini=gini, params=_params,
        relative=_relative, ranges=_ranges,
    )  # fmt: skip


def cents(micros: int) -> str:
    """Two decimals, the rest cut off; the JSON has every micro-unit."""
    whole = abs(micros) // 10_000
    return f"{'-' if micros < 0 and whole else ''}{whole // 100:,}.{whole % 100:02d}"


def percent(ppm: int) -> str:
    """Two decimals, the rest cut off."""
    return f"{ppm // 10_000}.{ppm % 10_000 // 100:02d} %"


def gini(ppm: int) -> str:
    """Three decimals, the rest cut off."""
    return f"{ppm // MILLION}.{ppm % MILLION // 1000:03d}"


def _params(one: Contender) -> str:
    return ", ".join(f"{name} {value}" for name, value in one.params.items())


def _relative(by: int, had: int) -> str:
    if not had:
        return "new"
    part = MILLION * abs(by) // had
    return f"{'+' if by > 0 else '-'}{percent(part)}" if part >= 100 else "under 0.01 %"


def _ranges(one: Contender) -> list[dict[str, Any]]:
    """The best paid, with the ends and the middle of each bar in pixels."""
    if one.noise is None:
        return []
    ordered = sorted(one.noise.ranges, key=lambda row: (-one.amounts.get(row[0], 0), row[0]))[:MOST]
    whole = max((most for _, _, most in ordered), default=0) or 1
    return [
        {
            "party": party, "least": least, "now": (now := one.amounts.get(party, 0)), "most": most,
            "x1": 2 + WIDTH * least // whole, "x": 2 + WIDTH * now // whole, "x2": 2 + WIDTH * most // whole,
        }
        for party, least, most in ordered
    ]  # fmt: skip
