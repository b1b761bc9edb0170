"""List a model version's training set, and the recordings in it that were not permitted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ledger.errors import InputError, StateError
from ledger.registry import manifest as manifests
from ledger.registry.manifest import ManifestTree
from ledger.registry.model import WORLD, Manifest, Model
from ledger.registry.sparse import SparseTree
from ledger.registry.view import View

if TYPE_CHECKING:
    from service.workspace import Workspace


def training(ws: Workspace, view: View, model: str, version: str) -> list[str]:
    """Return the recordings in the manifest of a model version."""
    version_record = view.model(model, version)
    return manifests.decode(ws.log.blob(_manifest(version_record).blob))


def proving(ws: Workspace, view: View, model: str, version: str) -> tuple[Model, SparseTree | ManifestTree]:
    """Return a model version, and the tree of its training list for proofs."""
    version_record = view.model(model, version)
    listed = _manifest(version_record)
    return version_record, manifests.prover(listed, manifests.decode(ws.log.blob(listed.blob)))


def _manifest(found: Model) -> Manifest:
    if found.manifest is None:
        raise StateError(f"model {found.key} was registered without a training list; nothing can be proven about it")
    return found.manifest


def model_named(ws: Workspace, name: str) -> tuple[str, str]:
    """Return the version `ID@VERSION`, or by default the only version of the model or of the registry."""
    models = [model for model in ws.registry.view().models.values() if name in ("", model.id, model.key)]
    if len(models) != 1:
        choices = ", ".join(sorted(model.key for model in models)) or "none"
        raise InputError(
            f"model {name or '(not named)'}: say which version with --model ID@VERSION; matching: {choices}"
        )
    return models[0].id, models[0].version


def check_model(ws: Workspace, model: str, version: str, territory: str = WORLD) -> dict[str, Any]:
    """Return, with reasons, the recordings of a manifest that were not permitted at the version's registration."""
    view = ws.registry.view()
    listed = training(ws, view, model, version)
    missing = view.unlicensed(listed, view.model(model, version), territory)
    return {
        "model": f"{model}@{version}",
        "recordings": len(listed),
        "permitted": len(listed) - len(missing),
        "missing": [
            {"recording": recording, "decision": decision.decision, "reasons": decision.reasons}
            for recording, decision in missing
        ],
    }
