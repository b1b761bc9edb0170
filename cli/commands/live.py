"""Live: what an open month comes to so far, and payments on account of it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.commands.settlement import parameters
from cli.render import as_text
from cli.shell import emit, plain, share_option, workspace
from ledger.errors import InputError
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


@app.command("stream")
def stream_(
    track: Annotated[str, typer.Argument(help="A registered track.")],
    *,
    party: Annotated[str | None, typer.Option(help="Only this party's part.")] = None,
) -> None:
    """Show what one stream of a track brings now, and to whom, in each pool that a mandate values."""
    from service.live import watching

    emit(watching.stream_values(workspace(), track, party))


@app.command()
def propose(
    *,
    currency: Annotated[str, typer.Option(help="ISO 4217 code of the pool, such as EUR.")],
    param: Annotated[
        list[str] | None,
        typer.Option(metavar="K=V", help="A term of the pool or of the rule; price=AMOUNT is required."),
    ] = None,
    rule: Annotated[str, typer.Option(help="Payout rule; it must divide each stream alone.")] = "pro-rata",
    pool_name: Annotated[str, typer.Option(help="Name of the pool, if there are several.")] = "default",
    early: Annotated[str | None, typer.Option(help="The part of the accrual that is paid early, such as 50%.")] = None,
    early_ppm: Annotated[int | None, typer.Option(help="The same in parts per million.")] = None,
    hour: Annotated[str, typer.Option(help="The most that leaves per hour, to all parties together: 1000.00.")],
    party: Annotated[str, typer.Option(help="The most that one party gets early in one month: 500.00.")],
    hours: Annotated[int, typer.Option(help="Hours from one instalment to the next, 1 to 24.")] = 24,
    via: Annotated[str, typer.Option(help="Route: file, for a bank.")] = "file",
    until: Annotated[str, typer.Option(help="The day on which it ends, such as 2026-12-31.")],
    reason: Annotated[str, typer.Option(help="The contract or decision; the ledger contains it.")],
) -> None:
    """Propose a mandate to pay a part of the accrual early; settle approve ID --as PARTY puts it in force."""
    from service.live import mandates

    part = share_option("--early", early, "--early-ppm", early_ppm)
    if part is None:
        raise InputError("how much is paid early? expected --early, such as --early 50%")
    proposal = mandates.propose(
        workspace(),
        currency=currency,
        rule=rule,
        params=parameters(param or []),
        pool_name=pool_name,
        early_ppm=part,
        hour=hour,
        party=party,
        hours=hours,
        via=via,
        until=until,
        note=reason,
    )
    emit(proposal)


@app.command()
def stop(
    mandate: Annotated[str, typer.Argument(help="The id of the mandate.")],
    *,
    reason: Annotated[str, typer.Option(help="Why; the ledger contains it.")],
) -> None:
    """Stop a mandate at once: no instalment follows. One person is enough."""
    from service.live import mandates

    emit(mandates.stop(workspace(), mandate, reason=reason))


@app.command()
def resume(
    mandate: Annotated[str, typer.Argument(help="The id of the mandate.")],
    *,
    reason: Annotated[str, typer.Option(help="Why; the ledger contains it.")],
) -> None:
    """Propose to start a stopped mandate again; settle approve ID --as PARTY lifts the stop."""
    from service.live import mandates

    emit(mandates.resume(workspace(), mandate, note=reason))


@app.command()
def pay(
    mandate: Annotated[str | None, typer.Argument(help="The id of a mandate; by default every mandate.")] = None,
    *,
    form: Annotated[str, typer.Option("--format", help="How the bank takes its files: csv or pain.001.")] = "csv",
    again: Annotated[
        int | None, typer.Option(help="Pay nothing; write the files of this instalment again, if no bank has them.")
    ] = None,
) -> None:
    """Pay what mandates allow now: one instalment per interval. Repeating pays nothing twice."""
    from service.live import paying

    if again is None:
        emit(paying.pay(workspace(), mandate, form=form))
    elif mandate is None:
        raise InputError("--again writes the files of one mandate's instalment: settle live pay MANDATE --again N")
    else:
        emit(paying.write_again(workspace(), mandate, again, form=form))


@app.command()
def status() -> None:
    """List mandates: their state, ceilings, and what their instalments came to."""
    from service.live import mandates

    emit(mandates.status(workspace()), text=_status_text)


def _status_text(listed: Any) -> str:
    return as_text(plain(listed)) or "there is no mandate; settle live propose makes one"


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
