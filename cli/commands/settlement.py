"""Settlement: close a period, run a pool, approve, publish, pay, and read what came of it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.progress import progress
from cli.render import as_text, money
from cli.shell import emit, plain, workspace
from ledger.errors import InputError

app = typer.Typer(no_args_is_help=True)
period = typer.Typer(no_args_is_help=True)
app.add_typer(period, name="period", help="Close a period, look at it, hand it to an outsider.")


@period.command("close")
def period_close(name: Annotated[str, typer.Argument(metavar="PERIOD", help="A month, such as 2026-06.")]) -> None:
    """Freeze a month: which logs, how far, which registry. Closing it again changes nothing."""
    from service import settlement

    emit(settlement.close(workspace(), name))


@period.command("show")
def period_show(name: Annotated[str, typer.Argument(metavar="PERIOD", help="A month, such as 2026-06.")]) -> None:
    """Where a month stands, and its runs."""
    from service import settlement

    emit(settlement.show(workspace(), name))


@app.command()
def run(
    name: Annotated[str, typer.Option("--period", help="A closed month, such as 2026-06.")],
    currency: Annotated[str, typer.Option(help="ISO 4217 code of the pool, such as EUR.")],
    pool: Annotated[str | None, typer.Option(help="The amount shared out, such as 1000000.00.")] = None,
    rule: Annotated[str, typer.Option(help="How influence becomes weight; see docs/rules.md.")] = "pro-rata",
    param: Annotated[list[str] | None, typer.Option(metavar="K=V", help="A term of the pool or of the rule.")] = None,
    pool_name: Annotated[str, typer.Option(help="Which pool, where there are several.")] = "default",
    engine: Annotated[
        str, typer.Option(help="What sums the usage: duckdb, log, spark://... or local-cluster.")
    ] = "log",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Calculate, show, change nothing.")] = False,
) -> None:
    """Turn a closed month into exact amounts. Two equal runs are one run."""
    from service import settlement

    wanted = settlement.request(
        period=name, pool=pool, currency=currency, rule=rule, params=_params(param or []), name=pool_name, engine=engine
    )
    ws = workspace()
    with progress("Usage", unit="events") as advance:
        result = settlement.run(ws, wanted, dry_run=dry_run, on_progress=advance)
    emit(result, text=_run_text)


def _params(words: list[str]) -> dict[str, str]:
    """`--param k=v` as a mapping; each name once."""
    params: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not (key and equals):
            raise InputError(f"--param {word}: expected NAME=VALUE, such as weight=gross")
        if key in params:
            raise InputError(f"--param {key} is given twice")
        params[key] = value
    return params


def _run_text(result: Any) -> str:
    """The run as a person reads it: where the pool went, then who got how much."""
    parts = ("allocated", "unattributed", "held", "suspense", "reserve")
    head = plain(result) | {"lines": None}
    kept = {key: head[key] for key in ("run", "period", "pool", "rule", "units", "holders", "state", "dry_run", "demo")}
    amounts = [f"{part:<14}{money(head[part + '_micros'], head['currency']):>26}" for part in parts]
    total = f"{'pool':<14}{money(head['pool_micros'], head['currency']):>26}"
    lines = [f"  {line.holder:<24}{money(line.micros, head['currency']):>26}" for line in result.lines]
    return "\n".join([as_text(kept), "", *amounts, total, "", "allocated by holder:", *(lines or ["  nobody"])])


@app.command()
def approve(
    subject: Annotated[str, typer.Argument(metavar="RUN", help="A run, release, adjustment or reversal.")],
    party: Annotated[str, typer.Option("--as", metavar="PARTY", help="Who approves; not the one who made it.")],
) -> None:
    """Sign what another person made, with a key of your own."""
    from service import settlement

    emit(settlement.approve(workspace(), subject, party))


@app.command()
def publish(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="An approved run.")],
    via: Annotated[str | None, typer.Option(help="file or chain for all; else each payee's own route.")] = None,
) -> None:
    """Make a run binding: statements are fixed, every payee has one payment with one route."""
    from service import settlement

    emit(settlement.publish(workspace(), run_id, via=via))


@app.command()
def pay(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="A published run.")],
    via: Annotated[str, typer.Option(help="file: a payment file for the bank; chain: the contract.")] = "file",
) -> None:
    """Hand what may be paid now to its route, once; what a hold blocks stays behind."""
    from service import paying

    emit(paying.pay(workspace(), run_id, via))
