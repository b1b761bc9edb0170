"""Shared by all commands: global flags, the workspace, output and failures.

Data goes to stdout, everything else to stderr. With `--json` stdout carries exactly one JSON
document, whatever the exit code.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from cli.exits import exit_code, kind_of
from ledger.errors import InputError, SettleError

if TYPE_CHECKING:
    from service.workspace import Workspace


@dataclass(slots=True)
class Shell:
    """The global flags of one invocation."""

    as_json: bool = False
    home: Path | None = None
    answered: bool = False
    opened: list[Workspace] = dataclasses.field(default_factory=list)


_shell = Shell()


def begin(argv: list[str]) -> list[str]:
    """Take the flags that may stand anywhere (`--json`, `--home D`) out of an argument list."""
    _shell.as_json, _shell.home, _shell.answered, _shell.opened = False, None, False, []
    remaining: list[str] = []
    words = iter(argv)
    for word in words:
        if word == "--":
            return [*remaining, word, *words]
        if word == "--json":
            _shell.as_json = True
        elif word == "--home":
            _shell.home = Path(next(words, ""))
        elif word.startswith("--home="):
            _shell.home = Path(word.removeprefix("--home="))
        else:
            remaining.append(word)
    return remaining


@contextmanager
def nested() -> Iterator[None]:
    """Run another command inside this one, as the demo does, and restore this one's flags."""
    outer = dataclasses.replace(_shell)
    try:
        yield
    finally:
        _shell.as_json, _shell.home = outer.as_json, outer.home
        _shell.answered, _shell.opened = outer.answered, outer.opened


def wants_json() -> bool:
    return _shell.as_json


def home_flag() -> Path | None:
    return _shell.home


def workspace() -> Workspace:
    """Return the workspace of this invocation; `service.workspace` says how it is found."""
    from service.workspace import Workspace

    opened = Workspace.find(_shell.home)
    _shell.opened.append(opened)
    return opened


def origin_here() -> str | None:
    """Return the origin of this invocation's workspace, or None if there is no workspace."""
    try:
        return workspace().settings.text("log.origin")
    except InputError:
        return None


def end() -> None:
    """Close what the command opened, because another command may follow in this process."""
    while _shell.opened:
        ended = _shell.opened.pop()
        if remark := ended.remark():
            say(f"settle: {remark}")
        ended.close()


def share_option(name: str, text: str | None, ppm_name: str, ppm: int | None) -> int | None:
    """Return a share in ppm, given as a percentage or in ppm, but not both."""
    from ledger.units import percentage

    if text is not None and ppm is not None:
        raise InputError(f"{name} and {ppm_name} say the same; expected one of them")
    return ppm if text is None else percentage(text, name)


def mapping_pairs(mapped: Sequence[str] | None) -> list[str]:
    """What `--map` says: pairs, and of `@FILE` the pairs that were saved there."""
    from ledger.tabular import mapping_lines

    pairs: list[str] = []
    for pair in mapped or ():
        if not pair.startswith("@"):
            pairs.append(pair)
            continue
        try:
            pairs += mapping_lines(Path(pair[1:]).read_text(encoding="utf-8-sig"))
        except (OSError, UnicodeDecodeError) as problem:
            raise InputError(f"--map {pair}: {problem}; expected a file with one COLUMN=FIELD a line") from None
    return pairs


def plain(value: Any) -> Any:
    """Return a result as JSON types: dataclasses by field, tuples as lists, paths and times as text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def emit(result: Any, text: Callable[[Any], str] | None = None) -> None:
    """Print the result: one JSON document with `--json`, otherwise `text(result)` or a plain table of fields."""
    from cli.render import as_text

    _shell.answered = True
    if _shell.as_json:
        sys.stdout.write(json.dumps(plain(result), ensure_ascii=False, indent=2) + "\n")
    else:
        sys.stdout.write(printable((text(result) if text else as_text(plain(result))).rstrip("\n")) + "\n")
    sys.stdout.flush()


def filled(result: Any) -> str:
    """Return a result as text, without the fields that have no value."""
    from cli.render import as_text

    return as_text({name: value for name, value in plain(result).items() if value not in (None, "", [], {})})


def say(message: str) -> None:
    """Print a remark to stderr; never data."""
    sys.stderr.write(printable(message.rstrip("\n")) + "\n")


def printable(text: str) -> str:
    """Return a text with control and invisible characters spelled out.

    Ids, titles and origins come from outside: their escape sequences could rewrite the screen.
    """
    if text.isprintable():
        return text
    shown = []
    for position, mark in enumerate(text):
        # CSV ends its lines with CR LF; a CR elsewhere would let the line be written over.
        ends_line = mark == "\r" and text[position + 1 : position + 2] in ("", "\n")
        shown.append(mark if mark.isprintable() or mark in "\n\t" or ends_line else f"\\u{{{ord(mark):x}}}")
    return "".join(shown)


def leave(code: int) -> NoReturn:
    """End the command with this exit code after its output was printed."""
    raise typer.Exit(code)


def fail(error: BaseException) -> int:
    """Report a failure on stderr, and as JSON when that was asked for; returns the exit code."""
    say(f"settle: {error}" if isinstance(error, SettleError) else f"settle: internal error: {error!r}")
    refuse(str(error), kind_of(error))
    return exit_code(error)


def refuse(message: str, kind: str = "usage") -> None:
    """With `--json`, print the document of a failure."""
    if _shell.as_json and not _shell.answered:
        emit({"ok": False, "error": {"kind": kind, "message": message}})
