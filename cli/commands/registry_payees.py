"""Payees' accounts: list, propose and approve. Importing an account proposes it."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.shell import emit, workspace

payee = typer.Typer(no_args_is_help=True)


@payee.command("list")
def list_(party: Annotated[str | None, typer.Argument(help="Only this party's accounts.")] = None) -> None:
    """List the payees' accounts, including those that wait for approval or for the cooling-off time."""
    from service.registry import people

    emit(people.list_payees(workspace(), party))


@payee.command()
def propose(
    party: Annotated[str, typer.Argument(help="A registered party.")],
    *,
    account: Annotated[str, typer.Option(help="An IBAN or other account number, or 0x and forty hex digits.")],
    method: Annotated[str, typer.Option(help="bank or chain.")] = "bank",
    start: Annotated[str | None, typer.Option("--from", help="Not before this date.")] = None,
    holder: Annotated[str | None, typer.Option(help="The name of the account's holder.")] = None,
    bic: Annotated[str | None, typer.Option(help="The bank's BIC.")] = None,
    town: Annotated[str | None, typer.Option(help="The town of the account's holder.")] = None,
    country: Annotated[str | None, typer.Option(help="The country of the account's holder, such as SE.")] = None,
    by: Annotated[str | None, typer.Option("--as", metavar="PARTY", help="Sign as this party.")] = None,
) -> None:
    """Propose a new account; another person must approve it."""
    from service.registry import people

    row = {
        "party": party,
        "method": method,
        "account": account,
        "from": start,
        "holder": holder,
        "bic": bic,
        "town": town,
        "country": country,
    }
    emit(people.propose_payee(workspace(), row, by))


@payee.command()
def approve(
    name: Annotated[
        str, typer.Argument(metavar="PAYEE", help="The id that `payee list` shows, or the id of a proposal of several.")
    ],
    by: Annotated[
        str, typer.Option("--as", metavar="PARTY", help="The approver; must not be the proposer.")
    ] = "approver",
) -> None:
    """Approve an account as the second person; it is valid after the cooling-off time."""
    from service.registry import people

    approved = people.approve_payee(workspace(), name, by)
    emit(approved[0] if len(approved) == 1 else approved)


@payee.command()
def adopt() -> None:
    """Propose every account that release 0.1 kept outside the log, for one approval; until then they are not paid."""
    from service.registry import people

    emit(people.adopt_payees(workspace()))
