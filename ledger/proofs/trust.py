"""trust.json: the log keys and policy that a verifier trusts; the operator publishes it.

It names logs by origin, the keys that count in each from the start, and whose cosignatures a
checkpoint needs. Everything else is proven from there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from ledger.errors import InputError, VerificationError
from ledger.proofs import canon, policy
from ledger.proofs.form import FormLine
from ledger.proofs.keyring import Key, KeyRing
from ledger.proofs.keys import PublicKey
from ledger.proofs.note import Vkey, check_name, parse_vkey
from ledger.proofs.policy import NO_QUORUM, Policy
from ledger.proofs.tree import HASH_SIZE
from ledger.text import parse_hex
from ledger.types import ROLES

VERSION: Final = 2
"""What is written; version 1, of release 0.1, is read too: it says neither `since` nor `root` of a key that ended."""
_KEY_FIELDS: Final = {"role", "party", "public"}
_LOG_KEY_FIELDS: Final = {"role", "party", "vkey"}
_KEY_SIZES: Final = {"from", "until", "since", "root"}


@dataclass(frozen=True, slots=True)
class TrustedLog:
    """One log: its origin and its first keys, of every role, with the sizes at which they count."""

    origin: str
    keys: tuple[Key, ...]
    form: int | None = None
    """The index of the first leaf of form 2; None where the file does not say it."""

    @property
    def line(self) -> FormLine:
        """Return the line as trust.json states it."""
        return FormLine(self.origin, self.form)

    def vkeys(self) -> tuple[Vkey, ...]:
        return tuple(Vkey(self.origin, key.public) for key in self.keys if key.role == "log")

    def current_vkeys(self) -> tuple[Vkey, ...]:
        """Return the log keys that have not retired."""
        return tuple(Vkey(self.origin, key.public) for key in self.keys if key.role == "log" and key.until is None)


@dataclass(frozen=True, slots=True)
class Trust:
    """The trusted logs, the home log first, and the witness policy for all of them."""

    logs: tuple[TrustedLog, ...]
    policy: Policy = NO_QUORUM

    @property
    def origin(self) -> str:
        """The home log's."""
        return self.logs[0].origin

    def log(self, origin: str) -> TrustedLog | None:
        return next((log for log in self.logs if log.origin == origin), None)

    def encode(self) -> bytes:
        """The file, for people to read and compare: indented, one key a line."""
        logs = [format_log(log) for log in self.logs]
        lines = self.policy.encode().decode().splitlines()
        document = {"v": VERSION, "type": "trust", "logs": logs, "policy": lines}
        return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()

    def with_ring(self, ring: KeyRing) -> Trust:
        """The trust to publish after key leaves of the home log: its keys with the sizes at which they count."""
        form = self.logs[0].form if ring.line is None else ring.line.index
        return replace(self, logs=(TrustedLog(self.origin, ring.keys, form), *self.logs[1:]))

    def policy_file(self) -> bytes:
        """Return the same trust as a tlog-policy file for other tools; that format has no ends of keys.

        Log keys that have retired are left out: what they sign today must not be believed (finding V6).
        """
        logs = tuple(policy.PolicyLog(vkey) for log in self.logs for vkey in log.current_vkeys())
        return Policy(logs, self.policy.witnesses, self.policy.groups, self.policy.quorum).encode()


def make(origin: str, keys: Iterable[Key], witnesses: Policy = NO_QUORUM, *, form: int | None = None) -> Trust:
    """Trust in one log."""
    return Trust((TrustedLog(check_name(origin), tuple(keys), form),), witnesses)


