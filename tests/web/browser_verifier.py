"""The page's verifier, run by node on many bundles at once."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ledger.proofs.verify import Report
from service.verify_page import CORE, PARTS

DRIVER = Path(__file__).with_name("verify_cli.mjs")


def browser_verdicts(trust: bytes, bundles: Sequence[bytes]) -> list[dict[str, Any]]:
    """What the page says of each bundle: `ok`, and its steps as [name, ok]."""
    request = {"trust": _base64(trust), "bundles": [_base64(bundle) for bundle in bundles]}
    scripts = [str(PARTS / f"{name}.js") for name in CORE]
    done = subprocess.run(
        ["node", str(DRIVER), *scripts], input=json.dumps(request), capture_output=True, text=True, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def as_verdict(report: Report) -> dict[str, Any]:
    """What `settle verify` says, in the same shape."""
    return {"ok": report.ok, "steps": [[step.name, step.ok] for step in report.steps]}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
