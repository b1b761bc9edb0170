"""The kernel: divide one vector, with the shares of that time, into integer parts per billion per owner.

Masses are exact. Owner groups are the players: a group's masses through several recordings, rights and parties are
summed before the rule sees them, so that relabelling inside a group changes nothing. Three divisions follow, each by
largest remainder and independent of the finer one: groups, parties within a group, claims within a party. Whether a
claim is paid, held or in suspense does not affect any division.

Declared approximations: group masses are carried in parts per 10^12 (exact where all money goes to one
aspect's direct shares) and results in parts per 10^9 of the vector's weight.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from ledger.types import MILLION, Aspect
from payouts.allocate import divide, round_shares
from payouts.rules.base import WHOLE, Rule, Split, check_split

BILLION: Final = 1_000_000_000
EXACT: Final = 10**24
"""aspect ppm x influence ppm x link ppm x share ppm: a whole vector before anything is rounded."""

State = Literal["allocated", "held", "suspense"]
Basis = Literal["declared", "estimated", "equal"]
"""How a claim is known; `equal` is a share that no attribution was made for."""

UNATTRIBUTED: Final = "*unattributed"
RESERVE: Final = "*reserve"


class Claim(NamedTuple):
    """The reason for a group's part: party, source, aspect, and the state of the money.

    `group` starts with "?" where the payee is not known, with "*" where a group of recordings stands for
    owners still to be looked up; no party's own id starts so. `ref` names the hold behind a reason, `via`
    the style group or training set that the money came through.
    """

    group: str
    party: str
    source: str
    aspect: Aspect
    basis: Basis
    state: State
    reason: str = ""
    ref: str = ""
    via: str = ""


class Portion(NamedTuple):
    """A claim with its part of the vector's weight."""

    claim: Claim
    ppb: int


class Kernel(NamedTuple):
    """A vector's weight, divided: portions and `unattributed` sum to one billion."""

    portions: tuple[Portion, ...]
    unattributed: int


class Game(NamedTuple):
    """A vector prepared for the rule: groups in order, with their masses and claims. Masses are of WHOLE."""

    salt: bytes
    groups: tuple[str, ...]
    masses: tuple[int, ...]
    claims: tuple[tuple[tuple[Claim, int], ...], ...]


def game_of(claims: Sequence[tuple[Claim, int]], salt: bytes) -> Game:
    """Group claims with exact masses (of EXACT); the result does not depend on the order of the claims."""
    by_group: dict[str, list[tuple[Claim, int]]] = defaultdict(list)
    for claim, mass in claims:
        if mass:
            by_group[claim.group].append((claim, mass))
    groups = sorted(by_group)
    exact = [sum(mass for _, mass in by_group[group]) for group in groups]
    remainder = EXACT - sum(exact)
    if remainder < 0:
        raise ValueError(f"claims hold {sum(exact)} of {EXACT}: more than the whole vector")
    masses = _to_whole(groups, exact, remainder, salt)
    nonzero = [n for n in range(len(groups)) if masses[n]]
    return Game(
        salt,
        tuple([groups[n] for n in nonzero]),
        tuple([masses[n] for n in nonzero]),
        tuple([tuple(sorted(by_group[groups[n]])) for n in nonzero]),
    )


def _to_whole(groups: Sequence[str], exact: Sequence[int], rest: int, salt: bytes) -> list[int]:
    """Return masses in parts of WHOLE; no rounding is needed if all shares are direct."""
    unit = EXACT // WHOLE
    masses = [mass // unit for mass in exact]
    if sum(masses) * unit == EXACT - rest:
        return masses
    rounded, _ = round_shares([*groups, UNATTRIBUTED], [*exact, rest], unit, salt=salt)
    return rounded[:-1]


def _within_group(claims: Sequence[tuple[Claim, int]], ppb: int, salt: bytes) -> list[Portion]:
    """Divide a group's ppb among its parties, then each party's among its claims."""
    by_party: dict[str, dict[Claim, int]] = defaultdict(lambda: defaultdict(int))
    for claim, mass in claims:
        by_party[claim.party][claim] += mass
    parties = divide(ppb, {party: sum(amounts.values()) for party, amounts in by_party.items()}, salt=salt)
    out: list[Portion] = []
    for party, amounts in by_party.items():
        names = {"\0".join(claim): claim for claim in amounts}
        parts = divide(parties[party], {name: amounts[claim] for name, claim in names.items()}, salt=salt)
        out.extend(Portion(claim, parts[name]) for name, claim in names.items())
    return out


def _beyond_reach(game: Game) -> Kernel:
    group = f"?vector:{game.salt.hex()}"
    claim = Claim(group, "", "", "recording", "estimated", "suspense", "too-many-owners")
    return Kernel((Portion(claim, BILLION),), 0)


def settle_game(game: Game, split: Split | None) -> Kernel:
    """Round the rule's exact split to ppb, with unattributed as one entry, then divide within groups."""
    if split is None:
        return _beyond_reach(game)
    remainder = split.denominator - sum(split.numerators)
    scaled = [numerator * BILLION for numerator in split.numerators]
    ppb, _ = round_shares(
        [*game.groups, UNATTRIBUTED], [*scaled, remainder * BILLION], split.denominator, salt=game.salt
    )
    portions: list[Portion] = []
    for claims, part in zip(game.claims, ppb, strict=False):
        if part and len(claims) == 1:
            portions.append(Portion(claims[0][0], part))
        elif part:
            portions += [portion for portion in _within_group(claims, part, game.salt) if portion.ppb]
    return Kernel(tuple(portions), ppb[-1])


def kernels(rule: Rule, games: Sequence[Game]) -> list[Kernel]:
    """Compute every game under the rule; equal masses are computed once, in any order or batch."""
    distinct = list(dict.fromkeys(game.masses for game in games))
    splits = dict(zip(distinct, rule.kernels(distinct), strict=True))
    for masses, split in splits.items():
        if split is not None:
            check_split(rule, split, len(masses))
    return [settle_game(game, splits[game.masses]) for game in games]


def whole_claim(aspect_ppm: int, source_ppm: int) -> int:
    """Return the exact mass of a source that is one claim, not divided by works or shares."""
    return aspect_ppm * source_ppm * MILLION * MILLION
