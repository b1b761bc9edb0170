"""A settled month, divided and drawn up from docs/formats.md alone, and its bundles."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from tests.independent.building import Json, Log, canonical, digest, leaf_hash, path_to, root_of, sha256, statement
from tests.independent.signing import Key

AT = "2026-07-02T09:00:00Z"
MICROS, RESERVE_PPM = 1_000_003, 10_000
RUN = "application/vnd.settle.run+json"
PUBLICATION = "application/vnd.settle.publication+json"
Cutoff = tuple[int, bytes] | None

LINES = (
    # group, party, state, reason, ref, weight
    ("?track:trk-9", "", "suspense", "no-vector", "", 1_000_000_000),
    ("label", "p-ann", "allocated", "", "", 3_100_000_001),
    ("label", "p-ann", "held", "rights", "hold-1", 200_000_000),
    ("label", "p-bob", "allocated", "", "", 1_700_000_000),
    ("p-cy", "p-cy", "allocated", "", "", 500_000_003),
)
UNATTRIBUTED, UNITS = 499_999_996, 7
STATES = ("allocated", "held", "suspense")
COLUMNS = ("group", "party", "state", "reason", "ref")
CLAUSE = {"kind": "withhold", "party": "p-ann", "ppm": 150_000, "territory": "SE"}


def rounded(owed: dict[str, int], denominator: int, salt: bytes) -> tuple[dict[str, int], Cutoff]:
    """Floors, then one each to the largest remainders; equal ones in the order of their hashes. And where it ended."""
    micros = {name: amount // denominator for name, amount in owed.items()}
    left = sum(owed.values()) // denominator - sum(micros.values())
    ties = {name: sha256(salt + name.encode()) for name in owed}
    order = sorted(owed, key=lambda name: (-(owed[name] % denominator), ties[name]))
    for name in order[:left]:
        micros[name] += 1
    last = order[left - 1] if left else None
    return micros, None if last is None else (owed[last] % denominator, ties[last])


def shared(total: int, weights: dict[str, int], salt: bytes) -> tuple[dict[str, int], Cutoff]:
    return rounded({name: total * weight for name, weight in weights.items()}, sum(weights.values()), salt)


def cutoff_of(cutoff: Cutoff) -> Json | None:
    return None if cutoff is None else {"remainder": str(cutoff[0]), "tie": cutoff[1].hex()}


def table(rows: list[Json]) -> Json:
    data = [canonical(row) for row in rows]
    root = root_of([leaf_hash(row) for row in data])
    return {"rows": len(rows), "root": root.hex(), "sha256": sha256(b"".join(row + b"\n" for row in data)).hex()}


def proven(rows: list[Json], **named: Any) -> list[Json]:
    """The rows with these values, each with its path."""
    hashes = [leaf_hash(canonical(row)) for row in rows]
    return [
        {"index": n, "row": row, "path": [one.hex() for one in path_to(n, hashes)]}
        for n, row in enumerate(rows)
        if all(row[name] in values for name, values in named.items())
    ]


class Settled:
    """A log in which a month was closed, calculated, approved and published."""

    def __init__(self) -> None:
        self.keys = {name: Key(name.encode().ljust(32, b".")) for name in ("log", "operator", "attribution", "carol")}
        self.log = Log("example.org/independent", self.keys["log"])
        self.log.append("log", at=AT, origin=self.log.origin)
        self._attributed()
        size = len(self.log.leaves)
        close = {"origin": self.log.origin, "size": size, "root": root_of(self.log.hashes).hex()}
        self.close = self.log.append("close", at=AT, period="2026-06", logs=[close], registry_size=size)
        self.salt = self.log.hashes[self.close]
        self._calculated(size)
        self._acted()

    def _attributed(self) -> None:
        """A vector, its assignment and a stream."""
        source = {
            "id": "rec-1",
            "ppm": 600_000,
            "basis": "declared",
            "low": 600_000,
            "high": 600_000,
            "use": "condition",
        }
        nothing = {"sources": [], "unattributed": 1_000_000}
        vector = {
            "v": 1,
            "type": "influence-vector",
            "track": "trk-1",
            "method": "declared",
            "version": "1",
            "recording": {"sources": [source], "unattributed": 400_000},
            "composition": nothing,
            "style": nothing,
        }
        key = self.keys["attribution"]
        self.vector = statement("application/vnd.settle.influence-vector+json", vector, key)
        name = digest(self.vector)
        self.evidence = self.log.append("vector", at=AT, track="trk-1", statement=name, method="declared")
        self.assign = self.log.append("assign", key, at=AT, track="trk-1", vector=name)
        self.event = self.log.append(
            "event",
            source="acme",
            event_id="e-1",
            track="trk-1",
            occurred_at="2026-06-03T11:05:00Z",
            territory="SE",
            units=1,
            vector=name,
        )

    # --- the run ----------------------------------------------------------------------------------

    def _calculated(self, size: int) -> None:
        content = {"clause": CLAUSE, "note": "contract 7", "period": "2026-06"}
        self.term = {"id": f"terms-{digest(content)[:20]}", **content}
        terms = {
            "aspects": {"recording": 1_000_000},
            "currency": "EUR",
            "error_max_ppm": 1_000_000,
            "fallback": "suspense",
            "micros": str(MICROS),
            "period": "2026-06",
            "pool": "default",
            "price_micros": None,
            "products": [],
            "sources": [],
            "territories": [],
            "reserve_ppm": RESERVE_PPM,
            "suspense_months": 36,
            "suspense_to": "return",
            "unattributed": "return",
            "weight": "units",
        }
        hold = {"id": "hold-1", "reason": "rights", "party": None, "subject": "rec-2", "track": None, "source": None}
        self.inputs = {
            "period_root": self.salt.hex(),
            "registry_size": size,
            "sequence": 1,
            "terms": terms,
            "rule": {"name": "pro-rata", "version": "1", "params": {}},
            "holds": [hold],
            "follows": None,
            "entries": ["adjust-1"],
            "minimum_micros": "20000",
            "carried_micros": "0",
            "fx": None,
            "agreed": [self.term["id"]],
        }
        self.tables = self._divided()
        self.document = {
            "v": 2,
            "run": digest({"settle": "run", "v": 2, "inputs": self.inputs}),
            "inputs": self.inputs,
            "result": self.result,
            "tables": {name: table(rows) for name, rows in self.tables.items()},
        }

    def _divided(self) -> dict[str, list[Json]]:
        weights: dict[str, int] = defaultdict(int)
        for group, *_, weight in LINES:
            weights[group] += weight
        whole = sum(weights.values()) + UNATTRIBUTED
        kept = MICROS * RESERVE_PPM // 1_000_000
        pool = MICROS - kept
        owed = {group: weight * pool for group, weight in weights.items()}
        micros, cutoff = rounded(owed | {"*unattributed": pool * UNATTRIBUTED, "*reserve": 0}, whole, self.salt)
        lines, groups = self._lines(weights, micros)
        accounts = self._accounts(lines)
        file = b"".join(canonical(row) + b"\n" for row in lines)
        said = "".join(
            "\0".join(row[name] for name in ("party", "opening", "payable", "carried")) + "\n" for row in accounts
        )
        secret = sha256(b"settle run rows v2\0" + file + said.encode())
        for kind, name, rows in (("group", "group", groups), ("party", "party", accounts)):
            for row in rows:
                row["salt"] = sha256(secret + f"{kind}\0{row[name]}".encode())[:16].hex()
        states = {state: sum(int(row["micros"]) for row in lines if row["state"] == state) for state in STATES}
        self.result = {
            "pool": str(MICROS),
            **{state: str(amount) for state, amount in states.items()},
            "unattributed": str(micros["*unattributed"]),
            "reserve": str(kept + micros["*reserve"]),
            "units": str(UNITS),
            "weight": str(whole),
            "weight_unattributed": str(UNATTRIBUTED),
            "cutoff": cutoff_of(cutoff),
            "level": {
                "cap": None,
                "numerator": str(pool),
                "denominator": str(whole),
                "unattributed": str(pool * UNATTRIBUTED),
                "reserve": "0",
            },
        }
        usage = {
            "track": "trk-1",
            "territory": "SE",
            "at": "2026-06-03T00:00:00Z",
            "source": "acme",
            "vector": digest(self.vector),
            "product": None,
            "listener": None,
            "currency": None,
            "units": str(UNITS),
            "gross": None,
            "count": "1",
        }
        return {"usage": [usage], "groups": groups, "lines": lines, "accounts": accounts}

    def _lines(self, weights: dict[str, int], micros: dict[str, int]) -> tuple[list[Json], list[Json]]:
        lines, groups = [], []
        for group in sorted(weights):
            mine = [line for line in LINES if line[0] == group]
            parties: dict[str, int] = defaultdict(int)
            for line in mine:
                parties[line[1]] += line[5]
            amounts, cutoff = shared(micros[group], parties, self.salt)
            weight = str(weights[group])
            groups.append({"group": group, "weight": weight, "micros": str(micros[group]), "cutoff": cutoff_of(cutoff)})
            for party in sorted(parties):
                headings = {"\0".join(line[:5]): line for line in mine if line[1] == party}
                parts, _ = shared(amounts[party], {name: line[5] for name, line in headings.items()}, self.salt)
                lines += [
                    dict(zip(COLUMNS, line[:5], strict=True)) | {"weight": str(line[5]), "micros": str(parts[name])}
                    for name, line in headings.items()
                ]
        return sorted(lines, key=lambda row: [row[name].encode() for name in COLUMNS]), groups

    def _accounts(self, lines: list[Json]) -> list[Json]:
        accounts = []
        for party in sorted({row["party"] for row in lines} - {""}):
            mine = [row for row in lines if row["party"] == party]
            earned = sum(int(row["micros"]) for row in mine if row["state"] == "allocated")
            corrections = []
            if party == "p-cy":
                corrections = [
                    {"id": "adjust-1", "kind": "adjustment", "micros": "-1234", "run": "ab" * 32, "reason": "late"}
                ]
            balance = earned + sum(int(one["micros"]) for one in corrections)
            account: Json = {"party": party, "opening": "0", "earned": str(earned), "corrections": corrections}
            if party == "p-ann":
                tax = balance * 150_000 // 1_000_000 // 10_000 * 10_000
                balance -= tax
                entry = {"kind": "tax", "term": self.term["id"], "micros": str(-tax), "due": ""}
                account["deductions"] = {"agreed": [self.term], "before": [], "entries": [entry], "after": []}
            payable = balance // 10_000 * 10_000 if balance >= 20_000 else 0
            file = b"".join(canonical(row) + b"\n" for row in mine)
            accounts.append(
                account
                | {"payable": str(payable), "carried": str(balance - payable)}
                | {"lines": {"rows": len(mine), "sha256": sha256(file).hex()}}
            )
        return accounts

    # --- the acts ---------------------------------------------------------------------------------

    def _acted(self) -> None:
        operator, carol = self.keys["operator"], self.keys["carol"]
        self.signed_document = statement(RUN, self.document, operator)
        run, name = self.document["run"], digest(self.signed_document)
        by = {"at": AT, "by": "operator"}
        self.run = self.log.append(
            "run", operator, **by, run=run, period="2026-06", pool="default", sequence=1, engine="log", statement=name
        )
        self.approval = self.log.append("approve", carol, at=AT, by="carol", subject=run, document=name, demo=False)
        self.intents = [
            {"party": row["party"], "micros": row["payable"], "route": "file", "salt": row["salt"]}
            for row in self.tables["accounts"]
            if row["payable"] != "0"
        ]
        publication = {"v": 2, "run": run, "document": name, "intents": table(self.intents)}
        self.publication = statement(PUBLICATION, publication, operator)
        self.publish = self.log.append("publish", operator, **by, run=run, statement=digest(self.publication))

    # --- what is handed out -----------------------------------------------------------------------

    def trust(self) -> Json:
        keys: list[Json] = [{"role": "log", "party": "operator", "vkey": self.log.vkey()}]
        for role, party, name in (
            ("operator", "operator", "operator"),
            ("attribution", "operator", "attribution"),
            ("approver", "carol", "carol"),
        ):
            keys.append({"role": role, "party": party, "public": self.keys[name].public.hex()})
        return {"v": 1, "type": "trust", "logs": [{"origin": self.log.origin, "keys": keys}], "policy": ["quorum none"]}

    def _binding(self) -> Json:
        return {
            "close": self.log.placed(self.close),
            "run": self.log.placed(self.run),
            "document": self.signed_document,
            "approvals": [self.log.placed(self.approval)],
            "publish": self.log.placed(self.publish),
            "publication": self.publication,
        }

    def bundles(self) -> dict[str, bytes]:
        """One of each kind, by the name of its file."""
        place = self.log.placed
        paper: Json = {"vector": self.vector, "evidence": place(self.evidence), "assign": place(self.assign)}
        rows: dict[str, Any] = {name: self.tables[name] for name in ("groups", "lines", "accounts")}
        out = {
            "event.bundle": self.log.bundle("event", 1, {"event": place(self.event), **paper}),
            "vector.bundle": self.log.bundle("vector", 1, paper),
            "entry.bundle": self.log.bundle("entry", 1, {"entry": place(self.run), "statement": self.signed_document}),
            "receipt.tlog-proof": self.log.receipt(self.event),
            "run.bundle": self.log.bundle("run", 2, self._binding() | rows | {"intents": self.intents}),
        }
        for party in ("p-ann", "p-bob", "p-cy"):
            lines = [row for row in rows["lines"] if row["party"] == party]
            own = {
                "party": party,
                "lines": lines,
                "groups": proven(rows["groups"], group={row["group"] for row in lines}),
                "account": proven(rows["accounts"], party={party}),
                "intent": proven(self.intents, party={party}),
            }
            out[f"{party}.bundle"] = self.log.bundle("statement", 2, self._binding() | own)
        return out
