"""Decomposition over a whole catalogue: exact, certified, the same bits on any number of threads."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attribution.hearing.spectra import unit
from attribution.index.nearest import Nearest, recall
from attribution.methods.decompose import decompose, nonnegative_lasso


def rows_of(seed: int, count: int, width: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return unit(np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 30), width=st.integers(1, 20), penalty=st.floats(0.0, 1.0))
def test_the_restricted_solution_is_optimal(seed: int, count: int, width: int, penalty: float) -> None:
    """If this fails, the solver's answer is not the minimiser: a gradient still points downhill."""
    atoms = rows_of(seed, count, width).astype(np.float64)
    target = np.random.default_rng(seed + 1).standard_normal(width)
    weights = nonnegative_lasso(atoms @ atoms.T, atoms @ target, penalty)
    slack = atoms @ (target - weights @ atoms) - penalty
    assert (weights >= 0).all()
    assert slack.max() <= 1e-6
    assert np.abs(slack[weights > 1e-12]).max(initial=0.0) <= 1e-6


def test_the_certificate_holds_for_every_row() -> None:
    """If this fails, "optimal" is claimed although a row outside the candidates would have helped."""
    rows = rows_of(3, 4_000, 48)
    index = Nearest(rows)
    mixed = 0.5 * rows[7] + 0.3 * rows[1_900] + 0.2 * rows[3_999]
    found = decompose(mixed.astype(np.float64), index.largest, index.fetch, ratio=0.06)
    assert found.optimal
    full = np.zeros(len(rows))
    full[found.rows] = found.weights
    residual = mixed - full @ rows.astype(np.float64)
    assert (rows @ residual).max() <= found.penalty * 1.0001
    assert set(found.rows[:3].tolist()) == {7, 1_900, 3_999}


def test_the_residual_finds_what_similarity_misses() -> None:
    """If this fails, a source drowned by look-alikes of a stronger one is lost before the decomposition starts."""
    rng = np.random.default_rng(5)
    crowd = unit((np.eye(32)[0] + 0.35 * rng.standard_normal((500, 32)) / np.sqrt(32)).astype(np.float32))
    lone = unit(np.eye(32, dtype=np.float32)[20:21])
    rows = np.concatenate([crowd, lone])
    index = Nearest(rows)
    mixed = (0.75 * crowd[3] + 0.25 * lone[0]).astype(np.float64)
    assert 500 not in index.largest(mixed, 32)
    assert 500 in decompose(mixed, index.largest, index.fetch, ratio=0.06, width=32).rows


@pytest.mark.parametrize("target", [np.zeros(8), -np.ones(8)])
def test_nothing_is_explained_where_nothing_fits(target: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    """If this fails, silence or an opposite is explained by somebody."""
    rows = np.abs(rows_of(1, 50, 8))
    found = decompose(target, Nearest(rows).largest, Nearest(rows).fetch, ratio=0.06)
    assert not len(found.rows)
    assert found.explained == 0.0


def test_the_same_bits_on_one_thread_and_two() -> None:
    """If this fails, a vector depends on how many cores the machine had."""
    rows = rows_of(9, 5_000, 64)
    mixed = (0.6 * rows[1] + 0.4 * rows[2]).astype(np.float64)
    answers = []
    before = torch.get_num_threads()
    for threads in (1, 2, 1):
        torch.set_num_threads(threads)
        index = Nearest(rows)
        found = decompose(mixed, index.largest, index.fetch, ratio=0.06)
        answers.append((found.rows.tobytes(), found.weights.tobytes(), found.largest_outside))
    torch.set_num_threads(before)
    assert answers[0] == answers[1] == answers[2]


def test_the_graph_finds_nearly_what_the_flat_index_finds() -> None:
    """If this fails, a large catalogue loses neighbours that a small one would find."""
    rows = rows_of(2, 3_000, 32)
    queries = rows_of(4, 50, 32)
    flat, graph = Nearest(rows, exact=True), Nearest(rows, exact=False)
    assert recall(graph.search(queries, 10)[1], flat.search(queries, 10)[1]) >= 0.98
