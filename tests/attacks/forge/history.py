"""An operator's whole history as values: changed at one place, and signed again from there on with all its keys.

The attacker is the operator, with the log's, the operator's and the attribution key. Whatever names something
that changed (a digest, a root, a run's id, a size) is made again, so that no digest gives the change away. Only an
approver signs nothing again, unless the change was made before they approved and they approved it in good faith.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any, Final, Literal

from ledger.proofs import canon, chain, checkpoint, dsse, leaf, tree
from ledger.proofs.bundle import PlacedLeaf
from ledger.proofs.keys import PrivateKey
from ledger.proofs.tile import Tiles, format_entries, format_path
from ledger.proofs.trust import Trust
from payouts import derive, document, tables
from payouts.accounts.payment import intent_payload, reference
from payouts.life import records
from service.workspace import Workspace

Body = dict[str, Any]
Kind = Literal["leaves", "rows", "document", "publication", "statement"]
_DIGEST: Final = re.compile(r"[0-9a-f]{64}|payment-[0-9a-f]{20}")
OWN_KEYS: Final = ("log", "operator", "attribution")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change. `place` is the index of a leaf, or the old digest of a table or statement; `width` counts leaves."""

    kind: Kind
    place: int | str
    edit: Callable[[Any], Any]
    width: int = 1
    follows: bool = False
    """Whether the forger derives anew what follows from the change: division, accounts, payments."""


NOTHING: Final = Change(kind="leaves", place=-1, edit=lambda leaves: leaves)


