"""`settle fraud`: which listeners behave like machines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.shell import emit, workspace

app = typer.Typer(no_args_is_help=True, help="Listeners who behave like machines, and the reasons.")


@app.command()
def score(
    period: Annotated[str, typer.Argument(help="A month, YYYY-MM.")],
    scorer: Annotated[str, typer.Option(help="even-spread, or one that an installed package offers.")] = "even-spread",
) -> None:
    """List a month's suspicious listeners, the reasons, and the tracks that they played. Opens no hold."""
    from ledger.types import Period
    from service.fraud.suspects import suspicions

    emit(suspicions(workspace(), Period.parse(period), scorer=scorer))


@app.command()
def hold(
    period: Annotated[str, typer.Argument(help="A month, YYYY-MM.")],
    *,
    scorer: Annotated[str, typer.Option(help="even-spread, or one that an installed package offers.")] = "even-spread",
    until: Annotated[
        str | None, typer.Option(help="A date or time from which it ends by itself; by default two people end it.")
    ] = None,
    except_: Annotated[
        list[str] | None, typer.Option("--except", metavar="LISTENER", help="Not this suspect; may be repeated.")
    ] = None,
) -> None:
    """Hold the streams of a month's suspects: runs calculated from now on show their money as held."""
    from ledger.registry.rows import instant
    from ledger.types import Period, parse_time
    from service.fraud.holding import hold_suspects

    end = None if until is None else parse_time(instant(until))
    emit(hold_suspects(workspace(), Period.parse(period), scorer=scorer, until=end, spared=except_ or ()))


@app.command()
def devices(
    file: Annotated[
        Path | None, typer.Argument(help="NDJSON with source, event_id and device, one object per line.")
    ] = None,
    *,
    forget: Annotated[bool, typer.Option("--forget", help="Erase every device hint.")] = False,
) -> None:
    """Import device hints, which are stored outside the log; or erase them."""
    from ledger.errors import InputError
    from service.fraud.suspects import forget_devices, take_devices

    if (file is None) == (not forget):
        raise InputError("name a file of device hints, or say --forget")
    ws = workspace()
    emit({"forgotten": forget_devices(ws)} if file is None else {"taken": take_devices(ws, file)})
