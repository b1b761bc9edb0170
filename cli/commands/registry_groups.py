"""Owner groups: propose that a party joins or leaves one, and consent as a member. Approval: settle approve."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.shell import emit, workspace

group = typer.Typer(no_args_is_help=True)

By = Annotated[str | None, typer.Option("--as", metavar="PARTY", help="Sign as this party instead of the operator.")]


@group.command()
def propose(
    party: Annotated[str, typer.Argument(help="A registered party.")],
    name: Annotated[str, typer.Argument(metavar="GROUP", help="The group to join; the party's own id to leave one.")],
    by: By = None,
) -> None:
    """Propose that a party joins an owner group; it applies from the month after its approval."""
    from ledger.registry import acts
    from service.registry import registering

    done = registering.act(
        workspace(), by, lambda view, author: acts.propose_move(view, author, party=party, group=name)
    )
    emit(done)


@group.command()
def consent(
    move: Annotated[str, typer.Argument(metavar="ID", help="The proposal's id; settle proposals lists them.")],
    member: Annotated[str, typer.Argument(help="A member of the group that the party joins or leaves.")],
    by: By = None,
) -> None:
    """Consent as a member of a group that a party joins or leaves."""
    from ledger.registry import acts
    from service.registry import registering

    done = registering.act(
        workspace(), by, lambda view, author: acts.consent_to_move(view, author, move=move, member=member)
    )
    emit(done)
