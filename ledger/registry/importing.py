"""Import registry files: append signed leaves, and count every row."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from ledger.errors import InputError
from ledger.registry import duplicates, payees, personal, quarantine, readers
from ledger.registry.compare import Author
from ledger.registry.completing import completed
from ledger.registry.facts import (
    AnyFact,
    ConfirmFact,
    EndFact,
    ModelFact,
    PayeeFact,
    RecordingFact,
    ResolveFact,
    ShareFact,
    WorkFact,
)
from ledger.registry.intake import ImportPlan, Planned, plan
from ledger.registry.model import RIGHTS, WORLD
from ledger.registry.readers import RawRow, Reader
from ledger.registry.registry import Progress, Registry
from ledger.registry.rows import beside
from ledger.registry.statement import Signer
from ledger.registry.view import View
from ledger.shown import counted, exact_percent

SHOWN: Final = 20
"""Problems listed in an answer; all of them are kept."""
FIRST: Final = 5
"""Subjects that a summary names of each kind of notice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A message to the people concerned about one subject; a summary joins the notices of a kind."""

    kind: str
    about: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedImport:
    """A row that was not registered: its place, its outcome, the reason."""

    file: str
    list: str
    line: int
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """The result of an import. read = accepted + duplicates + conflicts + quarantined.

    `notices` has a sentence for every notice, `summary` one for each kind.
    """

    read: int
    accepted: int
    duplicates: int
    conflicts: int
    quarantined: int
    leaves: int
    size: int
    dry_run: bool
    refused: tuple[RefusedImport, ...]
    notices: tuple[str, ...]
    summary: tuple[str, ...]


Settled = Callable[[], Collection[str]]
"""The parties for whom money was published, asked only where an import brings accounts."""


def nobody() -> Collection[str]:
    """Return no parties: for a workspace in which no money was ever published."""
    return ()


def import_files(
    registry: Registry,
    paths: Sequence[Path],
    signer: Signer,
    *,
    formats: Sequence[Reader] = readers.READERS,
    settled: Settled = nobody,
    dry_run: bool = False,
    on_progress: Progress | None = None,
) -> Imported:
    """Register the rows of these files. Valid rows are registered whatever becomes of the others."""
    raw = itertools.chain.from_iterable(_resolved(path, formats) for path in paths)
    return import_rows(registry, raw, signer, settled=settled, dry_run=dry_run, on_progress=on_progress)


def import_rows(
    registry: Registry,
    raw: Iterable[RawRow],
    signer: Signer,
    *,
    settled: Settled = nobody,
    dry_run: bool = False,
    keep: bool = True,
    on_progress: Progress | None = None,
) -> Imported:
    """Register rows from any reader; with `keep`, refused rows go to quarantine."""
    view = registry.view()
    raw = completed(raw)
    if on_progress is not None:
        raw = _counted(raw, on_progress)
    with registry.log.store.reading() as connection:
        personal_rows = personal.load(connection)
    author = Author(party=signer.party, role=signer.role, at=registry.now())
    planned = plan(
        raw,
        view,
        author,
        lambda kind, item: personal_rows[kind, item][1] if (kind, item) in personal_rows else None,
        registry.author_of,
    )
    accounts = _accounts(registry, view, planned, author, settled)
    facts = [*planned.facts, *accounts]
    known_payees = len(planned.payees) - len(accounts)
    accepted, duplicates = planned.accepted - known_payees, planned.duplicates + known_payees
    size = view.size
    if not dry_run:
        done = registry.register(
            planned.facts, signer, known=view.size, at=author.at, blobs=planned.blobs, on_progress=on_progress
        )
        if accounts:  # a statement of their own: it is what a second person approves
            done = registry.register(accounts, signer, known=done.size, at=author.at)
        size = done.size
        if keep:
            _keep_refused(registry, planned, author)
    notes = [] if dry_run else notices(registry.view(), (item.fact for item in facts))
    return Imported(
        read=planned.read,
        accepted=accepted,
        duplicates=duplicates,
        conflicts=len(planned.conflicts),
        quarantined=len(planned.quarantined),
        leaves=len(facts),
        size=size,
        dry_run=dry_run,
        refused=_refused(planned, shown=SHOWN if keep else None),
        notices=tuple(item.text for item in notes),
        summary=tuple(summarised(notes)),
    )


def replay(registry: Registry, signer: Signer, *, settled: Settled = nobody) -> Imported:
    """Import the signer's own quarantined rows again: what they lacked may be registered by now.

    Nobody signs for another party's rows: otherwise the operator would sign what a holder may not state.
    """
    author = Author(party=signer.party, role=signer.role, at=registry.now())
    with registry.log.store.reading() as connection:
        rows = quarantine.waiting(connection, author)
        foreign = quarantine.others(connection, author)
    done = import_rows(registry, rows, signer, settled=settled, keep=False)
    refused = {(refusal.list, refusal.line) for refusal in done.refused}
    with registry.log.projection() as connection:
        quarantine.replayed(connection, [row.line for row in rows if (row.list, row.line) not in refused])
    left = [
        f"{count} rows that {party or 'somebody unnamed'} handed in wait on: only who handed them in can replay them"
        for party, count in foreign
    ]
    return replace(done, notices=(*done.notices, *left), summary=(*done.summary, *left))


def _counted(raw: Iterable[RawRow], on_progress: Progress) -> Iterator[RawRow]:
    """Yield the rows, and report how many have been read."""
    for number, row in enumerate(raw, 1):
        if number % 5_000 == 0:
            on_progress(number, None)
        yield row


def _resolved(path: Path, formats: Sequence[Reader]) -> Iterator[RawRow]:
    """Yield a file's rows, with training lists from separate files read in."""
    for row in readers.read(path, formats):
        listed = _training_file(path, row)
        if listed is None or not listed.is_file():
            yield row
            continue
        value: dict[str, Any] = {name: item for name, item in row.value.items() if name != "training_file"}
        value["training"] = listed.read_text(encoding="utf-8").split()
        yield replace(row, value=value)


