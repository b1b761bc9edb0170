"""The `settle` command: which module implements which command.

Each module in `cli/commands/` contains commands and imports nothing heavy at the top, so
that `settle --help` and `settle verify` start as fast as the command framework itself.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Annotated, Final

import typer
import typer.models

from cli import shell
from cli.exits import BUG, INTERRUPTED, OK
from cli.extras import explained
from cli.panels import Panels, with_summaries

ROOMS: Final[tuple[tuple[str, str | None], ...]] = (
    # (module in cli.commands, the word its commands stand under, or None for top-level commands)
    ("attribution", None),
    ("batch", "batch"),
    ("chain", "chain"),
    ("consume", None),
    ("db", "db"),
    ("demo", None),
    ("disputes", "dispute"),
    ("fraud", "fraud"),
    ("holds", None),
    ("keys", "key"),
    ("influence", "influence"),
    ("inbox", None),
    ("ingest", None),
    ("ledger", "ledger"),
    ("live", "live"),
    ("others", None),
    ("payments", "payments"),
    ("scheduler", None),
    ("segments", "segments"),
    ("serve", None),
    ("settlement", None),
    ("simulate", None),
    ("registry", "registry"),
    ("restate", None),
    ("songs", None),
    ("source", "source"),
    ("template", None),
    ("terms", "terms"),
    ("truth", None),
    ("verify", None),
    ("witness", None),
    ("workspace", None),
)


def build(word: str | None = None) -> typer.Typer:
    """Build the command tree from the table above; only the command `word`, if there is one.

    Preparing every command's parameters costs more than verifying a bundle, so only the named
    command is prepared. Help and mistyped words get the whole tree.
    """
    app = typer.Typer(
        name="settle",
        cls=Panels,
        help="Settlement for AI-generated music: attribute tracks, compute what rights holders are owed, prove both.",
        epilog="--help explains each command. The options --home and --json may be anywhere in a line.",
        no_args_is_help=True,
        invoke_without_command=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_root)
    for module, name in ROOMS:
        commands: typer.Typer = importlib.import_module(f"cli.commands.{module}").app
        if name is None:
            app.registered_commands.extend(commands.registered_commands)
            app.registered_groups.extend(commands.registered_groups)
        else:
            app.add_typer(commands, name=name)
    named = [command for command in app.registered_commands if _name(command) == word]
    groups = [command for command in app.registered_groups if command.name == word]
    if named or groups:
        app.registered_commands, app.registered_groups = named, groups
    with_summaries(app)
    return app


def _name(command: typer.models.CommandInfo) -> str:
    """Return a command's name: its own, or its function's."""
    return command.name or (command.callback.__name__.replace("_", "-") if command.callback else "")


def _root(
    home: Annotated[  # noqa: ARG001  shown here; `shell.begin` takes it wherever it stands
        Path | None,
        typer.Option("--home", metavar="D", help="Any command: the workspace; by default the nearest settle.toml."),
    ] = None,
    as_json: Annotated[  # noqa: ARG001  likewise
        bool, typer.Option("--json", help="Any command: answer with one JSON document.")
    ] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        shell.emit({"version": installed("settle-engine")}, text=lambda answer: f"settle {answer['version']}")
        shell.leave(OK)


def main(argv: list[str] | None = None) -> None:
    """Run one command and exit with its code."""
    raise SystemExit(run(sys.argv[1:] if argv is None else argv))


def run(argv: list[str]) -> int:
    """Run one command and return its exit code; report expected failures without a traceback."""
    from typer._click.exceptions import ClickException  # typer carries its own click and exports only parts of it

    words = shell.begin(argv)
    try:
        code = build(words[0] if words else None)(words, standalone_mode=False, prog_name="settle")
    except typer.Exit as done:
        return done.exit_code
    except ClickException as usage:
        usage.show()
        shell.refuse(usage.format_message())
        return usage.exit_code
    except (KeyboardInterrupt, typer.Abort):
        shell.say("settle: interrupted; acknowledged events are stored")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001  the last line of defence: report, never a bare traceback
        code = shell.fail(explained(error))
        if code == BUG:
            import traceback

            traceback.print_exc()
        return code
    finally:
        shell.end()
    return code if isinstance(code, int) else OK
