"""What stands in the details beside an influence vector, and what can be computed from it; loads no model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ledger.types import MILLION

METHOD: Final = "influence"


def owner_shares(details: Mapping[str, Any], c_ppm: int | None = None) -> dict[str, float]:
    """Return each owner's share of what is explained, from base and contrast, at the contract's `c` or at another."""
    c = (details["fit"]["c_ppm"] if c_ppm is None else c_ppm) / MILLION
    worth = {
        row["owner"]: max(c * details["gain_ppm"] * row["size_ppm"] / MILLION + row["beta_ppm"], 0.0)
        for row in details["owners"]
    }
    total = sum(worth.values())
    return {owner: value / total if total > 0 else 0.0 for owner, value in worth.items()}


def shares_follow(details: Mapping[str, Any], tolerance_ppm: int) -> bool:
    """Return whether the owners' recorded shares follow from their recorded base and contrast."""
    derived = owner_shares(details)
    return all(abs(derived[row["owner"]] * MILLION - row["share_ppm"]) <= tolerance_ppm for row in details["owners"])
