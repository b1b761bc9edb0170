"""Influence vector decomposition: a sound (or latent) as a sparse non-negative sum of catalogue items.

    minimise  1/2 |y - sum_j c_j a_j|^2 + penalty * sum_j c_j   over c >= 0

solved exactly over the *whole* catalogue by column generation: solve on a few columns, search the
catalogue for columns whose inner product with what is left exceeds the penalty (that inner product
*is* the reduced cost), add them, solve again. When none is left the solution is optimal for all
columns, and the last search is the certificate. The restricted problem is solved by an active-set
method in float64 on one thread: finite, exact, and the same bits everywhere on one machine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from attribution.hearing.spectra import one_thread
from attribution.index.nearest import Doubles, Rows

Search = Callable[[Doubles, int], Rows]
"""The catalogue rows with the largest inner products with a vector, largest first."""
Fetch = Callable[[Rows], Doubles]
"""Catalogue rows in float64, unit length."""

ROUNDS_MAX: Final = 12
_STEPS_MAX: Final = 500
_TOLERANCE: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Decomposition:
    """Which rows explain a vector and how much; with the proof that no other row would help.

    `largest_outside` is the greatest inner product of any other row with the residual: at most
    `penalty` (to the search's precision) when `optimal`. `explained` is the share of energy, 0..1.
    """

    rows: Rows
    weights: Doubles
    penalty: float
    largest_outside: float
    explained: float
    rounds: int
    searched: int
    optimal: bool


def decompose(
    target: Doubles, search: Search, fetch: Fetch, *, ratio: float, width: int = 64, tolerance: float = 1e-6
) -> Decomposition:
    """Decompose `target`; the penalty is `ratio` times its largest inner product with any row."""
    energy = float(target @ target)
    rows = search(target, width)
    atoms = fetch(rows)
    largest = float((atoms @ target).max(initial=0.0)) if len(rows) else 0.0
    if energy <= 0 or largest <= 0:
        empty = np.zeros(0)
        return Decomposition(
            rows=np.zeros(0, np.int64),
            weights=empty,
            penalty=0.0,
            largest_outside=0.0,
            explained=0.0,
            rounds=0,
            searched=len(rows),
            optimal=True,
        )
    penalty = ratio * largest
    searched, outside, optimal = len(rows), np.inf, False
    rounds = 0
    coefficients = np.zeros(len(rows))
    while True:
        rounds += 1
        coefficients = nonnegative_lasso(atoms @ atoms.T, atoms @ target, penalty)
        residual = target - coefficients @ atoms
        candidates = search(residual, width)
        costs = fetch(candidates) @ residual
        fresh = ~np.isin(candidates, rows)
        outside = float(costs[fresh].max(initial=0.0))
        if outside <= penalty * (1 + tolerance) + tolerance:
            optimal = True
        if optimal or rounds == ROUNDS_MAX:
            break
        useful = coefficients > 0
        keep = candidates[fresh & (costs > penalty)]
        searched += len(keep)
        # Columns without weight are dropped: the next search brings back any that matter again.
        rows = np.concatenate([rows[useful], keep])
        atoms = fetch(rows)
    used = coefficients > 0
    left = target - coefficients @ atoms
    explained = max(0.0, 1.0 - float(left @ left) / energy)
    order = np.lexsort((rows[used], -coefficients[used]))
    return Decomposition(
        rows=rows[used][order],
        weights=coefficients[used][order],
        penalty=penalty,
        largest_outside=outside,
        explained=explained,
        rounds=rounds,
        searched=searched,
        optimal=optimal,
    )


def nonnegative_lasso(gram: Doubles, products: Doubles, penalty: float) -> Doubles:
    """Exact minimiser of 1/2 c'Gc - (b - penalty)'c over c >= 0 (Lawson and Hanson's active set)."""
    import torch

    size = len(products)
    pull = products - penalty
    solution = np.zeros(size)
    active: list[int] = []
    with one_thread():
        for _ in range(_STEPS_MAX):
            gradient = pull - gram @ solution
            gradient[active] = -np.inf
            entering = int(gradient.argmax()) if size else 0
            if not size or gradient[entering] <= _TOLERANCE * max(1.0, float(np.abs(pull).max())):
                break
            active.append(entering)
            while active:
                block = torch.from_numpy(gram[np.ix_(active, active)]) + 1e-10 * torch.eye(
                    len(active), dtype=torch.float64
                )
                trial = torch.linalg.solve(block, torch.from_numpy(pull[active])).numpy()
                if (trial > 0).all():
                    solution[:] = 0.0
                    solution[active] = trial
                    break
                now = solution[active]
                blocked = trial <= 0
                step = float((now[blocked] / np.maximum(now[blocked] - trial[blocked], 1e-300)).min())
                stepped = now + step * (trial - now)
                stays = [k for k in range(len(active)) if not (blocked[k] and stepped[k] <= 1e-14)]
                solution[:] = 0.0
                active = [active[k] for k in stays]
                solution[active] = np.maximum(stepped[stays], 0.0)
    return solution
