"""Export a period with all its inputs for outsiders, and recompute it from such an export."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.errors import SettleError, StateError, VerificationError
from ledger.files import write_whole
from ledger.ingest.receipts import file_name
from ledger.log.export import export as export_log
from ledger.log.fsck import fsck
from ledger.log.recover import Static, replay
from ledger.proofs import canon
from ledger.proofs.batch import UNSIGNED
from ledger.proofs.retired import LogCopy
from ledger.proofs.trust import Trust, TrustedLog
from ledger.shown import money
from ledger.types import Digest, Period
from payouts.accounts.batches import Payable, check_batch
from payouts.accounts.journal import journal
from payouts.life.book import Book
from service.bundles import read_log, verify_bundle
from service.config import resolve
from service.live.paying import instalment_problems
from service.log import members
from service.log.ingesting import quarantined
from service.log.logs import listed
from service.registry.audit import audit
from service.settlement.blocking import blocked_parties
from service.settlement.carrying import batch_of, carried, paid_out, transfers
from service.settlement.life import intents_of
from service.settlement.payees import accounts_at
from service.settlement.pools import overlapping
from service.settlement.restating import check_restatement
from service.settlement.runs import recalculated
from service.settlement.step import read_book
from service.settlement.stored import Stored, load
from service.settlement.usage import PLAIN
from service.statements import platforms
from service.statements.proving import run_bundle
from service.verify_page import PAGE
from service.witness.asking import base
from service.workspace import CONFIG, TRUST, Workspace

if TYPE_CHECKING:
    from payouts.life.records import Run

Progress = Callable[[int, int | None], None] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodExported:
    """The content of the folder: the logs as static files, and a bundle for each published run of the period.

    `waiting` and `discarded` count rows that it does not contain: those of any month in the home log's quarantine now.
    """

    folder: str
    period: str
    period_root: Digest
    size: int
    logs: tuple[str, ...]
    runs: tuple[str, ...]
    files: int
    waiting: int
    discarded: int


def export(ws: Workspace, period: str, folder: Path, *, on_progress: Progress = None) -> PeriodExported:
    """Write everything that an outsider needs to compute a period again. An existing export is extended."""
    book = read_book(ws)
    runs = _published(book, period)
    exported = export_log(
        ws.log,
        folder / "log",
        trust=(ws.home / "trust.json").read_bytes(),
        cosigned=base(ws.log, ws.trust.policy).checkpoint,
        on_progress=on_progress,
    )
    members_logs = [listed_log.log for listed_log in listed(ws, book, period)[1:]]
    files = exported.files + sum(export_log(log, folder / _place(log.origin)).files for log in members_logs)
    names = []
    for run in runs:
        name = f"{period}-{run.pool}-{run.sequence}.bundle"
        write_whole(folder / name, run_bundle(ws.log, ws.trust.policy, book, load(ws.log, run)))
        names.append(name)
    about = {
        "v": 1,
        "origin": ws.log.origin,
        "period": period,
        "period_root": book.period_root(period).hex(),
        "runs": [{"run": run.run, "pool": run.pool, "sequence": run.sequence} for run in runs],
        "again": "settle period recompute . --trust trust.json  (a trust.json that reached you another way)",
    }
    write_whole(folder / "period.json", (json.dumps(about, indent=2) + "\n").encode())
    write_whole(folder / PAGE.name, PAGE.read_bytes())
    return PeriodExported(
        folder=str(folder),
        period=period,
        period_root=book.period_root(period).hex(),
        size=exported.size,
        logs=(ws.log.origin, *(log.origin for log in members_logs)),
        runs=tuple(names),
        files=files + len(names) + 2,
        waiting=len(quarantined(ws)),
        discarded=len(quarantined(ws, state="discarded")),
    )


def _place(origin: str) -> str:
    """Return the folder of a member log in an exported period."""
    return f"logs/{file_name(origin)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Journals:
    """A period's published runs as double entry, one file each."""

    period: str
    files: tuple[str, ...]


def journals(ws: Workspace, period: str, folder: Path) -> Journals:
    """Write each published run of a period as a beancount journal."""
    book = read_book(ws)
    files = []
    for run in _published(book, period):
        stored = load(ws.log, run)
        text = journal(
            period=period,
            pool=run.pool,
            run=run.run,
            currency=stored.currency,
            outcome=stored.outcome,
            accounts=list(stored.accounts.values()),
            paid=paid_out(ws.log, book, stored).keys(),
        )
        path = folder / f"{period}-{run.pool}-{run.sequence}.beancount"
        write_whole(path, text.encode())
        files.append(str(path))
    return Journals(period=period, files=tuple(files))


