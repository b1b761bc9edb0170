"""Health checks and metrics for monitoring."""

from __future__ import annotations

from ledger.errors import SettleError
from service.consuming import positions
from service.web.call import Call, Content
from service.web.guard.problems import RETRY_SECONDS, NotFoundError, RefusedError

FORWARDED: tuple[str, ...] = ("forwarded", "x-forwarded-for", "x-real-ip")


def healthz(_: Call) -> dict[str, str]:
    """`GET /healthz`: the process answers."""
    return {"status": "alive"}


def readyz(call: Call) -> dict[str, object]:
    """`GET /readyz`: the log can be read and the intake takes events."""
    state = call.held
    if state.stopping:
        raise RefusedError(503, "stopping", "this server is stopping", retry_after=RETRY_SECONDS)
    try:
        with state.standing.workspace() as ws:
            size = ws.log.head().size
    except SettleError as problem:
        raise RefusedError(503, "log", f"the log cannot be read: {problem}", retry_after=RETRY_SECONDS) from problem
    if state.intake.waiting > state.intake.waiting_max // 2:
        raise RefusedError(
            503, "waiting-events", f"{state.intake.waiting:,} events wait for a commit", retry_after=RETRY_SECONDS
        )
    return {"status": "ready", "size": size}


def metrics(call: Call) -> Content:
    """`GET /metrics`: for a Prometheus that asks this server itself; what comes through a proxy is refused."""
    if any(name in call.headers for name in FORWARDED):
        raise NotFoundError("page")
    state = call.held
    state.metrics.waiting.set(state.intake.waiting)
    state.metrics.in_flight.set(state.in_flight.bytes)
    with state.standing.workspace() as ws:
        state.metrics.size.set(ws.log.head().size)
        for row in positions.listed(ws.log):
            state.metrics.behind.labels(row.stream, row.partition).set(row.behind)
    return Content(data=state.metrics.text(), media="text/plain; version=0.0.4; charset=utf-8")
