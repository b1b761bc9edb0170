"""Derive the tables of a run from its inputs, and compare them with the run's tables.

A checker trusts no value of a table that it can derive. It takes only the inputs from outside the table (the weight
under each heading, an account's opening balance, the route of a payment), derives the whole table by the functions that
made it, and compares every row in order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, get_args

from ledger.errors import VerificationError
from ledger.types import Period
from payouts.accounts.account import Account, Correction, Kind
from payouts.accounts.clauses import Advance, Agreed, PaidIn, Rate, in_force
from payouts.accounts.deductions import Balance, BalanceKind, Stages
from payouts.accounts.payment import intent_payload
from payouts.compute import Line, Outcome, divided
from payouts.division.kernel import State
from payouts.document import Given, Uninstalled, accounts_for, same
from payouts.money import payable
from payouts.protocols import HoldMatch
from payouts.tables import Row, check_order, label, line_payload, read_line, whole

FIRST: Final = ("adjustment", "reversal", "instalment")
"""What a run that follows none may book: there is no earlier run whose money could be released or returned."""
SIGNS: Final[dict[Kind, int]] = {"release": 1, "returned": 1, "reversal": -1}


# --- tables -------------------------------------------------------------------------------------


def check_rows(name: str, stated: Sequence[Row], derived: Iterable[Row]) -> None:
    """Refuse a table that differs from the derived one in any row or in the order."""
    expected = list(derived)
    for n, (row, own) in enumerate(zip(stated, expected, strict=False)):
        if row != own:
            raise VerificationError(f"{name}, row {n}: {_shown(row, own)}")
    if len(stated) != len(expected):
        odd = (stated if len(stated) > len(expected) else expected)[min(len(stated), len(expected))]
        raise VerificationError(
            f"{name}: {len(stated)} rows, expected {len(expected)}; the first without a match is {label(odd)}"
        )


def _shown(row: Row, own: Row) -> str:
    """Return the first difference between a row and the expected one."""
    if not isinstance(row, dict):
        return f"{str(row)[:60]!r} is not a row"
    field, stated, computed = first_difference(row, own)
    return f"{label(row)} has {field} {str(stated)[:200]!r}, computed {str(computed)[:200]!r}"


def first_difference(stated: Row, own: Row) -> tuple[str, Any, Any]:
    """Return the innermost field in which two objects differ, and both values; an absent field is `absent`."""
    absent = "absent"
    differing = [name for name in sorted({*stated, *own}) if not same(stated.get(name, absent), own.get(name, absent))]
    field = differing[0] if differing else "a field called absent"
    stated_value, own_value = stated.get(field, absent), own.get(field, absent)
    if isinstance(stated_value, dict) and isinstance(own_value, dict):
        inner, stated_value, own_value = first_difference(stated_value, own_value)
        return f"{field}.{inner}", stated_value, own_value
    return field, stated_value, own_value


def read_lines(rows: Sequence[Row]) -> list[Line]:
    """Return the lines of a run in order, each heading once; refuse other spellings."""
    check_order("lines", rows)
    lines = [read_line(row) for row in rows]
    for row, line in zip(rows, lines, strict=True):
        if line_payload(line) != row:
            raise VerificationError(f"lines: {str(row)[:200]} is not written as a run writes it")
    return lines


def heading_of(line: Line) -> tuple[str, str, State, str, str]:
    return line.group, line.party, line.state, line.reason, line.ref


# --- the division -------------------------------------------------------------------------------


def outcome_of(given: Given, result: Row, lines: Sequence[Line]) -> Outcome:
    """Compute the pool's outcome from the weight under each heading, the units and the unattributed weight."""
    units = whole(result["units"], "units")
    nobody = whole(result["weight_unattributed"], "the weight of nobody")
    weights = {heading_of(line): line.weight for line in lines}
    return divided(
        given.terms,
        cap_ppm(given, result),
        given.period_root,
        carried=given.carried,
        units=units,
        weights=weights,
        unattributed=nobody,
    )


def cap_ppm(given: Given, result: Row) -> int | None:
    """Return the rule's cap; refuse a rule that is not installed here."""
    if not isinstance(given.rule, Uninstalled):
        return given.rule.cap_ppm()
    if result["level"]["cap"] is not None:
        raise VerificationError(
            f"the run caps by rule {given.rule.stated['name']} {given.rule.stated['version']}, which is not installed "
            "here; install it to check the division"
        )
    return None


