"""ERN 4.3 (DDEX new release messages): recordings, who controls them and by how much, as rows of the registry.

Pure and streamed: a message of any length is read in the memory of its parties. It comes from outside, so a document
type, entities and external references are refused. Deals, releases, pictures and videos are counted and left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, Final
from xml.sax.handler import ContentHandler, feature_namespaces

from ledger.errors import InputError
from ledger.registry import identifiers
from ledger.registry.readers import RawRow

if TYPE_CHECKING:
    from xml.sax.xmlreader import AttributesNSImpl

CHUNK: Final = 1 << 16
DEPTH_MAX: Final = 64
TEXT_MAX: Final = 10_000

_NAMESPACE: Final = re.compile(r"http://ddex\.net/xml/ern/43\d?\Z")
_MESSAGES: Final = ("NewReleaseMessage",)
_LEFT_OUT: Final = {"Deal": "deals", "Release": "releases", "Image": "pictures", "Video": "videos"}
_RELATED: Final = frozenset({"RelatedResource", "RelatedRelease"})
"""Elements that speak of something else, such as the recording that a remix was made from."""
_KEPT: Final = frozenset(
    {
        "PartyReference",
        "DPID",
        "ISNI",
        "IpiNameNumber",
        "ProprietaryId",
        "FullName",
        "ISRC",
        "DisplayTitleText",
        "DisplayArtistName",
        "RightsControllerPartyReference",
        "RightSharePercentage",
        "TerritoryOfRightsDelegation",
    }
)
"""Elements whose texts say something to us; the others of a message are passed by."""

Known = Callable[[str, str], str | None]
"""The id in the registry of what has this identifier: (`isrc`, code), or (`dpid`, `isni` or `ipi`, code)."""


@dataclass(slots=True)
class ErnLeftOut:
    """What a message holds that is no row: by kind, how many."""

    counts: Counter[str] = field(default_factory=Counter)

    def sentences(self) -> list[str]:
        """What to tell whoever hands the message in."""
        return [f"{count:,} {kind} of the message were left out" for kind, count in sorted(self.counts.items())]


@dataclass(slots=True)
class _Texts:
    """The texts below one element, in order."""

    values: dict[str, list[str]] = field(default_factory=dict)

    def first(self, name: str) -> str:
        return next(iter(self.values.get(name, ())), "")


def read(file: BinaryIO, name: str, lookup: Known, left_out: ErnLeftOut) -> Iterator[RawRow]:
    """The rows of a message, as they are read; InputError where it cannot be read to its end."""
    from xml.sax import SAXException

    from defusedxml import DefusedXmlException
    from defusedxml.sax import make_parser

    parser = make_parser()
    parser.forbid_dtd = True
    parser.setFeature(feature_namespaces, 1)
    handler = _Message(name, lookup, left_out)
    parser.setContentHandler(handler)
    try:
        while chunk := file.read(CHUNK):
            parser.feed(chunk)
            yield from handler.taken()
        parser.close()
        if not handler.begun:
            raise InputError(f"{name} is empty; expected a NewReleaseMessage of ERN 4.3")
    except (SAXException, DefusedXmlException, ValueError, LookupError) as problem:  # the last: an unknown encoding
        raise InputError(f"{name}: not XML that can be read safely: {problem}") from None
    yield from handler.taken()


class _Message(ContentHandler):
    """Collects the texts of one party, rights controller or recording at a time."""

    def __init__(self, name: str, lookup: Known, left_out: ErnLeftOut) -> None:
        super().__init__()
        self._name, self._lookup, self._left_out = name, lookup, left_out
        self.begun = False
        self._path: list[str] = []
        self._text: list[str] | None = None
        self._length = 0
        self._namespace = ""
        self._is_part_of_one = False
        self._texts = _Texts()
        self._controller: _Texts | None = None
        self._controllers: list[_Texts] = []
        self._parties: dict[str, dict[str, str] | None] = {}
        self._registered: set[str] = set()
        self._rows: list[RawRow] = []
        self._number = 0

    def taken(self) -> list[RawRow]:
        """The rows since the last call."""
        rows, self._rows = self._rows, []
        return rows

    # --- what the parser says -----------------------------------------------------------------

    def startElementNS(  # noqa: N802 - what the parser calls
        self, name: tuple[str | None, str], _qname: str | None, attrs: AttributesNSImpl
    ) -> None:
        space, element = name
        if not self._path and (element not in _MESSAGES or not _NAMESPACE.match(space or "")):
            seen = f"{element} of {space or 'no namespace'}"
            raise InputError(f"{self._name}: {seen}; expected a NewReleaseMessage of ERN 4.3")
        if len(self._path) >= DEPTH_MAX:
            raise InputError(f"{self._name}: elements stand {DEPTH_MAX} deep in each other: no release message")
        self.begun = True
        self._path.append(element)
        self._text = [] if element in _KEPT and _RELATED.isdisjoint(self._path) else None
        self._length = 0
        if element == "ProprietaryId":
            self._namespace = str(attrs.get((None, "Namespace"), ""))
        elif element == "RightSharePercentage":
            self._is_part_of_one = attrs.get((None, "HasMaxValueOfOne"), "").strip() in ("true", "1")
        if element in ("Party", "SoundRecording"):
            self._texts, self._controllers = _Texts(), []
        elif element == "ResourceRightsController":
            self._controller = _Texts()

    def characters(self, content: str) -> None:
        if self._text is not None:
            self._length += len(content)
            if self._length > TEXT_MAX:
                raise InputError(f"{self._name}: {self._path[-1]} is longer than {TEXT_MAX:,} characters")
            self._text.append(content)

    def endElementNS(self, _name: tuple[str | None, str], _qname: str | None) -> None:  # noqa: N802 - likewise
        element = self._path.pop()
        parent = self._path[-1] if self._path else ""
        if self._text is not None and element in _KEPT:
            text = " ".join("".join(self._text).split())
            if element == "ProprietaryId":
                text = f"{self._namespace}:{text}" if self._namespace and text else ""
            if element == "RightSharePercentage" and self._is_part_of_one:
                text = _percent(text)
            texts = self._controller or self._texts
            if text:
                texts.values.setdefault(element, []).append(text)
        self._text = None
        if element == "Party" and parent == "PartyList":
            self._party()
        elif element == "ResourceRightsController" and self._controller is not None:
            self._controllers.append(self._controller)
            self._controller = None
        elif element == "SoundRecording" and parent == "ResourceList":
            self._recording()
        elif element in _LEFT_OUT:
            self._left_out.counts[_LEFT_OUT[element]] += 1

    # --- what it means ------------------------------------------------------------------------

    def _party(self) -> None:
        """A party by an identifier that is its own everywhere; a reference means somebody in this message alone."""
        fields: dict[str, str] = {}
        for element, column, spell in _IDENTIFIERS:
            if text := self._texts.first(element):
                fields[column] = identifiers.spelled(spell, text)
        proprietary = self._texts.first("ProprietaryId").replace(" ", "")
        registered = next((own for column, code in fields.items() if (own := self._lookup(column, code))), None)
        own = registered or next((f"{column}-{code}" for column, code in fields.items()), proprietary)
        party = {"id": own, "kind": "label", "name": self._texts.first("FullName"), **fields} if own else None
        if party is not None and registered is not None:
            self._registered.add(registered)
        self._parties[self._texts.first("PartyReference")] = party

    def _recording(self) -> None:
        code = identifiers.spelled(identifiers.isrc, self._texts.first("ISRC"))
        own = self._lookup("isrc", code) or code
        row = {"title": self._texts.first("DisplayTitleText"), "artist": self._texts.first("DisplayArtistName")}
        if own == code:  # one that is registered under another id keeps what stands there
            self._row("recordings", {"id": own, "isrc": code, **row})
        for controller in self._controllers:
            self._share(own, controller)

    def _share(self, recording: str, controller: _Texts) -> None:
        percent = controller.first("RightSharePercentage")
        territories = controller.values.get("TerritoryOfRightsDelegation", [])
        if not percent:
            self._left_out.counts["rights controllers without a percentage"] += 1
            return
        if any(territory != "Worldwide" for territory in territories):
            self._left_out.counts["shares of single territories"] += 1
            return
        party = self._parties.get(controller.first("RightsControllerPartyReference"))
        if party is None:
            self._left_out.counts["shares of parties without an identifier"] += 1
            return
        if party["id"] not in self._registered:
            self._registered.add(party["id"])
            self._row("parties", party)
        share = {"subject": recording, "party": party["id"], "right": "master", "ppm": f"{percent}%"}
        self._row("shares", {**share, "state": "asserted"})

    def _row(self, name: str, value: dict[str, Any]) -> None:
        self._number += 1
        present = {column: text for column, text in value.items() if text}
        self._rows.append(RawRow(list=name, file=self._name, line=self._number, value=present, from_text=True))


_IDENTIFIERS: Final[tuple[tuple[str, str, Callable[[str], str]], ...]] = (
    ("DPID", "dpid", str),
    ("ISNI", "isni", identifiers.isni),
    ("IpiNameNumber", "ipi", identifiers.ipi_name),
)


def _percent(text: str) -> str:
    """A part of one as percent, by moving its point: exact; what is no number stays, so that its row is refused."""
    if not text.isascii() or not text.replace(".", "", 1).isdecimal():
        return text
    whole, _, part = text.partition(".")
    return f"{whole}{part[:2]:0<2}.{part[2:] or 0}"
