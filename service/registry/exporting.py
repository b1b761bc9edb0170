"""What the registry hands out as files: exports and proofs about training sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ledger.registry import exporting, manifest, membership, personal
from service.registry import training
from service.witness.asking import base

if TYPE_CHECKING:
    from service.workspace import Workspace


def export(ws: Workspace, out: Path) -> dict[str, Any]:
    """The registry as it stands: one JSON document if `out` ends in .json, else a folder of CSVs."""
    with ws.log.store.reading() as connection:
        held = personal.load(connection)

    def names(kind: str, one: str) -> personal.Fields:
        found = held.get((kind, one))
        return {} if found is None else found[1]

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


def prove(ws: Workspace, recording: str, model: str, version: str, out: Path) -> dict[str, Any]:
    """A `membership` bundle: whether a recording was in a version's training set, for anyone to verify."""
    view = ws.registry.view()
    found = view.model(model, version)
    tree = manifest.ManifestTree(training.training(ws, view, model, version))
    shown = tree.prove(recording)
    resting = base(ws.log, ws.trust.policy)
    bundle = membership.make(
        checkpoint=resting.checkpoint,
        model=resting.placed(found.index),
        proof=shown,
        keys=tuple(resting.keys()),
    )
    out.write_bytes(bundle)
    return {
        "recording": recording, "model": found.key, "member": shown["member"], "training_root": tree.root,
        "training_size": len(tree.ids), "bundle": str(out),
    }  # fmt: skip
