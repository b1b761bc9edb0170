"""Decide who may approve, and with which key: never the maker, never the maker's key."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from ledger.errors import InputError, SettleError, StateError
from ledger.proofs import leaf
from ledger.proofs.keys import KEY_SIZE, PrivateKey, PublicKey
from ledger.text import parse_hex
from ledger.types import Digest, Role
from payouts.life.book import Book
from service.log import enrolling
from service.log.enrolling import Enrolled
from service.log.keys import ring

if TYPE_CHECKING:
    from service.workspace import Workspace

APPROVER: Final[Role] = "approver"
NAME_MAX: Final = 66
"""Bytes of a name; percent-encoded, it must fit into the name of a file."""


def key_name(party: str) -> str:
    """Return the file name of a party's own approver key in the workspace's keys."""
    if not party.isprintable() or party != party.strip() or not 0 < len(party.encode()) <= NAME_MAX:
        raise InputError(
            f"party {party!r} cannot have a key file here: expected a name such as carol or Carol Lindqvist, of up to "
            f"{NAME_MAX} bytes"
        )
    # A character that is not safe in a file name, or would lead out of the folder, is written as %XX.
    return f"{APPROVER}-{quote(party, safe='')}"


def has_own_key(ws: Workspace, party: str) -> bool:
    return ws.key_path(key_name(party)).is_file()


def one_person(ws: Workspace) -> bool:
    """Return whether the log has no approver except the operator; all output is then marked demo.

    The workspace's own approver key does not count, because the operator holds it. A key counts if the log introduced
    it as another party's and it is not revoked; files in a folder prove nothing.
    """
    size = ws.log.head().size
    leaves = [leaf.decode(entry.body) for entry in ws.log.entries(types={"key"})]
    own = {body["party"] for body in leaves if body.get("action") == "add" and body.get("role") == APPROVER}
    return not any(key.party in own - operators(ws) for key in ring(ws).at(size + 1, APPROVER))


def operators(ws: Workspace) -> set[str]:
    """Return every party that has, or had, an operator's key of this log."""
    return {ws.operator, *(key.party for key in ring(ws).of("operator"))}


def approver_key(ws: Workspace, party: str) -> tuple[PrivateKey, bool]:
    """Return the key with which a party approves, and whether it is only the workspace's own approver key (demo)."""
    if party == ws.operator:
        raise StateError(f"{party} is the operator and makes the runs; another person must approve: --as PARTY")
    if has_own_key(ws, party):
        key, demo = ws.key(key_name(party)), False
    else:
        key, demo = ws.signer(APPROVER), True
        _check_own(ws, party, key)
        if not one_person(ws):
            raise StateError(
                "other people approve here, so the workspace's own approver key no longer counts; "
                "have one of them approve: settle approve ... --as PARTY, where their key is kept"
            )
    if key.public == ws.signer("operator").public:
        raise StateError(f"{party} would approve with the key that made the run; give {party} a key of their own")
    return key, demo


def _check_own(ws: Workspace, party: str, key: PrivateKey) -> None:
    """Return the approver's party; the workspace's own approver key signs only in its own name."""
    keys = ring(ws)
    own = keys.find(key.public.id)
    if own is not None and own.party == party:
        return
    parties = sorted({approver_key.party for approver_key in keys.of(APPROVER)})
    if party in parties:
        raise StateError(
            f"this workspace does not hold {party}'s key; {party} must approve in the workspace that has it"
        )
    raise InputError(f"no approver {party!r}; known: {', '.join(parties)}; settle approver add {party}")


def check_by_person(ws: Workspace, book: Book, subject: str) -> None:
    """Refuse an approval by the workspace's own approver key if there are other approvers."""
    approvals = book.approvals.get(subject, [])
    if approvals and all(approval.demo for approval in approvals) and not one_person(ws):
        name, otherwise = (
            (f"run {subject[:16]}", "a published one is reversed by two people and run again")
            if subject in book.runs
            else (subject, "or stop it: settle live stop")
        )
        raise StateError(
            f"{name} has demo approvals only, and other people approve here now: have one of them "
            f"approve it, settle approve ... --as PARTY; {otherwise}"
        )


def is_demo(ws: Workspace, book: Book, runs: Collection[Digest]) -> bool:
    """Return whether output about runs is marked demo: a run was not approved by a person with a separate key.

    Without a run or an approval, the result is that of the whole workspace.
    """
    unapproved = one_person(ws)
    approvals = [book.approvals.get(run, []) for run in runs]
    return (
        any(all(approval.demo for approval in each) if each else unapproved for each in approvals)
        if approvals
        else unapproved
    )


def enrol(ws: Workspace, party: str, by: str | None = None, *, public: str | None = None) -> Enrolled:
    """Register an approver's key for a person, whose approvals are then not marked demo.

    The first is introduced by the workspace's own approver key, every later one by an existing approver (`by`), so that
    an operator cannot invent a second person. `public`: the public half, in hex, of a key that the person made and
    keeps, such as in a browser; without it one is made here.
    """
    if party in operators(ws):
        raise StateError(f"{party} is the operator and makes the runs; an approver must be another person")
    if one_person(ws):
        return _enrol(ws, party, APPROVER, public)
    if by is None or by in operators(ws) or not has_own_key(ws, by):
        raise StateError(
            f"other people approve here already, so one of them introduces {party}: "
            "settle approver add PARTY --as APPROVER, where that approver's key is kept"
        )
    return _enrol(ws, party, key_name(by), public)


def _enrol(ws: Workspace, party: str, introducer: str, public: str | None) -> Enrolled:
    """Introduce a key that is made here, or the one whose public half is given, by a key kept here."""
    name = key_name(party)
    if public is None:
        return enrolling.enrol(ws, party, APPROVER, name=name, by=introducer)
    try:
        key = PublicKey(parse_hex(public, "public key", KEY_SIZE))
    except (SettleError, ValueError) as problem:
        raise InputError(f"--public: {problem}; expected 64 hex digits, as the page /browser-key shows them") from None
    done = ws.log.append([enrolling.introduction(ws, party, APPROVER, key, by=introducer)])
    return Enrolled(party=party, key=key.id, file="", size=done.size)
