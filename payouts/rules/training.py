"""A training pool: a model version's training set shares it equally, whatever was played."""

from __future__ import annotations

from dataclasses import MISSING, dataclass
from typing import ClassVar

from payouts.rules.base import Rule, parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class Training(Rule):
    """Equal parts per recording, or per work for the composition part of the pool's aspects."""

    name: ClassVar[str] = "training"

    model: str = parameter(default=MISSING, doc="the model whose training set shares the pool")
    model_version: str = parameter(default="1", doc="the version of the model, as registered")

    def training_set(self) -> tuple[str, str]:
        return self.model, self.model_version
