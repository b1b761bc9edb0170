"""Refusals as problem documents (RFC 9457), with the words of the command line and the cause in one word."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from ledger.errors import ConflictError, InputError, SettleError, StateError, TransientError, VerificationError
from ledger.log.group_commit import OverloadedError

MEDIA: Final = "application/problem+json"

STATUSES: Final[dict[type[SettleError], int]] = {
    InputError: 400,
    VerificationError: 422,
    StateError: 409,
    ConflictError: 409,
    TransientError: 503,
}
RETRY_SECONDS: Final = 1
"""What a caller is asked to wait where nothing better is known."""


class RefusedError(Exception):
    """The service itself refuses: no key, not allowed, too much, too fast. `cause` is one of a fixed list of words."""

    def __init__(self, status: int, cause: str, detail: str, *, retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.status, self.cause, self.retry_after = status, cause, retry_after


class NotFoundError(RefusedError):
    """The object does not exist, or the caller may not know of it; both give the same answer."""

    def __init__(self, what: str) -> None:
        super().__init__(404, "not-found", f"no {what} that you may see")


def problem_of(error: Exception, request_id: str) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Return status, headers and document of a refusal; an unexpected error is a bug and shows only its request id."""
    status, cause, detail, retry_after = _parts(error)
    headers = {"content-type": MEDIA}
    if retry_after is not None:
        headers["retry-after"] = str(retry_after)
    if status == HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = "Bearer"
    document = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "cause": cause,
        "detail": detail,
        "request": request_id,
    }
    return status, headers, document


def _parts(error: Exception) -> tuple[int, str, str, int | None]:
    if isinstance(error, RefusedError):
        return error.status, error.cause, str(error), error.retry_after
    if isinstance(error, OverloadedError):
        return 503, "waiting-events", str(error), RETRY_SECONDS
    for kind, status in STATUSES.items():
        if isinstance(error, kind):
            cause = kind.__name__.removesuffix("Error").lower()
            return status, cause, str(error), RETRY_SECONDS if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return 500, "bug", "internal error; the service's log has it under this request", None