def check_lines(lines: Iterable[Line], holds: Sequence[HoldMatch]) -> None:
    """Refuse a line with an unknown state, or with a state that contradicts the run's holds."""
    holds_by_id = {hold.id: hold for hold in holds}
    blocked = {hold.party for hold in holds if hold.party and not (hold.subject or hold.track or hold.source)}
    for line in lines:
        if line.state == "allocated":
            if not line.party:
                raise VerificationError(f"group {line.group}: money is allocated, but no party gets it")
            if line.party in blocked:
                raise VerificationError(f"{line.party}: a line is allocated, and a hold of the run is on the party")
            if line.reason or line.ref:
                raise VerificationError(f"{line.party}: an allocated line gives reason {line.reason!r}")
        elif not line.reason:
            raise VerificationError(f"{line.party or line.group}: a line is {line.state} without a reason")
        elif line.state == "held" and line.ref:
            hold = holds_by_id.get(line.ref)
            allows = hold is not None and hold.rejected is None and hold.party in (None, line.party)
            if hold is None or not allows or hold.reason != line.reason:
                raise VerificationError(f"{line.party}: money is held by {line.ref}, which no hold of the run allows")


# --- accounts -----------------------------------------------------------------------------------


def accounts_of(
    given: Given, rows: Sequence[Row], earned: Mapping[str, int], with_lines: Iterable[str], *, alone: bool = False
) -> list[Account]:
    """Compute the accounts again from opening balances, corrections and terms.

    `with_lines`: everybody who has lines. `alone`: one party's account without the others', so that corrections and
    terms of others are not missed.
    """
    check_order("accounts", rows)
    for row in rows:
        _check_amounts(row)
    stated = [Account.from_payload(row) for row in rows]
    if given.v > 1 and any(type(row["lines"]["rows"]) is not int for row in rows):
        raise VerificationError("accounts: the number of a party's lines is a number")
    for booked in stated:
        _check_before(given, booked)
    _check_corrections(given, stated, alone=alone)
    agreed = tuple(term for booked in stated for term in _agreed(given, booked))
    if given.v > 1 and not alone and (odd := {term.id for term in agreed} ^ set(given.agreed)):
        raise VerificationError(f"terms {min(odd)}: the run was given them, and no account shows them")
    stages = Stages(
        period=given.terms.period,
        agreed=(*agreed, *given.fx),
        before={booked.party: booked.deductions.before for booked in stated if booked.deductions.before},
    )
    return accounts_for(
        given,
        opening={booked.party: booked.opening for booked in stated if booked.opening},
        earned=earned,
        corrections=[correction for booked in stated for correction in booked.corrections],
        stages=stages,
        with_lines=with_lines,
    )


def _check_before(given: Given, one: Account) -> None:
    """Check a party's opening: signs, spelling of balances, and zero in a pool's first run."""
    balances = one.deductions.before
    _check_texts(one.party, one.party, *(text for balance in balances for text in (balance.term, balance.due)))
    if not one.party:
        raise VerificationError("an account has no party")
    if given.follows is None and (one.opening or balances):
        raise VerificationError(f"{one.party}: the run follows none, and its account opens with a balance")
    names = [(balance.kind, balance.term, balance.due) for balance in balances]
    if len(set(names)) != len(names):
        raise VerificationError(f"{one.party}: an opening balance occurs twice")
    advances = {term.id: term.clause.micros for term in one.deductions.agreed if isinstance(term.clause, Advance)}
    for balance in balances:
        _check_balance(one.party, balance, advances)


def _check_texts(party: str, *texts: Any) -> None:
    if odd := [text for text in texts if type(text) is not str]:
        raise VerificationError(f"{party}: an account names {odd[0]!r}, expected a text")


def _check_balance(party: str, balance: Balance, advances: Mapping[str, int]) -> None:
    if balance.kind not in get_args(BalanceKind) or (balance.kind == "advance" and balance.due):
        raise VerificationError(f"{party}: a balance from before is {balance.kind!r} due {balance.due!r}")
    if balance.kind == "reserve":
        Period.parse(balance.due)
    low = 1 if balance.kind == "reserve" else 0
    if balance.micros < low:
        raise VerificationError(f"{party}: {balance.kind} {balance.term} is {balance.micros} micros from before")
    if balance.kind == "advance" and balance.micros > advances.get(balance.term, balance.micros):
        raise VerificationError(f"{party}: more is owed of advance {balance.term} than was advanced")


def _agreed(given: Given, one: Account) -> Sequence[Agreed]:
    """Check a party's terms: its own, known to the run, in force in its month, one per kind.

    A run of version 1 omits them from an account whose only terms set a currency; the payment shows that currency.
    """
    terms, agreed = given.terms, one.deductions.agreed
    if (unshown := _unshown_currency(given, one)) is not None:
        clause = PaidIn(party=one.party, currency=unshown)
        return (Agreed.of(period=terms.period, note="", clause=clause),)
    for term in agreed:
        if term.party != one.party or term.id not in given.agreed:
            raise VerificationError(f"{one.party}: terms {term.id} are not among those the run was given for it")
    if in_force(agreed, pool=terms.pool, currency=terms.currency, period=terms.period) != agreed:
        raise VerificationError(f"{one.party}: its terms are not all in force, or two are of one kind")
    return agreed


