"""Restate: compute a published month again with today's data, and propose the differences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.progress import progress
from cli.render import table
from cli.shell import emit, workspace
from ledger.errors import InputError
from ledger.shown import NOTHING, counted, money

if TYPE_CHECKING:
    from payouts.restating import RestatedLine
    from service.settlement.restating import Restatement, RestatementProposed

app = typer.Typer(no_args_is_help=True)


@app.command()
def restate(
    period: Annotated[str, typer.Argument(metavar="PERIOD", help="A published month, such as 2026-06.")],
    *,
    propose: Annotated[bool, typer.Option("--propose", help="Propose the differences to a second person.")] = False,
    into: Annotated[str | None, typer.Option(metavar="PERIOD", help="The later month that books them.")] = None,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Withdraw the open proposal.")] = False,
    reason: Annotated[str, typer.Option(help="The reason for the withdrawal; the ledger contains it.")] = "",
    pool_name: Annotated[str, typer.Option(help="Name of the pool, if there are several.")] = "default",
) -> None:
    """Compute a past month again with today's data; show who should have received what, and why it differs.

    Amounts are before deductions; deductions and exchange rate are those of the month that books the difference.
    Published runs do not change. Amounts that earlier restatements and releases booked count as paid.
    """
    from service.settlement import restating

    if propose == (into is None):
        raise InputError("to propose a restatement, say --propose and the month that books it: --into 2026-08")
    if propose and withdraw:
        raise InputError("--propose and --withdraw exclude each other")
    ws = workspace()
    if withdraw:
        emit(restating.withdraw(ws, period, reason=reason, pool=pool_name))
        return
    with progress("Usage", unit="events") as advance:
        if into is None:
            emit(restating.restate(ws, period, pool_name, on_progress=advance), text=_restatement_text)
        else:
            proposed = restating.propose(ws, period, into=into, pool=pool_name, on_progress=advance)
            emit(proposed, text=_proposed_text)


def _restatement_text(restatement: Restatement) -> str:
    """The holders whose amount differs, each with its causes, then the parts of the pool."""
    named = f"{restatement.period}, pool {restatement.pool}, run {restatement.run[:16]}"
    lines = [
        f"{named}, with today's data ({restatement.currency}, before deductions):",
        "",
        *_holders(restatement.lines),
        "",
        table(
            [
                {
                    "part of the pool": part.part,
                    "was": money(part.was_micros),
                    "would be": money(part.now_micros),
                    "difference": money(part.difference_micros),
                    "": part.note or NOTHING,
                }
                for part in restatement.parts
            ]
        ),
    ]
    if restatement.waiting is not None:
        lines += ["", f"restatement {restatement.waiting} waits for a second person: settle approve ID --as PARTY"]
    elif any(line.difference_micros for line in restatement.lines):
        lines += ["", f"to book it: settle restate {restatement.period} --propose --into PERIOD"]
    return "\n".join(lines)


def _holders(lines: tuple[RestatedLine, ...]) -> list[str]:
    if not lines:
        return ["no holder's amount differs"]
    out = []
    for line in lines:
        held_text = (
            ""
            if line.was_held_micros == line.now_held_micros
            else (f", held {money(line.was_held_micros)} -> {money(line.now_held_micros)}")
        )
        out.append(
            f"{line.holder}: {money(line.was_micros)} -> {money(line.now_micros)}, difference "
            f"{money(line.difference_micros)}{held_text}"
        )
        out += [f"  {money(cause.micros):>20}  {cause}" for cause in line.causes]
    return out


def _proposed_text(proposed: RestatementProposed) -> str:
    if proposed.id is None:
        return "nothing to propose: all differences are booked or waiting to be booked"
    corrections = counted(len(proposed.lines), "correction")
    return "\n".join(
        [
            f"{proposed.id}: {corrections} to be booked in {proposed.into}",
            *_holders(proposed.lines),
            "",
            f"a second person approves: settle approve {proposed.id} --as PARTY",
        ]
    )
