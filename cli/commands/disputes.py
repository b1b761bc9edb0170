"""Disputes: of an influence, an amount, a permission or a payment, and of ownership, in one list."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.render import table
from cli.shell import emit, workspace
from ledger.errors import InputError
from ledger.shown import NOTHING, money

app = typer.Typer(no_args_is_help=True, help="Object to a line, or to who owns what, and settle it.")

Name = Annotated[str, typer.Argument(metavar="DISPUTE", help="The dispute's id.")]
Text = Annotated[str, typer.Option(help="What is said; it stands in the ledger.")]
Evidence = Annotated[
    list[Path] | None, typer.Option(help="A file; its digest goes into the ledger, the file stays with you. Repeat.")
]
By = Annotated[str | None, typer.Option("--as", metavar="PARTY", help="Approve at once as this other person.")]
Party = Annotated[str, typer.Option(help="Who says it.")]


@app.command("open")
def open_(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="The published run, or its month.")],
    *,
    about: Annotated[str, typer.Option(help="influence, amount, permission or payment.")],
    claimant: Annotated[str, typer.Option(help="Who objects: has a line in the run, or a share in --subject.")],
    amount: Annotated[str, typer.Option(help="What is claimed, such as 120.00; no more is ever held.")],
    text: Text,
    against: Annotated[str, typer.Option(help="Whose money is contested; nobody's by default.")] = "",
    subject: Annotated[str, typer.Option(help="The track, recording or work of an influence or permission.")] = "",
    evidence: Evidence = None,
) -> None:
    """Enter somebody's objection to a line. Nothing is held until it is admitted.

    Who owns a recording or work is disputed with `settle registry dispute open`.
    """
    from service.settlement import line_disputes

    emit(
        line_disputes.open_dispute(
            workspace(),
            run_id,
            about=about,
            claimant=claimant,
            amount=amount,
            text=text,
            against=against,
            subject=subject,
            evidence=_digests(evidence),
        )
    )


@app.command("list")
def list_(everything: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False) -> None:
    """Open disputes of lines and of ownership, oldest first, with what is due and what is overdue."""
    from service.settlement import line_disputes

    def text(shown: list[line_disputes.DisputeShown]) -> str:
        rows = [
            {
                "dispute": row.id,
                "about": f"{row.about} {row.subject}".strip(),
                "claimant": row.claimant,
                "against": row.against or NOTHING,
                "claimed": NOTHING if row.claimed_micros is None else money(row.claimed_micros, row.currency),
                "state": row.state,
                "next": row.next,
                "due": f"{row.due or NOTHING}{' (overdue)' if row.overdue else ''}",
            }
            for row in shown
        ]
        return table(rows) if rows else "no open dispute"

    emit(line_disputes.shown_all(workspace(), everything=everything), text=text)


@app.command()
def show(name: Name) -> None:
    """One dispute with everything that was said in it."""
    from service.settlement import line_disputes

    emit(line_disputes.show(workspace(), name))


@app.command()
def admit(name: Name) -> None:
    """Take a dispute up: what is claimed is held from the next run on, for at most 30 days."""
    from service.settlement import line_disputes

    emit(line_disputes.admit(workspace(), name))


@app.command()
def answer(name: Name, *, party: Party, text: Text, evidence: Evidence = None) -> None:
    """Enter what the other side answers."""
    from service.settlement import line_disputes

    emit(line_disputes.answer(workspace(), name, party=party, text=text, evidence=_digests(evidence)))


@app.command()
def appeal(name: Name, *, party: Party, text: Text, evidence: Evidence = None) -> None:
    """Ask for a second outcome, once, within 30 days of the first; a third person approves that one."""
    from service.settlement import line_disputes

    emit(line_disputes.appeal(workspace(), name, party=party, text=text, evidence=_digests(evidence)))


@app.command()
def resolve(
    name: Name,
    *,
    upheld: Annotated[str | None, typer.Option(metavar="AMOUNT", help="What the claimant gets.")] = None,
    rejected: Annotated[bool, typer.Option("--rejected", help="The claimant gets nothing.")] = False,
    text: Annotated[str, typer.Option(help="Why; it stands in the ledger and in the statements.")] = "",
    by: Annotated[
        str | None, typer.Option("--as", metavar="PARTY", help="Approve at once as this other person.")
    ] = None,
) -> None:
    """Propose the outcome of a dispute of a line; it counts when another person approves.

    A dispute of ownership is ended with `settle registry dispute resolve`.
    """
    from service.settlement import life, line_disputes

    if rejected == (upheld is not None):
        raise InputError("say either --upheld AMOUNT or --rejected; of ownership: settle registry dispute resolve")
    ws = workspace()
    proposal = line_disputes.resolve(ws, name, upheld=upheld, text=text)
    if by is None:
        emit({"id": proposal, "dispute": name, "approved": False})
    else:
        emit(life.approve(ws, proposal, by))


def _digests(files: list[Path] | None) -> list[str]:
    from service.registry import registering

    return [digest for path in files or [] if (digest := registering.evidence(path)) is not None]