def _published(book: Book, period: str) -> list[Run]:
    if book.close(str(Period.parse(period))) is None:
        raise StateError(f"period {period} is open; close it first: settle period close {period}")
    runs = [run for run in book.standing() if run.period == period]
    if not runs:
        raise StateError(f"no run of {period} is published; there is nothing to show an outsider yet")
    return runs


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAgain:
    """One run computed again.

    `ok` if every byte of its document and tables is the same. `streams` were counted, `unsigned` of them without a
    platform's signature.
    """

    run: Digest
    pool: str
    pool_micros: int
    lines: int
    streams: int
    unsigned: int
    ok: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Recomputed:
    """A period recomputed only from an export and a trust file.

    `overlapping`: pairs of its pools that may have counted the same streams. `problems`: problems beside the runs: in
    the logs, in the registry, in the exported bundles.
    """

    ok: bool
    period: str
    origin: str
    size: int
    root: str
    runs: tuple[RunAgain, ...]
    overlapping: tuple[tuple[str, str], ...]
    problems: tuple[str, ...]


def recompute(folder: Path, trust: Trust, *, newer: LogCopy | None = None, on_progress: Progress = None) -> Recomputed:
    """Audit an exported period: rebuild the logs, examine them, compute every published run again from them.

    Examined are every leaf (as `settle ledger fsck` does), every registry statement (as `settle registry audit`
    does) and the bundles beside the logs, each of which must hold and be of the run that it is named after.

    The other logs' keys come from the home log, which the trust file vouches for. `newer` is a newer copy of the
    home log, for an export whose log key has retired since.
    """
    about = _about(folder)
    origin, period = str(about.get("origin")), str(about.get("period"))
    trusted = trust.log(origin)
    if trusted is None:
        raise VerificationError(f"the export is of log {origin}, which the trust file does not name")
    with tempfile.TemporaryDirectory(prefix="settle-again-") as scratch:
        ws = _rebuilt(Path(scratch) / "home", trust, trusted, folder / "log", newer)
        book = read_book(ws)
        needed = {log.origin for close in book.closes.values() for log in close.logs if close.period <= period}
        for n, (name, member) in enumerate(sorted(members.members(ws).items())):
            if name in needed:
                member_home = Path(scratch) / str(n)
                _rebuilt(member_home, Trust((member,)), member, folder / _place(name)).log.close()
                members.remember(ws, name, member_home)
        runs = tuple(_again(ws, book, load(ws.log, run), on_progress) for run in _published(book, period))
        twice = overlapping(ws.log, book, period)
        problems = (
            *_examined(ws),
            *map(str, book.voids),
            *_handed_over(ws, book),
            *instalment_problems(ws, [item for item in book.mandates.instalments.values() if item.period == period]),
            *_overpaid(ws, book),
            *(problem for run in runs if not run.ok for problem in _lost(ws, book, load(ws.log, book.runs[run.run]))),
            *_restated(ws, book, period),
            *_shipped(folder, trust, book, period, newer),
        )
        head = ws.log.head()
        ws.reopen()
    return Recomputed(
        ok=all(run.ok for run in runs) and not twice and not problems,
        period=period,
        origin=origin,
        size=head.size,
        root=head.root.hex(),
        runs=runs,
        overlapping=twice,
        problems=problems,
    )


def _examined(ws: Workspace) -> Iterator[str]:
    """Return the problems of the logs and the registry, in the words of `fsck` and `registry audit`."""
    for log in (ws.log, *ws.others.values()):
        for problem in fsck(log).problems:
            yield f"log {log.origin}: {problem}"
    for note in audit(ws).violations:
        yield f"registry: {note.kind} {note.id}: {note.detail}"


def _handed_over(ws: Workspace, book: Book) -> Iterator[str]:
    """Return the problems of all batches: each may contain only payments that could leave at its index."""
    for batch in (batch_ for batches in book.batches.values() for batch_ in batches):
        try:
            then = read_book(ws, book.places["pay", f"{batch.run}/{batch.batch}"].index)
            stored = load(ws.log, book.runs[batch.run])
            payable = Payable(
                run=batch.run,
                intents=intents_of(ws.log, book, stored),
                payments=transfers(ws.log, then, stored),
                stopped=blocked_parties(ws, then, stored),
                accounts=accounts_at(ws, then, batch.at),
            )
            check_batch(batch_of(ws.log, batch.statement), payable, via=batch.via, number=batch.batch)
        except (SettleError, LookupError, TypeError) as problem:
            yield f"payments: {problem}"


