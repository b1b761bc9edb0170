"""A real node from npm: started, killed, asked for its special powers."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support import ROOT

NODE = ROOT / "tests" / "contracts" / "node"


def package(name: str) -> Path:
    """A package under tests/contracts/node; skips the test where npm has not put it there."""
    found = NODE / "node_modules" / name
    if not found.exists():
        pytest.skip("needs `make test-node`, or npm install, in tests/contracts/node")
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Anvil:
    """One node on a port of its own; with `state`, it comes back as it was after a restart."""

    arguments: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        binary = package("@foundry-rs/anvil-linux-amd64") / "bin" / "anvil"
        command = [str(binary), "--port", str(self.port), "--silent", *self.arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            try:
                self.rpc("eth_chainId")
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError("anvil does not answer")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)

    def rpc(self, method: str, *params: Any) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}).encode()
        asked = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})  # noqa: S310  localhost
        with urllib.request.urlopen(asked, timeout=20) as answer:  # noqa: S310
            said = json.loads(answer.read())
        assert "error" not in said, said
        return said["result"]
