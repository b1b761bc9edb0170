from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import InputError
from service import bundles
from service.registry import exporting
from service.registry.registering import load
from tests.service.month import Month

ISRC = "SEA012600001"


@pytest.fixture
def twins(june: Month, tmp_path: Path) -> Month:
    """June with two more recordings that bear one ISRC, of which the model heard one."""
    document: dict[str, Any] = {
        "recordings": [{"id": name, "title": name, "isrc": ISRC} for name in ("rec-7", "rec-8")],
        "models": [{"id": "gen", "version": "2", "operator": "ann", "training": ["rec-1", "rec-8"]}],
    }
    path = tmp_path / "more.json"
    path.write_text(json.dumps(document))
    load(june.ws, [path], by=None, dry_run=False, on_progress=None)
    return june


def test_an_isrc_is_answered_for_every_recording_that_bears_it(twins: Month, tmp_path: Path) -> None:
    """If this fails, a holder who asks by ISRC gets a proof about an id that nobody registered (B)."""
    out = tmp_path / "was.bundle"
    answer = exporting.prove(twins.ws, "se-a01-26-00001", "gen", "2", out)
    assert answer["recordings"] == [{"recording": "rec-7", "member": False}, {"recording": "rec-8", "member": True}]
    assert answer["member"] is True
    report = bundles.verify_bundle(out.read_bytes(), twins.ws.trust)
    assert report.ok, report.steps[-1]
    assert "rec-7 is not in the list that the operator committed for gen@2" in report.steps[-1].detail
    assert f"whether other recordings bear ISRC {ISRC}: the bundle shows 2" in report.unchecked


@pytest.mark.parametrize("name", ["rec-77", "SEA012600002"])
def test_what_is_not_registered_is_refused(twins: Month, tmp_path: Path, name: str) -> None:
    """If this fails, a typing error is turned into a proof that a recording was not trained on (B)."""
    out = tmp_path / "was.bundle"
    with pytest.raises(InputError, match=f"'{name}' is not the id of a registered recording nor an ISRC"):
        exporting.prove(twins.ws, name, "gen", "2", out)
    assert not out.exists()
