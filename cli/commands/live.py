"""Live: what an open month comes to so far, and payments on account of it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.commands.settlement import parameters
from cli.render import as_text
from cli.shell import emit, plain, workspace
from ledger.shown import money

app = typer.Typer(no_args_is_help=True, help="An open month as it plays: what it comes to so far.")


@app.command()
def accrual(
    *,
    currency: Annotated[str, typer.Option(help="ISO 4217 code of the pool, such as EUR.")],
    param: Annotated[
        list[str] | None,
        typer.Option(metavar="K=V", help="A term of the pool or of the rule; price=AMOUNT is required."),
    ] = None,
    rule: Annotated[str, typer.Option(help="Payout rule; it must divide each stream alone.")] = "pro-rata",
    period: Annotated[str | None, typer.Option(help="An open month; by default this one.")] = None,
    pool_name: Annotated[str, typer.Option(help="Name of the pool, if there are several.")] = "default",
    party: Annotated[list[str] | None, typer.Option(help="Only this party; may be repeated.")] = None,
) -> None:
    """Show what each party earned so far in an open month, by track, source and territory. Nothing of it is settled."""
    from ledger.types import Period
    from service.live import accruing

    ws = workspace()
    now = ws.clock()
    month = period or str(Period(now.year, now.month))
    pool = accruing.live_pool(
        period=month, currency=currency, rule=rule, params=parameters(param or []), name=pool_name
    )
    watch = accruing.Watch(ws, month)
    emit(accruing.shown(ws, watch, pool, party), text=_accrual_text)
    watch.save()


def _accrual_text(result: Any) -> str:
    """The accrual as a person reads it: where the price of the streams went, then each party's part."""
    currency = result.currency
    head = plain(result) | {"parties": None, "unknown": None, "logs": None}
    names = ("pool", "allocated", "held", "suspense", "unattributed", "undecided")
    amounts = [f"{name:<14}{money(head[name + '_micros'], currency):>26}" for name in names]
    fields = {key: head[key] for key in ("period", "rule", "at", "units")}
    lines = [as_text(fields), "", *amounts, "", "earned so far, not yet settled:"]
    for party in result.parties:
        waiting = f"  ({money(party.held_micros, currency)} held)" if party.held_micros else ""
        lines.append(f"  {party.party:<24}{money(party.earned_micros, currency):>26}{waiting}")
        lines += [
            f"    {part.track or 'all tracks':<16}{part.source:<16}{part.territory:<4}"
            f"{money(part.micros, currency):>20}{'' if part.state == 'allocated' else '  ' + part.state}"
            for part in party.parts
        ]
    return "\n".join(
        [*lines, *([] if result.parties else ["  nobody"]), "", *(f"not known yet: {text}" for text in result.unknown)]
    )
