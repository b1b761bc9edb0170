"""Write the evidence bundle: everything that a third party needs to assess an attribution and to rerun it."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
from dataclasses import asdict, replace
from importlib.metadata import distributions
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from attribution.assemble import JOINED
from attribution.hearing.audio import SAMPLE_RATE
from attribution.hearing.features import Features
from attribution.hearing.features import version as features_version
from attribution.index.catalogue import Catalogue
from attribution.index.store import IndexRow, IndexStore
from attribution.influence.details import METHOD, shares_follow
from attribution.judge import TOLERANCE_PPM, details, judge, parameters
from attribution.methods.byname import method as method_of
from attribution.methods.calibration import EDGES, SMALLEST, shipped
from attribution.methods.chance import chance_in
from attribution.weights.load import CALIBRATION, WEIGHTS
from ledger.errors import StateError
from ledger.proofs import canon, tree, vector
from ledger.proofs import verify as verifier
from ledger.types import ASPECTS, InfluenceVector
from service.attribution.attributing import remembered
from service.attribution.contrary import counterfactuals, second_opinions, unrelated
from service.attribution.indexing import store_of
from service.attribution.report import MEANING, report, write_report
from service.attribution.report_html import headline
from service.attribution.vectors import vectors_of
from service.operating import prove
from service.verify_page import PAGE

if TYPE_CHECKING:
    from service.workspace import Workspace

LIBRARIES: Final = ("torch", "faiss-cpu", "numpy", "scipy", "soundfile", "soxr", "settle-engine")
QUESTION: Final = "Which indexed recordings influenced this track, by how much, and how sure is that?"
TEXTS: Final = Path(__file__).parent


def write_evidence(workspace: Workspace, track: str, out: Path) -> dict[str, Any]:
    """Write the bundle of a track's payable vector into a folder; its own rerun must already agree."""
    royalty_report = report(workspace, track)
    if royalty_report["method"].removeprefix(JOINED) == METHOD:
        return _write_influence(workspace, royalty_report, out)
    remembered_input = remembered(workspace).get(f"{track}@{royalty_report['method']}")
    if remembered_input is None:
        raise StateError(
            f"track {track}: vector {royalty_report['digest'][:16]} was not made on this host "
            f"(method {royalty_report['method']}); "
            "a declared vector is proven by its signature: `settle ledger prove`"
        )
    store = store_of(workspace)
    statement = workspace.log.blob(royalty_report["digest"])
    signed = vector.read_statement(statement)
    rows = store.rows()
    catalogue = store.catalogue()
    if catalogue.root != signed.catalogue_root:
        raise StateError(
            f"the catalogue has changed since {track} was attributed (root {catalogue.root[:16]}, then "
            f"{str(signed.catalogue_root)[:16]}); attribute it again, then write the evidence"
        )
    item = store.get(remembered_input.sha256)
    chosen = method_of(signed.method)
    chosen.fit(catalogue)
    judged_again, estimate = judge(chosen, catalogue, item, track=track, model=(signed.model, signed.model_version))
    payload = canon.digest(canon.encode(vector.payload(signed)))
    files = {
        "case.json": _case(workspace, royalty_report),
        "inputs.json": _inputs(item, remembered_input.path, catalogue),
        "expected.json": {
            "track": track,
            "method": signed.method,
            "item_sha256": remembered_input.sha256,
            "payload_sha256": payload,
            "model": signed.model,
            "model_version": signed.model_version,
            "command": "python -m attribution.judge .",
        },
        "parameters.json": parameters(chosen),
        "details.json": details(track, item, estimate, chosen),
        "errors.json": _errors(signed, catalogue),
        "second_opinions.json": second_opinions(catalogue, item, signed),
        "counterfactual.json": counterfactuals(catalogue, item, signed),
        "unrelated.json": unrelated(catalogue, item, signed),
        "excluded.json": [_excluded(row) for row in rows if row.kept_out],
        "report.json": royalty_report,
        "inclusion.json": _inclusion(catalogue.ids, catalogue.leaf_hashes, signed),
        "custody.json": _custody(workspace, track),
        "disputes.json": _disputes(workspace, signed),
        "environment.json": environment(),
    }
    out.mkdir(parents=True, exist_ok=True)
    for name, document in files.items():
        (out / name).write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    _copy_index(store, out / "index", [row for row in rows if row.kept_out is None], remembered_input.sha256, catalogue)
    (out / "vector.json").write_bytes(statement)
    (out / "vector.bundle").write_bytes(prove(workspace, index=royalty_report["index"]).bundle)
    shutil.copyfile(CALIBRATION, out / "calibration.json")
    shutil.copyfile(PAGE, out / PAGE.name)
    write_report(royalty_report, "html", out / "report.html")
    _write_texts(out, royalty_report, len(catalogue))
    listed = _sums(out)
    same = canon.digest(canon.encode(vector.payload(judged_again))) == payload
    return {"track": track, "out": str(out), "files": listed, "payload_sha256": payload, "rerun_same": same}


