"""The page's verifier, run by node on many bundles at once."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ledger.proofs import trust as trust_file
from ledger.proofs.verify import Report
from service.bundles import verify_bundle
from service.verify_page import CORE, PARTS

DRIVER = Path(__file__).with_name("verify_cli.mjs")


def browser_reports(*cases: tuple[bytes, Sequence[bytes]]) -> list[dict[str, Any]]:
    """All that the page says of each bundle; a case is a trust file and the bundles that go with it."""
    return [line["report"] for line in _answers(*cases)]


def left_to_command_line(trust: bytes, bundles: Sequence[bytes]) -> list[str | None]:
    """Why the page cannot check each bundle, though `settle verify` may; None where it can."""
    return [line["beyond"] for line in _answers((trust, bundles))]


def _answers(*cases: tuple[bytes, Sequence[bytes]]) -> list[dict[str, Any]]:
    requests = (
        {"trust": _base64(trust), "bundles": [_base64(bundle) for bundle in bundles]} for trust, bundles in cases
    )
    scripts = [str(PARTS / f"{name}.js") for name in CORE]
    done = subprocess.run(
        ["node", str(DRIVER), *scripts],
        input="\n".join(map(json.dumps, requests)),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def as_report(report: Report) -> dict[str, Any]:
    """All that `settle verify` says, in the same shape."""
    return {
        "ok": report.ok,
        "kind": report.kind,
        "steps": [{"n": step.n, "name": step.name, "ok": step.ok, "detail": step.detail} for step in report.steps],
        "unchecked": list(report.unchecked),
        "cautions": list(report.cautions),
        "proved": list(report.proved),
        "platform": report.platform,
    }


def verdict_of(report: dict[str, Any]) -> tuple[Any, ...]:
    """The verdict, and the steps up to the first that fails: the same whoever checks."""
    if "trust" in report:
        return ("trust",)
    names = [(step["name"], step["ok"]) for step in report["steps"]]
    first_failed = next((n for n, (_, ok) in enumerate(names) if not ok), len(names))
    return report["ok"], names[: first_failed + 1]


def assert_same_verdicts(trust: bytes, bundles: Sequence[bytes]) -> list[bool]:
    """Both verifiers accept, or refuse at the same step, each of these bundles; and which were accepted."""
    trusted = trust_file.parse(trust)
    expected = [as_report(verify_bundle(data, trusted)) for data in bundles]
    actual = browser_reports((trust, bundles))
    assert len(actual) == len(expected)
    for data, here, there in zip(bundles, expected, actual, strict=True):
        assert verdict_of(here) == verdict_of(there), (here["steps"][-1], there["steps"][-1], data[:300])
    return [report["ok"] for report in expected]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
