"""The evidence bundle: what a third party needs to judge an attribution, and to rerun it."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from attribution.features import version as features_version
from attribution.judge import TOLERANCE_PPM, details, judge, parameters
from attribution.methods.byname import NAMES
from attribution.methods.byname import method as method_of
from attribution.store import IndexStore, Row
from attribution.weights.load import CALIBRATION, WEIGHTS
from ledger import canon, tree, vector
from ledger.errors import StateError
from service.attribution.attributing import remembered
from service.attribution.indexing import store_of
from service.attribution.report import report, write_report
from service.attribution.vectors import shape, vectors_of

if TYPE_CHECKING:
    from service.workspace import Workspace

LIBRARIES: Final = ("torch", "faiss-cpu", "numpy", "scipy", "soundfile", "soxr", "settle-engine")
LIMITS: Final = """# Evidence: attribution of {track}

Question: which indexed recordings influenced this track, by how much, and how sure is that?

- Answer: `report.html` (for people), `vector.json` (signed), `report.json`.
- Rerun: `python -m attribution.judge .` in this folder, with the versions in `environment.json`. It compares
  the payload's SHA-256 with `expected.json`; on another kind of machine shares may differ by {tolerance} ppm.
- Error rates: `calibration.json`, measured on synthetic music that shares nothing with what was fitted. They are
  not the error rates on real music.
- Contrary evidence: `second_opinions.json` holds what every other method says of the same item, and
  `details.json` what was considered before thresholds.
- A closed world: only the {size} recordings of `index/catalogue.json` could be named. Who is not indexed cannot
  be found.
- A share is evidence of influence in the stated aspect. It is not a finding of copying or infringement; for
  methods that compare, it is not proof of causation either.
- Nobody has reviewed this bundle yet; who does should add their name, their conflicts of interest and what they heard.
"""


def write_evidence(workspace: Workspace, track: str, out: Path) -> dict[str, Any]:
    """Write the bundle of a track's payable vector into a folder; its own rerun must already agree."""
    found = report(workspace, track)
    kept = remembered(workspace).get(f"{track}@{found['method']}")
    if kept is None:
        raise StateError(
            f"track {track}: vector {found['digest'][:16]} was not made on this host (method {found['method']}); "
            "a declared vector is proven by its signature: `settle ledger prove`"
        )
    store = store_of(workspace)
    out.mkdir(parents=True, exist_ok=True)
    statement = workspace.log.blob(found["digest"])
    signed = vector.read_statement(statement)
    rows = [row for row in store.rows() if row.kept_out is None]
    _copy_index(store, out / "index", rows, kept.sha256)
    catalogue = store.catalogue()
    if catalogue.root != signed.catalogue_root:
        raise StateError(
            f"the catalogue has changed since {track} was attributed (root {catalogue.root[:16]}, then "
            f"{str(signed.catalogue_root)[:16]}); attribute it again, then write the evidence"
        )
    item = store.get(kept.sha256)
    opinions = {}
    for name in NAMES:
        chosen = method_of(name)
        chosen.fit(catalogue)
        second, estimate = judge(chosen, catalogue, item, track=track, model=(signed.model, signed.model_version))
        opinions[name] = shape(second)
        if name == signed.method:
            shown, used = details(track, item, estimate, chosen), parameters(chosen)
            rerun = canon.digest(canon.encode(vector.payload(second)))
    payload = canon.digest(canon.encode(vector.payload(signed)))
    files = {
        "expected.json": {
            "track": track, "method": signed.method, "item_sha256": kept.sha256, "payload_sha256": payload,
            "model": signed.model, "model_version": signed.model_version, "command": "python -m attribution.judge .",
        },
        "parameters.json": used, "details.json": shown, "second_opinions.json": opinions, "report.json": found,
        "inclusion.json": _inclusion(catalogue.ids, catalogue.leaf_hashes, signed),
        "custody.json": _custody(workspace, track), "environment.json": environment(),
    }  # fmt: skip
    for name, document in files.items():
        (out / name).write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    (out / "vector.json").write_bytes(statement)
    shutil.copyfile(CALIBRATION, out / "calibration.json")
    write_report(found, "html", out / "report.html")
    (out / "README.md").write_text(
        LIMITS.format(track=track, tolerance=TOLERANCE_PPM, size=len(rows)), encoding="utf-8"
    )
    listed = _sums(out)
    return {"track": track, "out": str(out), "files": listed, "payload_sha256": payload, "rerun_same": rerun == payload}


def environment() -> dict[str, Any]:
    """What this was computed on: versions, machine, threads."""
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").is_file() else ""
    line = next((line for line in flags.splitlines() if line.startswith("flags")), "")
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.platform(),
        "cpu_flags": line.partition(":")[2].split(),
        "cores": os.cpu_count(),
        "threads": 1,
        "libraries": {name: installed(name) for name in LIBRARIES},
        "features": features_version(),
        "weights_sha256": hashlib.sha256(WEIGHTS.read_bytes()).hexdigest(),
    }


def _copy_index(store: IndexStore, folder: Path, rows: list[Row], item: str) -> None:
    """Everything a rerun compares with: features, which nobody can listen to, of every searched recording."""
    copy = IndexStore(folder)
    for digest in sorted({row.sha256 for row in rows} | {item}):
        copy.place(digest).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(store.place(digest), copy.place(digest))
    copy.write(rows, store.catalogue().root)


def _inclusion(ids: tuple[str, ...], hashes: list[bytes], signed: Any) -> dict[str, Any]:
    """That each named source is in the catalogue whose root the vector commits to."""

    def read(level: int, place: int) -> bytes:
        return tree.root_of(hashes[place << level : (place + 1) << level])

    proofs = {}
    for one in [*signed.recording.sources, *signed.composition.sources]:
        place = ids.index(one.id)
        path = tree.prove_inclusion(place, len(hashes), read)
        proofs[one.id] = {"index": place, "leaf": hashes[place].hex(), "hashes": [node.hex() for node in path]}
    return {"root": signed.catalogue_root, "size": len(hashes), "sources": proofs}


def _custody(workspace: Workspace, track: str) -> list[dict[str, Any]]:
    """Every vector and assignment of the track in the ledger, with the proof of each."""
    chain = []
    for entry in workspace.log.entries(types=("track", "vector", "assign")):
        body = canon.decode(entry.body)
        if track in (body.get("track"), body.get("id")):
            chain.append({"index": entry.index, "leaf": body, "proof": workspace.log.inclusion(entry.index).decode()})
    known = [statement for statement, _ in vectors_of(workspace, track)]
    return [*chain, {"vectors": known}]


def _sums(out: Path) -> list[str]:
    """SHA256SUMS over everything in the folder, in the format of sha256sum."""
    files = sorted(path for path in out.rglob("*") if path.is_file() and path.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(out)}" for path in files]
    (out / "SHA256SUMS").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [str(path.relative_to(out)) for path in files if path.parent == out]
