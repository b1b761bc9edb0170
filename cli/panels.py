"""The list of commands, by user and in the order of the work, each with a summary that is never cut off."""

from __future__ import annotations

import re
from typing import Any, Final

import typer

from cli.plain import PlainGroup

PANELS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("Begin", ("demo", "init", "status", "template", "config")),
    ("Rights (who owns what, who permits what)", ("registry",)),
    (
        "Model operator (who influenced a track)",
        (
            "index",
            "encode",
            "attribute",
            "report",
            "assign",
            "evidence",
            "canary",
            "influence",
            "truth",
            "lds",
            "vectors",
            "compare",
            "export",
            "find",
        ),
    ),
    ("Streaming platform (events)", ("ingest", "inbox", "quarantine", "batch", "source", "listener")),
    (
        "Finance (from a month to payments)",
        (
            "period",
            "run",
            "simulate",
            "approver",
            "proposals",
            "approve",
            "publish",
            "pay",
            "payments",
            "payment",
            "hold",
            "fraud",
            "held",
            "books",
            "adjust",
            "restate",
            "dispute",
            "reverse",
            "terms",
            "certificate",
            "chain",
            "live",
        ),
    ),
    ("Rights holder (statements and explanations)", ("statement", "statements", "explain")),
    ("Auditor (proofs)", ("verify", "ledger", "witness")),
    (
        "Operator (keys, files, scheduled jobs, HTTP)",
        ("key", "segments", "scheduler", "serve", "consume", "access", "webhook", "db"),
    ),
)
"""Every top-level command is in one of them."""

_CLAUSE: Final = re.compile(r"[;:] ")
_NARROWEST: Final = 40
"""The minimum number of columns for a summary."""


class Commands(PlainGroup):
    """A command group whose help lists its commands with uncut summaries."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        self._section(ctx, formatter, "Commands", self.list_commands(ctx))

    def _section(self, ctx: Any, formatter: Any, title: str, names: list[str]) -> None:
        commands = [
            (name, command) for name in names if (command := self.get_command(ctx, name)) and not command.hidden
        ]
        if commands:
            room = max(_NARROWEST, formatter.width - 6 - max(len(name) for name, _ in commands))
            with formatter.section(title):
                formatter.write_dl([(name, summary(command, room)) for name, command in commands])


class Panels(Commands):
    """The top command group; its help lists the commands by user."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        command_names = self.list_commands(ctx)
        for title, names in PANELS:
            self._section(ctx, formatter, title, [name for name in names if name in command_names])


def summary(command: Any, room: int) -> str:
    """Return a command's first sentence; if it is too long for a line, only the part before a colon or semicolon."""
    first = " ".join((command.short_help or command.help or "").split("\n\n")[0].split())
    sentence = re.split(r"\.(?: |$)", first)[0]
    return sentence if len(sentence) <= room else _CLAUSE.split(sentence)[0]


def with_summaries(app: typer.Typer) -> None:
    """Give every subgroup the same form of help."""
    for group in app.registered_groups:
        if group.typer_instance is not None:
            group.typer_instance.info.cls = Commands
            with_summaries(group.typer_instance)
