"""CWR files as a publisher's program writes them: fixed widths, numbered records, counts at the end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

ANN, HOUSE, ADMINISTRATOR = "00000000395", "00000000297", "00000000199"
SENDER = "PB000000199"


class Interested(NamedTuple):
    """A party of a work: what it owns and collects of performing, mechanical and synchronisation rights (1/100 %)."""

    kind: str
    number: str
    name: str
    ipi: str
    owns: tuple[int, int, int]
    collects: Sequence[tuple[str, str, tuple[int, int, int]]] = ()
    """(I or E, TIS code, shares)."""


WORLD = "2136"
ALIKE = (
    Interested("SPU", "HOUSE", "SONG HOUSE", HOUSE, (5000, 5000, 5000), [("I", WORLD, (5000, 5000, 5000))]),
    Interested("SWR", "ANN", "EXAMPLE", ANN, (5000, 5000, 5000), [("I", WORLD, (5000, 5000, 5000))]),
)
DIFFERENT = (
    Interested("SPU", "HOUSE", "SONG HOUSE", HOUSE, (2500, 10000, 10000)),
    Interested("SPU", "ADM", "ADMIN LTD", ADMINISTRATOR, (0, 0, 0), [("I", WORLD, (5000, 10000, 10000))]),
    Interested("SWR", "ANN", "EXAMPLE", ANN, (7500, 0, 0), [("I", WORLD, (5000, 0, 0))]),
)
"""The administrator owns nothing and collects; the writer collects performing rights alone."""


def work(
    number: str, title: str, parties: Iterable[Interested] = ALIKE, *, iswc: str = "", isrc: str = ""
) -> list[str]:
    """The records of one work, without their numbers."""
    rows = [f"NWR{{}}{title:60}  {number:14}{iswc:11}{'':8}{'':12}POP{'':6}Y   {'':3}ORI"]
    for place, party in enumerate(parties, 1):
        pr, mr, sr = party.owns
        if party.kind in ("SPU", "OPU"):
            shares = f"010{pr:05}034{mr:05}   {sr:05}"
            rows.append(
                f"{party.kind}{{}}{place:02}{party.number:9}{party.name:45} E {'':9}{party.ipi:11}{'':14}{shares}"
            )
            rows += [
                f"SPT{{}}{party.number:9}{'':6}{a:05}{b:05}{c:05}{sign}{tis}N{n:03}"
                for n, (sign, tis, (a, b, c)) in enumerate(party.collects, 1)
            ]
        else:
            shares = f"010{pr:05}   {mr:05}   {sr:05}"
            rows.append(f"{party.kind}{{}}{party.number:9}{party.name:45}{'ANN':30} CA{'':9}{party.ipi:11}{shares}")
            rows += [
                f"SWT{{}}{party.number:9}{a:05}{b:05}{c:05}{sign}{tis}N{n:03}"
                for n, (sign, tis, (a, b, c)) in enumerate(party.collects, 1)
            ]
    if isrc:
        rows.append(f"REC{{}}{'':230}{isrc:12}")
    return rows


def cwr(*works: Sequence[str], version: str = "02.10", charset: str = "") -> bytes:
    """A file of these works, with numbers and counts that hold."""
    rows = [f"HDR{SENDER}{'ADMIN LTD':45}01.102026060112000020260601{charset:15}", f"GRHNWR00001{version}{0:010}  "]
    for number, records in enumerate(works):
        rows += [record.format(f"{number:08}{place:08}") for place, record in enumerate(records)]
    rows.append(f"GRT00001{len(works):08}{len(rows):08}   {0:010}")
    rows.append(f"TRL00001{len(works):08}{len(rows) + 1:08}")
    return ("\r\n".join(rows) + "\r\n").encode()
