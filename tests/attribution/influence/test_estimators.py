"""What the estimators compute: true gradients, leave-one-out on a convex model, the same bytes again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from attribution.influence import ekfac, logra, trak, unlearning
from attribution.influence.adapter import Adapter, averaged_model, begin, encode_checkpoint, read_checkpoint, train
from attribution.influence.contrasts import correlation, owner_sums
from attribution.influence.gradients import flows, layers
from attribution.influence.retraining import Bench, TrainingJob, likelihoods
from ledger.errors import InputError
from tests.attribution.influence.small import Linear, latent, symbolic


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("adapter", [symbolic(), latent()], ids=["embedding-and-linear", "convolution"])
def test_hooks_give_the_gradient_that_autograd_gives(adapter: Any) -> None:
    """If this fails, a layer's part of every influence score is wrong."""
    model = adapter.model(1)
    data = adapter.data([0, 1, 2])
    batch, _ = flows(adapter, model, data)
    for number in range(3):
        model.zero_grad()
        adapter.losses(model, data)[number].backward()
        for name, module in layers(model).items():
            weight: Any = module.weight
            expected = weight.grad.T if isinstance(module, nn.Embedding) else weight.grad.flatten(1)
            if getattr(module, "bias", None) is not None:
                bias: Any = module.bias
                expected = torch.cat([expected, bias.grad[:, None]], 1)
            torch.testing.assert_close(batch[name].gradients[number], expected, atol=1e-6, rtol=1e-4)


def test_influence_is_leave_one_out_on_a_convex_model() -> None:
    """If this fails, EK-FAC is no estimate of what leaving an item out does, even where that is exact."""
    adapter = Linear()
    everything = torch.ones(len(adapter.y), dtype=torch.float64)
    model = adapter.solved(everything)
    queries = (torch.randn(20, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(7)), torch.zeros(20))
    estimate = ekfac.scores(adapter, model, ekfac.fit(adapter, model), queries)
    truth = np.zeros_like(estimate)
    for number in range(len(adapter.y)):
        weights = everything.clone()
        weights[number] = 0
        truth[:, number] = likelihoods(adapter, model, queries) - likelihoods(adapter, adapter.solved(weights), queries)
    assert correlation(estimate, truth) >= 0.95
    slope = float((estimate * truth).sum() / (truth * truth).sum())
    assert 0.7 < slope < 1.4, "scores are in nats"


def test_influence_of_a_sequence_is_the_sum_over_its_events() -> None:
    """If this fails, a track's influence depends on how it is cut into events."""
    adapter = symbolic()
    model = adapter.model(1)
    factors = ekfac.fit(adapter, model)
    data = adapter.data([3])
    whole = ekfac.scores(adapter, model, factors, data)[0]
    events = np.zeros_like(whole)
    for event in range(adapter.length):

        class OneEvent:
            """The same model, of which one event of the query is asked."""

            name, items, data = adapter.name, adapter.items, adapter.data
            position = event

            def losses(self, model: nn.Module, data: Any, sample: torch.Generator | None = None) -> torch.Tensor:
                each = adapter.token_losses(model, data, sample)
                return each[:, self.position] if len(data) == 1 else each.mean(1)

        one: Any = OneEvent()
        events += ekfac.scores(one, model, factors, data)[0] / adapter.length
    np.testing.assert_allclose(events, whole, atol=1e-5 * np.abs(whole).max() + 1e-7)


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    """If this fails, nobody can repeat a training, a fit or a score and compare."""

    def all_of_it(folder: Path) -> list[bytes]:
        adapter = symbolic()
        bench = Bench(adapter, folder, producer=0)
        path = bench.train(TrainingJob(seed=4, left_out=(1, 5)))
        model = read_checkpoint(adapter, path).model
        queries = adapter.data([0, 1])
        store = logra.GradientStore.build(adapter, model, folder / "store", rank=4)
        scores = [
            ekfac.scores(adapter, model, ekfac.fit(adapter, model), queries),
            trak.scores(adapter, model, queries, width=32),
            store.scores(store.queries(adapter, model, queries)),
            unlearning.scores(adapter, path, ["owner-0"], queries),
        ]
        return [path.read_bytes(), *(table.tobytes() for table in scores)]

    assert all_of_it(tmp_path / "a") == all_of_it(tmp_path / "b")


