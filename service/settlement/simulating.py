"""Rules side by side on one closed period. Reads the log, writes nothing to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from ledger.errors import InputError
from payouts import lorenz, simulate
from payouts.compute import Inputs, compute
from payouts.money import format_amount
from payouts.terms import PARAMS
from service.settlement.life import request
from service.settlement.logs import listed
from service.settlement.runs import Request, carried, given_of, inputs_of, ready
from service.settlement.step import read_book
from service.settlement.usage import summed

if TYPE_CHECKING:
    from service.workspace import Workspace

SEED = b"settle/simulate/v1"

Progress = Callable[[int, int | None], None] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One rule's outcome on the period, beside the first rule's."""

    rule: str
    params: dict[str, Any]
    allocated_micros: int
    unattributed_micros: int
    held_micros: int
    suspense_micros: int
    reserve_micros: int
    spread: simulate.Concentration
    against_first: simulate.Moved
    noise: simulate.Sensitivity | None
    attack: simulate.Attack | None
    amounts: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """Several rules on the same usage, registry and pool."""

    period: str
    currency: str
    pool_micros: int
    population: int
    rules: tuple[Contender, ...]

    def html(self) -> str:
        """A page that needs nothing else."""
        curves = lorenz.svg({one.rule: one.spread.lorenz for one in self.rules})
        head = "<tr>" + "".join(f"<th>{name}</th>" for name in _COLUMNS) + "</tr>"
        rows = "\n".join(_row(one, self.currency) for one in self.rules)
        return (
            '<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>Rules side by side</title>\n'
            f"<style>{_STYLE}</style>\n"
            f"<h1>{escape(self.period)}: {format_amount(self.pool_micros, self.currency)} {self.currency}</h1>\n"
            f"<p>{self.population} holders; amounts as allocated, before any minimum payout.</p>\n"
            f"<table>{head}\n{rows}</table>\n{curves}\n</html>\n"
        )


_STYLE = (
    "body{font-family:sans-serif;max-width:70em;margin:2em auto}td,th{padding:.3em .8em;text-align:right}"
    "td:first-child,th:first-child{text-align:left}svg{max-width:34em}"
)
_COLUMNS = (
    "rule", "allocated", "unattributed", "holders paid", "Gini", "top 1 %", "winners", "losers", "moved", "noise moves",
    "attack gains",
)  # fmt: skip


def _percent(ppm: int) -> str:
    return f"{ppm // 10_000}.{ppm % 10_000 // 100:02d} %"


def _row(one: Contender, currency: str) -> str:
    cells = (
        escape(one.rule), format_amount(one.allocated_micros, currency),
        format_amount(one.unattributed_micros, currency),
        str(one.spread.paid), f"0.{one.spread.gini_ppm:06d}"[:5], _percent(one.spread.top1_ppm),
        str(one.against_first.winners), str(one.against_first.losers),
        format_amount(one.against_first.moved_micros, currency),
        "" if one.noise is None else _percent(one.noise.moved_ppm),
        "" if one.attack is None else format_amount(one.attack.gain_micros, currency),
    )  # fmt: skip
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def contenders(
    rules: str, *, period: str, pool: str | None, currency: str, params: dict[str, str]
) -> dict[str, Request]:
    """`name:key=value:...` rules, separated by commas, under the same pool terms."""
    found: dict[str, Request] = {}
    for text in rules.split(","):
        name, *words = text.strip().split(":")
        own = {key: value for key, _, value in (word.partition("=") for word in words)}
        shared = {key: value for key, value in params.items() if key in PARAMS}
        if unknown := sorted(params.keys() - shared.keys()):
            raise InputError(
                f"--param {unknown[0]}: expected a pool term; a rule's own goes after its name, {name}:key=value"
            )
        found[text.strip()] = request(period=period, pool=pool, currency=currency, rule=name, params=shared | own)
    return found


def run(
    ws: Workspace, rules: dict[str, Request], *, draws: int = 0, attack_units: int = 0, on_progress: Progress = None
) -> Simulation:
    """Each rule over the same closed period; the first is what the others are compared with."""
    made = {name: _inputs(ws, wanted, on_progress) for name, wanted in rules.items()}
    outcomes = {name: compute(inputs) for name, inputs in made.items()}
    amounts = {name: outcome.allocated_by_party() for name, outcome in outcomes.items()}
    everybody = sorted(set().union(*amounts.values()))
    first = next(iter(amounts.values()))
    contending = tuple(
        Contender(
            rule=name,
            params=made[name].rule.payload()["params"],
            allocated_micros=outcome.allocated,
            unattributed_micros=outcome.unattributed,
            held_micros=outcome.held,
            suspense_micros=outcome.suspense,
            reserve_micros=outcome.reserve,
            spread=simulate.concentration([amounts[name].get(party, 0) for party in everybody]),
            against_first=simulate.moved(first, amounts[name]),
            noise=simulate.sensitivity(made[name], outcome, seed=SEED, draws=draws) if draws else None,
            attack=simulate.attack(made[name], outcome, units=attack_units) if attack_units else None,
            amounts=amounts[name],
        )
        for name, outcome in outcomes.items()
    )
    (terms, *_) = [wanted.terms for wanted in rules.values()]
    (pool, *_) = [outcome.pool for outcome in outcomes.values()]
    return Simulation(
        period=terms.period, currency=terms.currency, pool_micros=pool, population=len(everybody), rules=contending
    )


def _inputs(ws: Workspace, wanted: Request, on_progress: Progress) -> Inputs:
    """What a run of these terms would be given now."""
    book = read_book(ws)
    takes = carried(ws.log, book, period=wanted.period, pool=wanted.terms.pool, currency=wanted.terms.currency)
    given = given_of(ws, book, wanted, takes)
    logs = listed(ws, book, wanted.period)
    rows = summed(
        logs,
        engine=ready(ws, logs, wanted.engine, dry_run=True, on_progress=on_progress),
        view=ws.registry.view(given.registry_size),
        terms=wanted.terms,
        rule=wanted.rule,
        on_progress=on_progress,
    )
    return inputs_of(ws, given, rows)
