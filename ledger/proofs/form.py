"""The line in a log after which signed leaves have form 2: each names the log it was signed for.

A leaf of release 0.1 does not, so that one log's leaf could be copied into another in which its key counts
too. A new log is of form 2 from its first leaf, whose `form` says so; in a log that 0.1 began, the operator
draws the line by a `form` leaf, which states the tree before it. A signed leaf of the old form at or after
the line is void, and so is one that names another log, wherever it stands. trust.json states the line's index.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from ledger.errors import VerificationError
from ledger.proofs import leaf
from ledger.proofs.keys import PrivateKey
from ledger.types import Head

FORM: Final = 2
TYPE: Final = "form"
SIGNED_FOR: Final = "signed_for"
_FIELDS: Final = {"v", "type", "at", "form", "size", "root", SIGNED_FOR, "key", "sig"}


@dataclass(frozen=True, slots=True)
class FormLine:
    """The line of a log: the index of its first leaf of form 2, or None."""

    origin: str
    index: int | None = None

    def check(self, index: int, body: Mapping[str, Any]) -> None:
        """Refuse a signed leaf at this index if it was signed for another log, or names no log although it must."""
        named = body.get(SIGNED_FOR)
        if named is not None and named != self.origin:
            raise VerificationError(f"it was signed for log {named!r}, not for {self.origin!r}")
        if named is None and self.index is not None and index >= self.index:
            raise VerificationError(
                f"it does not say for which log it was signed; from entry {self.index} on every signed leaf does"
            )

    def after_first(self, index: int, body: Mapping[str, Any]) -> FormLine:
        """Return the line after the `log` leaf, which sets it if the log has form 2 from the start."""
        if body.get("form") is None or index != 0:
            return self
        if type(body["form"]) is not int or body["form"] != FORM:
            raise VerificationError(f"the log is of form {body['form']!r}; this program reads forms 1 and {FORM}")
        return self._drawn_at(0)

    def after(self, index: int, body: Mapping[str, Any]) -> FormLine:
        """The line after a `form` leaf, whose author has been checked."""
        if set(body) != _FIELDS or type(body["form"]) is not int or body["form"] != FORM:
            raise VerificationError(f"form leaf {index}: expected the fields {sorted(_FIELDS)}, and form {FORM}")
        if type(body["size"]) is not int or body["size"] != index:
            raise VerificationError(f"form leaf {index}: it states a tree of size {body['size']!r}")
        return self._drawn_at(index)

    def _drawn_at(self, index: int) -> FormLine:
        if self.index not in (None, index):
            raise VerificationError(f"the line is drawn at entry {self.index} already, not at {index}")
        return replace(self, index=index)


def draw(at: datetime, head: Head, signer: PrivateKey) -> dict[str, Any]:
    """The leaf by which the operator draws the line in a log that release 0.1 began."""
    return leaf.sign(leaf.make(TYPE, at, form=FORM, size=head.size, root=head.root.hex()), signer.for_log(head.origin))
