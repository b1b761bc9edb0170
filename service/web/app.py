"""Build the app: every route runs the same steps in the same order.

Request id, access key, whether it may, how much it sends, the function in a worker thread, the answer or the problem.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from importlib.metadata import version
from time import perf_counter
from typing import Any, Final

import msgspec
from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute

from service.web import openapi
from service.web.call import HTML, Call, Content, Principal, Redirect
from service.web.guard.allowed import ANYBODY, check
from service.web.guard.forms import FORM, check_own_page, cookie_of, read_form, takes_cookies
from service.web.guard.limits import read_body
from service.web.guard.problems import RefusedError, problem_of
from service.web.held import ServerState
from service.web.pages.drawing import refusal
from service.web.route import Route
from service.web.routes import ROUTES

WRITERS: Final = 256
"""Requests that may wait for a commit at once, a thread each."""
READERS: Final = 12
"""Requests that read at once: fewer than the database has connections for."""
VALUE_MAX: Final = 512
"""Of a path or query parameter: longer than any id, and never what a database or a terminal would read as a command."""
HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # under no-referrer, browsers send a form with the origin "null"
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_ENCODER: Final = msgspec.json.Encoder(enc_hook=str)
_LOG: Final = logging.getLogger("settle.web")

Endpoint = Callable[[Request], Awaitable[Response]]


def build(held: ServerState) -> Starlette:
    """Return the ASGI app for a server's state."""
    doors = _Doors(held)
    routes = [
        StarletteRoute(route.path, doors.endpoint(route), methods=[route.method], include_in_schema=False)
        for route in ROUTES
    ]
    routes.append(StarletteRoute("/openapi.json", _openapi, methods=["GET"]))
    return Starlette(routes=routes, exception_handlers={HTTPException: _http_problem, Exception: _http_problem})


class _Doors:
    """Endpoints that share their limits."""

    def __init__(self, held: ServerState) -> None:
        self._held = held
        self._writers, self._readers = CapacityLimiter(WRITERS), CapacityLimiter(READERS)

    def endpoint(self, route: Route) -> Endpoint:
        limiter = self._writers if route.takes else self._readers

        async def answer(request: Request) -> Response:
            started = perf_counter()
            request_id = _request_id(request)
            principal: Principal | None = None
            try:
                principal = await self._principal(route, request)
                response = await self._answered(route, request, principal, limiter)
            except ClientDisconnect:
                response = Response(status_code=400)  # nobody is there to read it
            except Exception as error:  # noqa: BLE001  the last line of defence: a problem, never a bare 500
                response = self._problem(route, error, request_id)
            response.headers["x-request-id"] = request_id
            self._note(route, request_id, principal, response.status_code, perf_counter() - started)
            return response

        return answer

    async def _principal(self, route: Route, request: Request) -> Principal | None:
        state = self._held
        if state.stopping and route.takes:
            raise RefusedError(503, "stopping", "this server is stopping; send it again", retry_after=1)
        header = request.headers.get("authorization", "")
        cookie = "" if header or not takes_cookies(route) else cookie_of(request.headers.getlist("cookie"))
        if not (header or cookie) or ANYBODY in route.who:
            state.buckets.take("", "requests", 1, state.limits.anonymous_per_second)
            check(route, None, state.roles, request.path_params)
            return None
        principal = state.remembered(header or cookie)
        if principal is None:
            # Whoever guesses keys takes a thread and a look-up each time, and has no bucket of their own.
            state.buckets.take("", "look-ups", 1, state.limits.anonymous_per_second)
            find = state.principal if header else state.signed_in
            principal = await to_thread.run_sync(find, header or cookie, limiter=self._readers)
        if not route.takes:
            state.buckets.take(principal.key, "requests", 1, state.limits.reads_per_second)
        elif route.takes == (FORM,):  # most append to the log for good, as a receipt does
            state.buckets.take(principal.key, "receipts", 1, state.limits.receipts_per_second)
        await to_thread.run_sync(check, route, principal, state.roles, request.path_params, limiter=self._readers)
        return principal

    async def _answered(
        self, route: Route, request: Request, principal: Principal | None, limiter: CapacityLimiter
    ) -> Response:
        state, body = self._held, b""
        for name, value in (*request.path_params.items(), *request.query_params.items()):
            if len(value) > VALUE_MAX or not value.isprintable():
                raise RefusedError(400, "input", f"{name!r:.80}: expected at most {VALUE_MAX} printable characters")
        if route.takes == (FORM,) and request.headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise RefusedError(415, "encoding", "a form is sent without content-encoding, as browsers do")
        if route.takes:
            body = await read_body(
                request.stream(),
                encoding=request.headers.get("content-encoding", "").strip().lower(),
                length=request.headers.get("content-length"),
                limits=state.limits.of_body(route.body_max),
                in_flight=state.in_flight,
            )
        try:
            call = Call(
                held=state,
                principal=principal,
                params=request.path_params,
                query=request.query_params,
                media=request.headers.get("content-type", ""),
                headers=request.headers,
                body=body,
            )
            return await to_thread.run_sync(_respond, route, call, limiter=limiter)
        finally:
            state.in_flight.remove(len(body))

    def _problem(self, route: Route, error: Exception, request_id: str) -> Response:
        status, headers, document = problem_of(error, request_id)
        self._held.metrics.refusals.labels(document["cause"]).inc()
        if status == 500:
            _LOG.exception("internal error", extra={"request": request_id})
        if route.answers == HTML:
            page = refusal(document)
            headers |= {"content-type": page.media, "content-security-policy": page.policy or ""}
            headers.pop("www-authenticate", None)  # or the browser asks for a password
            return Response(page.data, status, HEADERS | headers)
        return Response(_ENCODER.encode(document), status, HEADERS | headers)

    def _note(self, route: Route, request_id: str, principal: Principal | None, status: int, seconds: float) -> None:
        metrics = self._held.metrics
        metrics.requests.labels(route.path, str(status)).inc()
        metrics.seconds.labels(route.path).observe(seconds)
        _LOG.info(
            "request",
            extra={
                "request": request_id,
                "method": route.method,
                "route": route.path,
                "status": status,
                "key": None if principal is None else principal.key,
                "ms": round(seconds * 1000, 1),
            },
        )