@dataclass(frozen=True, kw_only=True)
class History:
    """Every leaf of a log, what leaves name by digest, and the keys of its operator and of the person who approves."""

    origin: str
    bodies: tuple[Body, ...]
    blobs: Mapping[str, bytes]
    own: Mapping[str, PrivateKey]
    approver: PrivateKey
    log_key: PrivateKey
    trust: Trust

    @classmethod
    def of(cls, ws: Workspace) -> History:
        """The history of a workspace whose keys are all at hand."""
        bodies = tuple(leaf.decode(entry.body) for entry in ws.log.entries())
        own = {key.public.id: key for key in map(ws.key, OWN_KEYS)}
        with ws.log.store.reading() as connection:
            from ledger.log.store import queries

            digests = list(queries.blob_digests(connection))
        blobs = {digest.hex(): ws.log.blob(digest.hex()) for digest in digests}
        return cls(
            origin=ws.log.origin,
            bodies=bodies,
            blobs=blobs,
            own=own,
            approver=ws.key("approver-carol"),
            log_key=ws.key("log"),
            trust=ws.trust,
        )

    # --- reading ----------------------------------------------------------------------------------

    def places(self, kind: str) -> list[int]:
        return [n for n, body in enumerate(self.bodies) if body["type"] == kind]

    def payload(self, digest: str) -> Body:
        """What the signed statement of this digest says."""
        return canon.decode_object(dsse.parse(self.blobs[digest]).payload, "statement")

    def rows(self, digest: str) -> list[Body]:
        return [canon.decode_object(row, "row") for row in self.blobs[digest].split(b"\n")[:-1]]

    @cached_property
    def hashes(self) -> list[bytes]:
        return [tree.leaf_hash(leaf.encode(body)) for body in self.bodies]

    def checkpoint(self) -> bytes:
        return checkpoint.sign(self.origin, len(self.bodies), tree.root_of(self.hashes), self.log_key)

    @cached_property
    def _levels(self) -> list[list[bytes]]:
        levels = [self.hashes]
        while len(levels[-1]) > 1:
            below = levels[-1]
            levels.append([tree.node_hash(below[n], below[n + 1]) for n in range(0, len(below) // 2 * 2, 2)])
        return levels

    def placed(self, index: int) -> PlacedLeaf:
        path = tree.prove_inclusion(index, len(self.bodies), lambda level, n: self._levels[level][n])
        return PlacedLeaf(index, leaf.encode(self.bodies[index]), tuple(path))

    # --- writing ----------------------------------------------------------------------------------

    def write(self, folder: Path) -> None:
        """The log as static files, as `settle ledger export` writes them."""
        folder.mkdir(parents=True)
        for level, n, data in Tiles().append(self.hashes):
            _write(folder / format_path(level, n, len(data) // 32), data)
        bodies = [leaf.encode(body) for body in self.bodies]
        for n in range(0, len(bodies), 256):
            part = bodies[n : n + 256]
            _write(folder / format_path(None, n // 256, len(part)), format_entries(part))
        for digest, data in self.blobs.items():
            _write(folder / "blob" / digest[:2] / digest, data)
        keys = [json.dumps({"index": n, "leaf": self.bodies[n]}) + "\n" for n in self.places("key")]
        _write(folder / "keys.ndjson", "".join(keys).encode())
        _write(folder / "checkpoint", self.checkpoint())

    # --- forging ----------------------------------------------------------------------------------

    def forged(self, change: Change, *, approved: bool) -> History:
        """This history with one change. `approved`: the approver signed what was changed, not knowing better."""
        return _Forger(self, change, approved=approved).history()


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _row(body: Body) -> Body:
    """What the author of a registry leaf signed: all but what the log added."""
    return {name: value for name, value in body.items() if name not in ("v", "at", "statement", "row")}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from _DIGEST.findall(value)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


@dataclass
class _Forger:
    """One pass over a history: each leaf in order, what it names made before it."""

    honest: History
    change: Change
    approved: bool
    names: dict[str, str] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)
    bodies: list[Body] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    """How many leaves stand before each honest index now."""
    _passed_on: bool = False
    """Whether a run before this one was derived anew, so that balances may have changed."""
    _accounts: dict[str, dict[str, Body]] = field(default_factory=dict)
    _paid: dict[str, dict[str, Body]] = field(default_factory=dict)

    def history(self) -> History:
        from dataclasses import replace

        honest, change = self.honest, self.change
        self.blobs = dict(honest.blobs)
        first = change.place if change.kind == "leaves" and isinstance(change.place, int) else -1
        windows = self._windows(first)
        counts = []
        for n, (window, edit) in enumerate(windows):
            del n
            counts += [len(edit(deepcopy(window)))] + [0] * (len(window) - 1)
        self.sizes = [0, *accumulate(counts)]
        self._registrations(windows)
        index = 0
        for window, edit in windows:
            leaves = [self._renamed(deepcopy(body)) for body in window]
            edited = edit(leaves)
            sealed = [self._sealed(body, window) for body in edited]
            for n, body in enumerate(sealed):
                self.bodies.append(body)
                self.hashes.append(tree.leaf_hash(leaf.encode(body)))
                if n < len(window):
                    old = honest.hashes[index + n].hex()
                    if len(sealed) == len(window):
                        self._name(old, self.hashes[-1].hex())
                        self._claims(window[n], body)
            index += len(window)
        return replace(honest, bodies=tuple(self.bodies), blobs=self.blobs)

    def _windows(self, first: int) -> list[tuple[list[Body], Callable[[Any], Any]]]:
        """The leaves one by one, but those that are edited, together."""
        out: list[tuple[list[Body], Callable[[Any], Any]]] = []
        n = 0
        while n < len(self.honest.bodies):
            width = self.change.width if n == first else 1
            edit = self.change.edit if n == first else lambda leaves: leaves
            out.append((list(self.honest.bodies[n : n + width]), edit))
            n += width
        return out

    def _name(self, old: str, new: str) -> None:
        if old != new:
            self.names[old] = new

    def _claims(self, old: Body, new: Body) -> None:
        """What is said of a payment is approved under a name that follows from its content and from what was heard."""
        if old["type"] == new["type"] == "payment" and old != new:
            for heard in range(4):
                self._name(records.Payment.read(old).claim(heard), records.Payment.read(new).claim(heard))

    def _registrations(self, windows: Sequence[tuple[list[Body], Callable[[Any], Any]]]) -> None:
        """A registry statement signs the root over its rows: made again from the rows as they are now."""
        rows: dict[str, list[Body]] = {}
        for window, edit in windows:
            for body in edit(deepcopy(window)):
                if "row" in body and "statement" in body:
                    rows.setdefault(body["statement"], []).append(body)
        for digest, leaves in rows.items():
            envelope = dsse.parse(self.honest.blobs[digest])
            payload = canon.decode_object(envelope.payload, "registration")
            root = tree.root_of(tree.leaf_hashes(canon.encode(_row(body)) for body in leaves)).hex()
            if (payload["count"], payload["root"]) != (len(leaves), root):
                self._keep(digest, self._signed(envelope, payload | {"count": len(leaves), "root": root}))
                self.made[digest] = self.names[digest]

    def _renamed(self, body: Body) -> Body:
        """A leaf that names things as they are called now, and sizes as they are now."""
        if self._stale(body):
            return body
        for digest in dict.fromkeys(_texts(body)):
            if digest in self.honest.blobs:
                self._rebuild(digest)
        out: Body = self._substituted(body)
        if out["type"] == "seal":
            self._size(out)
            head = chain.extend(chain.genesis(self.honest.origin), self.hashes[: out["size"]])
            out["chain"] = head.hex()
        elif out["type"] == "close":
            for log in out["logs"]:
                if log["origin"] == self.honest.origin:
                    self._size(log)
            out["registry_size"] = self.sizes[out["registry_size"]]
        elif out["type"] == "key" and "until" in out:
            out["until"] = self.sizes[min(out["until"], len(self.sizes) - 1)]
        return out

    def _size(self, place: Body) -> None:
        place["size"] = self.sizes[place["size"]]
        place["root"] = tree.root_of(self.hashes[: place["size"]]).hex()

    def _substituted(self, value: Any) -> Any:
        if isinstance(value, str):
            return _DIGEST.sub(lambda match: self.names.get(match[0], match[0]), value)
        if isinstance(value, dict):
            return {name: self._substituted(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self._substituted(item) for item in value]
        return value

    # --- signing again ----------------------------------------------------------------------------

    def _stale(self, body: Body) -> bool:
        """Whether nobody signs this leaf again: its author is the approver, who has gone home."""
        return body.get("key") == self.honest.approver.public.id and not self.approved

    def _sealed(self, body: Body, window: Sequence[Body]) -> Body:
        if self._stale(body) or body in window or "sig" not in body or body["type"] == "key":
            return body
        keys = {**self.honest.own, self.honest.approver.public.id: self.honest.approver}
        key = keys.get(body["key"])
        unsigned = {name: value for name, value in body.items() if name not in ("key", "sig")}
        return body if key is None else dict(leaf.sign(unsigned, key))

    def _signed(self, envelope: dsse.Envelope, payload: Body) -> bytes:
        keys = [self.honest.own[one.keyid] for one in envelope.signatures if one.keyid in self.honest.own]
        return dsse.sign(envelope.payload_type, canon.encode(payload), keys).encode()

    # --- what leaves name by digest ---------------------------------------------------------------

    def _keep(self, old: str, data: bytes) -> str:
        new = canon.digest(data)
        self.blobs[new] = data
        self._name(old, new)
        return new

    def _rebuild(self, digest: str) -> None:
        """A statement as it is now; its tables before it."""
        if digest in self.made:
            return
        self.made[digest] = digest
        data = self.honest.blobs[digest]
        if not data.startswith(b'{"payload":'):
            return
        envelope = dsse.parse(data)
        if not any(one.keyid in self.honest.own for one in envelope.signatures):
            return
        honest = canon.decode_object(envelope.payload, "statement")
        payload = self._substituted(deepcopy(honest))
        edits = self.change.kind in ("document", "publication", "statement") and self.change.place == digest
        if "inputs" in payload:
            payload = self._run(digest, payload, honest, edit=edits)
        else:
            if "intents" in payload:
                payload["intents"] = self._table(honest["intents"]["sha256"], self._paid.get(honest["run"]))
            elif "payments" in payload:
                payload = self._batch(payload, self._paid.get(honest["run"]))
            if edits:
                payload = self.change.edit(payload)
        if payload != honest:
            self.made[digest] = self._keep(digest, self._signed(envelope, payload))

    def _run(self, digest: str, payload: Body, honest: Body, *, edit: bool) -> Body:
        """A run's document: its inputs name it, its tables are committed by it."""
        inputs = payload["inputs"]
        inputs["registry_size"] = self.sizes[inputs["registry_size"]]
        places = {name: table["sha256"] for name, table in honest["tables"].items()}
        moved = inputs["period_root"] != honest["inputs"]["period_root"]
        if edit:
            payload = self.change.edit(payload)
        if moved or self._passed_on or (self.change.follows and self.change.place in {digest, *places.values()}):
            payload["tables"] = self._derived(payload, honest["run"], places)
        else:
            payload["tables"] = {name: self._table(table) for name, table in places.items()}
        if payload["inputs"] != honest["inputs"] and payload["run"] in (honest["run"], self.names.get(honest["run"])):
            payload["run"] = run_key(self.honest, payload)
            self._name(honest["run"], payload["run"])
        return payload

    def _rows(self, digest: str) -> list[Body]:
        rows: list[Body] = self._substituted(self.honest.rows(digest))
        edits = self.change.kind == "rows" and self.change.place == digest
        return self.change.edit(rows) if edits else rows

    def _table(self, digest: str, micros: Mapping[str, Body] | None = None) -> Body:
        """A table's rows as they are now; `micros`: what each party is paid now."""
        rows = self._rows(digest)
        if micros is not None:
            routes = {row["party"]: row["route"] for row in rows}
            rows = [row | {"route": routes.get(party, "file")} for party, row in micros.items()]
        return self._committed(digest, rows)

    def _committed(self, digest: str, rows: Sequence[Body]) -> Body:
        lines = [canon.encode(row) for row in rows]
        new = self._keep(digest, b"".join(line + b"\n" for line in lines))
        return {"rows": len(lines), "root": tree.root_of(tree.leaf_hashes(lines)).hex(), "sha256": new}

    # --- what follows from a change ---------------------------------------------------------------

    def _derived(self, payload: Body, honest_run: str, places: Mapping[str, str]) -> Body:
        """The division of the pool and the accounts, anew from the weights that the lines have now."""
        self._passed_on = True
        rows = {name: self._rows(digest) for name, digest in places.items()}
        given = document.Given.from_payload(payload["inputs"], payload["v"])
        lines = derive.read_lines(rows["lines"])
        outcome = derive.outcome_of(given, payload["result"], lines)
        payload["result"] = document.result_payload(outcome)
        for row in rows["accounts"]:
            before = self._accounts.get(payload["inputs"]["follows"], {}).get(row["party"])
            if before is not None:
                row["opening"] = before["carried"]
                if "deductions" in row and "deductions" in before:
                    row["deductions"]["before"] = before["deductions"]["after"]
        earned, with_lines = outcome.allocated_by_party(), {line.party for line in lines}
        booked = derive.accounts_of(given, rows["accounts"], earned, with_lines)
        rows["lines"] = list(map(tables.line_payload, outcome.lines))
        sealed = tables.SealedTable.of(rows["lines"])
        rows["groups"] = [tables.group_payload(total, given.v) for total in outcome.groups]
        rows["accounts"] = tables.account_payloads(booked, given.v, rows["lines"], sealed)
        if given.v > 1:
            salts = tables.Salts.of(sealed, rows["accounts"])
            rows["groups"], rows["accounts"] = salts.groups(rows["groups"]), salts.parties(rows["accounts"])
        by_party = {row["party"]: row for row in rows["accounts"]}
        self._accounts[run_key(self.honest, payload)] = by_party
        due = [
            intent_payload(account, "file", by_party[account.party].get("salt"))
            for account in booked
            if account.payable
        ]
        self._paid[honest_run] = {row["party"]: row for row in due}
        return {name: self._committed(digest, rows[name]) for name, digest in places.items()}

    def _batch(self, payload: Body, micros: Mapping[str, Body] | None) -> Body:
        """A batch that pays what is due now, to whom it paid before, under references of the run's name now."""
        for payment in payload["payments"]:
            payment["reference"] = reference(payload["run"], payment["party"])
            if micros is not None and payment["party"] in micros:
                payment |= {
                    name: value for name, value in micros[payment["party"]].items() if name not in ("route", "salt")
                }
        payload["micros"] = str(sum(int(payment["micros"]) for payment in payload["payments"]))
        return payload


def run_key(honest: History, payload: Body) -> str:
    """The id of a run with these inputs, made as the honest runs' ids were made."""
    for version in (payload["v"], 1):
        named = {"settle": "run", "v": version}
        place = honest.payload(honest.bodies[honest.places("run")[0]]["statement"])
        if canon.digest(canon.encode(named | {"inputs": place["inputs"]})) == place["run"]:
            return canon.digest(canon.encode(named | {"inputs": payload["inputs"]}))
    raise AssertionError("the run's id does not follow from its inputs: teach this machine how it does")
