"""The service as others reach it: through nginx with TLS, from curl, from JavaScript."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPSConnection
from pathlib import Path

import pytest

from tests.service.certificate import write_certificate
from tests.service.web.serving import Served, bearer, lines, row, served_month, serving, token
from tests.support import ROOT, until

EXAMPLES = ROOT / "docs" / "examples"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def nginx(folder: Path, server: Served) -> Iterator[int]:
    """nginx with the configuration of the how-to, its ports and certificate put in."""
    binary = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if binary is None:
        pytest.fail("nginx is not installed (Debian: nginx)")
    text = (ROOT / "docs" / "howto-operate-the-service.md").read_text()
    found = re.search(r"```nginx\n(.*?)```", text, re.S)
    assert found is not None
    port = free_port()
    block = (
        found[1]
        .replace("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;")
        .replace("http://127.0.0.1:8080", f"http://{server.host}:{server.port}")
    )
    write_certificate(folder)
    paths = "".join(
        f"{kind}_temp_path {folder}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/nginx.pid; error_log stderr; events {{}} http {{ access_log off; {paths}"
        f"ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;\n{block}}}\n"
    )
    process = subprocess.Popen([binary, "-p", str(folder), "-c", str(folder / "nginx.conf")], stderr=subprocess.DEVNULL)
    try:
        until(lambda: _listens(port))
        yield port
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.slow
def test_through_nginx_with_tls(tmp_path: Path) -> None:
    """If this fails, the configuration in the how-to does not start, hides refusals, or publishes the figures."""
    june = served_month(tmp_path / "home")
    secret = token(june, "ann")
    folder = tmp_path / "nginx"
    folder.mkdir()
    with serving(tmp_path / "home") as server, nginx(folder, server) as port:
        trusted = ssl.create_default_context(cafile=str(folder / "cert.pem"))

        def ask(method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
            connection = HTTPSConnection("127.0.0.1", port, context=trusted, timeout=30)
            connection.request(method, path, body or None, bearer(secret) | headers)
            answer = connection.getresponse()
            data = answer.read()
            connection.close()
            return answer.status, data

        path = "/v1/sources/acme/events"
        status, body = ask("POST", path, lines(row("a")), **{"content-type": "application/x-ndjson"})
        assert (status, json.loads(body)["accepted"]) == (200, 1)
        assert ask("GET", "/checkpoint")[0] == 200
        assert ask("GET", "/metrics")[0] == 404
        status, body = ask("GET", "/v1/sources/other/quarantine")
        assert (status, json.loads(body)["cause"]) == (404, "not-found")
        assert ask("POST", path, b"x" * (17 << 20), **{"content-type": "application/x-ndjson"})[0] == 413


@pytest.mark.slow
def test_the_example_in_curl(tmp_path: Path) -> None:
    """If this fails, the shell example that platforms copy does not send events."""
    _example(tmp_path, ["sh", str(EXAMPLES / "send.sh")])


@pytest.mark.node
def test_the_example_in_javascript(tmp_path: Path) -> None:
    """If this fails, the JavaScript example that platforms copy does not send events."""
    _example(tmp_path, ["node", str(EXAMPLES / "send.mjs")])


def _example(tmp_path: Path, command: list[str]) -> None:
    june = served_month(tmp_path / "home")
    secret = token(june, "ann")
    events = tmp_path / "june.ndjson"
    events.write_bytes(lines(row("a"), row("b"), row("c", track="nobody-knows")))
    with serving(tmp_path / "home") as server:
        for accepted, duplicates in ((2, 0), (0, 2)):
            done = subprocess.run(
                [*command, f"http://{server.host}:{server.port}", "acme", str(events)],
                env=os.environ | {"TOKEN": secret},
                capture_output=True,
                check=True,
            )
            answer = json.loads(done.stdout)
            assert (answer["accepted"], answer["duplicates"], len(answer["refused"])) == (accepted, duplicates, 1)
