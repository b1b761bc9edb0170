"""Probabilistic fingerprinting: a calibrated posterior over sources and "none", segment by segment.

In segment t candidate j has the log odds z_tj = bias + sum_c slope_c * evidence_tjc against "none":
p_tj = exp z_tj / (1 + sum_k exp z_tk). A recording's share of the track is the mean of p_tj over the
segments; the mean of what is left is unattributed. Slopes and bias are fitted per aspect by maximum
likelihood of the true shares, on worlds that no test sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from attribution.hearing.spectra import Floats, one_thread
from attribution.index.evidence import Evidence

Doubles = npt.NDArray[np.float64]
ROUNDS: Final = 9
FLOOR: Final = 1e-4
"""A part that has vanished can come back: no candidate starts a round with less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Odds:
    """The slope of each channel in the log odds of being a source, and the bias."""

    slopes: tuple[float, ...]
    bias: float


def posterior(evidence: Evidence, odds: Odds) -> Doubles:
    """Return p[t, j] for every segment and candidate; a silent segment has no source."""
    # Scores are rounded before they are compared, so that the last bit of a float decides nothing.
    table = np.round(evidence.table.astype(np.float64), 4)
    logits = np.round(table @ np.array(odds.slopes) + odds.bias, 4)
    top = np.maximum(logits.max(axis=1, initial=0.0), 0.0)[:, None]
    powers = np.exp(logits - top)
    shares = powers / (np.exp(-top) + powers.sum(axis=1, keepdims=True))
    shares[~evidence.loud] = 0.0
    return np.asarray(shares, dtype=np.float64)


def shares(evidence: Evidence, odds: Odds) -> Doubles:
    """Return each candidate's share of the whole track."""
    if not evidence.table.size:
        return np.zeros(len(evidence.rows))
    return np.asarray(posterior(evidence, odds).mean(axis=0), dtype=np.float64)


def parts(likeness: Floats, odds: Odds, loud: npt.NDArray[np.bool_]) -> Doubles:
    """Divide a track among candidates, where each segment belongs to one candidate or to none.

    The parts that make the segments' likenesses (segments, candidates) likeliest, by expectation and
    maximisation from equal ones: a candidate that wins here and there by chance loses to one that
    explains its neighbours too, which the mean of a posterior with equal odds for all cannot say.
    """
    logits = np.round(odds.slopes[0] * np.round(likeness[loud].astype(np.float64), 4) + odds.bias, 4)
    if not logits.size:
        return np.zeros(likeness.shape[1])
    logits = np.concatenate([logits, np.zeros((len(logits), 1))], axis=1)
    prior = np.zeros(logits.shape[1])
    for _ in range(ROUNDS):
        joint = logits + prior
        powers = np.exp(joint - joint.max(axis=1, keepdims=True))
        mean = (powers / powers.sum(axis=1, keepdims=True)).mean(axis=0)
        prior = np.log(mean + FLOOR)
    return np.asarray(mean[:-1] * loud.mean(), dtype=np.float64)


def fit(samples: Sequence[tuple[Evidence, Doubles]], heard: Sequence[bool], *, steps: int = 300) -> Odds:
    """Fit the odds by maximum likelihood of the true shares (by candidate); the remainder to one is "none".

    `heard` says which channels may speak; the slopes of the others are zero.
    """
    import torch

    with one_thread():
        torch.manual_seed(0)
        mask = torch.tensor(heard, dtype=torch.float64)
        slopes = torch.full((len(heard),), 3.0, dtype=torch.float64, requires_grad=True)
        bias = torch.tensor(-6.0, dtype=torch.float64, requires_grad=True)
        usable = [
            (torch.from_numpy(sample.table[sample.loud].astype(np.float64)), torch.from_numpy(truth))
            for sample, truth in samples
            if sample.loud.any() and sample.table.size
        ]
        optimiser = torch.optim.Adam([slopes, bias], lr=0.2)
        for step in range(steps):
            for group in optimiser.param_groups:
                group["lr"] = 0.2 * (1 - step / steps) + 1e-3
            optimiser.zero_grad()
            loss = torch.zeros((), dtype=torch.float64)
            for table, truth in usable:
                logits = table @ (slopes * mask) + bias
                whole = torch.logaddexp(torch.logsumexp(logits, dim=1), torch.zeros(len(table), dtype=torch.float64))
                mean = torch.exp(logits - whole[:, None]).mean(dim=0)
                none = torch.exp(-whole).mean()
                loss = loss - (truth * torch.log(mean + 1e-6)).sum() - (1 - truth.sum()) * torch.log(none + 1e-6)
            loss = loss / max(1, len(usable)) + 1e-4 * (slopes**2).sum()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        return Odds(
            slopes=tuple(round(float(value), 4) for value in (slopes * mask).detach()),
            bias=round(float(bias.detach()), 4),
        )
