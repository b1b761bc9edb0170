"""Pro-rata: each owner group is paid for its influence, stream by stream. The defaults are the rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from payouts.rules.base import Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class ProRata(Rule):
    """weight x influence; what is unattributed is not redistributed."""

    name: ClassVar[str] = "pro-rata"
