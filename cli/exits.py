"""The table from kinds of error to exit codes."""

from __future__ import annotations

from typing import Final

from ledger.errors import ConflictError, InputError, SettleError, StateError, TransientError, VerificationError

OK: Final = 0
BUG: Final = 1
INTERRUPTED: Final = 130

EXIT_CODES: Final[dict[type[SettleError], int]] = {
    InputError: 2,
    VerificationError: 3,
    StateError: 4,
    ConflictError: 5,
    TransientError: 6,
}


def kind_of(error: BaseException) -> str:
    """Return the error's kind in JSON: the class name without `Error`, or `bug`."""
    for kind in EXIT_CODES:
        if isinstance(error, kind):
            return kind.__name__.removesuffix("Error").lower()
    return "bug"


def exit_code(error: BaseException) -> int:
    """Return a failure's exit code; an error that is not one of the five kinds is a bug."""
    for kind, code in EXIT_CODES.items():
        if isinstance(error, kind):
            return code
    return BUG
