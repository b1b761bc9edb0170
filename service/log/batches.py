"""Sign a batch on the platform's machine, and ingest a batch into the log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection

from ledger.errors import ConflictError, InputError, StateError, VerificationError
from ledger.ingest.blocks import open_file
from ledger.ingest.files import reader_for
from ledger.ingest.rows import Rows
from ledger.ingest.signed import BatchContent, InOrder, PlaceSearch, read_content
from ledger.log.append import Log, batch_of
from ledger.log.store import signed
from ledger.proofs import batch, canon, dsse
from ledger.proofs.batch import BatchStatement
from ledger.proofs.keyring import Key
from ledger.proofs.keys import PrivateKey
from ledger.types import Digest, Head
from service.log.keys import ring
from service.log.members import sources_of

if TYPE_CHECKING:
    from service.workspace import Workspace

SUFFIX: Final = ".batch"


# --- on the platform's side -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedBatch:
    """A signed batch: send the file of events and the file `batch` together."""

    source: str
    log: str
    number: int
    count: int
    root: str
    statement: Digest
    key: str
    batch: str


def sign_file(
    path: Path, key: PrivateKey, *, source: str, log: str, previous: Path | None, out: Path, form: str | None = None
) -> SignedBatch:
    """Sign a file of events as the next batch of its source, for one log. Needs no workspace and no network."""
    last = None if previous is None else read(previous)
    if last is not None and last[0].source != source:
        raise InputError(f"{previous} is a batch of {last[0].source}, not of {source}")
    content = content_of(path, source, form)
    statement = BatchStatement(
        source=source,
        number=1 if last is None else last[0].number + 1,
        previous=None if last is None else last[1].digest,
        count=len(content.bodies) // 32,
        root=batch.root_of(content.bodies),
        log=log,
        vectors=canon.digest(content.vectors) if content.vectors else None,
    )
    envelope = batch.sign(statement, key)
    if out.exists() and out.read_bytes() != envelope.encode():
        raise ConflictError(f"{out} holds another batch; a batch that was sent is never signed again")
    out.write_bytes(envelope.encode())
    return SignedBatch(
        source=source,
        log=log,
        number=statement.number,
        count=statement.count,
        root=statement.root.hex(),
        statement=envelope.digest,
        key=key.public.id,
        batch=str(out),
    )


def read(path: Path) -> tuple[BatchStatement, dsse.Envelope]:
    """Return the batch in a file and its statement; the signature is not checked."""
    with open_file(path) as file:
        return parse(file.read(), str(path))


def parse(data: bytes, name: str) -> tuple[BatchStatement, dsse.Envelope]:
    """Return the batch in these bytes; its signature is not checked."""
    envelope = dsse.parse(data)
    if envelope.payload_type != batch.PAYLOAD_TYPE:
        raise VerificationError(f"{name} is a {envelope.payload_type!r}, expected {batch.PAYLOAD_TYPE!r}")
    return batch.parse(envelope.payload), envelope


def content_of(path: Path, source: str, form: str | None) -> BatchContent:
    """Return what a batch must cover for a file's events; refuses a file with an invalid row."""
    with open_file(path) as file:
        return read_content(reader_for(str(path), form)(file, str(path)), str(path), source)


# --- on the log's side ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedBatch:
    """A batch in the log: its leaf's index, its signer, and the positions of its events."""

    index: int
    batch: BatchStatement
    party: str
    places: InOrder


def take(ws: Workspace, path: Path, batch_file: Path, form: str | None) -> RecordedBatch:
    """Check a batch against its file of events and append it to the log, unless it is there already.

    Signature, source, count, root and place in the source's sequence are checked before anything is appended.
    """
    statement, envelope = read(batch_file)
    with open_file(path) as file:
        return take_rows(ws, reader_for(str(path), form)(file, str(path)), str(path), statement, envelope)


def take_rows(
    ws: Workspace, blocks: Iterable[Rows], name: str, found: BatchStatement, envelope: dsse.Envelope
) -> RecordedBatch:
    """Do the same for a batch whose events are in memory."""
    batch.check_log(found, ws.log.origin)
    batch_leaf = ws.log.signed_batches().batch_of(envelope.digest)
    key = _signer(ws, found, envelope) if batch_leaf is None else None
    content = read_content(blocks, name, found.source)
    batch.check_bodies(found, content.bodies)
    if found.vectors is not None:
        batch.split_vectors(found, content.vectors)
    if key is not None:
        try:
            _append(ws, found, envelope, key, content)
        except ConflictError:  # unless another process took in the very same batch meanwhile
            if ws.log.signed_batches().batch_of(envelope.digest) is None:
                raise
    reading = ws.log.signed_batches()
    batch_leaf = reading.batch_of(envelope.digest)
    party = None if batch_leaf is None else reading.signed_by(batch_leaf.index)
    if batch_leaf is None or party is None:
        raise VerificationError(f"batch {found.number} of {found.source} was signed with a key that is revoked by now")
    return RecordedBatch(
        index=batch_leaf.index, batch=found, party=party, places=InOrder(batch_leaf.index, content.bodies)
    )


