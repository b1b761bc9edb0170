"""Compare rules on one closed period. Reads the log and writes nothing to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ledger.errors import InputError
from payouts.compute import Inputs, compute
from payouts.simulation import simulate
from payouts.terms import PARAMS
from service.log.logs import listed
from service.settlement.carrying import carried
from service.settlement.life import request
from service.settlement.runs import RunRequest, given_of, inputs_of, ready
from service.settlement.step import read_book
from service.settlement.usage import summed

if TYPE_CHECKING:
    from service.workspace import Workspace

SEED = b"settle/simulate/v1"

Progress = Callable[[int, int | None], None] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One rule's outcome on the period, compared with the first rule's; `rule` includes its parameters."""

    rule: str
    name: str
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

    def curves(self) -> dict[str, tuple[int, ...]]:
        """Return each rule's Lorenz curve."""
        return {simulated.rule: simulated.spread.lorenz for simulated in self.rules}


def contenders(
    rules: str, *, period: str, pool: str | None, currency: str, params: dict[str, str]
) -> dict[str, RunRequest]:
    """Parse rules written as `name:key=value:...`, separated by commas, under the same pool terms."""
    requests: dict[str, RunRequest] = {}
    for text in rules.split(","):
        name, *words = text.strip().split(":")
        own = {key: value for key, _, value in (word.partition("=") for word in words)}
        shared = {key: value for key, value in params.items() if key in PARAMS}
        if unknown := sorted(params.keys() - shared.keys()):
            raise InputError(
                f"--param {unknown[0]}: expected a pool term; a rule's own goes after its name, {name}:key=value"
            )
        requests[text.strip()] = request(period=period, pool=pool, currency=currency, rule=name, params=shared | own)
    return requests


def run(
    ws: Workspace, rules: dict[str, RunRequest], *, draws: int = 0, attack_units: int = 0, on_progress: Progress = None
) -> Simulation:
    """Run each rule over the same closed period; the others are compared with the first."""
    input_of = {name: _inputs(ws, request, on_progress) for name, request in rules.items()}
    outcomes = {name: compute(inputs) for name, inputs in input_of.items()}
    amounts = {name: outcome.allocated_by_party() for name, outcome in outcomes.items()}
    everybody = sorted(set().union(*amounts.values()))
    first = next(iter(amounts.values()))
    contending = tuple(
        Contender(
            rule=name,
            name=input_of[name].rule.name,
            params=input_of[name].rule.payload()["params"],
            allocated_micros=outcome.allocated,
            unattributed_micros=outcome.unattributed,
            held_micros=outcome.held,
            suspense_micros=outcome.suspense,
            reserve_micros=outcome.reserve,
            spread=simulate.concentration([amounts[name].get(party, 0) for party in everybody]),
            against_first=simulate.moved(first, amounts[name]),
            noise=simulate.sensitivity(input_of[name], outcome, seed=SEED, draws=draws) if draws else None,
            attack=simulate.attack(input_of[name], outcome, units=attack_units) if attack_units else None,
            amounts=amounts[name],
        )
        for name, outcome in outcomes.items()
    )
    (terms, *_) = [request.terms for request in rules.values()]
    (pool, *_) = [outcome.pool for outcome in outcomes.values()]
    return Simulation(
        period=terms.period, currency=terms.currency, pool_micros=pool, population=len(everybody), rules=contending
    )


def _inputs(ws: Workspace, wanted: RunRequest, on_progress: Progress) -> Inputs:
    """Return the inputs of a run with these terms now."""
    book = read_book(ws)
    takes = carried(ws.log, book, period=wanted.period, pool=wanted.terms.pool, currency=wanted.terms.currency)
    carryover = given_of(ws, book, wanted, takes)
    logs = listed(ws, book, wanted.period)
    rows = summed(
        logs,
        engine=ready(ws, logs, wanted.engine, dry_run=True, on_progress=on_progress),
        view=ws.registry.view(carryover.registry_size),
        terms=wanted.terms,
        rule=wanted.rule,
        holds=carryover.holds,
        on_progress=on_progress,
    )
    return inputs_of(ws, carryover, rows)
