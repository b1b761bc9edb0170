"""Write receipts of a retired log key again, under the current checkpoint (finding V6)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ledger.errors import ConflictError, InputError, VerificationError
from ledger.files import write_whole
from ledger.ingest.receipts import ONE_FILE
from ledger.proofs import tlog_proof
from ledger.proofs.tlog_proof import Proof
from service.witness.asking import Base, base
from service.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """The number of receipts read, and of those rewritten under the checkpoint of this size."""

    receipts: int
    renewed: int
    size: int


def renew(ws: Workspace, places: Sequence[Path]) -> Renewed:
    """Write receipts of a retired log key in these files and folders again; others do not change."""
    resting = base(ws.log, ws.trust.policy)
    counts = [_renew_file(resting, path) for target in places for path in _files(target)]
    return Renewed(receipts=sum(read for read, _ in counts), renewed=sum(new for _, new in counts), size=resting.size)


def _files(place: Path) -> list[Path]:
    if place.is_dir():
        return sorted([*place.rglob("*.tlog-proof"), *place.rglob(f"*{ONE_FILE}")])
    if not place.is_file():
        raise InputError(f"{place}: no such file or folder")
    return [place]


def _renew_file(resting: Base, path: Path) -> tuple[int, int]:
    """Renew the receipts in a file; return their number, and the number of rewritten ones."""
    if path.suffix != ONE_FILE:
        receipt = path.read_bytes()
        renewed = _renewed(resting, path, receipt)
        if renewed is not None:
            write_whole(path, renewed)
        return 1, int(renewed is not None)
    lines: list[str] = []
    new = 0
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            fields = json.loads(line)
            renewed = _renewed(resting, path, fields["receipt"].encode())
        except (ValueError, KeyError, TypeError, AttributeError):
            raise InputError(f"{path}, line {len(lines) + 1}: not a receipt as settle ingest writes it") from None
        if renewed is not None:
            fields["receipt"] = renewed.decode()
            new += 1
        lines.append(json.dumps(fields, ensure_ascii=False, separators=(",", ":")) + "\n")
    if new:
        write_whole(path, "".join(lines).encode())
    return len(lines), new


def _renewed(resting: Base, path: Path, receipt: bytes) -> bytes | None:
    """Return the receipt under the new checkpoint; None if its present checkpoint is still valid."""
    try:
        old = tlog_proof.parse(receipt)
    except VerificationError as problem:
        raise InputError(f"{path}: not a receipt: {problem}") from None
    if not resting.log.has_retired(old.checkpoint):
        return None
    item = resting.placed(old.index)
    if item.body != old.extra:
        raise ConflictError(
            f"{path} is a receipt for another entry {old.index} than the one in log {resting.log.origin}"
        )
    return Proof(index=item.index, hashes=item.hashes, checkpoint=resting.checkpoint, extra=item.body).encode()