def test_owner_rows_give_the_owner_sums(tmp_path: Path) -> None:
    """If this fails, a payout from a large store differs from the sum over the owner's items."""
    adapter = symbolic()
    model = adapter.model(3)
    store = logra.GradientStore.build(adapter, model, tmp_path, rank=4)
    queries = store.queries(adapter, model, adapter.data([0, 1, 2]))
    owners = sorted({item.owner for item in adapter.items()})
    direct = owner_sums(store.scores(queries), adapter.items(), owners)
    np.testing.assert_allclose(store.owner_rows(adapter.items(), owners) @ queries.T, direct, rtol=1e-3, atol=1e-6)
    values, numbers = logra.RowSearch(np.asarray(store.rows, np.float32)).top(queries, 3)
    assert (numbers == np.argsort(-store.scores(queries), axis=1)[:, :3]).all()
    assert values.shape == (3, 3)


def test_an_interrupted_bank_trains_only_what_is_missing(tmp_path: Path) -> None:
    """If this fails, an interruption costs a whole bank again, or a half-written model is read."""
    bench = Bench(symbolic(), tmp_path, producer=0)
    jobs = [TrainingJob(seed=5), TrainingJob(seed=6)]
    bench.train(jobs[0])
    (tmp_path / "x.5.part").write_bytes(b"half")
    assert bench.missing(jobs) == [jobs[1]]
    before = bench.path(jobs[0]).stat().st_mtime_ns
    bench.train_all(jobs)
    assert bench.missing(jobs) == []
    assert bench.path(jobs[0]).stat().st_mtime_ns == before


def test_bad_input_is_named(tmp_path: Path) -> None:
    """If this fails, a wrong checkpoint, seed, layer, item or loss turns into shares instead of an error."""
    adapter = symbolic()
    bench = Bench(adapter, tmp_path, producer=3)
    with pytest.raises(InputError, match="seed 3 produced the tracks"):
        bench.train_all([TrainingJob(seed=3)])
    with pytest.raises(InputError, match="root"):
        Bench(adapter, tmp_path, producer=3, registered="0" * 64)
    path = tmp_path / "c.safetensors"
    path.write_bytes(encode_checkpoint(train(adapter, 1, torch.ones(len(adapter.works)))))
    with pytest.raises(InputError, match="SHA-256"):
        read_checkpoint(adapter, path, "0" * 64)
    with pytest.raises(InputError, match="latent-denoiser"):
        read_checkpoint(latent(), path)
    with pytest.raises(InputError, match=r"layer 0 \(GRU\) is not supported"):
        layers(nn.Sequential(nn.GRU(2, 2)))
    shared = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    shared[1].weight = shared[0].weight
    with pytest.raises(InputError, match="share a parameter"):
        layers(shared)
    broken = adapter.model(0)
    with torch.no_grad():
        next(broken.parameters()).fill_(float("nan"))
    with pytest.raises(InputError, match="not a finite number"):
        likelihoods(adapter, broken, adapter.data([0]))
    with pytest.raises(InputError, match="not a finite number"):
        ekfac.fit(adapter, broken)


def test_averaging_keeps_the_last_third() -> None:
    """If this fails, a checkpoint holds other parameters than the mean of the last third of training."""
    adapter: Adapter = symbolic()
    weights = torch.ones(36)
    training = begin(adapter, 2)
    late = []
    for step in range(adapter.steps):
        adapter.advance(training, weights)
        if step >= adapter.steps - adapter.steps // 3:
            late.append([value.detach().clone() for value in training.model.parameters()])
    mean = [torch.stack(values).mean(0) for values in zip(*late, strict=True)]
    for found, expected in zip(averaged_model(train(adapter, 2, weights)).parameters(), mean, strict=True):
        torch.testing.assert_close(found, expected)
