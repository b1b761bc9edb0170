"""The bundle kind `membership`: a recording was, or was not, in a model version's training set.

The bundle carries the model's leaf with its place in the log, the statement it was registered by, and
a manifest proof. Standard library and cryptography only: it runs inside the offline verifier.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ledger.errors import VerificationError
from ledger.proofs import bundle, tree
from ledger.proofs.bundle import Placed
from ledger.proofs.verify import Examination
from ledger.registry import manifest

KIND: Final = "membership"


def make(*, checkpoint: bytes, model: Placed, proof: Mapping[str, Any], keys: tuple[Placed, ...] = ()) -> bytes:
    """The bundle's bytes."""
    return bundle.encode(KIND, checkpoint=checkpoint, keys=keys, model=model.document(), proof=dict(proof))


def examine(examination: Examination, document: dict[str, Any]) -> None:
    """The steps of this kind."""
    with examination.step("the model is in the tree") as step:
        model, proof = bundle.fields(document, "model", "proof")
        item = bundle.placed(model, "model")
        body = examination.included(step, item)
        listed = body.get("manifest")
        if body["type"] != "model" or not isinstance(listed, dict):
            raise VerificationError(f"leaf {item.index} is not a model with a training manifest")
        root, size = listed.get("root"), listed.get("size")
        if not isinstance(root, str) or type(size) is not int or size < 0:
            raise VerificationError(f"leaf {item.index}: its manifest has no root or no size")
        if size == 0 and root != tree.EMPTY_ROOT.hex():
            raise VerificationError(f"leaf {item.index}: an empty manifest with another root than the empty tree's")
        step.detail = f"leaf {item.index}: model {body.get('id')}@{body.get('version')}, {size} recordings, root {root}"
    with examination.step("the manifest proof leads to the model's training root") as step:
        if not isinstance(proof, dict):
            raise VerificationError("the proof is not an object")
        member = manifest.check(proof, root=root, size=size)
        where = "was" if member else "was not"
        step.detail = f"{proof['recording']} {where} in the training set of {body.get('id')}@{body.get('version')}"
    examination.unchecked.append(
        "whether the operator trained on what was registered: the proof is about the registered list"
    )
