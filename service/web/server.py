"""`settle serve`: one process that accepts events and answers requests until it is stopped."""

from __future__ import annotations

import gc
import json
import logging
import socket
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import uvicorn

from ledger.types import Role, format_time
from service.attribution.queue import QueueWorker
from service.log.intake import Intake
from service.standing import Standing
from service.web.app import build
from service.web.connections import Protocol
from service.web.guard.limits import Limits
from service.web.held import ServerState
from service.web.metrics import Metrics
from service.webhooks.deliveries import DeliveryWorker
from service.workspace import Workspace

KEEP_ALIVE_SECONDS: Final = 75
"""Longer than pooled clients keep a connection, so that none writes into one that is being closed."""
DRAIN_SECONDS: Final = 30
"""For what is being answered when the server is told to stop."""
CONNECTIONS: Final = 1_000


class Server(uvicorn.Server):
    """uvicorn's server, which makes `/readyz` and the intake refuse before it waits for running requests."""

    def __init__(self, config: uvicorn.Config, held: ServerState, started: Callable[[str], None]) -> None:
        super().__init__(config)
        self._held, self._started = held, started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for server in self.servers:
            for listening in server.sockets:
                self._started(_address(listening))

    def handle_exit(self, sig: int, frame: Any) -> None:  # noqa: ARG002  uvicorn calls it so
        """Stop gracefully; at a second signal, stop at once. Replaces uvicorn's, which raises it again."""
        self._held.stopping = True
        self.force_exit = self.should_exit
        self.should_exit = True


def serve(ws: Workspace, *, host: str, port: int, limits: Limits, started: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT. `started` is called with each address once it is open."""
    # The operator's key signs decision receipts; a server without it answers everything else.
    roles: tuple[Role, ...] = ("log", "attribution", *(("operator",) if ws.key_path("operator").is_file() else ()))
    standing = Standing(ws, roles)
    state = ServerState(standing=standing, intake=Intake(standing), limits=limits, metrics=Metrics())
    _log_as_json()
    config = uvicorn.Config(
        build(state),
        host=host,
        port=port,
        loop="uvloop",
        http=Protocol,
        ws="none",
        lifespan="off",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        log_config=None,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        limit_concurrency=CONNECTIONS,
    )
    state.roles()  # reads log and registry for the first time: no caller waits for that
    # Objects loaded so far stay: the garbage collector need not walk them again after requests.
    gc.collect()
    gc.freeze()
    workers = (QueueWorker(ws.home, lambda: _reopened(ws)), DeliveryWorker(standing))
    for worker in workers:
        worker.start()
    try:
        Server(config, state, started).run()
    finally:
        for worker in workers:
            worker.stop()
        standing.close()


def _reopened(ws: Workspace) -> Workspace:
    """Open a separate workspace for the queue's records, without asking for the passphrase again."""
    fresh = Workspace.open(ws.home, clock=ws.clock)
    fresh.passphrase = ws.passphrase
    return fresh


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, message; for a request also id, route, key id, status and duration."""

    FIELDS = ("request", "method", "route", "status", "key", "ms")

    def format(self, record: logging.LogRecord) -> str:
        document: dict[str, Any] = {
            "at": format_time(datetime.fromtimestamp(int(record.created), UTC)),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        document |= {name: record.__dict__[name] for name in self.FIELDS if name in record.__dict__}
        if record.exc_info:
            document["trace"] = self.formatException(record.exc_info)
        return json.dumps(document, ensure_ascii=False)


def _log_as_json() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    for name in ("settle.web", "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO)