def _overpaid(ws: Workspace, book: Book) -> Iterator[str]:
    """Return payments that were handed over more than once, which release 0.1 allowed."""
    for run in book.published:
        stored = load(ws.log, book.runs[run])
        for party, payment in transfers(ws.log, book, stored).items():
            if payment.overpaid:
                yield (
                    f"payments: {money(payment.overpaid, stored.currency)} of run {run[:16]} were handed to {party} "
                    "beyond its one payment (findings M1 to M3)"
                )


def _lost(ws: Workspace, book: Book, stored: Stored) -> Iterator[str]:
    """Return what a run of release 0.1 booked wrongly about a reversed run's payments.

    This is money that its payees never got.
    """
    if stored.v != 1:
        return
    then, terms = read_book(ws, book.places["run", stored.record.run].index), stored.terms
    due = carried(ws.log, then, period=terms.period, pool=terms.pool, currency=terms.currency).corrections
    booked = [correction for account in stored.accounts.values() for correction in account.corrections]
    missing: Counter[tuple[Digest, str]] = Counter()
    for sign, corrections in ((1, due), (-1, booked)):
        for correction in corrections:
            if correction.kind in ("reversal", "returned") and then.reversed(correction.run):
                missing[correction.run, correction.party] += sign * correction.micros
    for (run, party), micros in sorted(missing.items()):
        if micros:
            by_chain = any(batch.via == "chain" for batch in book.batches.get(run, []))
            cause = "was never posted (finding M7)" if by_chain else "failed after the reversal (finding M6)"
            yield (
                f"run {stored.record.run[:16]} owes {party} {money(micros, stored.currency)} more: its payment in the "
                f"reversed run {run[:16]} {cause}; the next run made with this release books it"
            )


def _restated(ws: Workspace, book: Book, period: str) -> Iterator[str]:
    """Return the problems of the restatements that the period's runs book; each is derived again from the log."""
    booked = {entry.rpartition(".")[0] for run in _published(book, period) for entry in load(ws.log, run).entries}
    for name in sorted(booked & book.restates.keys()):
        try:
            check_restatement(ws, book, book.restates[name], engine=PLAIN)
        except SettleError as problem:
            yield str(problem)


def _shipped(folder: Path, trust: Trust, book: Book, period: str, newer: LogCopy | None = None) -> Iterator[str]:
    """Return the problems of the run bundles in the export."""
    for run in _published(book, period):
        name = f"{period}-{run.pool}-{run.sequence}.bundle"
        try:
            data = (folder / name).read_bytes()
        except OSError:
            yield f"{name} is missing from the export"
            continue
        report = verify_bundle(data, trust, newer or read_log(folder))
        if not report.ok:
            yield f"{name} fails at step {report.steps[-1].n}: {report.steps[-1].detail}"
        elif canon.decode_object(data, "bundle").get("run", {}).get("index") != book.places["run", run.run].index:
            yield f"{name} is the bundle of another run than {run.run[:16]}"


def _rebuilt(home: Path, trust: Trust, trusted: TrustedLog, exported: Path, newer: LogCopy | None = None) -> Workspace:
    """Return a workspace with an exported log and no keys."""
    home.mkdir()
    config = f'[log]\norigin = "{trusted.origin}"\n'
    (home / CONFIG).write_text(config, encoding="utf-8")
    (home / TRUST).write_bytes(trust.encode())
    ws = Workspace(home=home, settings=resolve(config, {}))
    log = ws.open_log(check=False)
    replay(log, Static.open(exported, trusted.origin, trusted.keys, newer))
    log.close()
    return ws


def _about(folder: Path) -> dict[str, object]:
    try:
        about = json.loads((folder / "period.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise VerificationError(f"{folder}: not an exported period ({problem})") from None
    if not isinstance(about, dict):
        raise VerificationError(f"{folder}: period.json is not an object")
    return about


def _again(ws: Workspace, book: Book, stored: Stored, on_progress: Progress) -> RunAgain:
    """Compute a run again from the log, and derive its payments again from its accounts."""
    intents_of(ws.log, book, stored)
    calculated = recalculated(ws, book, stored, engine=PLAIN, on_progress=on_progress)
    same = canon.encode(calculated.document.payload) == canon.encode(stored.payload)
    outcome, record = calculated.outcome, stored.record
    streams: Counter[str] = Counter()
    logs = listed(ws, book, stored.record.period)
    for behind in platforms.counted(logs, platforms.signers_of(logs), stored, from_leaves=True).values():
        for (_, platform), count in behind.items():
            streams[platform] += count
    return RunAgain(
        run=record.run,
        pool=record.pool,
        pool_micros=outcome.pool,
        lines=len(outcome.lines),
        streams=streams.total(),
        unsigned=streams[UNSIGNED],
        ok=same,
    )
