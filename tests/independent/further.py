"""The kinds of bundles beside a month's: a signed batch's event, a training list, a claim on a chain."""

from __future__ import annotations

from typing import Any

from tests.independent.building import Json, Log, canonical, digest, leaf_hash, path_to, root_of, sha256, statement
from tests.independent.keccak import keccak256
from tests.independent.signing import Key

AT = "2026-07-02T09:00:00Z"
BATCH = "application/vnd.settle.batch+json"
TRAINED = tuple(f"rec-{n}" for n in range(12))
POOL, ACCOUNT = "0x" + "11" * 20, "0x" + "22" * 20
CHAIN, SALT = 31337, bytes(range(32))
ENCODING = ["uint256", "address", "bytes32", "address", "uint256"]

# --- the sparse tree of a training list ---------------------------------------------------------


def place_of(name: str) -> bytes:
    return sha256(name.encode())


def bit(place: bytes, depth: int) -> int:
    return place[depth // 8] >> (7 - depth % 8) & 1


def subtree(places: list[bytes], depth: int = 0) -> bytes:
    if not places:
        return bytes(32)
    if len(places) == 1:
        return sha256(b"\x00" + places[0])
    sides = [[place for place in places if bit(place, depth) == side] for side in (0, 1)]
    return sha256(b"\x01" + subtree(sides[0], depth + 1) + subtree(sides[1], depth + 1))


def membership_of(name: str, places: list[bytes]) -> Json:
    place = place_of(name)
    path: list[str] = []
    while len(places) > 1:
        depth = len(path)
        beside = [other for other in places if bit(other, depth) != bit(place, depth)]
        path.append(subtree(beside, depth + 1).hex())
        places = [other for other in places if bit(other, depth) == bit(place, depth)]
    end = places[0] if places else None
    return {"recording": name, "member": end == place, "path": path, "end": None if end is None else end.hex()}


# --- the tree of a posting ----------------------------------------------------------------------


def payee_id(party: str) -> bytes:
    return sha256(b"settle payee id v1\0" + SALT + party.encode())


def claim_hash(row: list[str]) -> bytes:
    """Keccak of keccak of the ABI encoding: 32 bytes for each value, numbers and addresses to the right."""
    values = [int(row[0]), int(row[1], 16), int(row[2], 16), int(row[3], 16), int(row[4])]
    return keccak256(keccak256(b"".join(value.to_bytes(32, "big") for value in values)))


def pair_hash(first: bytes, second: bytes) -> bytes:
    return keccak256(min(first, second) + max(first, second))


class Further:
    """A log with a signed batch, a model with its training list, and a posting."""

    def __init__(self) -> None:
        names = ("log", "operator", "platform")
        self.keys = {name: Key(f"further {name}".encode().ljust(32, b".")) for name in names}
        self.log = Log("example.org/further", self.keys["log"])
        self.log.append("log", at=AT, origin=self.log.origin, form=2)
        self._streamed()
        self._trained()
        self._posted()

    def _signed(self, kind: str, **fields: Any) -> int:
        """A leaf of form 2 signed by the operator, which names its log."""
        return self.log.append(kind, self.keys["operator"], at=AT, signed_for=self.log.origin, **fields)

    def _streamed(self) -> None:
        self.source = self._signed("source", source="acme", party="p-acme", signed=True)
        common: Json = {"source": "acme", "track": "trk-1", "occurred_at": "2026-06-03T11:05:00Z", "territory": "SE"}
        events = [common | {"event_id": f"e-{n}", "units": n} for n in (1, 2, 3)]
        self.bodies = [leaf_hash(canonical(event)) for event in events]
        fields: Json = {
            "source": "acme",
            "number": 1,
            "count": 3,
            "root": root_of(self.bodies).hex(),
            "log": self.log.origin,
        }
        key = self.keys["platform"]
        self.statement = statement(BATCH, {"v": 1, "type": "batch", **fields}, key)
        named: Json = {"party": "p-acme", "signer": self.statement["signatures"][0]["keyid"]}
        hashes: Json = {"statement": digest(self.statement), "bodies": sha256(b"".join(self.bodies)).hex()}
        self.batch = self.log.append("batch", at=AT, **fields, **named, **hashes)
        self.events = [self.log.append("event", **event, vector=None) for event in events]

    def _trained(self) -> None:
        self.places = sorted(map(place_of, TRAINED))
        blob = canonical({"v": 1, "type": "training-manifest", "recordings": sorted(TRAINED)})
        manifest = {"v": 2, "root": subtree(self.places).hex(), "size": len(TRAINED), "blob": sha256(blob).hex()}
        row: Json = {"at": AT, "statement": "ab" * 32}
        self.model = self.log.append("model", **row, row=0, id="mdl", version="1", operator="p-lab", manifest=manifest)
        codes = {"rec-5": "SEABC2600005", "rec-x": "SEABC2600099"}
        self.recordings = {
            name: self.log.append("recording", **row, row=n, id=name, title=name, isrc=code)
            for n, (name, code) in enumerate(codes.items(), 1)
        }

    def _posted(self) -> None:
        parties = {"p-ann": "1200000", "p-bob": "7"}
        self.rows = {
            party: [str(CHAIN), POOL, "0x" + payee_id(party).hex(), ACCOUNT, amount]
            for party, amount in parties.items()
        }
        ann, bob = (claim_hash(row) for row in self.rows.values())
        self.beside = {"p-ann": bob, "p-bob": ann}
        self.root = "0x" + pair_hash(ann, bob).hex()
        posted: Json = {"chain_id": CHAIN, "pool": POOL, "token": "0x" + "33" * 20, "currency": "EUR", "decimals": 6}
        acts: Json = {"by": "operator", "transaction": "0x" + "44" * 32, "payees": len(parties), "total": "1200007"}
        self.post = self._signed("post", run="cd" * 32, sequence=1, root=self.root, **posted, **acts)

    def trust(self) -> Json:
        """Who signs in this log."""
        keys: list[Json] = [{"role": "log", "party": "operator", "vkey": self.log.vkey()}]
        for role, party in (("operator", "operator"), ("platform", "p-acme")):
            keys.append({"role": role, "party": party, "public": self.keys[role].public.hex()})
        log = {"origin": self.log.origin, "form": 0, "keys": keys}
        return {"v": 2, "type": "trust", "logs": [log], "policy": ["quorum none"]}

    def bundles(self) -> dict[str, bytes]:
        place = self.log.placed
        signed = {
            "batch": place(self.batch),
            "source": place(self.source),
            "statement": self.statement,
            "place": 1,
            "proof": [one.hex() for one in path_to(1, self.bodies)],
        }
        event = {"event": place(self.events[1]), "vector": None, "evidence": None, "assign": None, "signed": signed}
        out = {"signed.bundle": self.log.bundle("event", 1, event)}
        for name, index in self.recordings.items():
            shown = {"leaf": place(index), "proof": membership_of(name, self.places)}
            fields = {"model": place(self.model), "asked": self.log.leaves[index]["isrc"], "recordings": [shown]}
            out[f"{name}.bundle"] = self.log.bundle("membership", 1, fields)
        for party, row in self.rows.items():
            proof = ["0x" + self.beside[party].hex()]
            stated = {"party": party, "salt": SALT.hex(), "root": self.root, "leaf_encoding": ENCODING}
            claim = stated | {"leaf": row, "proof": proof}
            out[f"{party}.bundle"] = self.log.bundle("claim", 1, {"post": place(self.post), "claim": claim})
        return out
