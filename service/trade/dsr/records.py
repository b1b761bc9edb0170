"""The records of a digital sales report: lines of cells, of which we read these.

Profiles `BasicAudioProfile` (records of one release or resource form a block) and `BasicAudioProfileSRB` (each line
stands alone), versions 1.2 to 1.4. Later versions of a record add cells at its end; what is read here stands where it
stood.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from ledger.errors import InputError
from ledger.ingest.blocks import TooLong, read_blocks

PROFILES: Final = ("BasicAudioProfile", "BasicAudioProfileSRB")
VERSIONS: Final = ("1.2", "1.3", "1.4")
HEADS: Final = ("HEAD", "SRHE")
FOOTS: Final = ("FOOT", "SRFO")

CELLS: Final[dict[str, dict[str, int]]] = {
    "HEAD": {
        "profile": 2,
        "version": 3,
        "message": 4,
        "file": 6,
        "files": 7,
        "start": 8,
        "end": 9,
        "sender": 10,
        "name": 11,
    },
    "SY01": {"summary": 1, "model": 4, "territory": 6, "service": 7, "usages": 8},
    "SY02": {"summary": 1, "model": 4, "territory": 6, "service": 7, "usages": 8},
    "SY04": {"summary": 1, "model": 4, "territory": 6, "service": 7, "usages": 13},
    "SY06": {"summary": 1, "model": 4, "territory": 6, "service": 7, "usages": 8},
    "AS01": {"block": 1, "reference": 2, "resource": 3, "isrc": 4},
    "AS02": {"block": 1, "reference": 2, "resource": 3, "isrc": 4},
    "SU01": {"block": 1, "summary": 2, "usages": 8},
    "SU02": {"block": 1, "summary": 2, "sale": 3, "reference": 5, "bearing": 6, "usages": 7},
    "SR01": {"summary": 1, "usages": 36},
    "SR02": {"summary": 1, "resource": 2, "isrc": 3, "sale": 32, "bearing": 33, "usages": 34},
    "FOOT": {"lines": 1, "summaries": 3, "blocks": 4},
    "SRFO": {"lines": 1, "summaries": 2},
}
"""By record and by what it means to us, the number of a cell; the record's own name is cell 0."""
CELLS["SRHE"] = CELLS["HEAD"]

_NOT_READ: Final = ("RE01", "RE02", "RE03", "MW01", "SY05", "SY07")
"""Releases, works and how revenue was allocated: nothing that a stream event says."""
_NAME: Final = re.compile(r"([A-Z]{2}(?:\d\d|AD|OT|HE|FO))(?:\.\d\d)?\Z", re.ASCII)
_FIXED: Final = ("SR01", "SR02")
"""Long records whose later versions have cells in between."""
_BAR: Final = re.compile(r"(?<!\\)\|")

Opener = Callable[[], BinaryIO]


@dataclass(frozen=True, slots=True)
class DsrRecord:
    """One record: its kind without its version, where it stands and its cells."""

    kind: str
    line: int
    cells: Sequence[str]
    position: int

    def cell(self, name: str) -> str:
        """The text of a cell; "" where the record ends before it."""
        number = CELLS[self.kind].get(name)
        return "" if number is None or number >= len(self.cells) else plain(self.cells[number])

    def first(self, name: str) -> str:
        """The first text of a cell that may hold several, of which the first may be empty."""
        number = CELLS[self.kind][name]
        values = _BAR.split(self.cells[number]) if number < len(self.cells) else []
        return next((plain(value) for value in values if value.strip()), "")

    def whole(self, name: str) -> int:
        """A whole number, however it is written; InputError for anything else."""
        text = self.cell(name)
        if match := re.fullmatch(r"(-?\d{1,18})(?:\.0{1,12})?", text, re.ASCII):
            return int(match[1])
        raise InputError(f"{name}: expected a whole number, got {text!r}")


def plain(text: str) -> str:
    """A cell's text without the marks that let it hold a bar."""
    return text.strip().replace("\\|", "|")


def looks_like_dsr(start: bytes) -> bool:
    """Whether a file that begins so is a digital sales report."""
    lines = start.removeprefix(b"\xef\xbb\xbf").splitlines()
    first = next((line for line in lines if line.strip() and not line.startswith(b"#")), b"")
    return first.split(b"\t")[0] in (b"HEAD", b"SRHE") and first.count(b"\t") > 1


def records(file: BinaryIO, name: str) -> Iterator[DsrRecord]:
    """The records of a file in order; comments and empty lines are none. InputError names the line that is not one."""
    for block in read_blocks(file, name):
        if isinstance(block, TooLong):
            raise InputError(f"{name}: line {block.line} is {block.length:,} bytes long")
        try:
            text = block.data.decode()
        except UnicodeDecodeError as problem:
            wrong = block.first + block.data.count(b"\n", 0, problem.start)
            raise InputError(f"{name}: line {wrong}: not UTF-8; a report in another encoding is not taken") from None
        for number, line in enumerate(text.split("\n"), block.first):
            if line and line[0] != "#" and (record := _record(line.removesuffix("\r"), number, block.position, name)):
                yield record


def _record(line: str, number: int, position: int, name: str) -> DsrRecord | None:
    cells = line.split("\t")
    if not line.strip():
        return None
    match = _NAME.match(cells[0])
    kind = match[1] if match else ""
    if kind not in CELLS and kind not in _NOT_READ:
        raise InputError(f"{name}: line {number}: record {cells[0][:20]!r} is none of the basic audio profile's")
    if kind in _FIXED and cells[0] not in (kind, f"{kind}.01"):
        raise InputError(f"{name}: line {number}: record {cells[0]} is not read, only {kind} and {kind}.01")
    return DsrRecord(kind, number, cells, position)
