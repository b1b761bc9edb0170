"""Settlement on a chain: the pool, postings, claims, and pending transactions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.exits import EXIT_CODES
from cli.shell import emit, leave, workspace
from ledger.errors import VerificationError

app = typer.Typer(no_args_is_help=True, help="Settle on a chain: pools, postings, claims.")

Currency = Annotated[str, typer.Option(help="Currency of the pool.")]
Run = Annotated[str, typer.Argument(metavar="RUN", help="A published run.")]


@app.command()
def deploy(
    currency: Currency,
    token: Annotated[
        str | None, typer.Option(help="The token's address; on the embedded chain a test token is created.")
    ] = None,
    window: Annotated[
        int | None, typer.Option(help="Seconds during which a posting can be vetoed; by default 259200.")
    ] = None,
    owner: Annotated[
        str | None, typer.Option(help="Owner's account, preferably a multisig; by default the publisher.")
    ] = None,
    guardian: Annotated[str | None, typer.Option(help="Guardian's account; by default the publisher.")] = None,
) -> None:
    """Deploy the pool that pays a currency, once per chain."""
    from service.chain import pool

    emit(pool.deploy(workspace(), currency=currency, token=token, window=window, owner=owner, guardian=guardian))


@app.command()
def fund(
    amount: Annotated[str, typer.Argument(help="Such as 1000.00; test money on the embedded chain only.")],
    currency: Currency,
) -> None:
    """Mint test money into the embedded chain's pool."""
    from payouts.money import parse_amount
    from service.chain import pool

    emit(pool.fund(workspace(), currency, parse_amount(amount)))


@app.command()
def anchor(currency: Currency) -> None:
    """Anchor the log's present size and root in the pool."""
    from service.chain import pool

    emit(pool.anchor(workspace(), currency))


@app.command()
def settle(
    run_id: Run,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the transaction without signing it; needs no key.")
    ] = False,
) -> None:
    """Post the root of what a run pays on the chain; claims follow once its window has passed."""
    from service.chain import postings

    emit(postings.settle(workspace(), run_id, dry_run=dry_run))


@app.command()
def claims(run_id: Run, out: Annotated[Path, typer.Option(help="Folder for the claim files.")]) -> None:
    """Write one claim file per payee, an index, and the tree for third-party tools."""
    from service.chain import postings

    emit(postings.claim_files(workspace(), run_id, out))


@app.command()
def claim(
    run_id: Run,
    party: Annotated[list[str] | None, typer.Option(help="Only this payee; may be repeated.")] = None,
) -> None:
    """Claim on behalf of payees: everybody who is still owed money, or only these."""
    from service.chain import postings

    emit(postings.claim(workspace(), run_id, party or []))


@app.command()
def veto(currency: Currency) -> None:
    """Veto the pending posting, as guardian or owner; the run can be posted again."""
    from service.chain import pool

    emit(pool.veto(workspace(), currency))


@app.command()
def pause(
    currency: Currency,
    end: Annotated[bool, typer.Option("--end", help="End the pause early; the owner only.")] = False,
) -> None:
    """Stop claims for seven days, as guardian or owner."""
    from service.chain import pool

    emit(pool.pause(workspace(), currency, on=not end))


@app.command()
def status(
    adopt_nonce: Annotated[
        bool, typer.Option("--adopt-nonce", help="Accept the node's transaction count, after you have checked it.")
    ] = False,
) -> None:
    """Show the pools on the chain, and every transaction and its state."""
    from service.chain import pool

    emit(pool.status(workspace(), adopt_nonce=adopt_nonce))


@app.command()
def check(currency: Currency) -> None:
    """Reconcile runs with the chain: totals, leaves, contract state, token transfers; exit code 3 if a line differs."""
    from service.chain import postings

    report = postings.check(workspace(), currency)
    emit(report)
    if not report.ok:
        leave(EXIT_CODES[VerificationError])


@app.command()
def resume(
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the pending transaction with one that pays 12.5 % more gas.")
    ] = False,
) -> None:
    """Continue pending transactions after a failure or a wait."""
    from service.chain import pool

    emit(pool.resume(workspace(), replace=replace))


@app.command()
def export(out: Annotated[Path, typer.Option(help="File for the machine that has the key.")]) -> None:
    """Export the transactions that wait for a signature from another machine."""
    from service.chain import pool

    emit(pool.export(workspace(), out))


@app.command("import")
def take_in(file: Annotated[Path, typer.Argument(help='JSON list of {"key": ..., "raw": "0x..."}.')]) -> None:
    """Import transactions signed on another machine, and send them."""
    from service.chain import pool

    emit(pool.take_in(workspace(), file))