def _write_influence(workspace: Workspace, royalty_report: dict[str, Any], out: Path) -> dict[str, Any]:
    """Write the bundle of a vector from inside a model: its details, from which anybody derives the owners' shares."""
    statement = workspace.log.blob(royalty_report["digest"])
    signed = vector.read_statement(statement)
    recorded = workspace.log.blob(str(signed.params_sha256))
    files = {
        "case.json": _case(workspace, royalty_report),
        "report.json": royalty_report,
        "custody.json": _custody(workspace, signed.track),
        "disputes.json": _disputes(workspace, signed),
        "environment.json": environment(),
    }
    out.mkdir(parents=True, exist_ok=True)
    for name, document in files.items():
        (out / name).write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    (out / "details.json").write_bytes(recorded)
    (out / "vector.json").write_bytes(statement)
    (out / "vector.bundle").write_bytes(prove(workspace, index=royalty_report["index"]).bundle)
    shutil.copyfile(PAGE, out / PAGE.name)
    write_report(royalty_report, "html", out / "report.html")
    _write_texts(out, royalty_report, 0, ("influence.md",))
    same = shares_follow(canon.decode_object(recorded, "influence details"), TOLERANCE_PPM)
    return {
        "track": signed.track,
        "out": str(out),
        "files": _sums(out),
        "payload_sha256": canon.digest(canon.encode(vector.payload(signed))),
        "rerun_same": same,
    }


def _case(workspace: Workspace, found: dict[str, Any]) -> dict[str, Any]:
    """The parties, the question, the time and the name of an evidence bundle."""
    return {
        "case": f"{found['track']}-{found['digest'][:16]}",
        "question": QUESTION,
        "track": found["track"],
        "vector": found["digest"],
        "entry": found["index"],
        "recorded_at": found["recorded_at"],
        "written_at": workspace.registry.now(),
        "operator": workspace.operator,
        "attribution_key": workspace.signer("attribution").public.id,
    }


def _inputs(item: Features, path: str, catalogue: Catalogue) -> dict[str, Any]:
    """Describe the item and its catalogue, so that others can check whether a file is the same."""
    decoding = {"rate": SAMPLE_RATE, "channels": "mean of all", "resampler": "soxr HQ", "samples": "float32"}
    return {
        "item": {
            "file": Path(path).name,
            "sha256": item.digest,
            "form": item.form,
            "judged_sha256": item.judged_sha256,
            "length_ms": round(item.seconds * 1000),
            "remarks": list(item.remarks),
        },
        "decoding": decoding if item.form == "audio" else None,
        "catalogue": {
            "root": catalogue.root,
            "size": len(catalogue),
            "closed_world": "only these recordings could be named",
        },
    }


def _errors(signed: InfluenceVector, catalogue: Catalogue) -> dict[str, Any]:
    """Return the method's measured errors on the named benchmark, for this version."""
    calibration, error = shipped(), signed.error

    def mine(table: Any) -> dict[str, Any]:
        return {name.partition("/")[2]: value for name, value in table.items() if name.startswith(f"{signed.method}/")}

    return {
        "method": signed.method,
        "calibration_sha256": calibration.digest,
        "benchmark": None if error is None else error.benchmark,
        "mean": None if error is None else {"metric": error.metric, "value_ppm": error.value_ppm, "n": error.n},
        "share_edges": list(EDGES),
        "claimed_from_share": mine(calibration.thresholds),
        "claimed_from_share_means": "source-free tracks reach this share two times in a hundred",
        "claimed_in_style_when_nearer_than": calibration.near,
        "claimed_in_style_means": "a likeness that source-free tracks reach two times in a hundred; beyond it, "
        f"as above chance in recording and composition, shares from {SMALLEST} on are claimed",
        "claimed_above_chance": asdict(chance_in(catalogue)),
        "claimed_above_chance_means": "what few of this index's own recordings, each asked about the others, reach",
        "interval_half_width": mine(calibration.intervals),
        "interval_half_width_means": "by size of the share; holds the true share nine times in ten",
        "largest_claim_right": mine(calibration.right),
        "largest_claim_right_means": "by size of the share; how often the largest claim named a true source",
        "limits": "synthetic music that shares nothing with what was fitted; not the error rates on real music",
    }


