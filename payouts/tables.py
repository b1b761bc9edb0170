"""The tables of a run: encoding, order, and commitment of their rows.

A row is one line of canonical JSON. The Merkle root (RFC 6962) of its rows commits a table, so that one row can be
proven without the others. Version 2 makes each party's share of a table provable alone: an account commits the party's
lines, a group commits the cut-off of its own division, and both carry a salt, without which the hash of a neighbour's
row, which stands in every proof, could be guessed.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

import msgspec

from ledger.errors import VerificationError
from ledger.proofs import canon, tree
from ledger.text import parse_hex
from payouts.accounts.account import Account
from payouts.allocate import Cutoff
from payouts.compute import GroupTotal, Line
from payouts.division.kernel import State
from payouts.protocols import UsageRow

Row = dict[str, Any]
VERSION: Final = 2
"""Of the runs that are calculated now; those of version 1 are read, calculated again and proven as they were."""
VERSIONS: Final = (1, VERSION)
SALT_SIZE: Final = 16
_SALTED: Final = b"settle run rows v2\0"
AMOUNT_DIGITS: Final = 100
"""Of an amount or a weight: more than any sum of money, and few enough to be read in no time."""
_WHOLE: Final = re.compile(r"(?:0|-?[1-9][0-9]*)\Z")


def whole(text: Any, what: str, low: int | None = 0) -> int:
    """Read an amount or weight of a table: a decimal string in its only spelling, at least `low`."""
    if not isinstance(text, str) or len(text) > AMOUNT_DIGITS or not _WHOLE.match(text):
        raise VerificationError(f"{what} is {str(text)[:40]!r}: expected a whole number as a decimal string")
    value = int(text)
    if low is not None and value < low:
        raise VerificationError(f"{what} is {value}: expected {low} or more")
    return value


@dataclass(frozen=True, slots=True)
class SealedTable:
    """Encoded rows, with the root that commits them. `data` is stored and exported."""

    data: bytes
    count: int
    root: bytes

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]], encode: Callable[[Any], bytes] = canon.encode) -> SealedTable:
        """`encode`: `canon.encode_again` for rows that were decoded."""
        lines = [encode(row) for row in rows]
        root = tree.root_of([tree.leaf_hash(line) for line in lines])
        return cls(b"".join(line + b"\n" for line in lines), len(lines), root)

    def payload(self) -> dict[str, Any]:
        return {"rows": self.count, "root": self.root.hex(), "sha256": canon.digest(self.data)}

    def rows(self) -> list[Row]:
        return decode_rows(self.data)


# --- order --------------------------------------------------------------------------------------


def _usage_key(row: Row) -> tuple[str, ...]:
    """Return a sort key in which an absent value comes first and never equals an empty text."""
    marked = ("" if row[name] is None else "=" + row[name] for name in ("vector", "product", "listener", "currency"))
    hold = row.get("hold")  # only rows under a hold on listeners have the field
    return (row["track"], row["territory"], row["at"], row["source"], *marked, "" if hold is None else "=" + hold)


def _by(*names: str) -> Callable[[Row], tuple[str, ...]]:
    return lambda row: tuple(row[name] for name in names)


KEYS: Final[dict[str, Callable[[Row], tuple[str, ...]]]] = {
    "usage": _usage_key,
    "groups": _by("group"),
    "lines": _by("group", "party", "state", "reason", "ref"),
    "accounts": _by("party"),
    "intents": _by("party"),
    "payments": _by("party"),
}
"""By what the rows of each table are sorted, as UTF-8 bytes; no two rows share a key."""


def read_table(name: str, data: bytes) -> list[Row]:
    """Return the rows of a stored table; refuses unsorted or repeated rows."""
    rows = decode_rows(data)
    check_order(name, rows)
    return rows


def check_order(name: str, rows: Iterable[Row]) -> None:
    """Refuse rows unless they are in the table's order, each key once."""
    key, previous = KEYS[name], None
    for row in rows:
        try:
            now = key(row)
            if previous is not None and now <= previous:
                raise VerificationError(f"{name}: {label(row)} is out of order, or is there twice")
        except (LookupError, TypeError):
            raise VerificationError(f"{name}: {str(row)[:200]} is not a row of this table") from None
        previous = now


def label(row: Row) -> str:
    """Return a description of a row for people."""
    names = [str(row[name]) for name in ("group", "party", "state", "reason", "ref") if row.get(name)]
    return "/".join(names) or "a row"


def decode_rows(data: bytes) -> list[Row]:
    """Return the rows of a stored table as values."""
    return [canon.decode_object(row, "table row") for row in rows_of(data)]


def rows_of(data: bytes) -> list[bytes]:
    """Return the rows of a stored table as bytes, whose hashes its root commits."""
    if data and not data.endswith(b"\n"):
        raise VerificationError("table: its last row has no end; it was cut short")
    return data.split(b"\n")[:-1]


# --- what version 2 commits ---------------------------------------------------------------------


def commitments(rows: Sequence[Row], table: SealedTable) -> dict[str, Row]:
    """Return by party the number and the digest of its lines, in the table's order, each with its line end."""
    digests: dict[str, Any] = defaultdict(hashlib.sha256)
    counts: dict[str, int] = defaultdict(int)
    for row, data in zip(rows, rows_of(table.data), strict=True):
        digests[row["party"]].update(data + b"\n")
        counts[row["party"]] += 1
    return {party: {"rows": counts[party], "sha256": hasher.hexdigest()} for party, hasher in digests.items()}