def _check_amounts(row: Row) -> None:
    """Refuse an account with an amount that is not written as tables write them, or is longer than any sum of money.

    They are read before anything of them is known to be true, so none may take long to read.
    """
    deductions, converted = row.get("deductions", {}), row.get("converted", {})
    parts = [row, *row["corrections"], converted]
    parts += [part for name in ("before", "entries", "after") for part in deductions.get(name, ())]
    for part in parts:
        for name in ("opening", "earned", "payable", "carried", "micros", "rounding"):
            if name in part:
                whole(part[name], f"{row['party']}: {name}", None)


def unshown_terms(given: Given, rows: Iterable[Row]) -> list[str]:
    """Return the parties whose account is paid or carried in a currency by terms that it does not show."""
    accounts = map(Account.from_payload, rows)
    return [account.party for account in accounts if _unshown_currency(given, account) is not None]


def _unshown_currency(given: Given, one: Account) -> str | None:
    """Return the currency in which an account of a run of version 1 must be paid by terms that it does not show.

    An amount below that currency's smallest coin is carried whole, and the account does not show the currency: then it
    is one for which the run has a rate that explains this. Without such a rate, the pool's own currency applies.
    """
    if given.v != 1 or one.deductions or one.payable < 0:
        return None
    if one.converted is not None:
        return one.converted.currency
    terms, balance = given.terms, one.opening + one.earned + one.corrected
    due = payable(balance, terms.currency)[0] if balance >= max(given.minimum, 1) else 0
    for rate in (term.clause for term in given.fx if isinstance(term.clause, Rate)):
        if due and not one.payable and not payable(due * rate.value.numerator // rate.value.denominator, rate.to)[0]:
            return rate.to
    return None


def _check_corrections(given: Given, stated: Sequence[Account], *, alone: bool) -> None:
    booked: dict[str, set[str]] = defaultdict(set)
    for booked_account in stated:
        for correction in booked_account.corrections:
            _check_correction(given, correction)
            if booked_account.party in booked[correction.id]:
                raise VerificationError(f"{booked_account.party}: correction {correction.id} is booked twice")
            booked[correction.id].add(booked_account.party)
            shared = correction.kind in ("release", "reversal")
            if len(booked[correction.id]) > 1 and not shared:
                raise VerificationError(f"{booked_account.party}: correction {correction.id} is booked for two parties")
    odd = set(booked) - set(given.entries) if alone else set(booked) ^ set(given.entries)
    if odd:
        raise VerificationError(f"correction {min(odd)}: the run's entries and its accounts do not name the same")


def _check_correction(given: Given, one: Correction) -> None:
    _check_texts(one.party, one.id, one.run, one.reason)
    if one.kind not in get_args(Kind):
        raise VerificationError(f"{one.party}: a correction of kind {one.kind!r}")
    if not one.micros or one.micros * SIGNS.get(one.kind, one.micros) < 0:
        raise VerificationError(f"{one.party}: a {one.kind} of {one.micros} micros")
    names = {
        "release": one.id.endswith(f"@{one.run}"),
        "returned": one.id.startswith(f"returned@{one.run}/{one.party}"),
        "reversal": one.id.startswith(f"reversal@{one.run}"),
        "instalment": one.id.startswith(f"instalment@{one.run}/{one.party}/"),
    }
    if not names.get(one.kind, "@" not in one.id):
        raise VerificationError(f"{one.party}: correction {one.id} has not the name of a {one.kind}")
    if given.follows is None and one.kind not in FIRST:
        raise VerificationError(f"{one.party}: the run follows none, and books a {one.kind}")


# --- payments -----------------------------------------------------------------------------------


def check_intents(accounts: Iterable[Account], intents: Sequence[Row], salt_of: Callable[[str], str | None]) -> None:
    """Refuse payments that differ from the accounts' amounts; only the route comes from the publication."""
    routes = {row["party"]: row["route"] for row in intents}
    due = [account for account in accounts if account.payable]
    if odd := sorted({account.party for account in due} ^ routes.keys()):
        raise VerificationError(f"{odd[0]}: a payment is published without an account that comes to it, or missing")
    check_rows(
        "intents", intents, (intent_payload(account, routes[account.party], salt_of(account.party)) for account in due)
    )