def environment() -> dict[str, Any]:
    """Describe the environment: versions, machine, threads, and the digests of weights and verifier."""
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
        "installed": sorted({f"{distribution.name}=={distribution.version}" for distribution in distributions()}),
        "features": features_version(),
        "weights_sha256": _sha256(WEIGHTS),
        "verifier_sha256": _sha256(Path(verifier.__file__)),
    }


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _excluded(row: IndexRow) -> dict[str, Any]:
    """Return a recording that was not searched, with the reason."""
    return {"id": row.id, "like": row.like, "likeness_ppm": row.likeness_ppm, "reason": row.kept_out}


def _disputes(workspace: Workspace, signed: InfluenceVector) -> list[dict[str, Any]]:
    """List the disputes about named recordings, without reasons, because these may name people."""
    view = workspace.registry.view()
    named = {source.id for source in (*signed.recording.sources, *signed.composition.sources)}
    return [
        {
            "id": source.id,
            "subject": source.subject,
            "opened_at": source.at,
            "outcome": source.outcome,
            "evidence": source.evidence,
        }
        for source in view.disputes.values()
        if source.subject in named
    ]


def _write_texts(
    out: Path, found: dict[str, Any], size: int, names: tuple[str, ...] = ("README.md", "review.md")
) -> None:
    """Write the texts for people: summary, method card, reviewer's form."""
    answer = "\n".join(f"- {aspect.capitalize()}: {headline(found, aspect)}. {MEANING[aspect]}" for aspect in ASPECTS)
    cautions = "\n".join(f"- {note}" for note in found["notes"]) or "- None beyond the limits below."
    for name in names:
        text = (TEXTS / f"evidence-{name}").read_text(encoding="utf-8")
        for word, value in (
            ("TRACK", found["track"]),
            ("QUESTION", QUESTION),
            ("ANSWER", answer),
            ("CAUTIONS", cautions),
            ("TOLERANCE", TOLERANCE_PPM),
            ("SIZE", size),
            ("METHOD", f"{found['method']} {found['version']}"),
        ):
            text = text.replace(f"{{{word}}}", str(value))
        (out / name).write_text(text, encoding="utf-8")


def _copy_index(store: IndexStore, folder: Path, rows: list[IndexRow], item: str, catalogue: Catalogue) -> None:
    """Write the features of every indexed recording for a rerun; the sound cannot be restored from them."""
    copy = IndexStore(folder)
    for digest in sorted({row.sha256 for row in rows} | {item}):
        copy.place(digest).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(store.place(digest), copy.place(digest))
    copy.write([replace(row, path=Path(row.path).name) for row in rows], catalogue.root, chance_in(catalogue))


def _inclusion(ids: tuple[str, ...], hashes: list[bytes], signed: Any) -> dict[str, Any]:
    """Prove that each named source is in the catalogue whose root the vector commits to."""

    def read(level: int, row: int) -> bytes:
        return tree.root_of(hashes[row << level : (row + 1) << level])

    proofs = {}
    for source in [*signed.recording.sources, *signed.composition.sources]:
        row = ids.index(source.id)
        path = tree.prove_inclusion(row, len(hashes), read)
        proofs[source.id] = {"index": row, "leaf": hashes[row].hex(), "hashes": [node.hex() for node in path]}
    return {"root": signed.catalogue_root, "size": len(hashes), "sources": proofs}


def _custody(workspace: Workspace, track: str) -> list[dict[str, Any]]:
    """Return every vector and assignment of the track in the ledger, each with its proof."""
    chain = []
    for entry in workspace.log.entries(types=("track", "vector", "assign")):
        body = canon.decode(entry.body)
        if track in (body.get("track"), body.get("id")):
            chain.append({"index": entry.index, "leaf": body, "proof": workspace.log.inclusion(entry.index).decode()})
    statements = [statement for statement, _ in vectors_of(workspace, track)]
    return [*chain, {"vectors": statements}]


def _sums(out: Path) -> list[str]:
    """SHA256SUMS over everything in the folder, in the format of sha256sum."""
    files = sorted(path for path in out.rglob("*") if path.is_file() and path.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(out)}" for path in files]
    (out / "SHA256SUMS").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [str(path.relative_to(out)) for path in files if path.parent == out]
