"""Gaming by search: an attacker reworks a victim's recording until it passes the index's door and takes shares.

    python -m tests.bench.bench_optimiser [--tries 500] [--victims 20]

Speed, filters, cuts and noise are drawn at random for the first half of the tries, then changed a little from the best;
of copies that are kept out the least alike is the best. What gets in is searched beside the catalogue, for a track made
of the victim's recording as it is and for one made of it under the attacker's own reworking.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from attribution.hearing.audio import SAMPLE_RATE, Pcm
from attribution.hearing.features import Features
from attribution.index.catalogue import Catalogue, CatalogueEntry
from attribution.index.copies import Entrant, sort_out
from attribution.lab import synth
from attribution.lab.render import level_to
from attribution.lab.synth import InventedPiece, perform
from attribution.methods.byname import method
from attribution.methods.chance import chance_in
from tests.bench.recordings.collection import heard
from tests.bench.recordings.operations import faster, filtered, plain

SECONDS = 24.0
VICTIMS_PART = 0.6
RANGES: Mapping[str, tuple[float, float]] = {
    "speed": (0.75, 1.35),
    "low": (1_000, 7_900),
    "high": (30, 1_500),
    "block": (0.5, 24.0),
    "kept": (0.3, 1.0),
    "noise": (0.0, 0.05),
}
"""What an attacker may choose: blocks of so many seconds are shuffled, and a part of the recording is kept."""
Reworking = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a reworking brought: the parts of the track that moved from the victim, and what the attacker looks at.

    `taken`: the attacker's share, whether the victim had it before or the reworking hides the victim altogether.
    """

    let_in: bool
    gain: float
    unattributed: float
    taken: float
    worth: float


def drawn(rng: np.random.Generator) -> Reworking:
    return {name: float(rng.uniform(*span)) for name, span in RANGES.items()}


def changed(reworking: Reworking, rng: np.random.Generator) -> Reworking:
    """A reworking near another one."""
    return {
        name: float(np.clip(reworking[name] + 0.15 * (high - low) * rng.standard_normal(), low, high))
        for name, (low, high) in RANGES.items()
    }


def reworked(pcm: Pcm, reworking: Reworking, seed: int) -> Pcm:
    rng = np.random.default_rng(seed)
    pcm = pcm[: int(reworking["kept"] * len(pcm))]
    size = int(reworking["block"] * SAMPLE_RATE)
    blocks = [pcm[begin : begin + size] for begin in range(0, len(pcm), size)]
    pcm = np.concatenate([blocks[number] for number in rng.permutation(len(blocks))])
    pcm = filtered(filtered(faster(pcm, reworking["speed"]), "low", reworking["low"]), "high", reworking["high"])
    return plain(level_to(pcm, 0.1) + reworking["noise"] * rng.standard_normal(len(pcm)))


class Attack:
    """One victim's recording in a catalogue, and the two tracks that are asked about."""

    def __init__(self, victim: InventedPiece, other: InventedPiece, catalogue: Catalogue) -> None:
        self.victim, self.other, self.catalogue = victim.id, perform(other, SECONDS), catalogue
        self.pcm = perform(victim, SECONDS)
        self.plain = heard(self._track(self.pcm))
        self.before = self._shares(catalogue, self.plain)

    def _track(self, pcm: Pcm) -> Pcm:
        split = int(VICTIMS_PART * SECONDS * SAMPLE_RATE)
        return np.concatenate([level_to(pcm[:split], 0.1), level_to(self.other[split:], 0.1)])

    def _shares(self, catalogue: Catalogue, item: Features) -> dict[str, float]:
        chosen = method("hybrid")
        chosen.fit(catalogue)
        return dict(chosen.attribute(item).shares["recording"])

    def outcome(self, reworking: Reworking, seed: int) -> Outcome:
        fake = reworked(self.pcm, reworking, seed)
        features = {self.victim: self.catalogue.features(self.catalogue.row[self.victim]), "fake": heard(fake)}
        entrants = [Entrant(id=name, groups=frozenset({name}), confirmed=False) for name in features]
        verdict = sort_out(entrants, features.__getitem__)["fake"]
        if verdict.kept_out is not None or features["fake"].unfit is not None:
            return Outcome(let_in=False, gain=0.0, unattributed=0.0, taken=0.0, worth=-verdict.likeness)
        with_fake = Catalogue(
            [*self.catalogue.recordings, CatalogueEntry(id="fake", features=features["fake"])],
            chance=self.catalogue.chance,
        )
        own = heard(self._track(fake))
        gain, unattributed, taken = 0.0, 0.0, 0.0
        for item, before in ((self.plain, self.before), (own, self._shares(self.catalogue, own))):
            after = self._shares(with_fake, item)
            moved = max(0.0, before.get(self.victim, 0.0) - after.get(self.victim, 0.0))
            share = after.get("fake", 0.0)
            taken, gain = max(taken, share), max(gain, min(moved, share))
            unattributed = max(unattributed, moved - share)
        return Outcome(let_in=True, gain=gain, unattributed=unattributed, taken=taken, worth=gain + 0.1 * unattributed)

    def best(self, tries: int, seed: int) -> tuple[list[Outcome], Reworking]:
        """All outcomes of a search, and the reworking that the attacker likes best."""
        rng = np.random.default_rng((23, seed))
        outcomes: list[Outcome] = []
        likes, worth = drawn(rng), -np.inf
        for number in range(tries):
            reworking = drawn(rng) if number < tries // 2 else changed(likes, rng)
            outcomes.append(self.outcome(reworking, seed))
            if outcomes[-1].worth > worth:
                likes, worth = reworking, outcomes[-1].worth
        return outcomes, likes


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tries", type=int, default=500)
    parser.add_argument("--victims", type=int, default=20)
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    world = synth.make_world(23, pieces=2 * options.victims + 4, styles=4)
    catalogue = Catalogue(
        [
            CatalogueEntry(id=piece.id, style=piece.style, features=heard(perform(piece, SECONDS)))
            for piece in world.pieces[: options.victims + 4]
        ]
    )
    chance_in(catalogue)
    print("| victim | let in, of tries | to the attacker, worst | to unattributed, worst | taken | best reworking |")
    print("|---|---|---|---|---|---|")
    gains, losses = [], []
    for number, victim in enumerate(world.pieces[: options.victims]):
        attack = Attack(victim, world.pieces[options.victims + 4 + number], catalogue)
        outcomes, likes = attack.best(options.tries, number)
        gains.append(max(outcome.gain for outcome in outcomes))
        losses.append(max(outcome.unattributed for outcome in outcomes))
        taken = max(outcome.taken for outcome in outcomes)
        cells = [
            victim.id,
            f"{sum(outcome.let_in for outcome in outcomes)} of {options.tries}",
            *(f"{value:.3f}" for value in (gains[-1], losses[-1], taken)),
            ", ".join(f"{name} {value:.2f}" for name, value in likes.items()),
        ]
        print(f"| {' | '.join(cells)} |", flush=True)
    print(f"\nMoved to the attacker: mean {np.mean(gains):.3f}, worst {max(gains):.3f}. ", end="")
    print(f"To unattributed: mean {np.mean(losses):.3f}, worst {max(losses):.3f}.")


@pytest.mark.bench
def test_the_quick_search_for_reworkings_runs() -> None:
    """If this fails, the table of the attacker's search can no longer be made."""
    main(["--tries", "4", "--victims", "1"])


if __name__ == "__main__":
    main()
