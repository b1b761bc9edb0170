"""Each check is needed: with any one of them switched off, the checker that it belongs to accepts a forgery."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ledger.errors import SettleError
from payouts import bundles, derive
from payouts.document import Given
from payouts.life import binding
from service.statements import recomputing
from tests.attacks.forge.changes import Forger
from tests.attacks.forge.history import History
from tests.attacks.forge.judge import Refusal, recomputed, verified
from tests.attacks.forge.test_forge import history

Judge = Callable[[History], Refusal | None]
TRIES = 400


def nothing(*_: Any, **__: Any) -> None:
    """A check that is switched off."""


def named(*_: Any, **__: Any) -> str:
    return "not checked"


def given(document: Any, _body: Any, _close: Any, _root: str, v: int) -> Given:
    return Given.from_payload(document["inputs"], v)


def again(_ws: Any, _book: Any, stored: Any, _progress: Any) -> recomputing.RunAgain:
    run, pool = stored.record.run, stored.record.pool
    return recomputing.RunAgain(run=run, pool=pool, pool_micros=0, lines=0, streams=0, unsigned=0, ok=True)


CHECKS: dict[str, tuple[Any, str, Any, str, tuple[str, ...]]] = {
    # check: where it is, what stands for it, whose check it is, and the forgeries that it alone is for
    "rows are what follows": (derive, "check_rows", nothing, "run", ("unit groups", "unit lines", "swap lines")),
    "payments are what accounts come to": (derive, "check_intents", nothing, "run", ("unit intents", "drop intents")),
    "lines agree with the holds": (derive, "check_lines", nothing, "run", ("move lines, derived",)),
    "a first run opens with nothing": (derive, "_check_before", nothing, "run", ("unit accounts, derived",)),
    "corrections are the run's entries": (derive, "_check_corrections", nothing, "run", ("move accounts, derived",)),
    "the result is what follows": (bundles, "_check_result", named, "run", ("unit result", "negate result")),
    "acts stand in order": (binding, "_check_order", nothing, "run", ("reorder leaf",)),
    "a close lists its own log": (binding, "_check_close", nothing, "run", ("unit leaf close", "move leaf close")),
    "the document is the run's": (binding, "_check_document", given, "run", ("unit inputs", "move leaf run")),
    "another person approved": (binding, "_check_approvals", named, "run", ("",)),
    "a group gets what its weight is owed": (bundles, "_check_group", nothing, "statement", ("unit groups",)),
    "a party's lines are divided by largest remainder": (
        bundles,
        "_check_own_lines",
        nothing,
        "statement",
        ("unit groups", "swap groups"),
    ),
    "the account follows": (derive, "check_rows", nothing, "statement", ("unit accounts",)),
    "batches pay what is due": (recomputing, "check_batch", nothing, "recompute", ("unit payments", "swap payments")),
    "the run comes out the same": (recomputing, "_again", again, "recompute", ("unit usage", "swap usage")),
    "logs and registry are examined": (
        recomputing,
        "_examined",
        lambda _: (),
        "recompute",
        ("double leaf", "drop leaf"),
    ),
}


@pytest.fixture(scope="session")
def honest(tmp_path_factory: pytest.TempPathFactory) -> History:
    """A month with holds, corrections, terms, a failed payment and a run that follows another."""
    return history(6, tmp_path_factory.mktemp("checked"))


def forgeries(honest: History, names: tuple[str, ...], *, approved: bool) -> Iterator[History]:
    """Forgeries of these classes, always the same."""
    forger = Forger(honest, Random(names[0]))
    for _ in range(TRIES * 20):
        forgery = forger.draw(approved=approved)
        if not forgery.name.startswith(names):
            continue
        try:
            forged = honest.forged(forgery.change, approved=approved)
        except (SettleError, ValueError, LookupError, AttributeError, TypeError):
            continue
        if (forged.bodies, forged.blobs) != (honest.bodies, honest.blobs):
            yield forged


def judge(whose: str, folder: Path) -> Judge:
    def run(forged: History) -> Refusal | None:
        return verified(forged, statements=False)

    def statement(forged: History) -> Refusal | None:
        return verified(forged, runs=False)

    def recompute(forged: History) -> Refusal | None:
        return recomputed(forged, folder)

    return {"run": run, "statement": statement, "recompute": recompute}[whose]


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS)
def test_without_a_check_a_forgery_passes(
    check: str, honest: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, a check refuses nothing that others do not refuse: it is dead, or its forgery is not tried."""
    module, name, replacement, whose, names = CHECKS[check]
    examine = judge(whose, tmp_path / "period")
    approved = check != "another person approved"
    with monkeypatch.context() as patch:  # the forger derives with the program's own functions, and they refuse as well
        patch.setattr(module, name, replacement)
        tried = islice(forgeries(honest, names, approved=approved), TRIES)
        passing = [forged for forged in tried if examine(forged) is None]
    # Some pass with the check as well: they change nothing that anybody holds (accepted.py).
    if any(examine(forged) is not None for forged in passing):
        return
    pytest.fail(f"no forgery passes without the check that {check}")