def _training_file(path: Path, row: RawRow) -> Path | None:
    """Return the training file that a model's row names; None for a path for which the row will be refused."""
    named = row.value.get("training_file") if row.list == "models" and isinstance(row.value, dict) else None
    try:
        return None if named is None else path.parent / beside(str(named))
    except InputError:
        return None


def _accounts(registry: Registry, view: View, planned: ImportPlan, author: Author, settled: Settled) -> list[Planned]:
    """Return the facts that propose the accounts that are not registered already."""
    if not planned.payees:
        return []
    parties = settled() if author.role == "operator" else ()
    with registry.log.store.reading() as connection:
        return payees.proposals(connection, view, planned.payees, author, parties)


def _keep_refused(registry: Registry, planned: ImportPlan, author: Author) -> None:
    """Store the rows that were not registered, outside the log."""
    if not (planned.quarantined or planned.conflicts):
        return
    with registry.log.projection() as connection:
        store = registry.log.store
        quarantine.keep(store, connection, planned.quarantined, "registry", author)
        quarantine.keep(store, connection, planned.conflicts, "registry-conflict", author)


def _refused(planned: ImportPlan, *, shown: int | None) -> tuple[RefusedImport, ...]:
    refusals = [
        RefusedImport(
            file=problem.row.file, list=problem.row.list, line=problem.row.line, outcome=outcome, reason=problem.reason
        )
        for outcome, problems in (("conflict", planned.conflicts), ("quarantined", planned.quarantined))
        for problem in problems
    ]
    return tuple(refusals[:shown])


def notices(view: View, stated: Iterable[AnyFact]) -> list[Notice]:
    """Return the messages to the people concerned: rights that are not whole, training without permission."""
    facts = list(stated)
    texts = [notice for subject in sorted(_touched(facts)) for notice in _rights_not_whole(view, subject)]
    texts += [
        _trained(f"{fact.id}@{fact.version}", fact.manifest.size)
        for fact in facts
        if isinstance(fact, ModelFact) and fact.manifest is not None
    ]
    if any(isinstance(fact, RecordingFact | WorkFact) for fact in facts):
        texts += _registered_twice(view, {fact.id for fact in facts if isinstance(fact, RecordingFact | WorkFact)})
    texts += [
        Notice(
            kind="accounts wait for a second person: settle proposals",
            about=fact.party,
            text=f"account {fact.id} of {fact.party} waits for a second person: settle approve {fact.id} --as PARTY",
        )
        for fact in facts
        if isinstance(fact, PayeeFact) and view.payees[fact.id].effective_from is None
    ]
    return texts


def summarised(told: Iterable[Notice]) -> Iterator[str]:
    """Return a sentence for each kind: the number, and the names of the first few."""
    kinds: dict[str, list[Notice]] = {}
    for text in told:
        kinds.setdefault(text.kind, []).append(text)
    for kind, same in kinds.items():
        if len(same) == 1:
            yield same[0].text
            continue
        more = f" and {len(same) - FIRST:,} more" if len(same) > FIRST else ""
        yield f"{len(same):,} {kind}: {', '.join(text.about for text in same[:FIRST])}{more}"


def _trained(model: str, size: int) -> Notice:
    trained = counted(size, "recording") + (" was" if size == 1 else " were")
    return Notice(
        kind="models have training sets; `settle registry model check` says which recordings were not permitted",
        about=model,
        text=f"model {model}: to see which, if any, of its {trained} not permitted: "
        f"`settle registry model check --model {model}`",
    )


def _registered_twice(view: View, names: set[str]) -> Iterator[Notice]:
    """Return a notice for each group of duplicates with one of these recordings or works."""
    for doubled in duplicates.duplicates(view):
        if not names.isdisjoint(doubled.names):
            yield Notice(
                kind=f"of kind {doubled.kind}: what one earns may be another's; `settle registry audit` lists them",
                about=doubled.key,
                text=f"{doubled.kind} {doubled.key}: {', '.join(doubled.names)}: what one earns may be another's",
            )


def _touched(facts: Iterable[AnyFact]) -> set[str]:
    """Return the subjects whose shares these facts change."""
    return {
        fact.subject
        for fact in facts
        if isinstance(fact, ShareFact | ConfirmFact | EndFact) or (isinstance(fact, ResolveFact) and fact.parts)
    }


def _rights_not_whole(view: View, subject: str) -> Iterator[Notice]:
    """Return a notice for each right of a subject whose newest confirmed shares are short or in conflict."""
    for right in RIGHTS:
        lines = view.shares_of.get((subject, right), ())
        for territory in sorted({line.territory for line in lines}):
            shares = view.shares(subject, right, territory, max(line.start for line in lines))
            if shares.state in ("short", "conflict"):
                total = sum(ppm for _, ppm in shares.parts)
                yield Notice(
                    kind=f"rights whose confirmed shares are not the whole ({shares.state}): what they earn stays in "
                    "suspense until they are",
                    about=f"{subject} {right}" + (f" ({territory})" if territory != WORLD else ""),
                    text=f"{subject}: confirmed {right} shares ({territory}) sum to {exact_percent(total)} "
                    f"({shares.state}): what it earns stays in suspense until they are the whole",
                )
