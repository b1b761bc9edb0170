"""A small transformer over notes: pitch and duration alternate, and a work is its first notes.

Works are given as JSON lines: `{"id": ..., "owner": ..., "tokens": [...]}`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from attribution.influence.adapter import Item, TrainingState, finite
from attribution.influence.adapters.optimiser import Recipe, advance, batch_of
from ledger.errors import InputError

START: Final = 0
"""The token before a work's first one; works do not contain it."""


@dataclass(frozen=True, slots=True)
class TokenisedWork:
    """A work as its owner's tokens."""

    id: str
    owner: str
    tokens: tuple[int, ...]

    @property
    def sha256(self) -> str:
        return hashlib.sha256(json.dumps(self.tokens, separators=(",", ":")).encode()).hexdigest()


def read_works(path: Path) -> list[TokenisedWork]:
    """The works of a file of JSON lines; InputError names the line that is none."""
    works = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        raise InputError(f"works {path}: cannot be read as text ({problem})") from None
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            tokens = tuple(row["tokens"])
            if not tokens or not all(type(token) is int and token >= 0 for token in tokens):
                raise ValueError("tokens are whole numbers from 0 on")
            works.append(TokenisedWork(str(row["id"]), str(row.get("owner", "")), tokens))
        except (ValueError, KeyError, TypeError) as problem:
            raise InputError(f"works {path}, line {number}: {problem!r}; expected id, owner and tokens") from None
    return works


class AttentionBlock(nn.Module):
    """Attention to what came before, then a layer of its own for each position."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attend, self.join = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        count, length, width = x.shape
        query, key, value = (
            self.attend(self.before(x)).view(count, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        )
        # Written out: the fused kernels differ between machines, and one kernel more is noise in every score.
        scores = query @ key.transpose(-1, -2) / (width // self.heads) ** 0.5
        future = torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)
        mixed = scores.masked_fill(future, float("-inf")).softmax(-1) @ value
        x = x + self.join(mixed.transpose(1, 2).reshape(count, length, width))
        out: Tensor = x + self.narrow(self.widen(self.after(x)).relu())
        return out


class NoteModel(nn.Module):
    """The likelihood of each next token."""

    def __init__(self, vocabulary: int, length: int, width: int, heads: int, blocks: int) -> None:
        super().__init__()
        self.token, self.position = nn.Embedding(vocabulary, width), nn.Embedding(length, width)
        self.blocks = nn.ModuleList(AttentionBlock(width, heads) for _ in range(blocks))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocabulary)

    def forward(self, tokens: Tensor) -> Tensor:
        places = torch.arange(tokens.shape[1], device=tokens.device).expand(tokens.shape)
        x = self.token(tokens) + self.position(places)
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.head(self.norm(x))
        return logits


class Symbolic:
    """The adapter: works in, the transformer above, mean loss a token."""

    name = "symbolic-transformer"
    version = "1"
    attention = "written out: masked softmax, no fused kernel"

    def __init__(self, works: Sequence[TokenisedWork], *, width: int = 32, epochs: int = 12, batch: int = 32) -> None:
        if not works:
            raise InputError("no works to train on")
        self.works = list(works)
        self.length = max(len(work.tokens) for work in works)
        if any(len(work.tokens) != self.length for work in works):
            raise InputError(f"works of different lengths; cut them all to {self.length} tokens or fewer")
        self.vocabulary = max(max(work.tokens) for work in works) + 2
        self.width = width
        self.tokens = torch.tensor([work.tokens for work in works])
        self.recipe = Recipe(steps=epochs * max(len(works) // batch, 1), batch=batch, rate=1e-2)

    @classmethod
    def from_folder(cls, folder: Path) -> Symbolic:
        """The model of a study folder, which holds its works as `works.jsonl`."""
        return cls(read_works(folder / "works.jsonl"))

    @property
    def steps(self) -> int:
        return self.recipe.steps

    @property
    def rate(self) -> float:
        return self.recipe.rate

    def batch(self, seed: int, step: int) -> list[int]:
        return batch_of(seed, step, self.recipe.batch, len(self.works))

    def items(self) -> list[Item]:
        return [Item(id=work.id, owner=work.owner, sha256=work.sha256) for work in self.works]

    def data(self, numbers: Sequence[int]) -> Tensor:
        return self.tokens[list(numbers)]

    def read(self, path: Path) -> tuple[list[str], Tensor]:
        return self.queries(read_works(path))

    def queries(self, works: Sequence[TokenisedWork]) -> tuple[list[str], Tensor]:
        """Works that are no training items, with their names; InputError for tokens the model does not know."""
        for work in works:
            if len(work.tokens) != self.length or max(work.tokens) > self.vocabulary - 2:
                raise InputError(
                    f"work {work.id}: {len(work.tokens)} tokens up to {max(work.tokens)}, "
                    f"expected {self.length} tokens up to {self.vocabulary - 2}"
                )
        return [work.id for work in works], torch.tensor([work.tokens for work in works])

    def model(self, seed: int) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return NoteModel(self.vocabulary, self.length, self.width, 4, 2)

    def logits(self, model: nn.Module, data: Tensor) -> Tensor:
        started = torch.cat([torch.zeros_like(data[:, :1]), data[:, :-1] + 1], dim=1)
        out: Tensor = model(started)
        return out

    def losses(self, model: nn.Module, data: Tensor, sample: torch.Generator | None = None) -> Tensor:
        return self.token_losses(model, data, sample).mean(1)

    def token_losses(self, model: nn.Module, data: Tensor, sample: torch.Generator | None = None) -> Tensor:
        """The loss of each event: a work's influence is the mean over its events."""
        logits, targets = self.logits(model, data), data + 1
        if sample is not None:
            chances = finite(logits.detach(), self.name).softmax(-1).flatten(0, 1)
            targets = torch.multinomial(chances, 1, generator=sample).view(targets.shape)
        return functional.cross_entropy(logits.transpose(1, 2), targets, reduction="none")

    def advance(self, training: TrainingState, weights: Tensor) -> None:
        advance(
            training,
            self.recipe,
            len(self.works),
            weights,
            lambda numbers: self.losses(training.model, self.data(numbers)),
        )

    def generate(self, model: nn.Module, count: int, seed: int) -> Any:
        """Works drawn from the model, at temperature 1."""
        generator = torch.Generator().manual_seed(seed)
        tokens = torch.zeros(count, 1, dtype=torch.long)
        with torch.no_grad():
            for _ in range(self.length):
                chances = model(tokens)[:, -1].softmax(-1)
                chances[:, START] = 0
                tokens = torch.cat([tokens, torch.multinomial(chances, 1, generator=generator)], dim=1)
        return tokens[:, 1:] - 1
