"""Score tracks by a fitted study, and append their vectors and details to the log."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from attribution.influence.score import compared, score
from attribution.influence.study import Study
from ledger.proofs import canon
from service.attribution.doors import beside
from service.attribution.vectors import Attributed, logged_vectors, record

if TYPE_CHECKING:
    from service.workspace import Workspace


def attribute_by_influence(
    workspace: Workspace, folder: Path, files: list[Path], *, assign: bool, keep_declared: bool = False
) -> list[Attributed]:
    """Score every track of the files and record the vectors; unregistered recordings get no share."""
    study = Study(folder)
    registered = {recording.id for recording in workspace.registry.view().recordings()}
    started = time.perf_counter()
    scored = [answer for path in files for answer in score(study, path, registered)]
    logged = logged_vectors(workspace, {answer.vector.track for answer in scored})
    scored = [compared(answer, beside(answer.vector, logged[answer.vector.track])) for answer in scored]
    for answer in scored:
        workspace.log.put_blob(canon.encode(answer.details))
    spent = (time.perf_counter() - started) / max(len(scored), 1)
    return record(
        workspace,
        [answer.vector for answer in scored],
        assign=assign,
        seconds=[spent] * len(scored),
        keep_declared=keep_declared,
    )
