"""Verify bundles about money: a holder's line against a run's commitments, and a whole run against its sums.

Prover and checker are in this one module. A `statement` bundle shows one party's lines and, from version 2 on, nobody
else's; a `run` bundle contains every row. Both check first that the run is binding (`payouts.life.binding`), then
derive its tables and compare (`payouts.derive`). Standard library, cryptography and msgspec only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ledger.errors import VerificationError
from ledger.proofs import bundle, canon, tree
from ledger.proofs.bundle import PlacedLeaf
from ledger.proofs.verify import Examination
from ledger.shown import counted
from ledger.text import parse_hex
from ledger.types import MILLION
from payouts import derive, verdict
from payouts.accounts.account import Account
from payouts.allocate import Cutoff, divide
from payouts.compute import GroupTotal, Line, Outcome, party_lines
from payouts.division.waterfill import Level
from payouts.document import Given, result_payload, same
from payouts.life.binding import COMMON, Binding, check_binding
from payouts.tables import (
    Row,
    Salts,
    SealedTable,
    account_payloads,
    check_order,
    check_salt,
    commitment,
    group_payload,
    line_payload,
    read_cutoff,
    read_group,
    unsalted,
    whole,
)

TABLES: Final = ("groups", "lines", "accounts")
UNCHECKED: Final = (
    "how the weights follow from streams and vectors, and balances, terms and open holds from the log before: compute "
    "the period again from settle period export"
)


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
        """Return a row with its index and its path."""
        path = tree.prove_inclusion(index, len(self.rows), self._read)
        return {"index": index, "row": self.rows[index], "path": [node.hex() for node in path]}

    def where(self, wanted: Callable[[Row], bool]) -> list[Row]:
        """Prove each requested row."""
        return [self.prove(index) for index, row in enumerate(self.rows) if wanted(row)]


def statement_bundle(
    *,
    v: int,
    checkpoint: bytes,
    keys: Sequence[PlacedLeaf],
    leaves: Mapping[str, Any],
    party: str,
    tables: Mapping[str, Sequence[Row]],
) -> bytes:
    """Return the bundle of one party in a run of version `v`.

    `leaves` has the fields of COMMON; `tables` TABLES and intents.
    """
    own = [row for row in tables["lines"] if row["party"] == party]
    groups = {row["group"] for row in own}
    lines = own if v > 1 else Prover(tables["lines"]).where(lambda row: row["group"] in groups)
    return bundle.encode(
        "statement",
        v=v,
        checkpoint=checkpoint,
        keys=keys,
        **leaves,
        party=party,
        groups=Prover(tables["groups"]).where(lambda row: row["group"] in groups),
        lines=lines,
        account=Prover(tables["accounts"]).where(lambda row: row["party"] == party),
        intent=Prover(tables["intents"]).where(lambda row: row["party"] == party),
    )


def run_bundle(
    *,
    v: int,
    checkpoint: bytes,
    keys: Sequence[PlacedLeaf],
    leaves: Mapping[str, Any],
    tables: Mapping[str, Sequence[Row]],
) -> bytes:
    """Return the bundle with every row of a run of version `v`."""
    rows = {name: list(tables[name]) for name in (*TABLES, "intents")}
    return bundle.encode("run", v=v, checkpoint=checkpoint, keys=keys, **leaves, **rows)


# --- checking: what both rest on ----------------------------------------------------------------


def _row(item: Any, table: Row, name: str) -> Row:
    """Return a row of a committed table after checking its path to the root."""
    if not isinstance(item, dict) or set(item) != {"index", "row", "path"} or type(item["index"]) is not int:
        raise VerificationError(f"{name}: a row has index, row and path")
    if not isinstance(item["path"], list):
        raise VerificationError(f"{name}: a row's path is a list")
    row: Row = item["row"]
    path = [parse_hex(node, f"{name}: path", tree.HASH_SIZE) for node in item["path"]]
    root = parse_hex(table["root"], f"{name}: root", tree.HASH_SIZE)
    tree.check_inclusion(item["index"], table["rows"], tree.leaf_hash(canon.encode(row)), path, root)
    return row


def _check_lists(values: Mapping[str, Any], *names: str) -> None:
    """Refuse an empty text or object in place of a list: it would be a second encoding of no rows."""
    for name in names:
        if not isinstance(values[name], list):
            raise VerificationError(f"{name} is {str(values[name])[:60]!r}: expected a list")


def _guarded(check: Callable[[Examination, Row], None]) -> Callable[[Examination, Row], None]:
    """Refuse a bundle with the right fields and wrong types."""

    def guarded(examination: Examination, document: Row) -> None:
        try:
            check(examination, document)
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as problem:
            with examination.step("every field is of its type"):
                raise VerificationError(f"a field is missing or of another type: {problem!r}") from None

    return guarded


def _check_table(rows: Sequence[Row], stated: Row, name: str) -> SealedTable:
    table = SealedTable.of(rows, canon.encode_again)
    own = table.payload()
    if not same(own, stated):
        raise VerificationError(
            f"{name}: {table.count} rows with root {own['root']}, expected {stated['rows']}, {stated['root']}"
        )
    return table


def _note_unchecked(examination: Examination, accounts: Sequence[Row], given: Given) -> None:
    """Note the facts that a bundle about money cannot prove."""
    for party in derive.unshown_terms(given, accounts):
        examination.unchecked.append(
            f"the terms by which {party} is paid in another currency: a run of version 1 does not show them where "
            "a party has no others; the rate is the run's own"
        )
    examination.unchecked.append(UNCHECKED)


# --- checking: one holder -----------------------------------------------------------------------


@_guarded
def check_statement(examination: Examination, document: Row) -> None:
    """Verify that a party's lines, account and payment are those of the run and its publication."""
    names = (*COMMON, "party", "groups", "lines", "account", "intent")
    with examination.step("the bundle has the fields of its kind"):
        values = dict(zip(names, bundle.fields(document, *names), strict=True))
        _check_lists(values, "groups", "lines", "account", "intent")
        if not isinstance(values["party"], str):
            raise VerificationError(f"party is {str(values['party'])[:60]!r}: expected a text")
    binding = check_binding(examination, document, values)
    party, run = values["party"], binding.document
    with examination.step("the pool's level follows from the run's terms and rule") as step:
        level, cutoff = _check_level(binding)
        step.detail = f"{run['result']['pool']} micros over weight {run['result']['weight']}"
    with examination.step("each owner group's amount follows from its weight") as step:
        groups = _groups(binding, _shown(values["groups"], run["tables"]["groups"], "groups"))
        for group in groups:
            _check_group(group, level, cutoff, binding.given.period_root)
        amounts = ", ".join(f"{group_total.group} {group_total.micros}" for group_total in groups) or "none"
        step.detail = f"{amounts} micros of {run['result']['pool']}; weight of all {run['result']['weight']}"
    with examination.step("the party's lines follow from the group's amount") as step:
        rows = values["lines"]
        if binding.given.v == 1:
            rows = _shown(rows, run["tables"]["lines"], "lines")
        lines = derive.read_lines(rows)
        derive.check_lines(lines, binding.given.holds)
        if {line.group for line in lines} != {group.group for group in groups}:
            raise VerificationError("the lines and the groups in the bundle do not belong together")
        check = _check_lines if binding.given.v == 1 else _check_own_lines
        for group in groups:
            check(group, [line for line in lines if line.group == group.group], binding.given.period_root)
        own = [line for line in lines if line.party == party]
        if binding.given.v > 1 and own != lines:
            raise VerificationError(f"lines are shown that are not {party}'s")
        step.detail = f"{counted(len(own), 'line')} of {party} in the bundle, {sum(line.micros for line in own)} micros"
    brought = bool(values["account"])
    with examination.step("the account adds up" if brought else "no account is in the bundle") as step:
        step.detail = _check_own_account(values, binding, own)
    if not brought:
        examination.unchecked.append(_no_account(party))
    else:
        examination.unchecked.append(_left_out(party) if binding.given.v == 1 else _second_account(party))
    examination.proved += verdict.of_party(binding, party, own, [item["row"] for item in values["account"]])
    _note_unchecked(examination, [item["row"] for item in values["account"]], binding.given)


