"""The works of a CWR file as rows for the registry: titles, parties, and who collects which right where.

CWR says who owns (SPU, SWR) and who collects (SPT, SWT). Money goes to who collects, so that collection becomes shares;
of publishers and writers that the sender does not represent, only what they own is known. Performing, mechanical and
synchronisation rights may differ, and our registry has one right in a composition: see ADR 132.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

from ledger.errors import InputError
from ledger.registry import identifiers
from ledger.registry.model import WORLD
from ledger.registry.readers import RawRow
from ledger.tabular import Lettering
from service.trade.cwr.records import WORKS, CwrRecord, CwrSender, CwrTransaction, lines, transactions
from service.trade.cwr.territories import TERRITORIES

RIGHTS: Final = {"performing": "pr", "mechanical": "mr", "synchronisation": "sr"}
"""The rights of CWR, and the names of their shares in a record."""
Lookup = Callable[[str, str], str | None]
"""The id in the registry of what has this identifier: (`iswc`, `isrc`, `ipi` or `id`, code)."""
Three = tuple[int, int, int]
"""Shares of the three rights, in hundredths of a percent."""
NONE: Final[Three] = (0, 0, 0)
_NO_IPI: Final = "0" * 11


@dataclass(slots=True)
class CwrReading:
    """What was read: how many works, and what the registry has no place for, by kind."""

    works: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    lettering: Lettering = field(default_factory=Lettering)

    def sentences(self) -> list[str]:
        return [f"{count:,} {kind} of the CWR file were left out" for kind, count in sorted(self.left_out.items())]


@dataclass(slots=True, kw_only=True)
class _Interest:
    """What one party of a work owns, and what it collects by territory, in the order of the file."""

    id: str
    owns: Three
    is_represented: bool
    collects: list[tuple[str, bool, Three]] = field(default_factory=list)

    def share(self, territory: str) -> Three:
        """What it collects there: the last line that covers the territory counts."""
        if not self.is_represented:
            return self.owns
        result = NONE
        for covered, is_included, shares in self.collects:
            if covered in (WORLD, territory):
                result = shares if is_included else NONE
        return result


def read(file: BinaryIO, name: str, lookup: Lookup, right: str | None, reading: CwrReading) -> Iterator[RawRow]:
    """The rows of a file; InputError where it is not whole. `right` is the one that pays where the three differ."""
    if right is not None and right not in RIGHTS:
        raise InputError(f"right {right!r}: expected one of {', '.join(RIGHTS)}")
    sender: CwrSender | None = None
    parties: set[str] = set()
    for item in transactions(lines(file, name, reading.lettering), name):
        if isinstance(item, CwrSender):
            sender = item
        elif item.kind in WORKS and sender is not None:
            reading.works += 1
            yield from work_rows(name, sender, item, lookup=lookup, reading=reading, right=right, parties=parties)
        else:
            reading.left_out[f"transactions {item.kind}"] += 1


def work_rows(
    name: str,
    sender: CwrSender,
    transaction: CwrTransaction,
    *,
    lookup: Lookup,
    reading: CwrReading,
    right: str | None,
    parties: set[str] | None = None,
) -> Iterator[RawRow]:
    """The rows of one work; a party that is among `parties` already gets no second row."""
    work = _Work(
        name,
        sender=sender,
        transaction=transaction,
        lookup=lookup,
        reading=reading,
        parties=set() if parties is None else parties,
    )
    try:
        yield from work.rows(right)
    except InputError as problem:
        raise InputError(f"{name}: {problem}") from None


def work_id(sender: CwrSender, record: CwrRecord, lookup: Lookup) -> str:
    """The id of a work: of the registered one with its ISWC or number, else its ISWC, else the sender's number."""
    own = f"{sender.id}:{record.field('number')}".replace(" ", "_")
    code = identifiers.spelled(identifiers.iswc, record.field("iswc"))
    return lookup("id", own) or (code and lookup("iswc", code)) or code or own


