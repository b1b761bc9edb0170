"""Score tracks by a fitted study, and append their vectors and details to the log."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from attribution.influence.score import score
from attribution.influence.study import Study
from ledger.proofs import canon
from service.attribution.vectors import Attributed, record

if TYPE_CHECKING:
    from service.workspace import Workspace


def attribute_by_influence(workspace: Workspace, folder: Path, files: list[Path], *, assign: bool) -> list[Attributed]:
    """Score every track of the files and record the vectors; unregistered recordings get no share."""
    study = Study(folder)
    registered = {recording.id for recording in workspace.registry.view().recordings()}
    started = time.perf_counter()
    scored = [vector for path in files for vector in score(study, path, registered)]
    for vector in scored:
        workspace.log.put_blob(canon.encode(vector.details))
    spent = (time.perf_counter() - started) / max(len(scored), 1)
    return record(workspace, [vector.vector for vector in scored], assign=assign, seconds=[spent] * len(scored))
