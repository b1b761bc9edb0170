"""The bundle kind `membership`: a recording is, or is not, in the training list that a model's operator committed.

The bundle contains the model's leaf and, for each recording in question, its own leaf and a manifest proof. An
unregistered id has no leaf, so a misspelt id cannot be proven absent. Bundles of release 0.1 contain no recordings:
they verify, and the verdict's first line states what was not checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ledger.errors import VerificationError
from ledger.proofs import bundle, tree
from ledger.proofs.bundle import PlacedLeaf
from ledger.proofs.verify import Examination
from ledger.registry import manifest, sparse

KIND: Final = "membership"
ORDER: Final = (
    "the order of the list was not checked: its root is of release 0.1, where absence rests on the operator having "
    "sorted it (V4)"
)
UNREGISTERED: Final = "whether the id is a registered recording was not checked: the bundle is of release 0.1"


def make(
    *,
    checkpoint: bytes,
    model: PlacedLeaf,
    asked: str,
    recordings: Sequence[tuple[PlacedLeaf, Mapping[str, Any]]],
    keys: tuple[PlacedLeaf, ...] = (),
) -> bytes:
    """Return the bundle's bytes.

    `asked`: a recording's id or an ISRC; `recordings`: each with its leaf and its proof.
    """
    return bundle.encode(
        KIND,
        checkpoint=checkpoint,
        keys=keys,
        model=model.document(),
        asked=asked,
        recordings=[{"leaf": leaf.document(), "proof": dict(proof)} for leaf, proof in recordings],
    )


def examine(examination: Examination, document: dict[str, Any]) -> None:
    """Check the steps of this kind."""
    with examination.step("the model is in the tree") as step:
        if "proof" in document:
            model, proof = bundle.fields(document, "model", "proof")
            asked, recordings = None, None
        else:
            model, asked, recordings = bundle.fields(document, "model", "asked", "recordings")
            proof = None
        item = bundle.placed(model, "model")
        body = examination.included(step, item)
        version, root, size = _manifest(item.index, body)
        name = f"{body.get('id')}@{body.get('version')}"
        step.detail = f"leaf {item.index}: model {name}, {size} recordings, root {root}"
    proofs = [proof] if recordings is None else _recordings(examination, asked, recordings)
    with examination.step("the manifest proof leads to the model's training root") as step:
        shown = {}
        for each in proofs:
            if not isinstance(each, dict):
                raise VerificationError("the proof is not an object")
            member = manifest.check(each, root=root, size=size) if version == 1 else sparse.check(each, root=root)
            shown[str(each["recording"])] = member
        step.detail = "; ".join(
            f"{recording} is {'' if member else 'not '}in the list that the operator committed for {name}"
            for recording, member in shown.items()
        )
        examination.proved.append(step.detail)
    if version == 1 and not all(shown.values()):
        examination.cautions.append(ORDER)
    if recordings is None:
        examination.cautions.append(UNREGISTERED)
    elif asked not in shown:
        examination.unchecked.append(f"whether other recordings bear ISRC {asked}: the bundle shows {len(shown)}")
    examination.unchecked += [
        "whether the operator trained on what was registered: the proof is about the registered list",
        f"whether another leaf registers {name} too: the first one counts, and `settle registry audit` names others",
        "who signed the leaves of the model and the recordings: `settle registry audit` checks it",
    ]


def _manifest(index: int, body: Mapping[str, Any]) -> tuple[int, str, int]:
    """Return version, root and size of the training list that a model's leaf commits to."""
    listed = body.get("manifest")
    if body["type"] != "model" or not isinstance(listed, dict):
        raise VerificationError(f"leaf {index} is not a model with a training manifest")
    version, root, size = listed.get("v", 1), listed.get("root"), listed.get("size")
    if type(version) is not int or version not in (1, manifest.SPARSE):
        raise VerificationError(f"leaf {index}: a manifest of version {version!r}; this program reads 1 and 2")
    if not isinstance(root, str) or type(size) is not int or size < 0:
        raise VerificationError(f"leaf {index}: its manifest has no root or no size")
    empty = tree.EMPTY_ROOT if version == 1 else sparse.EMPTY
    if size == 0 and root != empty.hex():
        raise VerificationError(f"leaf {index}: an empty manifest with another root than the empty tree's")
    return version, root, size


def _recordings(examination: Examination, asked: Any, recordings: Any) -> list[Any]:
    """Return the proofs after checking that each is about a registered recording with the requested id or ISRC."""
    with examination.step("what was asked for is a registered recording") as step:
        if not isinstance(asked, str) or not isinstance(recordings, list) or not recordings:
            raise VerificationError("asked is a text, recordings a list of at least one")
        proofs = []
        indexes: dict[str, int] = {}
        for position, recording in enumerate(recordings):
            if (
                not isinstance(recording, dict)
                or set(recording) != {"leaf", "proof"}
                or not isinstance(recording["proof"], dict)
            ):
                raise VerificationError(f"recording {position}: expected an object of leaf and proof")
            item = bundle.placed(recording["leaf"], f"recording {position}")
            body = examination.included(step, item)
            name = body.get("id")
            if body["type"] != "recording" or not isinstance(name, str):
                raise VerificationError(f"leaf {item.index} registers no recording")
            if asked not in (name, body.get("isrc")):
                raise VerificationError(f"leaf {item.index} registers {name}, and {asked} is not its id nor its ISRC")
            if recording["proof"].get("recording") != name or name in indexes:
                raise VerificationError(f"leaf {item.index} registers {name}; its proof is about another recording")
            indexes[name] = item.index
            proofs.append(recording["proof"])
        step.detail = ", ".join(f"{name} at leaf {index}" for name, index in indexes.items())
    return proofs
