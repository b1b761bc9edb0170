"""Every command a document shows works as shown."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.docs.consoles import play, steps
from tests.support import ROOT

DOCUMENTS = sorted(
    path for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")] if any(steps(path.read_text(encoding="utf-8")))
)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_commands_of_a_document_run(document: Path, tmp_path: Path) -> None:
    """If this fails, a reader who types what the document shows does not get what it promises."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    assert play(document, tmp_path, kept | {"HOME": str(tmp_path), "SETTLE_PASSPHRASE": "only for this test"})
