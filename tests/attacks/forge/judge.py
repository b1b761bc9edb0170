"""Who refuses a history, and at which step: its bundles first, then the computation from the exported logs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger.errors import SettleError
from ledger.proofs import bundle
from payouts import bundles
from service.bundles import verify_bundle
from service.statements import recomputing
from tests.attacks.forge.history import Body, History

TABLES = (*bundles.TABLES, "intents")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlace:
    """Where the acts of one published run stand, by index; they stay there unless the change moves them."""

    period: str
    name: str
    close: int
    run: int
    approvals: tuple[int, ...]
    publish: int


def published(history: History) -> list[RunPlace]:
    """The runs that stand: published, and not reversed by an approved reversal."""
    approvals: dict[str, list[int]] = {}
    for n in history.places("approve"):
        approvals.setdefault(history.bodies[n]["subject"], []).append(n)
    undone = {history.bodies[n]["run"] for n in history.places("reverse") if history.bodies[n]["id"] in approvals}
    closes = {history.bodies[n]["period"]: n for n in reversed(history.places("close"))}
    runs = {history.bodies[n]["run"]: n for n in reversed(history.places("run"))}
    out = []
    for n in history.places("publish"):
        run = history.bodies[n]["run"]
        if run in undone or run not in runs:
            continue
        body = history.bodies[runs[run]]
        name = f"{body['period']}-{body['pool']}-{body['sequence']}.bundle"
        period = str(body["period"])
        out.append(
            RunPlace(
                period=period,
                name=name,
                close=closes.get(period, 0),
                run=runs[run],
                approvals=tuple(approvals.get(run, ())),
                publish=n,
            )
        )
    return out


def bundles_of(history: History, place: RunPlace, keys: Sequence[int] | None = None) -> Iterator[tuple[str, bytes]]:
    """The run's bundle and every party's statement bundle, as a modified program would draw them.

    `keys`: the key leaves that it shows, if not all.
    """
    body = history.bodies[place.run]
    run = history.payload(body["statement"])
    publication_digest = history.bodies[place.publish]["statement"]
    publication = history.payload(publication_digest)
    tables = {name: history.rows(run["tables"][name]["sha256"]) for name in bundles.TABLES}
    tables["intents"] = history.rows(publication["intents"]["sha256"])
    shared: dict[str, Any] = {
        "v": run["v"],
        "checkpoint": history.checkpoint(),
        "keys": [history.placed(n) for n in (history.places("key") if keys is None else keys)],
        "leaves": {
            "close": history.placed(place.close).document(),
            "run": history.placed(place.run).document(),
            "document": bundle.statement(history.blobs[body["statement"]]),
            "approvals": [history.placed(n).document() for n in place.approvals],
            "publish": history.placed(place.publish).document(),
            "publication": bundle.statement(history.blobs[publication_digest]),
        },
        "tables": tables,
    }
    yield place.name, bundles.run_bundle(**shared)
    for party in sorted({row["party"] for row in tables["accounts"]}):
        yield f"{place.name} {party}", bundles.statement_bundle(**shared, party=party)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Who refuses, and the first step or problem that says so."""

    by: str
    step: str
    detail: str


def verified(history: History, *, runs: bool = True, statements: bool = True) -> Refusal | None:
    """What `settle verify` says of each bundle of the runs that stand."""
    for place in published(history):
        for name, data in bundles_of(history, place):
            of_run = name == place.name
            if runs if of_run else statements:
                report = verify_bundle(data, history.trust)
                if not report.ok:
                    by = "verify run" if of_run else "verify statement"
                    return Refusal(by=by, step=report.steps[-1].name, detail=f"{name}: {report.steps[-1].detail}")
    return None


def recomputed(history: History, folder: Path, others: Path | None = None) -> Refusal | None:
    """What `settle period recompute` says of each month, from the logs alone and the bundles beside them."""
    shutil.rmtree(folder, ignore_errors=True)
    history.write(folder / "log")
    if others is not None and others.exists():
        shutil.copytree(others, folder / "logs")
    places = published(history)
    for period in sorted({place.period for place in places}):
        about = {"origin": history.origin, "period": period}
        (folder / "period.json").write_text(json.dumps(about))
        for place in places:
            if place.period == period:
                (folder / place.name).write_bytes(next(bundles_of(history, place))[1])
        try:
            again = recomputing.recompute(folder, history.trust)
        except SettleError as problem:
            return Refusal(by="recompute", step="the logs are rebuilt", detail=str(problem))
        if not again.ok:
            why = next(iter(again.problems), f"runs {[run.ok for run in again.runs]}, overlapping {again.overlapping}")
            return Refusal(by="recompute", step=_problem(why), detail=why)
    return None


def _problem(text: str) -> str:
    """The kind of a problem, without the entries and parties that it names."""
    for kind in ("registry: ", "void", "names vector", ".bundle", "entry ", "runs ["):
        if kind in text:
            return kind.strip(": ")
    return text[:40]


def judged(history: History, folder: Path, others: Path | None = None) -> Refusal | None:
    """The first refusal, or None: nobody refuses. Whatever cannot even be drawn is refused by its form."""
    try:
        return verified(history) or recomputed(history, folder, others)
    except (LookupError, TypeError, ValueError, AttributeError, SettleError) as problem:
        return Refusal(by="verify run", step="a bundle can be drawn", detail=repr(problem))


__all__ = ["Body", "History", "Refusal", "judged", "published", "recomputed", "verified"]
