"""Rows of models and tracks against the registry."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.errors import ConflictError, InputError
from ledger.proofs import canon
from ledger.registry import facts as f
from ledger.registry import manifest
from ledger.registry import rows as r
from ledger.registry.compare import Comparison
from ledger.registry.model import Manifest
from ledger.registry.sparse import SparseTree
from tests.ledger.registry.comparing import DIGEST, compared, only, same

T0, T1, T2, T3, T4 = (f"2026-0{month}-01T00:00:00Z" for month in range(1, 6))


def model(**more: Any) -> r.ModelRow:
    return r.ModelRow(**({"id": "m", "version": "1", "operator": "lab"} | more))


def test_a_models_training_set_is_its_root_and_its_list() -> None:
    """If this fails, what a model was trained on cannot be proven, or is another list than was registered."""
    row = model(weights_sha256=DIGEST, licences=("l",), training=("rec-2", "rec-1"))
    found = compared(row)
    blob = manifest.encode(("rec-1", "rec-2"))
    root = SparseTree(("rec-1", "rec-2")).root
    fact = f.ModelFact(
        id="m",
        version="1",
        operator="lab",
        weights_sha256=DIGEST,
        licences=("l",),
        manifest=Manifest(v=2, root=root, size=2, blob=canon.digest(blob)),
    )
    assert (found.facts, found.blobs) == (((fact, None),), (blob,))
    assert compared(model()) == Comparison(((f.ModelFact(id="m", version="1", operator="lab"), None),), ())
    with pytest.raises(InputError, match="training_file"):
        compared(model(training_file="list.txt"))


def test_a_registered_version_never_changes() -> None:
    """If this fails, a model's weights or training set is exchanged behind its name."""
    row: dict[str, Any] = {"weights_sha256": DIGEST, "licences": ("l",), "training": ("rec-1",)}
    known, _ = only(compared(model(**row)))
    assert same(compared(model(**row), known))
    assert compared(model(**row | {"version": "2"}), known).facts
    for changed in (
        {"operator": "other"},
        {"weights_sha256": None},
        {"licences": ()},
        {"training": ("rec-2",)},
        {"training": None},
    ):
        with pytest.raises(ConflictError, match="model m@1"):
            compared(model(**row | changed), known)


def track(**more: Any) -> r.TrackRow:
    return r.TrackRow(**({"id": "t", "model": "m", "version": "1"} | more))


def test_a_track_is_registered_once_and_a_draft_completed() -> None:
    """If this fails, a track's model or sources are exchanged, or a draft can never be completed."""
    full: dict[str, Any] = {
        "title": "T",
        "generated_at": T1,
        "audio_sha256": DIGEST,
        "conditioning": ("rec",),
        "decisions": (DIGEST,),
    }
    known, personal = only(compared(track(**full)))
    assert (known, personal) == (f.TrackFact(id="t", model="m", version="1", form=2, **full), None)
    assert only(compared(track(**full), f.TrackFact(id="t", draft=True, at=T1))) == (known, None)
    assert same(compared(track(**full), known))
    for field, other in {**full, "model": "n", "version": "2"}.items():
        value = {"title": "U", "generated_at": T2, "audio_sha256": "b" * 64}.get(
            field, () if isinstance(other, tuple) else other
        )
        with pytest.raises(ConflictError, match=f"track t: registered with {field} "):
            compared(track(**full | {field: value}), known)
