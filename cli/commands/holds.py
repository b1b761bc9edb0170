"""Holds and corrections: open and release holds, adjust lines, reverse runs, record payments."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.render import as_text
from cli.shell import emit, plain, workspace
from ledger.errors import InputError
from ledger.types import parse_time

app = typer.Typer(no_args_is_help=True)
hold = typer.Typer(no_args_is_help=True)
approver = typer.Typer(no_args_is_help=True)
app.add_typer(hold, name="hold", help="Block payments for a reason; two people release them.")
app.add_typer(approver, name="approver", help="People who approve, each with a key of their own.")

Reason = Annotated[str, typer.Option(help="The reason in a sentence; the ledger contains it.")]
By = Annotated[str | None, typer.Option("--as", metavar="PARTY", help="Approve at once as this other person.")]


def proposed_text(proposed: Any) -> str:
    """Return a proposal with the next step: another person's signature."""
    following = [] if proposed.approved else [f"next: settle approve {proposed.id} --as PARTY"]
    return "\n".join([as_text(plain(proposed)), *following])


@hold.command("open")
def open_(
    *,
    party: Annotated[str | None, typer.Option(help="All money of this party.")] = None,
    recording: Annotated[str | None, typer.Option(help="All money from this recording.")] = None,
    track: Annotated[str | None, typer.Option(help="All money from this generated track.")] = None,
    source: Annotated[str | None, typer.Option(help="All money from this platform's events.")] = None,
    reason: Annotated[str, typer.Option(help="fraud, dispute, rights, payee-incomplete, legal or tax.")],
    until: Annotated[
        str | None, typer.Option(help="A date or time at which it ends automatically; by default two people end it.")
    ] = None,
) -> None:
    """Block the payments of one party, recording, track or platform. Others are not affected."""
    from ledger.registry.rows import instant
    from service.settlement import holds

    chosen = {"party": party, "subject": recording, "track": track, "source": source}
    subjects = [(scope, subject) for scope, subject in chosen.items() if subject is not None]
    if len(subjects) != 1:
        raise InputError("name one of --party, --recording, --track, --source")
    end = None if until is None else parse_time(instant(until))
    emit(holds.open_hold(workspace(), scope=subjects[0][0], subject=subjects[0][1], reason=reason, until=end))


@hold.command("list")
def list_(everything: Annotated[bool, typer.Option("--all", help="Released ones too.")] = False) -> None:
    """Open holds, oldest first."""
    from service.settlement import holds

    emit(holds.list_holds(workspace(), everything=everything))


@hold.command()
def resolve(
    name: Annotated[str, typer.Argument(metavar="HOLD", help="The hold's id.")], *, reason: Reason, by: By = None
) -> None:
    """Propose to release a hold; it ends when another person approves."""
    from service.settlement import holds, life

    ws = workspace()
    proposed = holds.release(ws, name, note=reason)
    if by is None:
        emit(proposed, text=proposed_text)
    else:
        emit(life.approve(ws, proposed.id, by))


@hold.command()
def reject(
    name: Annotated[str, typer.Argument(metavar="HOLD", help="A hold on listeners.")], *, reason: Reason, by: By = None
) -> None:
    """Propose to leave the streams out that a hold on listeners names; they count no longer when another approves."""
    from service.settlement import holds, life

    ws = workspace()
    proposed = holds.reject(ws, name, note=reason)
    if by is None:
        emit(proposed, text=proposed_text)
    else:
        emit(life.approve(ws, proposed.id, by))


@app.command()
def held(
    *,
    period: Annotated[str | None, typer.Option(help="Only money of this month's runs.")] = None,
    party: Annotated[str | None, typer.Option(help="Only money of this party.")] = None,
) -> None:
    """Show money held or in suspense: by reason, party, month and age, with the step that releases it."""
    from cli.finance import held_text
    from service.settlement import held as waiting

    emit(waiting.report(workspace(), period=period, party=party), text=held_text)


@app.command()
def adjust(
    party: Annotated[str, typer.Argument(help="The party whose balance changes.")],
    *,
    period: Annotated[str, typer.Option(help="The later month that books it.")],
    amount: Annotated[str, typer.Option(help="Such as 12.50 or -12.50.")],
    currency: Annotated[str, typer.Option(help="ISO 4217 code.")],
    line: Annotated[str, typer.Option(metavar="RUN", help="The published run whose line it corrects.")],
    reason: Reason,
    pool_name: Annotated[str, typer.Option(help="Name of the pool, if there are several.")] = "default",
    by: By = None,
) -> None:
    """Propose a correction of a published line; it takes effect when another person approves."""
    from service.settlement import holds, life

    ws = workspace()
    proposed = holds.adjust(
        ws, party, period=period, amount=amount, currency=currency, reason=reason, line=line, pool=pool_name
    )
    if by is None:
        emit(proposed, text=proposed_text)
    else:
        emit(life.approve(ws, proposed.id, by))


@app.command()
def reverse(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="The newest published run of its pool.")],
    *,
    reason: Reason,
    by: By = None,
) -> None:
    """Propose to reverse a whole published run; after another person approves, run the month again."""
    from service.settlement import holds, life

    ws = workspace()
    proposed = holds.reverse(ws, run_id, reason=reason)
    if by is None:
        emit(proposed, text=proposed_text)
    else:
        emit(life.approve(ws, proposed.id, by))


@app.command()
def payment(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="A run that is being paid.")],
    party: Annotated[str, typer.Argument(help="The payee's party id.")],
    outcome: Annotated[str, typer.Argument(help="settled, failed (is sent again), written-off, returned.")],
    note: Annotated[str, typer.Option(help="The bank's own reference.")] = "",
) -> None:
    """Record the bank's answer for one payment."""
    from service.settlement import paying

    ws = workspace()
    if outcome == "failed":
        from service.chain.postings import check_unposted

        check_unposted(ws, run_id, party)
    emit(paying.confirm(ws, run_id, party, outcome, note=note))


@approver.command("add")
def approver_add(
    party: Annotated[str, typer.Argument(help="A person other than the operator.")],
    by: Annotated[
        str | None,
        typer.Option("--as", metavar="PARTY", help="The introducing party: an approver, if there is one already."),
    ] = None,
    public: Annotated[
        str | None,
        typer.Option(metavar="HEX", help="The public half of a key that the person made, such as at /browser-key."),
    ] = None,
) -> None:
    """Give a person an approver's key of their own, introduced in the log."""
    from service.settlement import approvers

    emit(approvers.enrol(workspace(), party, by, public=public))