def _signer(ws: Workspace, found: BatchStatement, envelope: dsse.Envelope) -> Key:
    """Return the key that signed: a platform key of the source's party that is valid now."""
    source = sources_of(ws.log).get(found.source)
    if source is None or source.party is None:
        raise StateError(
            f"no party is assigned to source {found.source}: the operator assigns one with "
            f"settle source set {found.source} --party PARTY --public KEY"
        )
    size = ws.log.head().size + 1
    keys = ring(ws).of("platform", party=source.party)
    signers = dsse.signers(envelope, [key.public for key in keys])
    for key in keys:
        if key.public in signers and key.counts_at(size):
            return key
    named = ", ".join(signature.keyid[:16] for signature in envelope.signatures) or "nobody"
    retired = [str(key) for key in keys if key.public in signers]
    raise VerificationError(
        f"batch {found.number} of {found.source} is signed by {', '.join(retired) or named}; expected a platform "
        f"key of {source.party} that counts now, see settle source list"
    )


def _append(ws: Workspace, found: BatchStatement, envelope: dsse.Envelope, key: Key, content: BatchContent) -> None:
    """Append the batch leaf before its events; after an interruption, the platform sends the same file again."""

    def next_of_its_source(_tx: Connection, _: Head) -> None:
        batch.check_follows(found, envelope.digest, ws.log.signed_batches().last_batch(found.source))

    record = batch.make(
        ws.clock(),
        found,
        party=key.party,
        signer=key.public.id,
        statement=envelope.digest,
        bodies=canon.digest(content.bodies),
    )
    blobs = [envelope.encode(), content.bodies, *([content.vectors] if found.vectors is not None else [])]
    ws.log.commit(batch_of([record], blobs), next_of_its_source)


def signers(log: Log) -> dict[int, str]:
    """Return, by the index of each batch leaf, the party of its source that signed it, according to the log.

    A batch is left out, and its events are unsigned, if its key was revoked from before the batch or `fsck` reports it.
    """
    reading = log.signed_batches()
    return {index: party for index in list(reading.batches) if (party := reading.signed_by(index)) is not None}


def search(log: Log) -> PlaceSearch:
    """Return a search over every batch with a valid signature, oldest first, for events that come one by one."""
    reading, batches = log.signed_batches(), defaultdict[str, list[tuple[int, Digest]]](list)
    for index in signers(log):
        batch_leaf = reading.batches[index]
        batches[batch_leaf.batch.source].append((index, batch_leaf.bodies))
    return PlaceSearch(batches, log.blob)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchShown:
    """A batch in the log: the number of signed events, and the number of them in the log."""

    source: str
    number: int
    signed_by: str
    count: int
    here: int
    index: int
    statement: Digest


def show(ws: Workspace, source: str | None = None) -> list[BatchShown]:
    """Return the batches of one source or of all.

    Signed events that are not in the log are in quarantine or never arrived.
    """
    here: dict[int, int] = defaultdict(int)
    with ws.log.store.reading() as connection:
        for first, stop, index, _ in signed.ranges(connection, 0, ws.log.head().size).rows:
            here[index] += stop - first
    reading = ws.log.signed_batches()
    return [
        BatchShown(
            source=batch_leaf.batch.source,
            number=batch_leaf.batch.number,
            signed_by=reading.signed_by(batch_leaf.index) or "a key that was revoked",
            count=batch_leaf.batch.count,
            here=here[batch_leaf.index],
            index=batch_leaf.index,
            statement=batch_leaf.statement,
        )
        for batch_leaf in list(reading.batches.values())
        if source in (None, batch_leaf.batch.source)
    ]


# --- proving --------------------------------------------------------------------------------------


def place_of(ws: Workspace, index: int) -> tuple[int, int] | None:
    """Return the batch leaf that covers an event and its position there; None without a valid signature."""
    with ws.log.store.reading() as connection:
        position = signed.ranges(connection, index, index + 1).find(index)
    return None if position is None or ws.log.signed_batches().signed_by(position[0]) is None else position
