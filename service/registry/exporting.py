"""Write the registry's exports and proofs about training sets to files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ledger.errors import InputError
from ledger.registry import exporting, identifiers, manifest, membership, personal
from ledger.registry.facts import RecordingFact
from ledger.registry.view import View
from service.registry import training
from service.registry.naming import unknown_recording
from service.witness.asking import base

if TYPE_CHECKING:
    from service.workspace import Workspace


def export(ws: Workspace, out: Path) -> dict[str, Any]:
    """Export the current registry: one JSON document if `out` ends in .json, otherwise a folder of CSVs."""
    with ws.log.store.reading() as connection:
        personal_rows = personal.load(connection)

    def names(kind: str, one: str) -> personal.Fields:
        entry = personal_rows.get((kind, one))
        return {} if entry is None else entry[1]

    document = exporting.document(ws.registry.view(), names, lambda blob: manifest.decode(ws.log.blob(blob)))
    if out.suffix == ".json":
        out.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        written = [out]
    else:
        out.mkdir(parents=True, exist_ok=True)
        written = []
        for name, rows in document.items():
            if rows:
                written.append(out / f"{name}.csv")
                written[-1].write_text(exporting.csv_text(name, rows), encoding="utf-8")
    return {"files": [str(path) for path in written], "rows": {name: len(rows) for name, rows in document.items()}}


def prove(ws: Workspace, asked: str, model: str, version: str, out: Path) -> dict[str, Any]:
    """Return a `membership` bundle: whether a recording is in a version's training list, for anyone to verify.

    `asked` is a recording's id, or an ISRC, which covers every recording with it.
    """
    view = ws.registry.view()
    about, leaves = _leaves(ws, view, asked)
    manifest, tree = training.proving(ws, view, model, version)
    proofs = {recording: tree.prove(recording) for recording in leaves}
    resting = base(ws.log, ws.trust.policy)
    bundle = membership.make(
        checkpoint=resting.checkpoint,
        model=resting.placed(manifest.index),
        asked=about,
        recordings=[(resting.placed(index), proofs[recording]) for recording, index in leaves.items()],
        keys=tuple(resting.keys()),
    )
    out.write_bytes(bundle)
    return {
        "recording": about,
        "model": manifest.key,
        "member": any(proof["member"] for proof in proofs.values()),
        "recordings": [{"recording": name, "member": proof["member"]} for name, proof in proofs.items()],
        "training_root": tree.root,
        "training_size": manifest.manifest.size if manifest.manifest else 0,
        "bundle": str(out),
    }


def _leaves(ws: Workspace, view: View, asked: str) -> tuple[str, dict[str, int]]:
    """Return the requested id or ISRC in canonical spelling, and its recordings, each with its leaf."""
    if asked in view.all_recordings:
        return asked, {asked: view.recording(asked).index}
    try:
        code = identifiers.isrc(asked)
    except InputError:
        code = None
    bearing = {name for name, recording in view.all_recordings.items() if code is not None and recording.isrc == code}
    if code is None or not bearing:
        raise unknown_recording(ws, asked)
    leaves: dict[str, int] = {}
    for index, fact in ws.registry.facts(types=("recording",), stop=view.size):
        if isinstance(fact, RecordingFact) and fact.id in bearing and fact.isrc == code:
            leaves.setdefault(fact.id, index)
    return code, leaves
