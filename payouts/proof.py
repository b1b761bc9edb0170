"""Bundles about money: a holder's own line against what a run committed to, and a whole run against its sums.

Prove and check stand side by side. A `statement` bundle shows one party's lines and nobody else's outside
its owner group; a `run` bundle holds every row. Both start from what the log holds: the closed period, the
run's signed document, a second person's approval, the publication. Standard library and cryptography only.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from ledger.errors import VerificationError
from ledger.proofs import bundle, canon, leaf, tree
from ledger.proofs.bundle import Placed
from ledger.proofs.rings import Rings
from ledger.proofs.verify import Examination, Step
from ledger.shown import counted
from ledger.text import parse_hex
from ledger.types import MILLION
from payouts.accounts.account import Account, account
from payouts.accounts.clauses import Agreed
from payouts.accounts.deductions import Stages
from payouts.allocate import Cutoff, divide, round_shares
from payouts.division.waterfill import Level, fill

RUN_TYPE: Final = "application/vnd.settle.run+json"
PUBLICATION_TYPE: Final = "application/vnd.settle.publication+json"
TABLES: Final = ("groups", "lines", "accounts")
UNCHECKED: Final = (
    "how the weights follow from streams and vectors, and balances, terms and open holds from the log before: compute "
    "the period again from settle period export"
)
COMMON: Final = ("close", "run", "document", "approvals", "publish", "publication")

Row = dict[str, Any]


# --- proving ------------------------------------------------------------------------------------


class Prover:
    """One table's rows, hashed once, from which any row can be proven."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self._levels: list[list[bytes]] = [[tree.leaf_hash(canon.encode(row)) for row in rows]]
        while len(self._levels[-1]) > 1:
            below = self._levels[-1]
            self._levels.append([tree.node_hash(below[n], below[n + 1]) for n in range(0, len(below) // 2 * 2, 2)])

    def _read(self, level: int, n: int) -> bytes:
        return self._levels[level][n]

    def prove(self, index: int) -> Row:
        """A row with its place and its path."""
        path = tree.prove_inclusion(index, len(self.rows), self._read)
        return {"index": index, "row": self.rows[index], "path": [one.hex() for one in path]}

    def where(self, wanted: Callable[[Row], bool]) -> list[Row]:
        """Every row that is wanted, proven."""
        return [self.prove(index) for index, row in enumerate(self.rows) if wanted(row)]


def statement_bundle(
    *,
    checkpoint: bytes,
    keys: Sequence[Placed],
    leaves: Mapping[str, Any],
    party: str,
    tables: Mapping[str, Sequence[Row]],
) -> bytes:
    """One party in one run. `leaves` holds the fields of COMMON; `tables` groups, lines, accounts, intents."""
    groups = {row["group"] for row in tables["lines"] if row["party"] == party}
    return bundle.encode(
        "statement",
        checkpoint=checkpoint,
        keys=keys,
        **leaves,
        party=party,
        groups=Prover(tables["groups"]).where(lambda row: row["group"] in groups),
        lines=Prover(tables["lines"]).where(lambda row: row["group"] in groups),
        account=Prover(tables["accounts"]).where(lambda row: row["party"] == party),
        intent=Prover(tables["intents"]).where(lambda row: row["party"] == party),
    )


def run_bundle(
    *, checkpoint: bytes, keys: Sequence[Placed], leaves: Mapping[str, Any], tables: Mapping[str, Sequence[Row]]
) -> bytes:
    """Every row of a run."""
    rows = {name: list(tables[name]) for name in (*TABLES, "intents")}
    return bundle.encode("run", checkpoint=checkpoint, keys=keys, **leaves, **rows)


# --- checking: what both rest on ----------------------------------------------------------------


def _life(examination: Examination, document: Row, values: Mapping[str, Any]) -> tuple[Row, Row]:
    """The run's document and its publication, from the log: closed, calculated, approved by another, published.

    Each act is judged by the keys as they stood where it was written, and rests on one that stands before it.
    """
    rings = _rings(examination, document)
    with examination.step("the period was closed") as step:
        close = _leaf(examination, step, values["close"], "close")
        root = tree.leaf_hash(canon.encode(values["close"]["leaf"])).hex()
        step.detail = f"period {close.get('period')} at {close.get('at')}, period root {root}"
    with examination.step("the run is in the log, with a document signed by the operator") as step:
        run = _leaf(examination, step, values["run"], "run")
        _check_order(values["close"], values["run"])
        index = values["run"]["index"]
        examination.ring = rings.at(index)
        payload, key = examination.statement(
            step, values["document"], run["statement"], RUN_TYPE, index + 1, "operator"
        )
        calculation = canon.decode_object(payload, "run document")
        _check_document(calculation, run, close, root)
        rings.author(index, run, "operator")
        step.detail = f"run {run['run']} by {run['by']}, {key}"
    with examination.step("another person approved it, with another key") as step:
        step.detail = _check_approvals(examination, step, rings, values["approvals"], values["run"])
    with examination.step("it was published") as step:
        publish = _leaf(examination, step, values["publish"], "publish")
        for approval in values["approvals"]:
            _check_order(approval, values["publish"])
        index = values["publish"]["index"]
        rings.author(index, publish, "operator")
        examination.ring = rings.at(index)
        payload, _ = examination.statement(
            step,
            values["publication"],
            publish["statement"],
            PUBLICATION_TYPE,
            index + 1,
            "operator",
        )
        publication = canon.decode_object(payload, "publication")
        if (publish["run"], publication["run"], publication["document"]) != (run["run"], run["run"], run["statement"]):
            raise VerificationError("the publication is of another run")
        step.detail = f"at {publish['at']}"
    examination.unchecked.append("whether the run was reversed later: ask for the newest checkpoint")
    examination.unchecked.append(
        f"whether another run of {run['period']}, pool {run['pool']}, sequence {run['sequence']}, was published before "
        "this one, and this one has no effect: compute the period again from settle period export"
    )
    return calculation, publication


def _rings(examination: Examination, document: Row) -> Rings:
    """The bundle's keys as they stood at every size."""
    items = [bundle.placed(item, f"key leaf {n}") for n, item in enumerate(document["keys"])]
    trusted = examination.trust.log(examination.checkpoint.origin)
    return Rings(trusted.keys if trusted else (), [(item.index, leaf.decode(item.body)) for item in items])


def _leaf(examination: Examination, step: Step, document: Any, kind: str) -> Row:
    item = bundle.placed(document, kind)
    body = examination.included(step, item)
    if body["type"] != kind:
        raise VerificationError(f"leaf {item.index} is a {body['type']} leaf, expected {kind}")
    return body


def _check_order(earlier: Row, later: Row) -> None:
    """The log's own rules void an act that stands before what it rests on."""
    if earlier["index"] >= later["index"]:
        kinds = earlier["leaf"]["type"], later["leaf"]["type"]
        raise VerificationError(
            f"the {kinds[1]} is leaf {later['index']} of the log, and the {kinds[0]} it rests on is leaf "
            f"{earlier['index']}"
        )


def _check_document(document: Row, run: Row, close: Row, root: str) -> None:
    inputs = document["inputs"]
    key = canon.digest(canon.encode({"settle": "run", "v": 1, "inputs": inputs}))
    if not document["run"] == run["run"] == key:
        raise VerificationError(f"the document's inputs make run {key}; the log says {run['run']}")
    if inputs["period_root"] != root or not (inputs["terms"]["period"] == close["period"] == run["period"]):
        raise VerificationError(f"the run is over period root {inputs['period_root']}, the close has {root}")
    if inputs["registry_size"] != close["registry_size"]:
        raise VerificationError(f"the run saw a registry of {inputs['registry_size']} entries, not the close's")


def _check_approvals(examination: Examination, step: Step, rings: Rings, approvals: Any, placed: Row) -> str:
    run = placed["leaf"]
    if not isinstance(approvals, list) or not approvals:
        raise VerificationError("nobody's approval is in the bundle")
    names = []
    for item in approvals:
        body = _leaf(examination, step, item, "approve")
        _check_order(placed, item)
        key = rings.author(item["index"], body, "approver")
        if (body["subject"], body["document"]) != (run["run"], run["statement"]):
            raise VerificationError("the approval is of something else")
        if run["by"] in (body["by"], key.party) or key.public.id == run["key"]:
            raise VerificationError(f"{body['by']} made the run and approved it")
        if body["demo"] is True:
            examination.unchecked.append(
                f"who {body['by']} is: approved with the workspace's own approver key (one person may hold both: demo)"
            )
        names.append(f"{body['by']} with {key}")
    return ", ".join(names)


def _row(item: Any, table: Row, name: str) -> Row:
    """A row of a committed table, once its path leads to the root."""
    if not isinstance(item, dict) or set(item) != {"index", "row", "path"} or type(item["index"]) is not int:
        raise VerificationError(f"{name}: a row has index, row and path")
    row: Row = item["row"]
    path = [parse_hex(one, f"{name}: path", tree.HASH_SIZE) for one in item["path"]]
    root = parse_hex(table["root"], f"{name}: root", tree.HASH_SIZE)
    tree.check_inclusion(item["index"], table["rows"], tree.leaf_hash(canon.encode(row)), path, root)
    return row


def _level(result: Row) -> Level:
    level = result["level"]
    return Level(
        cap=None if level["cap"] is None else int(level["cap"]), numerator=int(level["numerator"]),
        denominator=int(level["denominator"]), unattributed=int(level["unattributed"]), reserve=int(level["reserve"]),
    )  # fmt: skip


def _cutoff(result: Row) -> Cutoff | None:
    cutoff = result["cutoff"]
    return None if cutoff is None else Cutoff(int(cutoff["remainder"]), bytes.fromhex(cutoff["tie"]))


def _check_group(row: Row, document: Row) -> None:
    """floor(owed / denominator), and one more where the cut-off admits the remainder."""
    level, cutoff = _level(document["result"]), _cutoff(document["result"])
    salt = bytes.fromhex(document["inputs"]["period_root"])
    whole, remainder = divmod(level.owed(int(row["weight"])), level.denominator)
    extra = cutoff is not None and cutoff.admits(remainder, salt, row["group"])
    if int(row["micros"]) != whole + extra:
        raise VerificationError(
            f"group {row['group']}: weight {row['weight']} is owed {whole + extra} micros, the run gave {row['micros']}"
        )


def _check_lines(group: Row, lines: Sequence[Row], salt: bytes) -> None:
    """A group's integer divided among its parties, and each party's among its lines, by largest remainder."""
    if sum(int(line["weight"]) for line in lines) != int(group["weight"]):
        raise VerificationError(f"group {group['group']}: its lines do not weigh what the group weighs")
    by_party: dict[str, dict[str, Row]] = defaultdict(dict)
    for line in lines:
        heading = "\0".join(line[name] for name in ("group", "party", "state", "reason", "ref"))
        by_party[line["party"]][heading] = line
    weights = {party: sum(int(line["weight"]) for line in held.values()) for party, held in by_party.items()}
    amounts = divide(int(group["micros"]), weights, salt=salt)
    for party, held in by_party.items():
        parts = divide(amounts[party], {name: int(line["weight"]) for name, line in held.items()}, salt=salt)
        for name, line in held.items():
            if int(line["micros"]) != parts[name]:
                raise VerificationError(
                    f"{party or group['group']}: a line of {line['micros']} micros, computed {parts[name]}"
                )


def _check_account(row: Row, lines: Iterable[Row], inputs: Row) -> None:
    """The account made again: its stages under its own terms, its minimum, its whole minor units, its conversion."""
    earned = sum(int(line["micros"]) for line in lines if line["state"] == "allocated")
    if earned != int(row["earned"]):
        raise VerificationError(f"{row['party']}: lines allocate {earned} micros, the account says {row['earned']}")
    said = Account.from_payload(row)
    agreed, before = said.deductions.agreed, said.deductions.before
    for one in agreed:
        if one.party != said.party or one.id not in inputs["agreed"]:
            raise VerificationError(f"{said.party}: terms {one.id} are not among those the run was given for it")
    stages = Stages(
        period=inputs["terms"]["period"], before={said.party: before},
        agreed=(*agreed, *map(Agreed.from_payload, inputs["fx"] or ())),
    )  # fmt: skip
    again = account(
        party=said.party, currency=inputs["terms"]["currency"], minimum=int(inputs["minimum_micros"]),
        opening=said.opening, earned=earned, corrections=said.corrections, stages=stages,
    )  # fmt: skip
    if again.payload() != row:
        raise VerificationError(
            f"{said.party}: opening, earned, corrections and deductions make {again.payable} payable and "
            f"{again.carried} carried, the account says {said.payable} and {said.carried}"
        )


def _check_intent(account: Row | None, intent: Row | None, party: str) -> None:
    """What was published to be paid is what the account comes to, in the currency it is paid in."""
    due = 0 if account is None else int(account["payable"])
    paid = 0 if intent is None else int(intent["micros"])
    sent = None if intent is None else intent.get("sent")
    converted = None if account is None else account.get("converted")
    if due != paid or sent != (converted and {name: converted[name] for name in ("currency", "micros")}):
        raise VerificationError(f"{party}: payable {due} micros, published {paid}; or not in the account's currency")


def _guarded(check: Callable[[Examination, Row], None]) -> Callable[[Examination, Row], None]:
    """A bundle of the right shape with wrong types inside is refused like any other."""

    def guarded(examination: Examination, document: Row) -> None:
        try:
            check(examination, document)
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as problem:
            with examination.step("every field is of its type"):
                raise VerificationError(f"a field is missing or of another type: {problem!r}") from None

    return guarded


# --- checking: one holder -----------------------------------------------------------------------


@_guarded
def check_statement(examination: Examination, document: Row) -> None:
    """A party's lines, account and payment are what the run and its publication committed to."""
    names = (*COMMON, "party", "groups", "lines", "account", "intent")
    with examination.step("the bundle has the fields of its kind"):
        values = dict(zip(names, bundle.fields(document, *names), strict=True))
    run, publication = _life(examination, document, values)
    party = values["party"]
    tables = run["tables"]
    with examination.step("each owner group's amount follows from its weight") as step:
        groups = [_row(item, tables["groups"], "groups") for item in values["groups"]]
        for group in groups:
            _check_group(group, run)
        amounts = ", ".join(f"{one['group']} {one['micros']}" for one in groups) or "none"
        step.detail = f"{amounts} micros of {run['result']['pool']}; weight of all {run['result']['weight']}"
    with examination.step("the party's lines follow from the group's amount") as step:
        lines = [_row(item, tables["lines"], "lines") for item in values["lines"]]
        if {line["group"] for line in lines} != {group["group"] for group in groups}:
            raise VerificationError("the lines and the groups in the bundle do not belong together")
        for group in groups:
            mine = [line for line in lines if line["group"] == group["group"]]
            _check_lines(group, mine, bytes.fromhex(run["inputs"]["period_root"]))
        own = [line for line in lines if line["party"] == party]
        step.detail = (
            f"{counted(len(own), 'line')} of {party} in the bundle, {sum(int(line['micros']) for line in own)} micros"
        )
    brought = bool(values["account"])
    with examination.step("the account adds up" if brought else "no account is in the bundle") as step:
        step.detail = _check_own_account(values, run, publication, own)
    examination.unchecked.append(_left_out(party) if brought else _no_account(party))
    examination.unchecked.append(UNCHECKED)


def _left_out(party: str) -> str:
    return (
        f"whether {party} has money held in an owner group that this bundle leaves out: what is allocated would show "
        "in the account, what is held only in the run's bundle"
    )


def _no_account(party: str) -> str:
    return (
        f"whether {party} has an account, lines or a payment in this run beyond what is shown: this bundle brings no "
        "account; the run's bundle holds every row"
    )


def _check_own_account(values: Mapping[str, Any], run: Row, publication: Row, own: Sequence[Row]) -> str:
    party = values["party"]
    accounts = [_row(item, run["tables"]["accounts"], "accounts") for item in values["account"]]
    intents = [_row(item, publication["intents"], "intents") for item in values["intent"]]
    if any(row["party"] != party for row in (*accounts, *intents)) or len(accounts) > 1 or len(intents) > 1:
        raise VerificationError(f"an account or a payment is not {party}'s, or there are two")
    if not accounts:
        if any(line["state"] == "allocated" and int(line["micros"]) for line in own):
            raise VerificationError(f"{party} has money allocated and no account in the bundle")
        if intents:
            raise VerificationError(f"{party}: a payment is published, and the account it is from is not in the bundle")
        return f"nothing is shown of what {party} is paid"
    one = accounts[0]
    _check_account(one, own, run["inputs"])
    _check_intent(one, intents[0] if intents else None, party)
    steps = one["deductions"]["entries"] if "deductions" in one else ()
    middle = "".join(f"{step['kind']} {step['micros']}, " for step in steps)
    return (
        f"opening {one['opening']}, earned {one['earned']}, {middle}payable {one['payable']}, "
        f"carried {one['carried']} micros"
    )


# --- checking: a whole run ----------------------------------------------------------------------


@_guarded
def check_run(examination: Examination, document: Row) -> None:
    """Every row is what the run committed to, and every sum comes out the same when done again."""
    names = (*COMMON, *TABLES, "intents")
    with examination.step("the bundle has the fields of its kind"):
        values = dict(zip(names, bundle.fields(document, *names), strict=True))
    run, publication = _life(examination, document, values)
    result, tables = run["result"], run["tables"]
    with examination.step("the tables are the ones committed to") as step:
        for name in TABLES:
            _check_table(values[name], tables[name], name)
        _check_table(values["intents"], publication["intents"], "intents")
        step.detail = ", ".join(counted(len(values[name]), name.removesuffix("s")) for name in (*TABLES, "intents"))
    with examination.step("the pool is divided by largest remainder") as step:
        step.detail = _check_division(values["groups"], run)
    with examination.step("every group is divided among its lines") as step:
        lines: dict[str, list[Row]] = defaultdict(list)
        for line in values["lines"]:
            lines[line["group"]].append(line)
        for group in values["groups"]:
            _check_lines(group, lines.pop(group["group"], []), bytes.fromhex(run["inputs"]["period_root"]))
        if lines:
            raise VerificationError(f"lines of group {min(lines)}, which the run does not have")
        step.detail = counted(len(values["lines"]), "line")
    with examination.step("the five parts sum to the pool") as step:
        step.detail = _check_parts(values["lines"], result)
    with examination.step("every account adds up, and pays what was published") as step:
        step.detail = _check_accounts(values, run["inputs"])
    examination.unchecked.append(UNCHECKED)


def _check_table(rows: Sequence[Row], table: Row, name: str) -> None:
    root = tree.root_of([tree.leaf_hash(canon.encode(row)) for row in rows]).hex()
    digest = hashlib.sha256(b"".join(canon.encode(row) + b"\n" for row in rows)).hexdigest()
    if (len(rows), root, digest) != (table["rows"], table["root"], table["sha256"]):
        raise VerificationError(f"{name}: {len(rows)} rows with root {root}, expected {table['rows']}, {table['root']}")


def _check_division(groups: Sequence[Row], run: Row) -> str:
    result, terms = run["result"], run["inputs"]["terms"]
    pool = int(result["pool"])
    kept = pool * terms["reserve_ppm"] // MILLION
    weights = {row["group"]: int(row["weight"]) for row in groups}
    level = _level(result)
    nobody = int(result["weight_unattributed"])
    if len(weights) != len(groups) or sum(weights.values()) + nobody != int(result["weight"]):
        raise VerificationError("the groups' weights do not sum to the run's")
    carried = int(run["inputs"]["carried_micros"])
    if terms["micros"] is not None and int(terms["micros"]) + carried != pool:
        raise VerificationError(f"the pool is {pool} micros, its terms say {terms['micros']} and {carried} carried")
    if fill(weights, nobody, pool - kept, level.cap) != level:
        raise VerificationError("the level does not follow from the weights")
    names = [*weights, "*unattributed", "*reserve"]
    owed = [*(level.owed(weight) for weight in weights.values()), level.unattributed, level.reserve]
    micros, cutoff = round_shares(names, owed, level.denominator, salt=bytes.fromhex(run["inputs"]["period_root"]))
    if [str(one) for one in micros[:-2]] != [row["micros"] for row in groups] or cutoff != _cutoff(result):
        raise VerificationError("the groups' amounts are not the largest-remainder division of the pool")
    if (str(micros[-2]), str(kept + micros[-1])) != (result["unattributed"], result["reserve"]):
        raise VerificationError("unattributed and reserve are not what the division leaves")
    return f"{pool} micros over weight {result['weight']}, level {level.numerator}/{level.denominator}"


def _check_parts(lines: Sequence[Row], result: Row) -> str:
    sums: dict[str, int] = defaultdict(int)
    for line in lines:
        sums[line["state"]] += int(line["micros"])
    for state in ("allocated", "held", "suspense"):
        if sums[state] != int(result[state]):
            raise VerificationError(f"lines {state} {sums[state]} micros, the run says {result[state]}")
    parts = [int(result[name]) for name in ("allocated", "unattributed", "held", "suspense", "reserve")]
    if sum(parts) != int(result["pool"]):
        raise VerificationError(f"the parts sum to {sum(parts)} of {result['pool']} micros")
    return " + ".join(map(str, parts)) + f" = {result['pool']}"


def _check_accounts(values: Mapping[str, Any], inputs: Row) -> str:
    own: dict[str, list[Row]] = defaultdict(list)
    for line in values["lines"]:
        own[line["party"]].append(line)
    paid = {row["party"]: row for row in values["intents"]}
    for row in values["accounts"]:
        party = row["party"]
        _check_account(row, own.pop(party, []), inputs)
        _check_intent(row, paid.pop(party, None), party)
    left = [line for lines in own.values() for line in lines if line["state"] == "allocated" and int(line["micros"])]
    if left or paid:
        raise VerificationError("money is allocated to, or published for, a party without an account")
    return f"{counted(len(values['accounts']), 'account')}, {counted(len(values['intents']), 'payment')}"
