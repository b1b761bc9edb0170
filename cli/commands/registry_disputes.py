"""Ownership disputes: open, list, resolve."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.shell import emit, workspace
from ledger.errors import InputError

dispute = typer.Typer(no_args_is_help=True)

By = Annotated[str | None, typer.Option("--as", metavar="PARTY", help="Sign as this party instead of the operator.")]


@dispute.command("open")
def open_(
    subject: Annotated[str, typer.Argument(help="A recording or a work.")],
    *,
    claimant: Annotated[str, typer.Option(help="The party that contests the ownership.")],
    reason: Annotated[str, typer.Option(help="The reason in a sentence; stored outside the log.")],
    right: Annotated[str | None, typer.Option(help="Only this right.")] = None,
    party: Annotated[str | None, typer.Option(help="Only this holder's share.")] = None,
    like: Annotated[
        str | None, typer.Option(help="The claimant's own recording, registered later, of which the subject is a copy.")
    ] = None,
    ppm: Annotated[
        str | None,
        typer.Option(help="How much of the right is claimed, such as 20% or 200000; with --like, of the subject."),
    ] = None,
    like_ppm: Annotated[
        str | None, typer.Option(help="With --like: how much of the claimant's recording is in the subject.")
    ] = None,
    evidence: Annotated[Path | None, typer.Option(help="A file; its digest goes into the log.")] = None,
    by: By = None,
) -> None:
    """Contest an ownership: what is claimed of the contested holders' earnings is held until the dispute is resolved.

    With --like, the dispute is about which of two recordings was first; the earnings of both go to suspense, as far as
    the two sound alike. Without --ppm that is what the index heard, or else all.
    """
    from ledger import units
    from ledger.registry import acts
    from ledger.registry.rows import right_named
    from service.registry import registering

    ws = workspace()
    chosen, digest = None if right is None else right_named(right), registering.evidence(evidence)
    claimed = None if ppm is None else units.ppm(ppm, "--ppm")
    claimed_like = None if like_ppm is None else units.ppm(like_ppm, "--like-ppm")
    if like is not None and claimed is None and claimed_like is None:
        claimed, claimed_like = registering.heard_in_common(ws, subject, like)
    emit(
        registering.act(
            ws,
            by,
            lambda view, author: acts.open_dispute(
                view,
                author,
                subject=subject,
                claimant=claimant,
                right=chosen,
                party=party,
                like=like,
                ppm=claimed,
                like_ppm=claimed_like,
                evidence=digest,
                reason=reason,
            ),
        )
    )


@dispute.command()
def admit(
    name: Annotated[str, typer.Argument(metavar="DISPUTE", help="The dispute's id.")],
    by: Annotated[
        str | None, typer.Option("--as", metavar="PARTY", help="An approver, instead of the operator.")
    ] = None,
) -> None:
    """Admit a holder's dispute: it holds money for 30 days. After a rejection, two people must admit the next."""
    from service.registry import pages, people

    ws = workspace()
    people.admit_dispute(ws, name, by)
    emit(pages.dispute(ws, ws.registry.view(), name))


@dispute.command("list")
def list_(
    everything: Annotated[bool, typer.Option("--all", help="Resolved ones too.")] = False,
) -> None:
    """List open disputes, oldest first."""
    from service.registry import pages

    ws = workspace()
    view = ws.registry.view()
    emit(
        [
            pages.dispute(ws, view, matter.id)
            for matter in view.disputes.values()
            if everything or matter.resolved_at is None
        ]
    )


@dispute.command()
def resolve(
    name: Annotated[str, typer.Argument(metavar="DISPUTE", help="The dispute's id.")],
    *,
    release: Annotated[bool, typer.Option("--release", help="The shares do not change.")] = False,
    resplit: Annotated[list[str] | None, typer.Option(metavar="PARTY=PPM", help="The new shares; repeat.")] = None,
    right: Annotated[str | None, typer.Option(help="Which right, if the dispute is about all.")] = None,
    territory: Annotated[str, typer.Option(help="A country such as SE, or WORLD.")] = "WORLD",
    start: Annotated[
        str | None, typer.Option("--from", help="Date from which they apply; by default the dispute's opening.")
    ] = None,
    by: By = None,
) -> None:
    """Resolve a dispute: release the held money, or set new shares from the dispute's opening on."""
    from ledger.registry import acts
    from ledger.registry.rows import instant, right_named
    from service.registry import registering

    if release == bool(resplit):
        raise InputError("say either --release or one --resplit PARTY=PPM for every holder")
    parts = acts.parse_parts(resplit or [])
    chosen, when = None if right is None else right_named(right), None if start is None else instant(start)
    emit(
        registering.act(
            workspace(),
            by,
            lambda view, author: acts.resolve_dispute(
                view,
                author,
                dispute=name,
                outcome="released" if release else "resplit",
                parts=parts,
                right=chosen,
                territory=territory,
                when=when,
            ),
        )
    )
