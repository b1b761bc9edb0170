"""Disputes: of an influence, an amount, a permission or a payment, and of ownership, in one list."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.render import as_text, table
from cli.shell import emit, workspace
from ledger.errors import InputError
from ledger.shown import NOTHING, money

app = typer.Typer(no_args_is_help=True, help="Disputes of statement lines and of ownership.")

Name = Annotated[str, typer.Argument(metavar="DISPUTE", help="The dispute's id.")]
Text = Annotated[str, typer.Option(help="The text; the ledger contains it.")]
Evidence = Annotated[
    list[Path] | None, typer.Option(help="A file; its digest goes into the ledger, the file stays with you. Repeat.")
]
By = Annotated[
    str | None, typer.Option("--as", metavar="PARTY", help="Sign with this party's own key instead of the operator's.")
]
Party = Annotated[str, typer.Option(help="The party that answers or appeals.")]


@app.command("open")
def open_(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="The published run, or its month.")],
    *,
    about: Annotated[str, typer.Option(help="influence, amount, permission or payment.")],
    claimant: Annotated[
        str, typer.Option(help="The objecting party: it has a line in the run, or a share in --subject.")
    ],
    amount: Annotated[str, typer.Option(help="The claimed amount, such as 120.00; no more is held.")],
    text: Text,
    against: Annotated[str, typer.Option(help="The party whose money is contested; by default none.")] = "",
    subject: Annotated[str, typer.Option(help="The track, recording or work of an influence or permission.")] = "",
    evidence: Evidence = None,
    by: By = None,
) -> None:
    """Open a dispute of a line. No money is held until the dispute is admitted.

    A party that has a key (`settle registry enrol`) signs its own words, with --as; for others the operator signs.

    For the ownership of a recording or work, use `settle registry dispute open`.
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
            by=by,
        )
    )


@app.command("list")
def list_(everything: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False) -> None:
    """List open disputes of lines and of ownership, oldest first, with their next and overdue steps."""
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
    """Show one dispute with all its texts."""
    from service.settlement import line_disputes

    emit(line_disputes.show(workspace(), name))


@app.command()
def admit(name: Name) -> None:
    """Admit a dispute: the next run holds the claimed amount, for at most 30 days."""
    from service.settlement import line_disputes

    emit(line_disputes.admit(workspace(), name))


@app.command()
def answer(name: Name, *, party: Party, text: Text, evidence: Evidence = None, by: By = None) -> None:
    """Record the other side's answer."""
    from service.settlement import line_disputes

    emit(line_disputes.answer(workspace(), name, party=party, text=text, evidence=_digests(evidence), by=by))


@app.command()
def appeal(name: Name, *, party: Party, text: Text, evidence: Evidence = None, by: By = None) -> None:
    """Appeal once, within 30 days of the outcome; a third person approves the second outcome."""
    from service.settlement import line_disputes

    emit(line_disputes.appeal(workspace(), name, party=party, text=text, evidence=_digests(evidence), by=by))


@app.command()
def resolve(
    name: Name,
    *,
    upheld: Annotated[str | None, typer.Option(metavar="AMOUNT", help="The amount that the claimant gets.")] = None,
    rejected: Annotated[bool, typer.Option("--rejected", help="The claimant gets nothing.")] = False,
    text: Annotated[str, typer.Option(help="The reason; the ledger and the statements contain it.")] = "",
    by: Annotated[
        str | None, typer.Option("--as", metavar="PARTY", help="Approve at once as this other person.")
    ] = None,
) -> None:
    """Propose the outcome of a dispute of a line; it takes effect when another person approves it.

    For a dispute of ownership, use `settle registry dispute resolve`.
    """
    from service.settlement import life, line_disputes

    if rejected == (upheld is not None):
        raise InputError("say either --upheld AMOUNT or --rejected; of ownership: settle registry dispute resolve")
    ws = workspace()
    proposal = line_disputes.resolve(ws, name, upheld=upheld, text=text)
    if by is None:
        emit(
            {"id": proposal, "dispute": name, "approved": False},
            text=lambda shown: f"{as_text(shown)}\nnext: settle approve {proposal} --as PARTY",
        )
    else:
        emit(life.approve(ws, proposal, by))


def _digests(files: list[Path] | None) -> list[str]:
    from service.registry import registering

    return [digest for path in files or [] if (digest := registering.evidence(path)) is not None]
