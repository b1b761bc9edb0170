"""shapley-capped: influence counts up to a share tau of each track, and no group gets more than kappa of the pool.

For each vector the owner groups play v(S) = min(a(S), tau) / tau: once tau of an output is explained, further
claimants add nothing, and each group gets its average contribution over all orders of arrival (the Shapley
value; O'Neill's random-arrival rule). Where a vector's influences sum to at most tau this is a / tau. With
tau = kappa = 1,000,000 the rule is pro-rata, bit for bit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import factorial
from types import ModuleType
from typing import ClassVar, Final

from ledger.types import MILLION
from payouts.rules import shapley
from payouts.rules.base import WHOLE, Masses, Rule, Split, parameter

PPM_OF_WHOLE: Final = WHOLE // MILLION


def _fast() -> ModuleType | None:
    """The numpy path, where numpy is installed; both give the same integers."""
    try:
        from payouts.rules import shapley_fast
    except ImportError:
        return None
    return shapley_fast


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapleyCapped(Rule):
    """Exact to 66 owner groups in one vector; a vector with more of them that passes tau goes to suspense."""

    name: ClassVar[str] = "shapley-capped"

    tau: int = parameter(default=MILLION, low=1, high=MILLION, doc="ppm of a track that can be explained")
    kappa: int = parameter(default=MILLION, low=1, high=MILLION, doc="ppm of the pool one owner group may get")

    def kernel(self, masses: Masses) -> Split | None:
        target = self.tau * PPM_OF_WHOLE
        k = len(masses)
        if sum(masses) <= target:
            return Split(masses, target)
        if k <= shapley.HALVED_MAX:
            return Split(tuple(shapley.by_halves(masses, target)), factorial(k) * target)
        return self._counted(masses, None)

    def kernels(self, batch: Sequence[Masses]) -> Sequence[Split | None]:
        fast = _fast()
        if fast is None:
            return Rule.kernels(self, batch)
        target = self.tau * PPM_OF_WHOLE
        out: dict[Masses, Split | None] = {}
        enumerable: dict[int, list[Masses]] = defaultdict(list)
        for masses in batch:
            k = len(masses)
            if sum(masses) <= target:
                out[masses] = Split(masses, target)
            elif k <= shapley.BATCHED_MAX and shapley.size_sums_fit(k, target, sum(masses)):
                enumerable[k].append(masses)
            elif k <= shapley.HALVED_MAX:
                out[masses] = Split(tuple(fast.by_halves(masses, target)), factorial(k) * target)
            else:
                out[masses] = self._counted(masses, fast)
        for k, games in enumerable.items():
            for masses, numerators in zip(games, fast.enumerate_batch(games, target), strict=True):
                out[masses] = Split(tuple(numerators), factorial(k) * target)
        return [out[masses] for masses in batch]

    def _counted(self, masses: Masses, fast: ModuleType | None) -> Split | None:
        k = len(masses)
        if k > shapley.COUNTED_MAX:
            return None
        coarse = shapley.bring_to(masses, WHOLE, MILLION)
        if sum(coarse) <= self.tau:
            return Split(tuple(coarse), self.tau)
        if fast is not None and fast.can_count(coarse, self.tau):
            numerators = fast.count_one(coarse, self.tau)
        else:
            numerators = shapley.count_exactly(coarse, self.tau)
        return Split(tuple(numerators), factorial(k) * self.tau)

    def cap_ppm(self) -> int | None:
        return None if self.kappa == MILLION else self.kappa