def _respond(route: Route, call: Call) -> Response:
    """Call the route's function in a worker thread; return its answer as bytes.

    A form is read here too: on the event loop a long one would keep every other caller waiting.
    """
    if route.takes == (FORM,):
        form = read_form(call.media, call.body)
        check_own_page(call.headers, call.principal, form)
        call = replace(call, form=form)
    result = route.function(call)
    if isinstance(result, Redirect):
        cookie = {} if result.cookie is None else {"set-cookie": result.cookie}
        return Response(status_code=303, headers=HEADERS | {"location": result.path} | cookie)
    if not isinstance(result, Content):
        return Response(_ENCODER.encode(result), headers=HEADERS | {"content-type": "application/json"})
    headers = HEADERS | {"content-type": result.media, "cache-control": result.cache}
    if result.filename is not None:
        headers["content-disposition"] = f'attachment; filename="{result.filename}"'
    if result.policy is not None:
        headers["content-security-policy"] = result.policy
    return Response(result.data, headers=headers)


def _request_id(request: Request) -> str:
    """Return the caller's own id for the request if it is valid, otherwise a random one."""
    sent = request.headers.get("x-request-id", "")
    return sent if _REQUEST_ID.match(sent) else secrets.token_hex(8)


async def _openapi(_: Request) -> Response:
    document: dict[str, Any] = openapi.document(version("settle-engine"))
    return Response(_ENCODER.encode(document), headers=HEADERS | {"content-type": "application/json"})


async def _http_problem(request: Request, error: Exception) -> Response:
    """Return the problem for a path or a method that is not in the table of routes."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    causes = {404: "not-found", 405: "method"}
    refused: Exception = error
    if status in causes:
        refused = RefusedError(status, causes[status], f"{request.method} is not possible here; see /openapi.json")
    number, headers, document = problem_of(refused, _request_id(request))
    return Response(_ENCODER.encode(document), number, HEADERS | headers)
