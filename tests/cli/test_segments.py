"""Segments at the command line: sealed, damaged, found out, mended."""

from __future__ import annotations

from pathlib import Path

from tests.cli.support import settle, settle_json


def test_seal_damage_verify_mend(tmp_path: Path) -> None:
    """If this fails, an operator cannot seal, cannot see that a file is damaged, or cannot get it back."""
    home = tmp_path / "home"
    settle_json("init", "--no-passphrase", home=home)
    sealed = settle_json("segments", "seal", home=home)
    assert (sealed["segments"], sealed["start"]) == (1, 0)
    found = settle_json("segments", "verify", home=home)
    assert (found["ok"], found["leaves"]) == (True, sealed["stop"])
    (file,) = (home / "segments").rglob("*.parquet")
    file.write_bytes(b"damaged")
    refused = settle_json("segments", "verify", home=home, code=3)
    assert "settle segments mend" in refused["error"]["message"]
    assert settle_json("segments", "mend", home=home)["mended"] == [str(file.relative_to(home / "segments"))]
    assert "lead back to the signed tree" in settle("segments", "verify", home=home).out
