"""`settle verify`: check bundles offline; print the verdict, the steps, and what was not checked."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.exits import EXIT_CODES
from cli.plain import PlainCommand
from cli.shell import emit, home_flag, leave
from ledger.errors import InputError, VerificationError

if TYPE_CHECKING:
    from ledger.proofs.trust import Trust
    from ledger.proofs.verify import Report

app = typer.Typer(no_args_is_help=True)


@app.command(cls=PlainCommand)
def verify(
    bundles: Annotated[
        list[Path] | None, typer.Argument(metavar="BUNDLE...", help="Bundles or .tlog-proof receipts.")
    ] = None,
    trust: Annotated[
        Path | None, typer.Option(help="The operator's trust.json; by default the workspace's own.")
    ] = None,
    log: Annotated[
        Path | None, typer.Option(help="A newer export of the log, for proofs under a log key that has retired.")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Print each hash step as a command for sha256sum.")
    ] = False,
    page: Annotated[
        Path | None, typer.Option(help="Write verify.html, which checks bundles in a browser, to this file.")
    ] = None,
) -> None:
    """Check bundles offline with a trust file; exits with 3 unless every step holds."""
    from service.bundles import read_bundle, read_log, verify_bundle

    if page is not None:
        _write_page(page)
        return
    if not bundles:
        raise InputError("name at least one bundle, or --page verify.html for the page that checks them in a browser")
    read = {path: read_bundle(path) for path in bundles}
    trusted, trust_path = _trust(trust)
    named = {"path": str(trust_path), "sha256": hashlib.sha256(trust_path.read_bytes()).hexdigest()}
    copy = None if log is None else read_log(log)
    answers = [
        {**_document(path, verify_bundle(data, trusted, copy), explain=explain), "trust": named}
        for path, data in read.items()
    ]
    ok = all(answer["ok"] for answer in answers)
    emit(answers[0] if len(answers) == 1 else {"ok": ok, "bundles": answers}, text=_text)
    if not ok:
        leave(EXIT_CODES[VerificationError])


def _write_page(path: Path) -> None:
    """Write the page that checks bundles in a browser; its digest is the one that the documentation names."""
    from ledger.files import write_whole
    from service.verify_page import PAGE, digest

    write_whole(path, PAGE.read_bytes())
    emit({"path": str(path), "sha256": digest()})


def _trust(flag: Path | None) -> tuple[Trust, Path]:
    """Return the trust file that the user named, and its path.

    Never use a file of the current folder: the sender of the bundle may have sent that folder too.
    """
    from service.bundles import read_trust
    from service.workspace import TRUST, find_home

    if flag is None and home_flag() is None and not os.environ.get("SETTLE_HOME"):
        raise InputError(
            "no trust file; give --trust trust.json, or --home or SETTLE_HOME for a workspace of your own: the log's "
            "operator publishes trust.json; get it apart from the bundle"
        )
    path = flag or find_home(home_flag(), os.environ, Path.cwd()) / TRUST
    return read_trust(path), path


def _document(path: Path, report: Report, *, explain: bool) -> dict[str, Any]:
    steps = []
    for step in report.steps:
        document: dict[str, Any] = {"n": step.n, "name": step.name, "ok": step.ok, "detail": step.detail}
        steps.append({**document, "explain": step.explain} if explain else document)
    platform = {} if report.platform is None else {"platform": report.platform}
    return {
        "ok": report.ok,
        "bundle": str(path),
        "kind": report.kind,
        **platform,
        "proved": report.proved,
        "steps": steps,
        "unchecked": report.unchecked,
        "cautions": report.cautions,
    }


def _text(answer: dict[str, Any]) -> str:
    """Return the text for each bundle, and for several bundles the overall verdict last."""
    bundles = answer.get("bundles", [answer])
    lines = [line for bundle in bundles for line in _lines(bundle)]
    if len(bundles) > 1:
        failed = sum(not bundle["ok"] for bundle in bundles)
        lines.append(f"FAILED  {failed} of {len(bundles)} bundles" if failed else f"OK  all {len(bundles)} bundles")
    return "\n".join(lines)


def _lines(answer: dict[str, Any]) -> list[str]:
    """Return the verdict, the steps and what was not checked; the verdict again if the text is long."""
    lines = []
    for step in answer["steps"]:
        detail = f": {step['detail']}" if step["detail"] else ""
        lines.append(f"  ({step['n']}) {'ok  ' if step['ok'] else 'FAIL'}  {step['name']}{detail}")
        lines += [f"        {line}" for line in step.get("explain", ())]
    lines += [f"  not checked: {remark}" for remark in answer["unchecked"]]
    verdict = _verdict(answer)
    explained = any("explain" in step for step in answer["steps"])
    trust = f"  trusting {answer['trust']['path']}, SHA-256 {answer['trust']['sha256']}"
    proved = [f"  proved: {said}" for said in answer["proved"]]
    return [verdict, *proved, *_reported(answer), trust, *lines, *([verdict] if explained else [])]


def _verdict(answer: dict[str, Any]) -> str:
    """Return the verdict in a line, with the failed step if there is one."""
    if answer["ok"]:
        cautions = "".join(f"; {caution}" for caution in answer["cautions"])
        return f"OK  {answer['bundle']}: all {len(answer['steps'])} steps hold{cautions}"
    broken = answer["steps"][-1]
    return f"FAILED  {answer['bundle']}: at step {broken['n']}, {broken['name']}"


def _reported(answer: dict[str, Any]) -> list[str]:
    """Return who vouches for an event."""
    from ledger.proofs.batch import UNSIGNED

    if "platform" not in answer:
        return []
    if answer["platform"] != UNSIGNED:
        return [f"  the event is {answer['platform']}"]
    return ["  the operator logged this event as it was reported; its platform did not sign it, which is optional"]
