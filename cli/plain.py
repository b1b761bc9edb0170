"""Commands whose arguments are texts, paths and switches, checked without the framework's validation library.

The framework loads pydantic to turn a word into a `Path`, which costs as much as everything else
that checking a bundle needs. A command with such simple arguments uses `cls=PlainCommand`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from typer._coercion import RuntimeParam  # the one seam there is; typer is pinned to this minor version
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

_MAKERS: Final[dict[Any, Any]] = {str: str, bool: bool, Path: Path, list[str]: str, list[Path]: Path}


@dataclass(frozen=True)
class _Plain(RuntimeParam):
    """Convert one word, or a list of words, to the annotated type."""

    def _coerce_value(self, value: Any, param: Any, ctx: Any) -> Any:  # noqa: ARG002  the framework's signature
        make = _MAKERS[self.annotation]
        return [make(word) for word in value] if isinstance(value, list | tuple) else make(value)


def _lightened(params: list[Any]) -> list[Any]:
    for param in params:
        if isinstance(param, TyperArgument | TyperOption) and param.type_descriptor.annotation in _MAKERS:
            descriptor = param.type_descriptor
            param._runtime_param = _Plain(descriptor.parameter_info, descriptor.annotation)  # noqa: SLF001
    return params


class PlainCommand(TyperCommand):
    """A command that starts without pydantic."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _lightened(super().get_params(ctx))


class PlainGroup(TyperGroup):
    """A group of commands whose own options need no pydantic."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _lightened(super().get_params(ctx))