class _Work:
    """One NWR or REV transaction."""

    def __init__(
        self,
        name: str,
        *,
        sender: CwrSender,
        transaction: CwrTransaction,
        lookup: Lookup,
        reading: CwrReading,
        parties: set[str],
    ) -> None:
        self._name, self._sender, self._lookup = name, sender, lookup
        self._records, self._reading, self._parties = transaction.records, reading, parties

    def rows(self, right: str | None) -> Iterator[RawRow]:
        head = self._records[0]
        own = work_id(self._sender, head, self._lookup)
        code = identifiers.spelled(identifiers.iswc, head.field("iswc"))
        if not (code and self._lookup("iswc", code)) and self._lookup("id", own) is None:
            yield self._row(head, "works", {"id": own, "title": head.field("title"), "iswc": code})
        interests: dict[str, _Interest] = {}
        owned = Counter[str]()
        group = ""
        for record in self._records[1:]:
            if record.kind in ("SPU", "OPU", "SWR", "OWR"):
                owned.update(dict(zip(RIGHTS, _shares(record), strict=True)))
                party = self._party(record)
                if party is None:
                    self._reading.left_out["shares of parties without a number"] += 1
                    continue
                if party["id"] not in self._parties:
                    self._parties.add(party["id"])
                    if self._lookup("id", party["id"]) is None:
                        yield self._row(record, "parties", party)
                self._enter(interests, record, party["id"])
            elif record.kind in ("SPT", "SWT", "OPT", "OWT"):
                group = self._collects(interests, record) or group
            elif record.kind == "REC" and (isrc := record.field("isrc")):
                recording = self._lookup("isrc", identifiers.spelled(identifiers.isrc, isrc))
                if recording is None:
                    self._reading.left_out["recordings that are not registered"] += 1
                else:
                    yield self._row(record, "links", {"recording": recording, "work": own, "state": "asserted"})
        yield from self._share_rows(head, own, interests, owned=owned, group=group, right=right)

    def _share_rows(
        self,
        head: CwrRecord,
        own: str,
        interests: dict[str, _Interest],
        *,
        owned: Counter[str],
        group: str,
        right: str | None,
    ) -> Iterator[RawRow]:
        """Who collects, by territory; what cannot be said in the registry is refused with its numbers."""
        named = {covered for interest in interests.values() for covered, *_ in interest.collects}
        wrong = [f"{name} {_percent(total)}" for name, total in owned.items() if total and abs(total - 10_000) > 6]
        # A territory without rows is paid by WORLD's, so WORLD's wait with it: else money of the US would go to a
        # party of whom the file says that it collects everywhere but there.
        open_territories = "; ".join(filter(None, (_open(interests, name, right) for name in sorted(named - {WORLD}))))
        for territory in sorted(named):
            for interest in interests.values():
                shares = interest.share(territory)
                chosen = _chosen(shares, right)
                value = {"subject": own, "party": interest.id, "right": "publishing", "territory": territory}
                if wrong:
                    ppm = f"the work is owned to {', '.join(wrong)}"
                elif group:
                    ppm = f"{_percent(chosen)} collected in a group of countries, TIS {group}"
                elif right is None and len(set(shares)) > 1:
                    parts = ", ".join(f"{name} {_percent(part)}" for name, part in zip(RIGHTS, shares, strict=True))
                    ppm = f"the three rights differ: give --right ({parts})"
                elif not chosen:
                    continue
                elif territory == WORLD and open_territories:
                    ppm = f"{_percent(chosen)}, and {open_territories}"
                else:
                    ppm = _percent(chosen)
                yield self._row(head, "shares", value | {"ppm": ppm, "state": "asserted"})

    def _enter(self, interests: dict[str, _Interest], record: CwrRecord, party: str) -> None:
        number = record.field("party") or party
        represented = record.kind.startswith("S")
        if number in interests:  # a publisher may stand in several chains of one work
            owns: Any = tuple(map(sum, zip(interests[number].owns, _shares(record), strict=True)))
            interests[number].owns = owns
            interests[number].is_represented |= represented
        else:
            interests[number] = _Interest(id=party, owns=_shares(record), is_represented=represented)

    def _collects(self, interests: dict[str, _Interest], record: CwrRecord) -> str:
        """Note what a party collects; returns the code of a territory that is none of ours."""
        interest = interests.get(record.field("party"))
        covered = TERRITORIES.get(record.field("tis").zfill(4))
        if interest is None:
            self._reading.left_out["collections of parties without a number"] += 1
        elif covered is None:
            return record.field("tis") or "none"
        else:
            interest.is_represented = True
            interest.collects.append((covered, record.field("include") != "E", _shares(record)))
        return ""

    def _party(self, record: CwrRecord) -> dict[str, str] | None:
        """A party by its IPI name number, which is its own everywhere, else by the sender's number of it."""
        number, ipi = record.field("party"), record.field("ipi")
        is_writer = record.kind in ("SWR", "OWR")
        name = " ".join(filter(None, (record.field("first") if is_writer else "", record.field("name"))))
        kind = "person" if is_writer else "publisher"
        if ipi and ipi != _NO_IPI:
            code = identifiers.spelled(identifiers.ipi_name, ipi)
            return {"id": self._lookup("ipi", code) or f"ipi-{code}", "kind": kind, "name": name, "ipi": code}
        return {"id": f"{self._sender.id}:{number}".replace(" ", "_"), "kind": kind, "name": name} if number else None

    def _row(self, record: CwrRecord, name: str, value: dict[str, Any]) -> RawRow:
        present = {column: text for column, text in value.items() if text}
        return RawRow(list=name, file=self._name, line=record.line, value=present, from_text=True)


def _chosen(shares: Three, right: str | None) -> int:
    """The share of the right that pays; the first where all three are alike."""
    return shares[list(RIGHTS).index(right)] if right else shares[0]


def _open(interests: dict[str, _Interest], territory: str, right: str | None) -> str:
    """Why the file does not say who collects in a country; nothing where it does."""
    shares = [interest.share(territory) for interest in interests.values()]
    if right is None and any(len(set(three)) > 1 for three in shares):
        return f"the rights differ in {territory}; name the one that pays"
    if not any(_chosen(three, right) for three in shares):
        return f"nobody collects in {territory}; name who does"
    return ""


def _shares(record: CwrRecord) -> Three:
    def hundredths(name: str) -> int:
        text = record.field(name)
        if text and not (text.isascii() and text.isdecimal() and int(text) <= 10_000):
            raise InputError(f"line {record.line}: {record.kind} has share {text!r}, expected 00000 to 10000")
        return int(text or 0)

    return hundredths("pr"), hundredths("mr"), hundredths("sr")


def _percent(hundredths: int) -> str:
    return f"{hundredths // 100}.{hundredths % 100:02}%"
