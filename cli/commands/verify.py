"""Check a bundle offline: what was checked, what was not, and on what it rests."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.exits import EXIT_CODES
from cli.plain import PlainCommand
from cli.shell import emit, home_flag, leave
from ledger.errors import InputError, VerificationError

if TYPE_CHECKING:
    from ledger.trust import Trust
    from ledger.verify import Report

app = typer.Typer(no_args_is_help=True)


@app.command(cls=PlainCommand)
def verify(
    bundles: Annotated[list[Path], typer.Argument(metavar="BUNDLE...", help="Bundles or .tlog-proof receipts.")],
    trust: Annotated[Path | None, typer.Option(help="The operator's trust.json; a workspace has its own.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Each hash step, to be redone with sha256sum.")] = False,
) -> None:
    """Check bundles with nothing but a trust file; leaves with 3 unless every step holds."""
    from service.bundles import verify_bundle

    trusted = _trust(trust)
    answers = [_document(path, verify_bundle(_read(path), trusted), explain=explain) for path in bundles]
    ok = all(answer["ok"] for answer in answers)
    emit(answers[0] if len(answers) == 1 else {"ok": ok, "bundles": answers}, text=_text)
    if not ok:
        leave(EXIT_CODES[VerificationError])


def _trust(flag: Path | None) -> Trust | None:
    """The named trust file, else the workspace's; None outside a workspace, and then nothing is believed."""
    from ledger.trust import parse
    from service.workspace import TRUST, find_home

    if flag is not None:
        return parse(_read(flag))
    try:
        home = find_home(home_flag(), os.environ, Path.cwd())
    except InputError:
        if home_flag() is not None or os.environ.get("SETTLE_HOME"):
            raise
        return None
    return parse(_read(home / TRUST))


def _read(path: Path) -> bytes:

    try:
        return path.read_bytes()
    except OSError as problem:
        raise InputError(f"{path}: {problem.strerror or problem}") from None


def _document(path: Path, report: Report, *, explain: bool) -> dict[str, Any]:
    steps = []
    for step in report.steps:
        document: dict[str, Any] = {"n": step.n, "name": step.name, "ok": step.ok, "detail": step.detail}
        steps.append({**document, "explain": step.explain} if explain else document)
    platform = {} if report.platform is None else {"platform": report.platform}
    return {
        "ok": report.ok, "bundle": str(path), "kind": report.kind, **platform, "steps": steps,
        "unchecked": report.unchecked,
    }  # fmt: skip


def _text(answer: dict[str, Any]) -> str:
    return "\n".join(line for one in answer.get("bundles", [answer]) for line in _lines(one))


def _lines(answer: dict[str, Any]) -> list[str]:
    platform = f"  ({answer['platform']})" if "platform" in answer else ""
    lines = [f"{'OK' if answer['ok'] else 'FAILED'}  {answer['bundle']}{platform}"]
    for step in answer["steps"]:
        lines.append(f"  ({step['n']}) {'ok  ' if step['ok'] else 'FAIL'}  {step['name']}: {step['detail']}")
        lines += [f"        {line}" for line in step.get("explain", ())]
    return [*lines, *(f"  not checked: {remark}" for remark in answer["unchecked"])]
