"""Permissions in the vocabularies of others: RSL 1.0, the AIPREF header, TDM reservation. Pure.

None of them has our five uses. Written is the stricter of what a word would cover; read are restrictions alone, since a
file on a site permits nothing in the name of an owner. Where a file says two things, the stricter counts.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

from ledger.errors import InputError
from ledger.registry.model import SEVERITY, USES, Answer, Use

RSL_NAMESPACE: Final = "https://rslstandard.org/rsl"
AIPREF: Final = "draft-ietf-aipref-vocab-08"
"""The draft that the header is written by; its words may still change."""
SIZE_MAX: Final = 10_000_000
_INPUT: Final[tuple[Use, ...]] = ("condition", "style", "voice", "sample")
COVERED: Final[Mapping[str, tuple[Use, ...]]] = {
    "all": USES,
    "ai-all": USES,
    "ai-train": ("train",),
    "ai-input": _INPUT,
    "ai-index": (),
    "search": (),
}
"""The words of RSL, and our uses that each covers."""
HEADER: Final[Mapping[str, tuple[Use, ...]]] = {"train-ai": ("train",), "train-genai": ("train",), "ai-output": _INPUT}
_NAME: Final = re.compile(r"content-usage\s*:", re.IGNORECASE)
_PREFERENCE: Final = re.compile(r"([a-z-]+)\s*=\s*([a-z-]+)\s*(?:;.*)?\Z", re.IGNORECASE)
"""One of a header's preferences. It is split at its commas first: one expression for all would backtrack for ever."""
_END: Final = "$"
"""Ends an address in RSL and TDM, which match its beginning like robots.txt: rec-1 is not rec-10."""
_WORDS: Final = re.compile(r"[\s,]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitted:
    """What is answered for one thing to somebody whom no grant names: by use."""

    url: str
    answers: Mapping[Use, Answer]

    def strictest(self, uses: Iterable[Use]) -> Answer:
        return max((self.answers[use] for use in uses), key=SEVERITY.__getitem__)


@dataclass(slots=True, kw_only=True)
class Restrictions:
    """What a file restricts, by use, and what of it was not taken, by kind."""

    answers: dict[Use, Answer] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)

    def add(self, uses: Iterable[Use], answer: Answer) -> None:
        for use in uses:
            self.answers[use] = max(answer, self.answers.get(use, answer), key=SEVERITY.__getitem__)

    def sentences(self) -> list[str]:
        return [f"{count:,} {kind} left out" for kind, count in sorted(self.left_out.items())]


# --- out ------------------------------------------------------------------------------------------


def rsl(things: Sequence[Permitted]) -> bytes:
    """An RSL document. What must be asked for is neither permitted nor prohibited in it.

    A thing of which both words must be asked for is left out: a licence without a condition would read as free.
    """
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"<rsl xmlns={quoteattr(RSL_NAMESPACE)}>"]
    for thing in things:
        answers = {word: thing.strictest(COVERED[word]) for word in ("ai-train", "ai-input")}
        if set(answers.values()) == {"ask"}:
            continue
        lines += [f"  <content url={quoteattr(thing.url + _END)}>", "    <license>"]
        for element, answer in (("permits", "allow"), ("prohibits", "deny")):
            words = [word for word, reply in answers.items() if reply == answer]
            if words:
                lines.append(f'      <{element} type="usage">{escape(" ".join(words))}</{element}>')
        lines += ["    </license>", "  </content>"]
    return ("\n".join([*lines, "</rsl>"]) + "\n").encode()


def content_usage(things: Sequence[Permitted]) -> str:
    """The header for all of these things together: `y` only if all of them permit it to everybody."""
    allowed = bool(things) and all(thing.strictest(("train",)) == "allow" for thing in things)
    return f"Content-Usage: train-ai={'y' if allowed else 'n'}\n"


def tdmrep(things: Sequence[Permitted]) -> bytes:
    """A `tdmrep.json`: rights are reserved wherever a use is not permitted to everybody."""
    rows = [
        {"location": thing.url + _END, "tdm-reservation": 0 if thing.strictest(USES) == "allow" else 1}
        for thing in things
    ]
    return (json.dumps(rows, ensure_ascii=False, indent=1) + "\n").encode()


# --- in -------------------------------------------------------------------------------------------


def read(data: bytes, name: str) -> Restrictions:
    """What a file of any of the three kinds restricts, whatever part of a site it speaks of."""
    if len(data) > SIZE_MAX:
        raise InputError(f"{name}: {len(data):,} bytes; a file of permissions has at most {SIZE_MAX:,}")
    start = data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start == b"<":
        return _read_rsl(data, name)
    if start in (b"[", b"{"):
        return _read_tdmrep(data, name)
    return _read_headers(data, name)


def _read_rsl(data: bytes, name: str) -> Restrictions:
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        root = fromstring(data, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as problem:
        raise InputError(f"{name}: not XML that can be read safely: {problem}") from None
    if root.tag != f"{{{RSL_NAMESPACE}}}rsl":
        raise InputError(f"{name}: {root.tag}; expected rsl of {RSL_NAMESPACE}")
    restrictions = Restrictions()
    for element in root.iter():
        kind = element.tag.rpartition("}")[2]
        if kind not in ("permits", "prohibits"):
            continue
        if element.get("type") != "usage":
            if (
                kind == "prohibits"
            ):  # of a country or a kind of user: for it every use is denied, and we cannot say less
                restrictions.add(USES, "deny")
                continue
            restrictions.left_out[f"{kind} of type {element.get('type')!r}"] += 1
            continue
        for word in filter(None, _WORDS.split(element.text or "")):
            if kind == "permits":
                restrictions.left_out["permits: a file permits nothing in the name of an owner;"] += 1
            elif word not in COVERED:
                restrictions.add(USES, "deny")  # a word we do not know may prohibit anything
            else:
                restrictions.add(COVERED[word], "deny")
    return restrictions


def _read_tdmrep(data: bytes, name: str) -> Restrictions:
    try:
        rows: Any = json.loads(data)
    except (ValueError, RecursionError) as problem:
        raise InputError(f"{name}: not JSON: {problem}") from None
    restrictions = Restrictions()
    for row in rows if isinstance(rows, list) else [rows]:
        if not isinstance(row, dict) or row.get("tdm-reservation") not in (0, 1):
            raise InputError(f"{name}: {str(row)[:80]}: expected objects with tdm-reservation 0 or 1")
        if row["tdm-reservation"] == 1:
            restrictions.add(USES, "ask")  # reserved is not refused: the holder wants to be asked
        else:
            restrictions.left_out["reservations of 0: a file permits nothing in the name of an owner;"] += 1
    return restrictions


def _read_headers(data: bytes, name: str) -> Restrictions:
    try:
        lines = [line.strip() for line in data.decode("utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError:
        raise InputError(f"{name}: not text; expected RSL, tdmrep.json or Content-Usage headers") from None
    restrictions = Restrictions()
    for line in lines:
        for part in _NAME.sub("", line, count=1).split(","):
            match = _PREFERENCE.match(part.strip())
            if match is None:
                raise InputError(f"{name}: {line[:80]!r}: expected a header such as Content-Usage: train-ai=n")
            uses = HEADER.get(match[1].lower(), USES)  # a word we do not know may mean any use
            if match[2].lower() == "y":
                restrictions.left_out["preferences of y: a file permits nothing in the name of an owner;"] += 1
            else:
                restrictions.add(uses, "deny")
    if not lines:
        raise InputError(f"{name} is empty; expected RSL, tdmrep.json or Content-Usage headers")
    return restrictions
