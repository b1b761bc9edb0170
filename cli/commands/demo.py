"""`settle demo`: play an invented month with Settle's own commands."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from cli import shell
from cli.render import table
from ledger.errors import ConflictError, StateError
from ledger.shown import counted, money, percent

if TYPE_CHECKING:
    from service.demo.steps import Sent

app = typer.Typer(no_args_is_help=True)


@app.command()
def demo(
    folder: Annotated[Path, typer.Option("--dir", help="Folder for the demo's workspace; must not exist yet.")] = Path(
        "settle-demo"
    ),
    events: Annotated[int, typer.Option(help="How many stream events the month has.", min=1000)] = 100_000,
) -> None:
    """Play an invented month from catalogue to verified payout; every figure is checked."""
    from service.demo.steps import Story
    from service.demo.story import tell

    if (folder / "settle.toml").exists():
        raise ConflictError(
            f"{folder} already holds a workspace; remove it (rm -r {folder}) or name another folder with --dir"
        )
    folder.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    facts = tell(Story(home=folder.resolve(), run=_run, serve=serving, say=shell.say, events=events))
    shell.emit(facts | {"seconds": round(time.monotonic() - begun, 1)}, text=closing)


def _run(words: Sequence[str]) -> tuple[int, Any]:
    """Run one command of the demo in this process and return the JSON that it prints."""
    from cli.main import run

    out = io.StringIO()
    with contextlib.redirect_stdout(out), shell.nested():
        code = run(["--json", *words])
    return code, json.loads(out.getvalue()) if out.getvalue().strip() else None


@contextlib.contextmanager
def serving(home: Path) -> Iterator[Callable[[Sent], tuple[int, Any]]]:
    """Run `settle serve` over a workspace in a process of its own; yield what sends a request to it."""
    command = [sys.executable, "-c", "from cli.main import main; main()", "--home", str(home), "--json", "serve"]
    with (
        (home / "serve.log").open("wb") as log,
        subprocess.Popen([*command, "--port", "0"], stdout=subprocess.PIPE, stderr=log) as process,
    ):
        try:
            address = urlsplit(json.loads(_document(process))["listening"])

            def request(sent: Sent) -> tuple[int, Any]:
                connection = HTTPConnection(str(address.hostname), address.port, timeout=120)
                try:
                    connection.request(sent.method, sent.path, sent.body or None, dict(sent.headers))
                    answer = connection.getresponse()
                    content = answer.read().decode()
                    return answer.status, json.loads(content) if "json" in answer.headers["content-type"] else content
                finally:
                    connection.close()

            yield request
        finally:
            process.terminate()


def _document(process: subprocess.Popen[bytes]) -> str:
    """Read the JSON that a server prints once it listens."""
    text = ""
    while not text.endswith("}\n"):
        line = process.stdout.readline().decode() if process.stdout else ""
        if not line:
            raise StateError(f"demo: the server ended with {process.wait()} before it listened; serve.log says why")
        text += line
    return text


def closing(told: dict[str, Any]) -> str:
    """Return the final tables of the demo: estimated and true influence, and the division of every micro-unit."""
    title = f"{told['period']}: {told['events']:,} events, {told['tracks']} tracks, {told['recordings']} recordings"
    holders = sorted({holder for lines in told["rules"].values() for holder in lines})
    by_rule = [
        {"holder": holder} | {rule: money(lines.get(holder, 0)) for rule, lines in told["rules"].items()}
        for holder in holders
    ]
    parts = {
        "allocated": "paid",
        "unattributed": "unattributed",
        "held": "held",
        "suspense": "suspense",
        "reserve": "reserve",
    }
    amounts = [f"{word:<14}{money(told[f'{name}_micros'], told['currency']):>24}" for word, name in parts.items()]
    pool = money(told["pool_micros"], told["currency"])
    total = f"{'pool':<14}{pool:>24}   the five parts sum to it, to the micro-unit"
    paths = [f"{name:<18}{path}" for name, path in told["paths"].items()]
    paths.append("Open the first two in a browser; the commands above work in the folder above them.")
    paths.append("Pages of tracks and of the log, and the browser's verifier: settle --home DIR serve, then /verify.")
    blocks = [
        [f"{title}, {told['seconds']} s"],
        [table([_influence(influence) for influence in told["influence"]]), *_footnotes(told)],
        [f"Allocated under each rule, {told['currency']}; the first is the one that was published:", table(by_rule)],
        [*amounts, total],
        [f"{number}. {forgery['attempt']}: refused" for number, forgery in enumerate(told["forgeries"], start=1)],
        paths,
    ]
    return "\n\n".join("\n".join(block) for block in blocks)


def _influence(one: dict[str, Any]) -> dict[str, str]:
    """A track's true main source beside the estimated one."""
    return {
        "track": one["track"] + (" *" if _missed(one) else ""),
        "made by": one["kind"],
        "true main source": f"{one['true']} {percent(one['true_ppm'])}" if one["true"] else "none",
        "estimated": f"{one['estimated']} {percent(one['estimated_ppm'])}" if one["estimated"] else "none",
        "unattributed": percent(one["unattributed_ppm"]),
    }


def _missed(one: dict[str, Any]) -> bool:
    return bool(one["true"] != one["estimated"])


def _footnotes(told: dict[str, Any]) -> list[str]:
    """What the table of influence leaves open: estimates that miss, and tracks with nothing to estimate."""
    notes = [
        f"* {track['track']}: the estimate misses. In truth {track['true'] or 'nobody'} is the main source, and the "
        f"method names {track['estimated'] or 'nobody'}. Estimates can be wrong: each carries its interval and "
        "the method's measured error (docs/methods.md), and what is not known stays unattributed."
        for track in told["influence"]
        if _missed(track)
    ]
    if declared := told["tracks"] - len(told["influence"]):
        notes.append(
            f"The other {counted(declared, 'track')} are declared: their generator says what it was conditioned on and "
            "signs it, so there was nothing to estimate."
        )
    return [line for note in notes for line in ("", *textwrap.wrap(note, 100))]
