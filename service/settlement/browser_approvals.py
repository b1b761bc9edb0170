"""Approvals that are signed elsewhere, in the approver's browser: the leaf is prepared here and entered signed.

The server holds no key of the approver and cannot sign for them; what it enters is judged as an approval at the
command line is, under the log's lock.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ledger.errors import InputError, StateError, VerificationError
from ledger.log.whole import check_whole
from ledger.proofs import canon, leaf
from ledger.proofs.keys import PublicKey
from ledger.types import Digest, Leaf, format_time, parse_time
from payouts.life.book import Book
from payouts.life.records import Approve, Run
from service.log.keys import ring
from service.settlement.approvers import APPROVER
from service.settlement.finding import find
from service.settlement.life import check_approvable, check_derived
from service.settlement.step import DecidedStep, read_book, take

if TYPE_CHECKING:
    from service.workspace import Workspace

WAITS: Final = timedelta(minutes=30)
"""Between preparing and entering: for the person to read what they sign."""
SIGNED_MAX: Final = 10_000
"""Bytes of an approval; it names what it approves by digest."""


def keys_of(ws: Workspace, party: str) -> dict[Digest, PublicKey]:
    """The keys by which a party may approve now, by id."""
    size = ws.log.head().size
    return {key.public.id: key.public for key in ring(ws).at(size + 1, APPROVER, party=party)}


def prepare(ws: Workspace, subject: str, party: str, key: Digest) -> bytes:
    """The bytes of the leaf that this party's key is to sign: all of it but the key's id and the signature."""
    book = read_book(ws)
    name = find(book, subject)
    _check(ws, book, name, party, key)
    at = format_time(ws.clock())
    record = Approve(at=at, by=party, key=key, subject=name, document=book.document(name), demo=False)
    return canon.encode({**record.leaf(), "signed_for": ws.log.origin})


def is_entered(ws: Workspace, signed: bytes, party: str) -> bool:
    """Return whether this approval stands in the log already; refuse one that does not fit what is known now.

    It costs no pass over the log, so that an approval sent again and again keeps nobody waiting.
    """
    _, record = _read(ws, signed, party)
    return _is_entered(ws, read_book(ws), record)


def enter(ws: Workspace, signed: bytes, party: str) -> Digest:
    """Append an approval that this party has signed; returns what was approved.

    It reads the whole log and computes a run again: call it in a workspace of its own.
    """
    body, record = _read(ws, signed, party)
    book = read_book(ws)
    if _is_entered(ws, book, record):
        return record.subject
    check_whole(ws.log)
    check_derived(ws, book, record.subject, party)

    def decide(current: Book) -> DecidedStep[Digest]:
        return DecidedStep(record.subject, leaves=[] if _is_entered(ws, current, record) else [body])

    return take(ws, decide)


def _read(ws: Workspace, signed: bytes, party: str) -> tuple[Leaf, Approve]:
    """The leaf that a party signed not long ago, for this log and with a key of its own."""
    if len(signed) > SIGNED_MAX:
        raise InputError(f"an approval of {len(signed)} bytes; one has at most {SIGNED_MAX}")
    body = leaf.decode(signed)
    if body["type"] != "approve" or body.get("signed_for") != ws.log.origin:
        raise InputError(f"this is not an approval for log {ws.log.origin}")
    record, now = Approve.read(body), ws.clock()
    if record.by != party or record.demo:
        raise InputError(f"this is not an approval of {party} by a key of their own")
    if not now - WAITS <= parse_time(record.at) <= now:
        raise StateError(f"this approval is of {record.at}, and it is {format_time(now)}; open the page again")
    keys = keys_of(ws, party)
    if record.key not in keys:
        raise _unknown_key(party, record.key)
    leaf.check_signature(body, keys[record.key])
    return body, record


def _is_entered(ws: Workspace, book: Book, record: Approve) -> bool:
    if any(done.by == record.by for done in book.approvals.get(record.subject, [])):
        return True
    _check(ws, book, record.subject, record.by, record.key)
    if book.document(record.subject) != record.document:
        raise VerificationError(f"{record.subject[:16]} is not what was signed; open the page again")
    return False


def document_of(ws: Workspace, subject: str) -> bytes:
    """What an approval's digest names: a run's signed document, or the leaf of another proposal."""
    book = read_book(ws)
    name = find(book, subject)
    proposal = book.proposal(name)
    if isinstance(proposal, Run):
        return ws.log.blob(proposal.statement)
    return ws.log.entry(book.places[type(proposal).__name__.lower(), name].index).body


def _check(ws: Workspace, book: Book, name: str, party: str, key: Digest) -> None:
    proposal = book.proposal(name)
    if party == proposal.by:
        raise StateError(f"{party} made this {type(proposal).__name__.lower()}; another person must approve it")
    public = keys_of(ws, party).get(key)
    if public is None:
        raise _unknown_key(party, key)
    if public == ws.signer("operator").public:
        raise StateError(f"{party} would approve with the operator's key; use a key of their own")
    check_approvable(ws, book, name, party, key)


def _unknown_key(party: str, key: str) -> StateError:
    return StateError(
        f"key {key[:16]} is no approver's key of {party} that counts now; the operator registers it: "
        f"settle approver add {party} --public HEX"
    )
