"""A settled month in memory, and the bundles that prove it: what the tests of proofs share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from ledger.proofs import bundle, canon, dsse, leaf, tree, trust
from ledger.proofs.keyring import Key
from ledger.proofs.keys import PrivateKey
from ledger.proofs.verify import Report, verify_bundle
from ledger.types import parse_time
from payouts import bundles
from payouts.accounts.account import Correction
from payouts.accounts.deductions import Stages
from payouts.accounts.payment import intent_payload
from payouts.compute import compute
from payouts.document import Given, accounts_for, draw_up
from payouts.life import binding
from payouts.life.records import Approve, Close, LogSize, Publish, Run
from payouts.protocols import HoldMatch
from payouts.rules.shapley_capped import ShapleyCapped
from payouts.tables import SealedTable
from tests.ledger.world import ORIGIN, World, seeded, trusted
from tests.payouts.worlds import inputs, plays, sole, vector

AT = "2026-07-02T09:00:00Z"
AT_TIME = parse_time(AT)
KINDS = {"statement": bundles.check_statement, "run": bundles.check_run}
CAROL = seeded("carol")
Values = dict[str, Any]


def unchanged(_: Values) -> None:
    """Nothing to falsify."""


@dataclass
class Month:
    """A settled month in memory. `falsify` changes run, tables or intents before the operator signs them."""

    falsify: Callable[[Values], None] = unchanged
    approver: PrivateKey = CAROL
    approved_by: str = "carol"
    order: tuple[str, ...] = ("close", "run", "approve", "publish")
    world: World = field(default_factory=World)
    v: int = 2

    def __post_init__(self) -> None:
        world, operator = self.world, self.world.operator_key
        world.append(leaf.log(AT_TIME, origin=ORIGIN))
        close = dict(
            Close(
                at=AT, period="2026-06", logs=(LogSize(origin=ORIGIN, size=1, root="0" * 64),), registry_size=1
            ).leaf()
        )
        made = self._made(tree.leaf_hash(canon.encode(close)))
        self.falsify(made)
        self.tables = made["tables"]
        made["run"]["tables"] = {
            name: SealedTable.of(rows).payload() for name, rows in self.tables.items() if name != "intents"
        }
        self.document = dsse.sign(binding.RUN_TYPE, canon.encode(made["run"]), [operator])
        common = {"at": AT, "by": "operator", "key": operator.public.id}
        run = Run(
            **common,
            run=made["run"]["run"],
            period="2026-06",
            pool="default",
            sequence=1,
            engine="log",
            statement=self.document.digest,
        )
        approve = Approve(
            at=AT,
            by=self.approved_by,
            key=self.approver.public.id,
            subject=run.run,
            document=made.get("approved", run.statement),
            demo=False,
        )
        intents = SealedTable.of(self.tables["intents"]).payload()
        publication = {"v": self.v, "run": run.run, "document": run.statement, "intents": intents} | made.get(
            "published", {}
        )
        self.publication = dsse.sign(binding.PUBLICATION_TYPE, canon.encode(publication), [operator])
        publish = Publish(**common, run=run.run, statement=self.publication.digest)
        acts = {
            "close": close,
            "run": leaf.sign(dict(run.leaf()), operator),
            "approve": leaf.sign(dict(approve.leaf()), self.approver),
            "publish": leaf.sign(dict(publish.leaf()), operator),
        }
        self.places = {name: world.append(acts[name]) for name in self.order}

    def _made(self, root: bytes) -> Values:
        """A capped pool with all that may become of money: paid, held, in suspense, unattributed, kept back."""
        view = (
            sole("a", "b", "c").own("d", ("p-d", 400_000), ("p-e", 600_000)).own("e", ("p-x", 500_000), state="short")
        )
        view.groups = {"p-d": "g", "p-e": "g"}
        parts = {"a": 400_000, "b": 150_000, "c": 100_000, "d": 110_000, "e": 100_000}
        hold = HoldMatch(id="h", reason="fraud", party="p-c")
        pool = inputs(
            view,
            [plays("t", 7)],
            [vector("t", parts)],
            rule=ShapleyCapped(kappa=300_000),
            root=root,
            holds=[hold],
            micros=1_000_003,
            reserve_ppm=10_000,
        )
        outcome = compute(pool)
        correction = Correction(id="c", kind="adjustment", party="p-b", micros=-40_000, run="r", reason="late")
        given = Given(
            period_root=root,
            registry_size=1,
            sequence=1,
            terms=pool.terms,
            rule=pool.rule,
            holds=pool.holds,
            follows="f" * 64,
            entries=("c",),
            minimum=50_000,
            v=self.v,
        )
        booked = accounts_for(
            given,
            opening={"p-a": 7_000},
            earned=outcome.allocated_by_party(),
            corrections=[correction],
            stages=Stages(period="2026-06"),
            with_lines={line.party for line in outcome.lines},
        )
        document = draw_up(given, pool.usage, outcome, booked)
        tables = {name: table.rows() for name, table in document.tables.items()}
        salts = {row["party"]: row.get("salt") for row in tables["accounts"]}
        due = [one for one in booked if one.payable]
        tables["intents"] = [intent_payload(one, "file", salts[one.party]) for one in due]
        return {"run": document.payload, "tables": tables}

    def trust(self) -> trust.Trust:
        keys = [trusted("log", self.world.log_key), trusted("operator", self.world.operator_key)]
        return trust.make(ORIGIN, [*keys, Key(role="approver", party="carol", public=CAROL.public)])

    def _shared(self, key_leaves: tuple[int, ...]) -> Values:
        placed = {name: self.world.placed(index).document() for name, index in self.places.items()}
        leaves = {
            "close": placed["close"],
            "run": placed["run"],
            "document": bundle.statement(self.document.encode()),
            "approvals": [placed["approve"]],
            "publish": placed["publish"],
            "publication": bundle.statement(self.publication.encode()),
        }
        keys = [self.world.placed(index) for index in key_leaves]
        return {
            "v": self.v,
            "checkpoint": self.world.checkpoint(),
            "keys": keys,
            "leaves": leaves,
            "tables": self.tables,
        }

    def run(self, *key_leaves: int) -> bytes:
        return bundles.run_bundle(**self._shared(key_leaves))

    def statement(self, party: str, *key_leaves: int) -> bytes:
        return bundles.statement_bundle(**self._shared(key_leaves), party=party)


@cache
def honest(v: int = 2) -> Month:
    return Month(v=v)


def examined(data: bytes) -> Report:
    return verify_bundle(data, honest().trust(), kinds=KINDS)


def accepted(data: bytes) -> Report:
    report = examined(data)
    assert report.ok, report.steps[-1]
    return report


def refused(data: bytes) -> str:
    report = examined(data)
    assert not report.ok
    return report.steps[-1].detail


def rename(made: Values) -> None:
    inputs_ = made["run"]["inputs"]
    made["run"]["run"] = canon.digest(canon.encode({"settle": "run", "v": made["run"]["v"], "inputs": inputs_}))
