"""`settle demo`: a made-up month, told in the product's own commands."""

from __future__ import annotations

import contextlib
import io
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import shell
from cli.render import table
from ledger.errors import ConflictError
from ledger.shown import money, percent

app = typer.Typer(no_args_is_help=True)


@app.command()
def demo(
    folder: Annotated[Path, typer.Option("--dir", help="Where to make the demo's workspace; must be new.")] = Path(
        "settle-demo"
    ),
    events: Annotated[int, typer.Option(help="How many stream events the month has.", min=1000)] = 100_000,
) -> None:
    """Play a made-up month from catalogue to verified payout; every figure is checked."""
    from service.demo.story import Story, tell

    if (folder / "settle.toml").exists():
        raise ConflictError(
            f"{folder} already holds a workspace; remove it (rm -r {folder}) or name another folder with --dir"
        )
    folder.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    told = tell(Story(home=folder.resolve(), run=_run, say=shell.say, events=events))
    shell.emit(told | {"seconds": round(time.monotonic() - begun, 1)}, text=_closing)


def _run(words: Sequence[str]) -> tuple[int, Any]:
    """One command of the story, in this process; its answer is taken from the JSON it prints."""
    from cli.main import run

    out = io.StringIO()
    with contextlib.redirect_stdout(out), shell.nested():
        code = run(["--json", *words])
    return code, json.loads(out.getvalue()) if out.getvalue().strip() else None


def _closing(told: dict[str, Any]) -> str:
    """The tables the demo ends with: influence found beside the truth, and where every micro-unit went."""
    title = f"{told['period']}: {told['events']:,} events, {told['tracks']} tracks, {told['recordings']} recordings"
    influence = [
        {
            "track": one["track"],
            "made by": one["kind"],
            "true main source": f"{one['true']} {percent(one['true_ppm'])}" if one["true"] else "none",
            "estimated": f"{one['estimated']} {percent(one['estimated_ppm'])}" if one["estimated"] else "none",
            "unattributed": percent(one["unattributed_ppm"]),
        }
        for one in told["influence"]
    ]
    holders = sorted({holder for lines in told["rules"].values() for holder in lines})
    paid = [
        {"holder": holder} | {rule: money(lines.get(holder, 0)) for rule, lines in told["rules"].items()}
        for holder in holders
    ]
    parts = {name: told[f"{name}_micros"] for name in ("paid", "unattributed", "held", "suspense", "reserve")}
    amounts = [f"{name:<14}{money(micros):>20}" for name, micros in parts.items()]
    total = f"{'pool':<14}{money(told['pool_micros']):>20}   the five parts sum to it, to the micro-unit"
    paths = [f"{name:<14}{path}" for name, path in told["paths"].items()]
    paths.append("Open the first two in a browser; the commands above work in the folder above them.")
    blocks = [[f"{title}, {told['seconds']} s"], [table(influence)], [table(paid)], [*amounts, total], paths]
    return "\n\n".join("\n".join(block) for block in blocks)
