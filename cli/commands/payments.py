"""Payments by bank: read the bank's files, and confirm payments by batch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.commands.settlement import totals_line
from cli.exits import EXIT_CODES
from cli.finance import payments_text
from cli.shell import emit, leave, workspace
from ledger.errors import ConflictError, InputError
from ledger.shown import counted

app = typer.Typer(
    no_args_is_help=True,
    help="Payments and their states; the banks' answers, read from files or confirmed by batch.",
)


@app.command("read")
def read_(file: Annotated[Path, typer.Argument(help="pain.002, camt.053 or camt.054, as the bank sent it.")]) -> None:
    """Record which payments arrived, failed or came back, by their references. Reading twice changes nothing.

    Failed and returned payments become proposals for a second person: settle proposals.
    """
    from service.bundles import read_file
    from service.settlement import bank_answers

    ws, data = workspace(), read_file(file)
    try:
        answers = bank_answers.read_answers(ws, data)
    except InputError as problem:
        raise InputError(f"{file}: {problem}") from None
    _answer(answers)


@app.command("list")
def list_(
    run: Annotated[str, typer.Argument(help="A month, a run or an instalment; all payments if left out.")] = "",
    party: Annotated[str, typer.Option(help="Only this payee's.")] = "",
    state: Annotated[
        str, typer.Option(help="to be paid, blocked, handed over, settled, failed, written-off or returned.")
    ] = "",
    route: Annotated[str, typer.Option(help="file or chain.")] = "",
    reference: Annotated[str, typer.Option(help="As it stands in the bank's files, or its beginning.")] = "",
) -> None:
    """List payments with their state, attempt and reference, and what waits for a second person."""
    from service.settlement.payment_list import PaymentFilter, payments

    limits = PaymentFilter(run=run, party=party, state=state, route=route, reference=reference)
    emit(payments(workspace(), limits), text=payments_text)


@app.command()
def confirm(
    name: Annotated[
        str,
        typer.Option(
            "--all-of",
            metavar="RUN|RUN/BATCH|INSTALMENT",
            help="Confirm every payment of the run, batch or instalment that was handed over by file.",
        ),
    ],
) -> None:
    """Record that the payments of a run, of one batch of it, or of an instalment (`settle live pay`) have arrived."""
    from service.settlement import bank_answers

    _answer(bank_answers.confirm_all(workspace(), name))


def _answer(done: Any) -> None:
    emit(done, text=_answers_text)
    if done.refused:
        leave(EXIT_CODES[ConflictError])


def _answers_text(done: Any) -> str:
    """Return the recorded answers, the proposals, and the references that are not from this log."""
    lines = [f"{done.file}: {counted(done.settled, 'payment')} settled now"]
    lines += [f"  {totals_line(total)}" for total in done.totals]
    lines += [
        f"  {proposal.outcome}: {proposal.party}, {proposal.reference}: settle approve {proposal.id} --as PARTY"
        for proposal in done.proposals
    ]
    counts = (("known before", done.already), ("on their way", done.pending), ("without a reference", done.unnamed))
    lines += [f"  {words}: {count}" for words, count in counts if count]
    lines += [f"  not from this log: {name}" for name in done.unknown]
    lines += [f"  refused: {answer.party}, {answer.reference}: {answer.reason}" for answer in done.refused]
    return "\n".join(lines)