def commitment(lines: Sequence[Row]) -> Row:
    """Return the number of these lines, and their digest."""
    return {"rows": len(lines), "sha256": canon.digest(b"".join(canon.encode(row) + b"\n" for row in lines))}


@dataclass(frozen=True, slots=True)
class Salts:
    """The salts of a run's rows. They can be computed only from all lines and accounts."""

    secret: bytes

    @classmethod
    def of(cls, lines: SealedTable, accounts: Iterable[Row]) -> Salts:
        """Compute the salts from all lines, and each account's opening, payable and carried amounts."""
        seed = hashlib.sha256(_SALTED + lines.data)
        for row in accounts:
            seed.update(f"{row['party']}\0{row['opening']}\0{row['payable']}\0{row['carried']}\n".encode())
        return cls(seed.digest())

    def of_group(self, group: str) -> str:
        return hashlib.sha256(self.secret + f"group\0{group}".encode()).hexdigest()[: 2 * SALT_SIZE]

    def of_party(self, party: str) -> str:
        """Return the salt of a party's account and payment."""
        return hashlib.sha256(self.secret + f"party\0{party}".encode()).hexdigest()[: 2 * SALT_SIZE]

    def groups(self, rows: Iterable[Row]) -> list[Row]:
        """Return the rows of groups with their salts."""
        return [row | {"salt": self.of_group(row["group"])} for row in rows]

    def parties(self, rows: Iterable[Row]) -> list[Row]:
        """Return the rows of accounts with their salts."""
        return [row | {"salt": self.of_party(row["party"])} for row in rows]


def unsalted(rows: Iterable[Row]) -> list[Row]:
    """Return rows without their salts."""
    bare = [row.copy() for row in rows]
    for row in bare:
        row.pop("salt", None)
    return bare


def check_salt(row: Row, name: str) -> str:
    """Refuse a row whose salt has the wrong form."""
    parse_hex(row.get("salt"), f"{name}: salt", SALT_SIZE)
    return str(row["salt"])


# --- rows ---------------------------------------------------------------------------------------


def cutoff_payload(cutoff: Cutoff | None) -> Row | None:
    """Return the cut-off of leftover units; null if there were none."""
    return None if cutoff is None else {"remainder": str(cutoff.remainder), "tie": cutoff.tie.hex()}


def read_cutoff(stated: Any) -> Cutoff | None:
    """The inverse of `cutoff_payload`."""
    if stated is None:
        return None
    if not isinstance(stated, dict) or stated.keys() != {"remainder", "tie"}:
        raise VerificationError("a cut-off has a remainder and a tie")
    return Cutoff(whole(stated["remainder"], "the cut-off", 1), parse_hex(stated["tie"], "the cut-off", tree.HASH_SIZE))


def group_payload(total: GroupTotal, v: int) -> Row:
    """A group's total as a table row, without its salt."""
    plain = {"group": total.group, "weight": str(total.weight), "micros": str(total.micros)}
    return plain if v == 1 else plain | {"cutoff": cutoff_payload(total.cutoff)}


def read_group(row: Mapping[str, Any]) -> GroupTotal:
    """The inverse of `group_payload`."""
    return GroupTotal(
        group=row["group"],
        weight=whole(row["weight"], "a group's weight", 1),
        micros=whole(row["micros"], "a group's micros"),
        cutoff=read_cutoff(row.get("cutoff")),
    )


def line_payload(line: Line) -> Row:
    """Return a line as a table row."""
    return {
        "group": line.group,
        "party": line.party,
        "state": line.state,
        "reason": line.reason,
        "ref": line.ref,
        "weight": str(line.weight),
        "micros": str(line.micros),
    }


def read_line(row: Mapping[str, Any]) -> Line:
    """The inverse of `line_payload`; money in a state that no line has would belong to none of the pool's parts."""
    if row["state"] not in get_args(State):
        raise VerificationError(f"{row['party']}: a line is {row['state']!r}, expected {', '.join(get_args(State))}")
    return Line(
        group=row["group"],
        party=row["party"],
        state=row["state"],
        reason=row["reason"],
        ref=row["ref"],
        weight=whole(row["weight"], "a line's weight", 1),
        micros=whole(row["micros"], "a line's micros"),
    )


def account_payloads(accounts: Iterable[Account], v: int, rows: Sequence[Row], lines: SealedTable) -> list[Row]:
    """Return the accounts as table rows, without salts; from version 2 on each commits its party's own lines."""
    if v == 1:
        return [account.payload() for account in accounts]
    own, none = commitments(rows, lines), commitment(())
    return [account.payload(every_term=True) | {"lines": own.get(account.party, none)} for account in accounts]


def usage_payload(row: UsageRow) -> Row:
    """Return a usage row as a table row; sums are decimal strings."""
    payload = msgspec.structs.asdict(row) | {
        "units": str(row.units),
        "gross": None if row.gross is None else str(row.gross),
        "count": str(row.count),
    }
    if row.hold is None:
        del payload["hold"]
    return payload


def read_usage(row: Mapping[str, Any]) -> UsageRow:
    """The inverse of `usage_payload`."""
    gross = None if row["gross"] is None else int(row["gross"])
    return UsageRow(**{**row, "units": int(row["units"]), "gross": gross, "count": int(row["count"])})
