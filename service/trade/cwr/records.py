"""The lines of a CWR file: records of fixed width, of which we read these fields, and the counts that enclose them.

A file is taken whole or not at all: each group and the file say at their end how many transactions and records they
have, and every record its number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from ledger.errors import InputError
from ledger.ingest.blocks import TooLong, read_blocks
from ledger.tabular import Lettering

_READ: Final[dict[str, dict[str, tuple[int, int]]]] = {
    "HDR": {"kind": (3, 2), "sender": (5, 9), "name": (14, 45), "date": (64, 8), "time": (72, 6)},
    "GRH": {"type": (3, 3), "group": (6, 5), "version": (11, 5)},
    "GRT": {"group": (3, 5), "transactions": (8, 8), "records": (16, 8)},
    "TRL": {"groups": (3, 5), "transactions": (8, 8), "records": (16, 8)},
    "NWR": {"title": (19, 60), "number": (81, 14), "iswc": (95, 11)},
    "SPU": {"party": (21, 9), "name": (30, 45), "ipi": (87, 11), "pr": (115, 5), "mr": (123, 5), "sr": (131, 5)},
    "SPT": {"party": (19, 9), "pr": (34, 5), "mr": (39, 5), "sr": (44, 5), "include": (49, 1), "tis": (50, 4)},
    "SWR": {
        "party": (19, 9),
        "name": (28, 45),
        "first": (73, 30),
        "ipi": (115, 11),
        "pr": (129, 5),
        "mr": (137, 5),
        "sr": (145, 5),
    },
    "SWT": {"party": (19, 9), "pr": (28, 5), "mr": (33, 5), "sr": (38, 5), "include": (43, 1), "tis": (44, 4)},
    "REC": {"isrc": (249, 12)},
}
_SAME: Final = {"REV": "NWR", "OPU": "SPU", "OPT": "SPT", "OWR": "SWR", "OWT": "SWT"}
FIELDS: Final = _READ | {kind: _READ[other] for kind, other in _SAME.items()}
"""By record, where a field begins and how long it is."""
WORKS: Final = ("NWR", "REV")
TRANSACTIONS: Final = (*WORKS, "ISW", "EXC", "AGR", "ACK")
VERSIONS: Final = ("02.10", "02.20")
LINE_MAX: Final = 1_000
_LETTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")


@dataclass(frozen=True, slots=True)
class CwrRecord:
    """One line of a file, with its number."""

    kind: str
    line: int
    text: str

    def field(self, name: str) -> str:
        start, length = FIELDS[self.kind][name]
        return self.text[start : start + length].strip()

    def count(self, name: str) -> int:
        text = self.field(name)
        if not (text.isascii() and text.isdecimal()):
            raise InputError(f"line {self.line}: {self.kind} says {text!r}, expected a number of {name}")
        return int(text)


@dataclass(slots=True, kw_only=True)
class CwrTransaction:
    """One transaction: its records, and the group it stands in."""

    group: int
    number: int
    records: list[CwrRecord] = field(default_factory=list)

    @property
    def kind(self) -> str:
        return self.records[0].kind


@dataclass(frozen=True, slots=True, kw_only=True)
class CwrSender:
    """Who made a file, and when."""

    kind: str
    number: str
    name: str
    date: str
    time: str

    @property
    def id(self) -> str:
        """What its own numbers of works and parties stand under."""
        return f"{self.kind}{self.number}"


def read_sender(first: CwrRecord) -> CwrSender:
    return CwrSender(
        kind=first.field("kind"),
        number=first.field("sender"),
        name=first.field("name"),
        date=first.field("date"),
        time=first.field("time"),
    )


def lines(file: BinaryIO, name: str, lettering: Lettering) -> Iterator[CwrRecord]:
    """The records of a file in order; InputError names the line that is none."""
    for block in read_blocks(file, name):
        if isinstance(block, TooLong):
            raise InputError(f"{name}: line {block.line} is {block.length:,} bytes long: no CWR record")
        rows = block.data.split(b"\n")
        lettering.learn(rows)
        for number, row in enumerate(rows, block.first):
            if not row.strip(b"\r\x1a \0"):  # old programs end a file by the sign of MS-DOS
                continue
            try:
                text = lettering.text(row).rstrip("\r")
            except InputError as problem:
                raise InputError(f"{name}: line {number}: {problem}") from None
            if len(text) > LINE_MAX or not _LETTERS.issuperset(text[:3]) or len(text) < 3:
                raise InputError(f"{name}: line {number}: {text[:12]!r} begins no CWR record")
            yield CwrRecord(text[:3], number, text)


def transactions(records: Iterator[CwrRecord], name: str) -> Iterator[CwrSender | CwrTransaction]:
    """The file's sender, then its transactions; InputError where counts or numbers do not hold."""
    try:
        yield from _transactions(records)
    except InputError as problem:  # what reads lines has named the file already
        named = str(problem).startswith(f"{name}: ")
        raise InputError(str(problem) if named else f"{name}: {problem}") from None