def _shown(items: Sequence[Row], table: Row, name: str) -> list[Row]:
    """Return rows after proving their positions and order in a table."""
    rows = [_row(item, table, name) for item in items]
    places = [item["index"] for item in items]
    if sorted(set(places)) != places:
        raise VerificationError(f"{name}: rows are shown twice or out of order")
    return rows


def _groups(binding: Binding, rows: Sequence[Row]) -> list[GroupTotal]:
    """Return the groups of a statement, in the spelling of its run."""
    check_order("groups", rows)
    groups = [read_group(row) for row in rows]
    for row, group in zip(rows, groups, strict=True):
        own = group_payload(group, binding.given.v)
        if binding.given.v > 1:
            own |= {"salt": check_salt(row, "groups")}
        if row != own:
            raise VerificationError(f"groups: {str(row)[:200]} is not written as a run writes it")
    return groups


def _check_level(binding: Binding) -> tuple[Level, Cutoff | None]:
    """Check the level that turns weights into amounts, as far as one party can without the other weights.

    Without a cap the level is fully determined. Under a cap the weights of groups at the cap are not shown; everything
    else about the level is checked.
    """
    inputs, result = binding.given, binding.document["result"]
    terms = inputs.terms
    names = ("pool", "allocated", "unattributed", "held", "suspense", "reserve", "units", "weight")
    sums = {name: whole(result[name], name) for name in (*names, "weight_unattributed")}
    stated = result["level"]
    level = Level(
        cap=None if stated["cap"] is None else whole(stated["cap"], "cap"),
        **{name: whole(stated[name], name) for name in ("numerator", "denominator", "unattributed", "reserve")},
    )
    cutoff = read_cutoff(result["cutoff"])
    outcome = Outcome(**sums, level=level, cutoff=cutoff, groups=(), lines=())
    if not same(result_payload(outcome), result):
        raise VerificationError("the result is not written as a run writes it: fields, spelling")
    price = terms.micros if terms.micros is not None else (terms.price_micros or 0) * outcome.units
    if price + inputs.carried != outcome.pool:
        raise VerificationError(
            f"the pool is {outcome.pool} micros, its terms and {outcome.units} units come to {price}, and "
            f"{inputs.carried} are carried"
        )
    if sum(sums[name] for name in ("allocated", "unattributed", "held", "suspense", "reserve")) != outcome.pool:
        raise VerificationError(f"the parts do not sum to the pool of {outcome.pool} micros")
    _check_filled(outcome, outcome.pool * terms.reserve_ppm // MILLION, derive.cap_ppm(inputs, result))
    salt = inputs.period_root
    left = {"*unattributed": level.unattributed, "*reserve": level.reserve}
    amounts = {name: _rounded(owed, level, cutoff, salt, name) for name, owed in left.items()}
    reserve = outcome.pool * terms.reserve_ppm // MILLION
    if (amounts["*unattributed"], reserve + amounts["*reserve"]) != (outcome.unattributed, outcome.reserve):
        raise VerificationError("unattributed and reserve are not what the level leaves")
    return level, cutoff


def _check_filled(outcome: Outcome, kept: int, cap_ppm: int | None) -> None:
    """Check that the level fits the total weight and the unattributed weight."""
    level, pool = outcome.level, outcome.pool - kept
    total, nobody = outcome.weight, outcome.weight_unattributed
    cap = None if cap_ppm is None else pool * cap_ppm // MILLION
    if level.cap != cap or nobody > total:
        raise VerificationError(f"the run caps a group at {level.cap} micros, its rule says {cap}")
    if total == 0:
        fits = level == Level(cap=cap, numerator=0, denominator=1, unattributed=pool, reserve=0)
    elif level.denominator == total and level.reserve == 0 and level.numerator == pool:
        fits = level.unattributed == pool * nobody
    elif cap is None:
        fits = False
    else:
        fits = _fits_cap(level, cap, pool, total, nobody)
    if not fits:
        raise VerificationError("the level does not follow from the pool and the weight of all")


def _fits_cap(level: Level, cap: int, pool: int, total: int, nobody: int) -> bool:
    """Return whether these sums allow a level under a cap: a whole number of groups is at the cap."""
    if level.denominator == total:  # everybody stands at the cap
        over = level.numerator == cap * total and level.unattributed == pool * nobody
        return over and (cap == 0 or (pool * (total - nobody) - level.reserve) % (cap * total) == 0)
    below, remainder = divmod(level.denominator, total)
    capped = pool * (total - nobody) - level.numerator
    whole_groups = capped >= 0 and (capped == 0 if cap == 0 else capped % (cap * total) == 0)
    return (
        remainder == 0
        and 0 < below < total - nobody + 1
        and level.reserve == 0
        and whole_groups
        and level.unattributed == pool * nobody * below
    )


def _rounded(owed: int, level: Level, cutoff: Cutoff | None, salt: bytes, name: str) -> int:
    """floor(owed / denominator), plus one if the cut-off admits the remainder."""
    micros, remainder = divmod(owed, level.denominator)
    return micros + (remainder > 0 and cutoff is not None and cutoff.admits(remainder, salt, name))


def _check_group(group: GroupTotal, level: Level, cutoff: Cutoff | None, salt: bytes) -> None:
    owed = _rounded(level.owed(group.weight), level, cutoff, salt, group.group)
    if group.micros != owed:
        raise VerificationError(
            f"group {group.group}: weight {group.weight} is owed {owed} micros, the run gave {group.micros}"
        )


def _check_lines(group: GroupTotal, lines: Sequence[Line], salt: bytes) -> None:
    """Check how a group's integer is divided among its parties, and each party's among its lines."""
    if sum(line.weight for line in lines) != group.weight:
        raise VerificationError(f"group {group.group}: its lines do not weigh what the group weighs")
    by_party: dict[str, dict[str, Line]] = defaultdict(dict)
    for line in lines:
        by_party[line.party]["\0".join(derive.heading_of(line))] = line
    weights = {party: sum(line.weight for line in shares.values()) for party, shares in by_party.items()}
    amounts = divide(group.micros, weights, salt=salt)
    for party, shares in by_party.items():
        parts = divide(amounts[party], {name: line.weight for name, line in shares.items()}, salt=salt)
        for name, line in shares.items():
            if line.micros != parts[name]:
                raise VerificationError(
                    f"{party or group.group}: a line of {line.micros} micros, computed {parts[name]}"
                )


def _check_own_lines(group: GroupTotal, lines: Sequence[Line], salt: bytes) -> None:
    """Compute a party's part of a group's integer from its weight and the group's cut-off; then its lines' parts."""
    (party,) = {line.party for line in lines}
    weight = sum(line.weight for line in lines)
    if weight > group.weight or (group.cutoff is not None and group.cutoff.remainder >= group.weight):
        raise VerificationError(f"group {group.group}: {party}'s lines weigh more than the group, or its cut-off does")
    micros, remainder = divmod(group.micros * weight, group.weight)
    micros += remainder > 0 and group.cutoff is not None and group.cutoff.admits(remainder, salt, party)
    computed = party_lines({derive.heading_of(line): line.weight for line in lines}, micros, salt)
    for line, own in zip(lines, sorted(computed), strict=True):
        if line != own:
            raise VerificationError(f"{party}: a line of {line.micros} micros, computed {own.micros}")


def _left_out(party: str) -> str:
    return (
        f"whether {party} has money held in an owner group that this bundle leaves out: what is allocated would show "
        "in the account, what is held only in the run's bundle"
    )


def _second_account(party: str) -> str:
    return (
        f"whether the run has a second account of {party}: the run's bundle holds every row, and is refused if it has"
    )


def _no_account(party: str) -> str:
    return (
        f"whether {party} has an account, lines or a payment in this run beyond what is shown: this bundle brings no "
        "account; the run's bundle holds every row"
    )


def _check_own_account(values: Mapping[str, Any], binding: Binding, own: Sequence[Line]) -> str:
    party = values["party"]
    accounts = _shown(values["account"], binding.document["tables"]["accounts"], "accounts")
    intents = _shown(values["intent"], binding.publication["intents"], "intents")
    if any(row["party"] != party for row in (*accounts, *intents)) or len(accounts) > 1 or len(intents) > 1:
        raise VerificationError(f"an account or a payment is not {party}'s, or there are two")
    earned = sum(line.micros for line in own if line.state == "allocated")
    if not accounts:
        if earned:
            raise VerificationError(f"{party} has money allocated and no account in the bundle")
        if intents:
            raise VerificationError(f"{party}: a payment is published, and the account it is from is not in the bundle")
        if own and binding.given.v > 1:
            raise VerificationError(f"{party} has lines, and the account that commits them is not in the bundle")
        return f"nothing is shown of what {party} is paid"
    (sole,) = _check_alone(binding, party, accounts, intents, earned)
    if binding.given.v > 1 and not same(accounts[0]["lines"], commitment(values["lines"])):
        raise VerificationError(
            f"{party}: the account commits {accounts[0]['lines']['rows']} lines, and the bundle shows others: it must "
            "show all of them"
        )
    steps = sole.deductions.entries
    middle = "".join(f"{step.kind} {step.micros}, " for step in steps)
    return (
        f"opening {sole.opening}, earned {sole.earned}, {middle}payable {sole.payable}, carried {sole.carried} micros"
    )


def _check_alone(
    binding: Binding, party: str, rows: Sequence[Row], intents: Sequence[Row], earned: int
) -> list[Account]:
    """Compute one party's account and payment again, and compare."""
    inputs = binding.given
    booked = derive.accounts_of(inputs, rows, {party: earned} if earned else {}, (party,), alone=True)
    if inputs.v == 1:
        derive.check_rows("accounts", rows, (account.payload() for account in booked))
        derive.check_intents(booked, intents, lambda _: None)
        return booked
    salt = check_salt(rows[0], "accounts")
    committed = {"lines": rows[0]["lines"], "salt": salt}
    derive.check_rows("accounts", rows, (account.payload(every_term=True) | committed for account in booked))
    derive.check_intents(booked, intents, lambda _: salt)
    return booked


# --- checking: a whole run ----------------------------------------------------------------------


@_guarded
def check_run(examination: Examination, document: Row) -> None:
    """Verify that every row is committed by the run, and that every derived table is the same."""
    names = (*COMMON, *TABLES, "intents")
    with examination.step("the bundle has the fields of its kind"):
        values = dict(zip(names, bundle.fields(document, *names), strict=True))
        _check_lists(values, *TABLES, "intents")
    binding = check_binding(examination, document, values)
    v, result, tables = binding.given.v, binding.document["result"], binding.document["tables"]
    with examination.step("the tables are the ones committed to") as step:
        committed = {name: _check_table(values[name], tables[name], name) for name in TABLES}
        _check_table(values["intents"], binding.publication["intents"], "intents")
        step.detail = ", ".join(counted(len(values[name]), name.removesuffix("s")) for name in (*TABLES, "intents"))
    with examination.step("the pool is divided by largest remainder") as step:
        lines = derive.read_lines(values["lines"])
        outcome = derive.outcome_of(binding.given, result, lines)
        if str(outcome.pool) != result["pool"]:
            raise VerificationError(
                f"the pool is {result['pool']} micros, its terms, {outcome.units} units and "
                f"{binding.given.carried} carried come to {outcome.pool}"
            )
        groups = [group_payload(total, v) for total in outcome.groups]
        derive.check_rows("groups", unsalted(values["groups"]) if v > 1 else values["groups"], groups)
        level = outcome.level
        step.detail = f"{outcome.pool} micros over weight {outcome.weight}, level {level.numerator}/{level.denominator}"
    with examination.step("every group is divided among its lines") as step:
        derive.check_lines(lines, binding.given.holds)
        derive.check_rows("lines", values["lines"], map(line_payload, outcome.lines))
        step.detail = counted(len(lines), "line")
    with examination.step("the five parts sum to the pool") as step:
        step.detail = _check_result(result, outcome)
    with examination.step("every account adds up, and pays what was published") as step:
        earned, with_lines = outcome.allocated_by_party(), {line.party for line in lines}
        stated = values["accounts"]
        booked = derive.accounts_of(binding.given, stated, earned, with_lines)
        rows = account_payloads(booked, v, values["lines"], committed["lines"])
        derive.check_rows("accounts", unsalted(stated) if v > 1 else stated, rows)
        derive.check_intents(booked, values["intents"], {row["party"]: row.get("salt") for row in stated}.get)
        step.detail = f"{counted(len(stated), 'account')}, {counted(len(values['intents']), 'payment')}"
    if v > 1:
        with examination.step("every row has its salt, so that no neighbour can guess it") as step:
            _check_salts(Salts.of(committed["lines"], stated), values["groups"], stated)
    examination.proved += verdict.of_run(binding, outcome, booked)
    _note_unchecked(examination, stated, binding.given)


def _check_salts(salts: Salts, groups: Sequence[Row], accounts: Sequence[Row]) -> None:
    for name, rows, key, salt_of in (
        ("groups", groups, "group", salts.of_group),
        ("accounts", accounts, "party", salts.of_party),
    ):
        for row in rows:
            if row.get("salt") != salt_of(row[key]):
                raise VerificationError(f"{name}: {row[key]} has salt {row.get('salt')}, computed {salt_of(row[key])}")


def _check_result(stated: Row, outcome: Outcome) -> str:
    """Check the document's results of the pool."""
    derived = result_payload(outcome)
    if not same(stated, derived):
        field, stated_value, derived_value = derive.first_difference(stated, derived)
        raise VerificationError(f"the run says {field} {str(stated_value)[:200]}, computed {derived_value}")
    parts = [derived[name] for name in ("allocated", "unattributed", "held", "suspense", "reserve")]
    return " + ".join(parts) + f" = {outcome.pool}"
