"""Write bundles about money from the log: one holder's statement, or a whole run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ledger.errors import StateError
from ledger.log.append import Log
from ledger.proofs import bundle
from ledger.proofs.policy import Policy
from payouts import bundles
from payouts.life.book import Book
from service.settlement.life import intents_of
from service.settlement.stored import Stored
from service.witness.asking import Base, base


def statement_bundle(log: Log, policy: Policy, book: Book, stored: Stored, party: str) -> bytes:
    """Return the bundle of one party's lines, account and payment in a published run."""
    head = base(log, policy)
    return bundles.statement_bundle(
        v=stored.v,
        checkpoint=head.checkpoint,
        keys=head.keys(),
        leaves=_leaves(log, head, book, stored),
        party=party,
        tables=_tables(log, book, stored),
    )


def run_bundle(log: Log, policy: Policy, book: Book, stored: Stored) -> bytes:
    """Return the bundle with every row of a published run."""
    head = base(log, policy)
    return bundles.run_bundle(
        v=stored.v,
        checkpoint=head.checkpoint,
        keys=head.keys(),
        leaves=_leaves(log, head, book, stored),
        tables=_tables(log, book, stored),
    )


def _leaves(log: Log, head: Base, book: Book, stored: Stored) -> dict[str, Any]:
    """Return the fields that both kinds of bundle have: close, run, document, approvals, publication."""
    run = stored.record.run
    published = book.published.get(run)
    if published is None:
        raise StateError(f"run {run[:16]} is {book.state_of(run)}; only what is published can be proven")

    def at(kind: str, name: str) -> dict[str, Any]:
        return head.placed(book.places[kind, name].index).document()

    return {
        "close": at("close", stored.record.period),
        "run": at("run", run),
        "document": bundle.statement(log.blob(stored.record.statement)),
        "approvals": [at("approve", f"{run}/{approval.by}") for approval in book.approvals[run]],
        "publish": at("publish", run),
        "publication": bundle.statement(log.blob(published.statement)),
    }


def _tables(log: Log, book: Book, stored: Stored) -> dict[str, Sequence[dict[str, Any]]]:
    tables: dict[str, Sequence[dict[str, Any]]] = {name: stored.table(name) for name in bundles.TABLES}
    return tables | {"intents": intents_of(log, book, stored)}
