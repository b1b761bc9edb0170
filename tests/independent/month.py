"""A month computed again from its export: every line of the run, every figure of every statement.

What this cannot do it refuses by an assertion: pools over other aspects than recordings, money carried into a pool,
refused permissions, disputes that split shares anew. Accounts over several months: `tests.independent.accounts`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from tests.independent.arithmetic import RULES, capped, divided, whole
from tests.independent.exported import Exported, Json

MILLION, BILLION = 1_000_000, 1_000_000_000
UNATTRIBUTED, RESERVE = "*unattributed", "*reserve"
PLAIN_TERMS = {
    "aspects": {"recording": MILLION},
    "error_max_ppm": MILLION,
    "fallback": "suspense",
    "price_micros": None,
    "unattributed": "return",
    "weight": "units",
    "products": [],
    "sources": [],
    "territories": [],
}


class Claim(NamedTuple):
    """Who is owed something, through which source, and what becomes of the money; in the order that names take."""

    group: str
    party: str
    source: str
    aspect: str
    basis: str
    state: str
    reason: str = ""
    ref: str = ""
    via: str = ""


class Heading(NamedTuple):
    """What a line of a run is known by."""

    group: str
    party: str
    state: str
    reason: str
    ref: str


Weights = dict[Heading, dict[tuple[str, Claim], int]]
"""By line: what each claim on each track weighs."""


class Month:
    """One published run, computed again; `instead`: with these vectors in place of others."""

    def __init__(self, exported: Exported, run: Json, instead: Mapping[str, str] | None = None) -> None:
        self._from = exported
        self._instead = instead or {}
        self._inputs = run["inputs"]
        terms = self._inputs["terms"]
        assert {name: terms[name] for name in PLAIN_TERMS} == PLAIN_TERMS, terms
        assert self._inputs["carried_micros"] == "0"
        self._close, self._salt = next(
            (leaf, root) for leaf, root in exported.closes() if leaf["period"] == terms["period"]
        )
        assert self._salt.hex() == self._inputs["period_root"], "the run is of another period"
        self.pool = int(terms["micros"])
        self._vectors = {
            leaf["statement"]: exported.statement(leaf["statement"])
            for leaf in exported.leaves
            if leaf["type"] == "vector"
        }
        self._held_listeners = self._lists()
        self.units: dict[str, int] = defaultdict(int)
        self.bound: dict[str, set[str]] = defaultdict(set)
        weights, unattributed = self._weights()
        self.totals, self.lines, self._behind = self._divided(weights, unattributed)

    # --- who is owed what part of a track ----------------------------------------------------------

    def _events(self) -> Iterator[Json]:
        """Below the closed size, dated before the period's end, in no earlier close."""
        size = {log["origin"]: log["size"] for log in self._close["logs"]}
        end = _end(self._close["period"])
        earlier = [
            (log["size"], _end(leaf["period"]))
            for leaf, _ in self._from.closes()
            for log in leaf["logs"]
            if leaf["period"] < self._close["period"]
        ]
        (below,) = size.values()
        for index, leaf in enumerate(self._from.leaves[:below]):
            if leaf["type"] != "event" or leaf["occurred_at"] >= end:
                continue
            if not any(index < taken and leaf["occurred_at"] < until for taken, until in earlier):
                yield leaf

    def _weights(self) -> tuple[Weights, int]:
        first: dict[str, str] = {}
        (below,) = (log["size"] for log in self._close["logs"])
        for leaf in self._from.leaves[:below]:
            if leaf["type"] == "assign":
                first.setdefault(leaf["track"], leaf["vector"])
        weights: Weights = defaultdict(lambda: defaultdict(int))
        unattributed = 0
        known: dict[tuple[str, str, str], tuple[dict[Claim, int], int]] = {}
        for event in self._events():
            track, units = event["track"], event["units"]
            digest = event["vector"] or first.get(track)
            digest = self._instead.get(digest or "", digest)
            paid = self._listed(event) is None
            self.units[track] += units if paid else 0
            if digest is None:
                lost = Claim(f"?track:{track}", "", "", "recording", "estimated", "suspense", "no-vector")
                weights[_heading(lost)][track, lost] += units * BILLION
                continue
            if paid:
                self.bound[track].add(digest)
            key = (digest, event["territory"], event["occurred_at"][:10])
            if key not in known:
                known[key] = self._kernel(*key)
            claims, rest = known[key]
            for claim, ppb in claims.items():
                settled = self._held(claim, event)
                weights[_heading(settled)][track, settled] += units * ppb
            unattributed += units * rest
        return weights, unattributed

    def _kernel(self, digest: str, territory: str, day: str) -> tuple[dict[Claim, int], int]:
        """One vector in parts of a billion: the rule between owner groups, then party by party, claim by claim."""
        vector, salt = self._vectors[digest], bytes.fromhex(digest)
        masses: dict[str, dict[str, dict[Claim, Fraction]]] = defaultdict(
            lambda: defaultdict(lambda: defaultdict(Fraction))
        )
        for source in vector["recording"]["sources"]:
            for claim, part in self._owners(vector["track"], source, territory, day):
                masses[claim.group][claim.party][claim] += Fraction(source["ppm"], MILLION) * part
        by_party = {
            group: {party: sum(held.values(), Fraction(0)) for party, held in parties.items()}
            for group, parties in masses.items()
        }
        by_group = {group: sum(held.values(), Fraction(0)) for group, held in by_party.items()}
        rule = self._inputs["rule"]
        parts = RULES[rule["name"]](by_group, **rule["params"])
        assert rule["params"].get("min_streams", 0) == 0, "thresholds of streams are not looked at here"
        owed = {group: part * BILLION for group, part in parts.items()}
        ppb = whole(owed | {UNATTRIBUTED: BILLION - sum(owed.values(), Fraction(0))}, salt)
        out: dict[Claim, int] = {}
        for group, parties in masses.items():
            for party, mine in _in_proportion(ppb[group], by_party[group], salt).items():
                named = {"\0".join(claim): claim for claim in parties[party]}
                shares = {name: parties[party][claim] for name, claim in named.items()}
                out |= {named[name]: amount for name, amount in _in_proportion(mine, shares, salt).items() if amount}
        return out, ppb[UNATTRIBUTED]

    def _owners(self, track: str, source: Json, territory: str, day: str) -> Iterator[tuple[Claim, Fraction]]:
        """The confirmed master shares of a recording on a day; a country's rows replace the world's."""
        rows = [
            share
            for share in self._from.registry["shares"]
            if (share["subject"], share["right"], share["state"]) == (source["id"], "master", "confirmed")
            and share["from"] <= day < share.get("to", "9999")
        ]
        rows = [row for row in rows if row["territory"] == territory] or [
            row for row in rows if row["territory"] == "WORLD"
        ]
        why = (source["id"], "recording", source["basis"])
        if sum(row["ppm"] for row in rows) != MILLION:
            yield Claim(f"?master:{source['id']}", "", *why, "suspense", "shares-short"), Fraction(1)
            return
        groups = {str(party["id"]): str(party.get("group", party["id"])) for party in self._from.registry["parties"]}
        for row in rows:
            assert self._allowed(row["party"], source), f"{track}: {row['party']} did not permit {source['id']}"
            state = ("held", "dispute") if self._disputed(source["id"]) else ("allocated",)
            yield Claim(groups[row["party"]], row["party"], *why, *state), Fraction(row["ppm"], MILLION)

    def _disputed(self, subject: str) -> bool:
        """Whether somebody contests this recording, as known at the close; what its holders get is held then."""
        known = self._from.leaves[: self._close["registry_size"]]
        over = {leaf["dispute"] for leaf in known if leaf["type"] == "resolve"}
        opened = [leaf["id"] for leaf in known if leaf["type"] == "dispute" and leaf["subject"] == subject]
        return any(name not in over for name in opened)

    def _allowed(self, party: str, source: Json) -> bool:
        use = source.get("use") or ("train" if source["basis"] == "estimated" else "condition")
        grants = [grant for grant in self._from.registry["grants"] if grant["grantor"] == party]
        assert all(grant["decision"] == "allow" for grant in grants)
        return any(grant["subject"] in {source["id"], "*"} and use in grant["uses"] for grant in grants)

    def _lists(self) -> dict[tuple[str, str, str], Json]:
        """The hold on each listener's streams, by source, listener and the list's own month: the first by id."""
        held: dict[tuple[str, str, str], Json] = {}
        for hold in sorted(self._inputs["holds"], key=lambda one: str(one["id"])):
            assert "rejected" not in hold, "rejected streams are not looked at here"
            listed = self._from.statement(hold["listeners"]) if "listeners" in hold else {"listeners": []}
            for row in listed["listeners"]:
                held.setdefault((row["source"], row["listener"], listed["period"]), hold)
        return held

    def _listed(self, event: Json) -> Json | None:
        return self._held_listeners.get((event["source"], event.get("listener") or "", event["occurred_at"][:7]))

    def _held(self, claim: Claim, event: Json) -> Claim:
        """A hold blocks payment and moves no weight."""
        listed = self._listed(event)
        if claim.state == "allocated" and listed is not None:
            return claim._replace(state="held", reason=listed["reason"], ref=listed["id"])
        about = {"party": claim.party, "subject": claim.source, "track": event["track"], "source": event["source"]}
        others = [hold for hold in self._inputs["holds"] if "listeners" not in hold]
        for hold in sorted(others, key=lambda one: str(one["id"])):
            named = {name for name in about if hold.get(name)}
            if claim.state == "allocated" and all(hold[name] == about[name] for name in named):
                return claim._replace(state="held", reason=hold["reason"], ref=hold["id"])
        return claim

    # --- what that is in money ---------------------------------------------------------------------

    def _divided(self, weights: Weights, unattributed: int) -> tuple[dict[str, int], dict[Heading, int], Weights]:
        """The pool's one rounding, then group by group, party by party, line by line."""
        lines = {heading: sum(parts.values()) for heading, parts in weights.items()}
        lines = {heading: weight for heading, weight in lines.items() if weight}
        by_group: dict[str, int] = defaultdict(int)
        for heading, weight in lines.items():
            by_group[heading.group] += weight
        kept = self.pool * self._inputs["terms"]["reserve_ppm"] // MILLION
        kappa = self._inputs["rule"]["params"].get("kappa", MILLION)
        cap = None if kappa == MILLION else (self.pool - kept) * kappa // MILLION
        owed, over = capped(by_group, unattributed, self.pool - kept, cap)
        nobody = self.pool - kept - sum(owed.values()) - over
        micros = whole(owed | {UNATTRIBUTED: Fraction(nobody), RESERVE: over}, self._salt)
        out: dict[Heading, int] = {}
        for group in by_group:
            mine: dict[str, dict[Heading, int]] = defaultdict(dict)
            for heading, weight in lines.items():
                if heading.group == group:
                    mine[heading.party][heading] = weight
            parties = divided(micros[group], {p: sum(held.values()) for p, held in mine.items()}, self._salt)
            for party, held in mine.items():
                named = {"\0".join(heading): heading for heading in held}
                parts = divided(parties[party], {name: held[h] for name, h in named.items()}, self._salt)
                out |= {named[name]: amount for name, amount in parts.items()}
        totals = {"unattributed": micros[UNATTRIBUTED], "reserve": kept + micros[RESERVE]}
        totals |= {
            state: sum(m for h, m in out.items() if h.state == state) for state in ("allocated", "held", "suspense")
        }
        assert sum(totals.values()) == self.pool
        return totals, out, weights

    # --- what each party is told -------------------------------------------------------------------

    def statement(self, party: str) -> Json:
        """The figures of a party's statement in this pool, and the earnings behind them."""
        assert not self._inputs["entries"], "corrections are for tests.independent.accounts"
        assert self._inputs["follows"] is None
        earned = sum(m for h, m in self.lines.items() if h.party == party and h.state == "allocated")
        held = sum(m for h, m in self.lines.items() if h.party == party and h.state == "held")
        net = earned // 10_000 * 10_000 if earned >= max(int(self._inputs["minimum_micros"]), 1) else 0
        return {
            "opening_micros": 0,
            "earned_micros": earned,
            "adjustments_micros": 0,
            "held_micros": held,
            "suspense_micros": 0,
            "net_micros": net,
            "carried_micros": earned - net,
            "earnings": self._earnings(party),
        }

    def _earnings(self, party: str) -> list[Json]:
        out = []
        for heading, micros in self.lines.items():
            if heading.party != party or heading.state != "allocated":
                continue
            pieces: dict[tuple[str, str, str], int] = defaultdict(int)
            for (track, claim), weight in self._behind[heading].items():
                pieces[track, claim.source, claim.basis] += weight
            named = {
                "\0".join((track, source, "recording", basis, "")): (track, source, basis)
                for track, source, basis in pieces
            }
            parts = divided(micros, {name: pieces[piece] for name, piece in named.items()}, self._salt)
            out += [self._earning(*named[name], amount) for name, amount in parts.items()]
        return sorted(out, key=lambda one: (-one["micros"], one["track"], one["source"], one["basis"]))

    def _earning(self, track: str, source: str, basis: str, micros: int) -> Json:
        titles = {
            row["id"]: row["title"]
            for name in ("recordings", "tracks")
            for row in self._from.registry[name]
            if "title" in row
        }
        found: list[dict[str, Any]] = [
            one
            for digest in self.bound[track]
            for one in self._vectors[digest]["recording"]["sources"]
            if (one["id"], one["basis"]) == (source, basis)
        ]
        given = {one["ppm"] for one in found}
        return {
            "track": track,
            "track_title": titles[track],
            "source": source,
            "source_title": titles[source],
            "aspect": "recording",
            "basis": basis,
            "via": "",
            "ppm": given.pop() if len(given) == 1 else None,
            "low_ppm": min(one["low"] for one in found),
            "high_ppm": max(one["high"] for one in found),
            "units": self.units[track],
            "micros": micros,
        }


def _heading(claim: Claim) -> Heading:
    return Heading(claim.group, claim.party, claim.state, claim.reason, claim.ref)


def _in_proportion(total: int, shares: dict[str, Fraction], salt: bytes) -> dict[str, int]:
    sum_of_shares = sum(shares.values())
    return whole({name: total * share / sum_of_shares for name, share in shares.items()}, salt)


def _end(period: str) -> str:
    """The first instant after a month, as leaves write times."""
    year, month = int(period[:4]), int(period[5:])
    return f"{year + month // 12:04d}-{month % 12 + 1:02d}-01T00:00:00Z"