def _transactions(records: Iterator[CwrRecord]) -> Iterator[CwrSender | CwrTransaction]:
    first = next(records, None)
    if first is None or first.kind != "HDR":
        raise InputError("its first line is no HDR: no CWR file")
    yield read_sender(first)
    counts = _Counts()
    transaction: CwrTransaction | None = None
    for record in records:
        if counts.is_over:
            raise InputError(f"line {record.line}: a record follows TRL, which is the last one")
        counts.records += 1
        counts.group_records += 1
        if record.kind in ("GRH", "GRT", "TRL"):
            if transaction is not None:
                yield transaction
                transaction = None
            counts.enclose(record)
        elif counts.group_type is None:
            raise InputError(f"line {record.line}: {record.kind} stands in no group")
        elif record.kind in TRANSACTIONS and not (counts.group_type == "ACK" and transaction and record.kind != "ACK"):
            if transaction is not None:
                yield transaction
            transaction = CwrTransaction(group=counts.groups, number=counts.begin(record), records=[record])
        elif transaction is None:
            raise InputError(f"line {record.line}: {record.kind} stands in no transaction")
        else:
            _check_numbers(record, transaction.number, len(transaction.records))
            transaction.records.append(record)
    if not counts.is_over:
        raise InputError("no TRL at its end: the file was cut off; send it again")


@dataclass(slots=True)
class _Counts:
    """What was counted, to be compared with what groups and file say of themselves."""

    records: int = 1
    transactions: int = 0
    groups: int = 0
    group_records: int = 0
    group_transactions: int = 0
    group_type: str | None = None
    is_over: bool = False

    def begin(self, record: CwrRecord) -> int:
        number = self.group_transactions
        _check_numbers(record, number, 0)
        self.group_transactions += 1
        self.transactions += 1
        return number

    def enclose(self, record: CwrRecord) -> None:
        """Open a group, or close one, or the file."""
        if (record.kind == "GRT") != (self.group_type is not None):
            raise InputError(f"line {record.line}: {record.kind} where a group is {'not ' * (not self.group_type)}open")
        if record.kind == "GRH":
            self.groups += 1
            _compare(record, "group", self.groups)
            if record.field("version") not in VERSIONS:
                raise InputError(f"line {record.line}: CWR {record.field('version')}; read are {', '.join(VERSIONS)}")
            self.group_type, self.group_records, self.group_transactions = record.field("type"), 1, 0
        elif record.kind == "GRT":
            for name, counted in (
                ("group", self.groups),
                ("transactions", self.group_transactions),
                ("records", self.group_records),
            ):
                _compare(record, name, counted)
            self.group_type = None
        else:
            for name, counted in (
                ("groups", self.groups),
                ("transactions", self.transactions),
                ("records", self.records),
            ):
                _compare(record, name, counted)
            self.is_over = True


def _compare(record: CwrRecord, name: str, counted: int) -> None:
    if record.count(name) != counted:
        raise InputError(
            f"line {record.line}: {record.kind} says {name} {record.count(name):,}, and there are {counted:,}: "
            "the file is not complete"
        )


def _check_numbers(record: CwrRecord, transaction: int, number: int) -> None:
    """Every record says which of its transaction's it is, so that none can be missing."""
    numbers = (record.text[3:11], record.text[11:19])
    if numbers != (f"{transaction:08}", f"{number:08}"):
        raise InputError(
            f"line {record.line}: {record.kind} has numbers {' and '.join(numbers)}, expected {transaction:08} and "
            f"{number:08}: a record is missing"
        )
