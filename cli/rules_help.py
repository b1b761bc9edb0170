"""Help of commands that take a payout rule: after the options, each installed rule with its parameters."""

from __future__ import annotations

import dataclasses
from typing import Any

from typer.core import TyperCommand


class RulesCommand(TyperCommand):
    """A command whose help lists the values of `--param`."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        from payouts.rules.catalogue import installed
        from payouts.terms import PARAMS

        super().format_epilog(ctx, formatter)
        for name, rule in installed().items():
            parameters = [(f"{field.name}={_default(field)}", _doc(field)) for field in dataclasses.fields(rule)]
            with formatter.section(f"--param of {name}"):
                formatter.write_dl(parameters or [("none", "this rule has nothing to choose")])
        with formatter.section("--param of every pool"):
            formatter.write_dl([(f"{name}={default}", meaning) for name, (default, meaning) in PARAMS.items()])


def _default(field: dataclasses.Field[Any]) -> Any:
    return "..." if field.default is dataclasses.MISSING else field.default


def _doc(field: dataclasses.Field[Any]) -> str:
    """Return a parameter's meaning, with its choices if there are any."""
    choices = "|".join(field.metadata.get("choices", ()))
    needed = " (required)" if field.default is dataclasses.MISSING else ""
    doc: str = field.metadata.get("doc", "")
    return doc + (f": {choices}" if choices else "") + needed