def parse(data: bytes) -> Trust:
    """The trust in a file. Spacing is free, because people edit it; fields, keys and policy are not."""
    try:
        document = json.loads(data.decode(), object_pairs_hook=_unique, parse_float=_no_float)
        canon.encode(document)
        if set(document) != {"v", "type", "logs", "policy"} or document["type"] != "trust":
            raise VerificationError('expected {"v": 2, "type": "trust", "logs": [...], "policy": [...]}')
        if type(document["v"]) is not int or not 1 <= document["v"] <= VERSION:
            raise VerificationError(f"version {document['v']!r}; this program reads versions 1 and {VERSION}")
        logs = tuple(parse_log(log) for log in _list(document["logs"], "logs"))
        lines = _list(document["policy"], "policy")
        if not all(isinstance(line, str) and "\n" not in line for line in lines):
            raise VerificationError("policy is a list of lines")
        witnesses = policy.parse("".join(line + "\n" for line in lines).encode())
    except (ValueError, TypeError, RecursionError, InputError, VerificationError) as problem:
        raise VerificationError(f"trust file: {problem}") from None
    if not logs or len({log.origin for log in logs}) != len(logs) or witnesses.logs:
        raise VerificationError("trust file: each log stands once, under logs, and there is at least one")
    return Trust(logs, witnesses)


def format_log(log: TrustedLog) -> dict[str, Any]:
    """A log as it stands in the file: origin and keys."""
    drawn = {} if log.form is None else {"form": log.form}
    return {"origin": log.origin, **drawn, "keys": [_format_key(log.origin, key) for key in log.keys]}


def parse_log(document: Any) -> TrustedLog:
    """Return the log with this description."""
    fields = {"origin", "keys"}
    if not isinstance(document, dict) or set(document) - {"form"} != fields or not isinstance(document["origin"], str):
        raise VerificationError("a log is an object of origin, keys and at most form")
    form = document.get("form")
    if form is not None and not (type(form) is int and form >= 0):
        raise VerificationError(f"form is {form!r}, expected the index of the first leaf of form 2")
    origin = check_name(document["origin"])
    keys = tuple(_parse_key(origin, key) for key in _list(document["keys"], "keys"))
    if not any(key.role == "log" for key in keys) or len({key.public.raw for key in keys}) != len(keys):
        raise VerificationError(f"log {origin}: expected a key of role log, and no key twice")
    return TrustedLog(origin, keys, form)


def _format_key(origin: str, key: Key) -> dict[str, Any]:
    name = {"vkey": str(Vkey(origin, key.public))} if key.role == "log" else {"public": key.public.raw.hex()}
    start = {"from": key.start} if key.start else {}
    return {
        "role": key.role,
        "party": key.party,
        **name,
        **start,
        **({} if key.until is None else {"until": key.until}),
        **({} if key.since is None else {"since": key.since}),
        **({} if key.root is None else {"root": key.root.hex()}),
    }


def _parse_key(origin: str, document: Any) -> Key:
    if not isinstance(document, dict) or set(document) - _KEY_SIZES not in (_KEY_FIELDS, _LOG_KEY_FIELDS):
        raise VerificationError(
            "a key is an object of role, party, public or vkey, and at most from, until, since and root"
        )
    role, party, start, until = document["role"], document["party"], document.get("from", 0), document.get("until")
    since = document.get("since")
    if role not in ROLES or ("vkey" in document) != (role == "log") or not isinstance(party, str) or not party:
        raise VerificationError(f"key of role {role!r}: log keys have a vkey, those of other roles a public key")
    sizes = [start, *(size for size in (until, since) if size is not None)]
    if not all(type(size) is int and size >= 0 for size in sizes) or (since is not None and until is None):
        raise VerificationError(f"key of role {role}: from, until and since are sizes, and only an end has a since")
    root = None if document.get("root") is None else parse_hex(document["root"], "root", HASH_SIZE)
    if root is not None and (role != "log" or until is None):
        raise VerificationError(f"key of role {role}: only a log key with an end has a root, of the tree it ended with")
    if not isinstance(document.get("vkey", ""), str):
        raise VerificationError("vkey is a text")
    if role != "log":
        public = PublicKey(parse_hex(document["public"], "public key", 32))
    else:
        vkey = parse_vkey(document["vkey"])
        public = vkey.key
        if vkey.name != origin:
            raise VerificationError(f"log {origin} has a key of {vkey.name}")
    return Key(role=role, party=party, public=public, start=start, until=until, since=since, root=root)


def _list(value: Any, what: str) -> Sequence[Any]:
    if not isinstance(value, list):
        raise VerificationError(f"{what} is not a list")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise VerificationError(f"a field is there twice among {sorted(fields)}")
    return fields


def _no_float(text: str) -> Any:
    raise VerificationError(f"{text} is not an integer")
