"""`settle demo`: play an invented month with Settle's own commands."""

from __future__ import annotations

import contextlib
import io
import json
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import shell
from cli.render import table
from ledger.errors import ConflictError
from ledger.shown import counted, money, percent

app = typer.Typer(no_args_is_help=True)


@app.command()
def demo(
    folder: Annotated[Path, typer.Option("--dir", help="Folder for the demo's workspace; must not exist yet.")] = Path(
        "settle-demo"
    ),
    events: Annotated[int, typer.Option(help="How many stream events the month has.", min=1000)] = 100_000,
) -> None:
    """Play an invented month from catalogue to verified payout; every figure is checked."""
    from service.demo.story import Story, tell

    if (folder / "settle.toml").exists():
        raise ConflictError(
            f"{folder} already holds a workspace; remove it (rm -r {folder}) or name another folder with --dir"
        )
    folder.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    facts = tell(Story(home=folder.resolve(), run=_run, say=shell.say, events=events))
    shell.emit(facts | {"seconds": round(time.monotonic() - begun, 1)}, text=closing)


def _run(words: Sequence[str]) -> tuple[int, Any]:
    """Run one command of the demo in this process and return the JSON that it prints."""
    from cli.main import run

    out = io.StringIO()
    with contextlib.redirect_stdout(out), shell.nested():
        code = run(["--json", *words])
    return code, json.loads(out.getvalue()) if out.getvalue().strip() else None


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
    paths = [f"{name:<14}{path}" for name, path in told["paths"].items()]
    paths.append("Open the first two in a browser; the commands above work in the folder above them.")
    blocks = [
        [f"{title}, {told['seconds']} s"],
        [table([_influence(influence) for influence in told["influence"]]), *_footnotes(told)],
        [f"Allocated under each rule, {told['currency']}; the first is the one that was published:", table(by_rule)],
        [*amounts, total],
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
