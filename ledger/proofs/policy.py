"""Decide whether cosignatures are enough: logs, witnesses, groups of k of n, one quorum (c2sp.org/tlog-policy)."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from ledger.errors import VerificationError
from ledger.proofs.note import COSIGNATURE, Vkey, parse_vkey

NONE: Final = "none"
LINES_MAX: Final = 1_000

_SPACE: Final = re.compile("[ \t]+")
_FORBIDDEN: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class PolicyLog:
    """A log whose checkpoints count; the key's name is the log's origin."""

    vkey: Vkey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyWitness:
    """A witness: its name in this policy, its key, and the URL that accepts checkpoints."""

    name: str
    vkey: Vkey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """A group: it witnesses a checkpoint if at least `threshold` of its members (witnesses or groups) do."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """A whole policy. Members and quorum name what was defined before them, so there are no circles."""

    logs: tuple[PolicyLog, ...] = ()
    witnesses: tuple[PolicyWitness, ...] = ()
    groups: tuple[Group, ...] = ()
    quorum: str = NONE

    def satisfied(self, cosigned: Collection[Vkey]) -> bool:
        """Return whether the cosignatures of exactly these witnesses reach the quorum."""
        met = {witness.name: witness.vkey in cosigned for witness in self.witnesses}
        for group in self.groups:
            met[group.name] = sum(met[member] for member in group.members) >= group.threshold
        return self.quorum == NONE or met[self.quorum]

    def encode(self) -> bytes:
        """The policy as text, one space between words, thresholds as numbers."""
        lines = [_line("log", str(log.vkey), log.url) for log in self.logs]
        lines += [_line("witness", witness.name, str(witness.vkey), witness.url) for witness in self.witnesses]
        lines += [_line("group", group.name, str(group.threshold), *group.members) for group in self.groups]
        lines.append(_line("quorum", self.quorum))
        return "".join(lines).encode("utf-8", "surrogateescape")


def _line(*words: str | None) -> str:
    return " ".join(word for word in words if word is not None) + "\n"


NO_QUORUM: Final = Policy()
"""The policy that asks for no cosignature."""


def parse(data: bytes) -> Policy:
    """The policy in these bytes. Octets above 0x7f are opaque: two names are equal if their octets are."""
    text = data.decode("utf-8", "surrogateescape")
    if _FORBIDDEN.search(text):
        raise VerificationError("policy: contains a control character other than tab and newline")
    if text and not text.endswith("\n"):
        raise VerificationError("policy: the last line does not end in a newline")
    lines = text.split("\n")
    if len(lines) > LINES_MAX:
        raise VerificationError(f"policy: more than {LINES_MAX} lines")
    reading = _Reading()
    for number, line in enumerate(lines, start=1):
        words = _SPACE.split(line.strip(" \t"))
        if words == [""] or words[0].startswith("#"):
            continue
        try:
            reading.take(words)
        except VerificationError as problem:
            raise VerificationError(f"policy, line {number}: {problem}") from None
    return reading.policy()


class _Reading:
    """The policy so far; every name is defined on a line before it is used."""

    def __init__(self) -> None:
        self._logs: list[PolicyLog] = []
        self._witnesses: list[PolicyWitness] = []
        self._groups: list[Group] = []
        self._quorum: str | None = None
        self._names: set[str] = set()
        self._members: set[str] = set()

    def policy(self) -> Policy:
        if self._quorum is None:
            raise VerificationError("policy: no quorum line; say `quorum none` if no cosignature is required")
        return Policy(tuple(self._logs), tuple(self._witnesses), tuple(self._groups), self._quorum)

    def take(self, words: list[str]) -> None:
        match words:
            case ["log", vkey, *url] if len(url) <= 1:
                self._log(parse_vkey(vkey), *url)
            case ["witness", name, vkey, *url] if len(url) <= 1:
                self._witness(name, parse_vkey(vkey, COSIGNATURE), *url)
            case ["group", name, threshold, *members] if members:
                self._group(name, threshold, members)
            case ["quorum", name] if self._quorum is None:
                if name != NONE and name not in self._names:
                    raise VerificationError(f"quorum {name!r} is not defined above")
                self._quorum = name
            case _:
                raise VerificationError(f"{' '.join(words)[:80]!r} is not a line of a policy, or one too many")

    def _log(self, vkey: Vkey, url: str | None = None) -> None:
        if any(log.vkey.key == vkey.key for log in self._logs):
            raise VerificationError(f"log {vkey.name} has the key of another log")
        self._logs.append(PolicyLog(vkey, url))

    def _witness(self, name: str, vkey: Vkey, url: str | None = None) -> None:
        if any(witness.vkey.key == vkey.key for witness in self._witnesses):
            raise VerificationError(f"witness {name!r} has the key of another witness")
        self._define(name)
        self._witnesses.append(PolicyWitness(name, vkey, url))

    def _group(self, name: str, threshold: str, members: list[str]) -> None:
        for member in members:
            if member not in self._names:
                raise VerificationError(f"group {name!r}: member {member!r} is not defined above")
            if member in self._members:
                raise VerificationError(f"group {name!r}: {member!r} is a member already; each may count once")
            self._members.add(member)
        words = {"any": 1, "all": len(members)}
        k = words.get(threshold, int(threshold) if re.fullmatch("[1-9][0-9]{0,3}", threshold) else 0)
        if not 1 <= k <= len(members):
            raise VerificationError(f"group {name!r}: threshold {threshold!r} of {len(members)} members")
        self._define(name)
        self._groups.append(Group(name, k, tuple(members)))

    def _define(self, name: str) -> None:
        if name == NONE or name in self._names:
            raise VerificationError(f"the name {name!r} is taken")
        self._names.add(name)
