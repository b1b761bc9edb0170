"""A second pool, written in Python: what the contract should know after every step."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.contracts.world import DAY, Tree

PAYEES = 6
MAX_PAUSE = 7 * DAY


@dataclass
class Standing:
    """A root with what it says."""

    tree: Tree | None = None
    total: int = 0
    active_at: int = 0


@dataclass
class Model:
    """The pool as it should be."""

    latest: Standing = field(default_factory=Standing)
    previous: Standing = field(default_factory=Standing)
    sequence: int = 0
    size: int = 0
    claimed: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(PAYEES), 0))
    paid: int = 0
    lapsed: int = 0
    deposited: int = 0
    swept: int = 0
    dormant: bool = False
    paused_until: int = 0
    notices: dict[int, tuple[int, int]] = field(default_factory=dict)
    digests: dict[int, bytes] = field(default_factory=dict)
    balances: dict[str, int] = field(default_factory=dict)

    @property
    def taken(self) -> int:
        return self.paid + self.lapsed

    @property
    def balance(self) -> int:
        return self.deposited - self.paid - self.swept

    def serving(self, now: int) -> Standing:
        return self.latest if now >= self.latest.active_at else self.previous
