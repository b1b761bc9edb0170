"""Terms of parties: advances, reserves, withholding tax, payment currency and exchange rates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.shell import emit, say, share_option, workspace
from ledger.errors import InputError

if TYPE_CHECKING:
    from payouts.accounts.clauses import Clause

app = typer.Typer(no_args_is_help=True, help="Advances, reserves, tax, currencies and rates; two people agree on them.")

Party = Annotated[str, typer.Argument(help="The party.")]
Rate = Annotated[str | None, typer.Option("--rate", help="The part, such as 15.825%.")]
Ppm = Annotated[int | None, typer.Option(help="The same in parts per million: 150000 is 15%.")]
Since = Annotated[str, typer.Option("--from", metavar="PERIOD", help="The first month to which it applies.")]
Reason = Annotated[str, typer.Option(help="The contract; the ledger contains it.")]
By = Annotated[str | None, typer.Option("--as", metavar="PARTY", help="Approve at once as this other person.")]


@app.command()
def advance(
    party: Party,
    *,
    amount: Annotated[str, typer.Option(help="The amount paid in advance, such as 1000.00.")],
    currency: Annotated[str, typer.Option(help="ISO 4217 code; also the pool's.")],
    rate: Rate = None,
    ppm: Ppm = None,
    since: Since,
    reason: Reason,
    pool_name: Annotated[str, typer.Option(help="The pool from which it is recouped.")] = "default",
    by: By = None,
) -> None:
    """Recoup an advance: deduct this part of the party's money until the advance is repaid."""
    from payouts.accounts.clauses import Advance
    from payouts.money import parse_amount

    clause = Advance(party=party, pool=pool_name, currency=currency, micros=parse_amount(amount), ppm=_part(rate, ppm))
    _agree(clause, since, reason, by)


@app.command()
def reserve(
    party: Party,
    *,
    rate: Rate = None,
    ppm: Ppm = None,
    months: Annotated[int, typer.Option(help="Months until the reserve is released.")],
    since: Since,
    reason: Reason,
    by: By = None,
) -> None:
    """Keep a part of what a party earns for some months."""
    from payouts.accounts.clauses import Reserve

    _agree(Reserve(party=party, ppm=_part(rate, ppm), months=months), since, reason, by)


@app.command()
def withhold(
    party: Party,
    *,
    rate: Rate = None,
    ppm: Ppm = None,
    territory: Annotated[str, typer.Option(help="The territory of the tax, such as SE.")],
    law: Annotated[str, typer.Option(help="The law or treaty; the statement shows it.")],
    since: Since,
    by: By = None,
) -> None:
    """Withhold tax for a territory from a party's money."""
    from payouts.accounts.clauses import Withholding

    _agree(Withholding(party=party, ppm=_part(rate, ppm), territory=territory), since, law, by)


@app.command()
def currency(
    party: Party,
    code: Annotated[str, typer.Argument(metavar="CURRENCY", help="ISO 4217 code, such as USD.")],
    *,
    since: Since,
    reason: Reason,
    by: By = None,
) -> None:
    """Pay a party in this currency, at each month's rate."""
    from payouts.accounts.clauses import PaidIn

    _agree(PaidIn(party=party, currency=code), since, reason, by)


@app.command()
def rate(
    source: Annotated[str, typer.Argument(metavar="FROM", help="The pool's currency, such as EUR.")],
    target: Annotated[str, typer.Argument(metavar="TO", help="The currency that is paid, such as USD.")],
    *,
    period: Annotated[str, typer.Option(help="The month to which it applies.")],
    value: Annotated[str, typer.Option("--rate", help="The value of one FROM in TO: 1.0861, or 10861/10000.")],
    day: Annotated[str, typer.Option("--date", help="The day of the rate, such as 2026-06-30.")],
    published: Annotated[str, typer.Option("--source", help="The publisher of the rate.")],
    by: By = None,
) -> None:
    """Set a month's exchange rate."""
    from payouts.accounts.clauses import Rate

    _agree(Rate(currency=source, to=target, rate=value, date=day), period, published, by)


@app.command("list")
def list_(everything: Annotated[bool, typer.Option("--all", help="Ended ones too.")] = False) -> None:
    """List terms and rates, oldest first."""
    from service.settlement import agreements

    emit(agreements.listed(workspace(), everything=everything))


@app.command()
def end(
    name: Annotated[str, typer.Argument(metavar="TERMS", help="The id of the terms.")], *, reason: Reason, by: By = None
) -> None:
    """Propose to end terms; after another person approves, they do not apply to later runs."""
    from service.settlement import holds, life

    ws = workspace()
    ended = holds.release(ws, name, note=reason)
    emit(ended if by is None else life.approve(ws, ended.id, by))


def _part(rate: str | None, ppm: int | None) -> int:
    """Return the share that one of the two options gives."""
    part = share_option("--rate", rate, "--ppm", ppm)
    if part is None:
        raise InputError("how much of it? expected --rate, such as --rate 15.825%")
    return part


def _agree(clause: Clause, since: str, note: str, by: str | None) -> None:
    from service.settlement import agreements, life, proposals

    ws = workspace()
    agreed = agreements.agree(ws, clause, period=since, note=note)
    for question in proposals.show(ws, agreed.id).questions:
        say(f"settle: question: {question}")
    emit(agreed if by is None else life.approve(ws, agreed.id, by))
