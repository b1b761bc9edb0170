"""`settle simulate`: compare payout rules on one closed month."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.progress import progress
from cli.render import table
from cli.rules_help import RulesCommand
from cli.shell import emit, workspace
from ledger.errors import InputError
from ledger.shown import counted, money, percent

if TYPE_CHECKING:
    from service.settlement.simulating import Simulation

app = typer.Typer()


@app.command(cls=RulesCommand)
def simulate(
    *,
    period: Annotated[str, typer.Option(help="A closed month, such as 2026-06.")],
    currency: Annotated[str, typer.Option(help="ISO 4217 code of the pool, such as EUR.")],
    pool: Annotated[
        str | None,
        typer.Option(
            help="Amount to distribute, such as 1000000.00. Required unless --param price= gives a price per stream."
        ),
    ] = None,
    rules: Annotated[
        str,
        typer.Option(help="Rules, comma-separated, each with its parameters: shapley-capped:tau=500000:kappa=250000."),
    ] = "pro-rata,shapley-capped:tau=500000",
    param: Annotated[list[str] | None, typer.Option(metavar="K=V", help="A term of the pool.")] = None,
    draws: Annotated[
        int, typer.Option(min=0, help="Number of random draws of the vectors within their intervals.")
    ] = 0,
    attack: Annotated[int, typer.Option(min=0, help="Number of invented streams of the least-played track.")] = 0,
    html: Annotated[Path | None, typer.Option(help="Write a page with all of it here.")] = None,
    plot: Annotated[
        list[Path] | None, typer.Option(help="Write the Lorenz curves here: a file named *.svg or *.png.")
    ] = None,
) -> None:
    """Compare rules on one closed month: spread, winners and losers, noise, fraud. Stores nothing."""
    from cli.commands.settlement import parameters
    from payouts.simulation import lorenz
    from service.settlement import simulating
    from service.settlement.simulation_page import as_html

    plots = plot or []
    if odd := [str(path) for path in plots if path.suffix not in (".svg", ".png")]:
        raise InputError(f"--plot {odd[0]}: expected a name that ends in .svg or .png")
    contenders = simulating.contenders(
        rules, period=period, pool=pool, currency=currency, params=parameters(param or [])
    )
    ws = workspace()
    with progress("Usage", unit="events") as advance:
        result = simulating.run(ws, contenders, draws=draws, attack_units=attack, on_progress=advance)
    if html is not None:
        html.write_text(as_html(result), encoding="utf-8")
    for path in plots:
        draw = lorenz.png(result.curves()) if path.suffix == ".png" else lorenz.svg(result.curves()).encode()
        path.write_bytes(draw)
    emit(result, text=_text)


def _text(result: Simulation) -> str:
    """Return one row per rule, compared with the first; noise and attack only on request."""
    first = result.rules[0]
    rows = [
        {
            "rule": rule.rule,
            "allocated": money(rule.allocated_micros, result.currency),
            "holders paid": rule.spread.paid,
            "top 1 %": percent(rule.spread.top1_ppm),
            "gain": None if rule is first else rule.against_first.winners,
            "lose": None if rule is first else rule.against_first.losers,
            "changes hands": None if rule is first else money(rule.against_first.moved_micros, result.currency),
            **({} if rule.noise is None else {"moved by noise": percent(rule.noise.moved_ppm)}),
            **({} if rule.attack is None else {"attacker gains": money(rule.attack.gain_micros, result.currency)}),
        }
        for rule in result.rules
    ]
    pool = money(result.pool_micros, result.currency)
    head = f"{result.period}, pool {pool}, {counted(result.population, 'holder')}; rules compared with {first.rule}:"
    return f"{head}\n\n{table(rows)}\n\nNothing was written to the ledger; --html FILE has all of it."
