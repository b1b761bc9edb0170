"""A served month for tests: the app in this process, or `settle serve` as a process of its own on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from ledger.registry.importing import import_files
from ledger.registry.statement import Signer
from service.access import keys
from service.log.intake import Intake
from service.log.sources import settle_source
from service.standing import Standing
from service.web.app import build
from service.web.guard.limits import Limits
from service.web.held import ServerState
from service.web.metrics import Metrics
from tests.service.month import Month, month
from tests.support import ROOT

PARTIES = {"platform": "ann", "holder": "bob", "auditor": "audrey", "operator": "operator", "approver": "approver"}
"""A party in each role."""


def row(event_id: str, **fields: Any) -> dict[str, Any]:
    usual = {
        "source": "acme",
        "event_id": event_id,
        "track": "trk-1",
        "occurred_at": "2026-06-03T11:05:00Z",
        "territory": "SE",
        "units": 1,
    }
    return usual | fields


def lines(*rows: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in rows)


def served_month(home: Path) -> Month:
    """June, and ann speaks for acme, cy for another source."""
    june = month(home)
    path = home.parent / "auditor.json"
    path.write_text(json.dumps({"parties": [{"id": "audrey", "name": "Audrey", "kind": "auditor"}]}))
    import_files(june.ws.registry, [path], Signer(june.ws.signer("operator"), "operator", "operator"))
    for source, party in (("acme", "ann"), ("other", "cy")):
        settle_source(june.ws, source, party=party)
    return june


def token(june: Month, party: str, *scopes: str) -> str:
    return keys.add(june.ws, party, scopes=scopes).token


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


@contextmanager
def held(june: Month, limits: Limits | None = None) -> Iterator[ServerState]:
    """What a server over this month holds."""
    standing = Standing(june.ws, ("log", "attribution"))
    try:
        yield ServerState(standing=standing, intake=Intake(standing), limits=limits or Limits(), metrics=Metrics())
    finally:
        standing.close()


@contextmanager
def client(june: Month, limits: Limits | None = None) -> Iterator[Any]:
    """Starlette's own client of the app."""
    from starlette.testclient import TestClient

    with held(june, limits) as stands:
        yield TestClient(build(stands), raise_server_exceptions=False)


@dataclass(slots=True)
class Served:
    """A process that serves."""

    process: subprocess.Popen[str]
    host: str
    port: int

    def request(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        connection = HTTPConnection(self.host, self.port, timeout=60)
        try:
            connection.request(method, path, body or None, headers or {})
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()


@contextmanager
def serving(home: Path, *options: str) -> Iterator[Served]:
    """`settle serve` on a free port of loopback."""
    run = "from cli.main import main; main()"
    command = [sys.executable, "-c", run, "serve", "--home", str(home), "--port", "0", "--json", *options]
    with (home.parent / "serve.log").open("a") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=log, text=True
        )
    assert process.stdout is not None
    try:
        document = ""
        while not document.endswith("}\n"):
            read = process.stdout.readline()
            assert read, (home.parent / "serve.log").read_text()
            document += read
        host, _, port = json.loads(document)["listening"].removeprefix("http://").partition(":")
        yield Served(process, host, int(port))
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(60)
        process.stdout.close()
