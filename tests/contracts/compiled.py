"""Compiling Vyper sources in process, each text once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from vyper.compiler import compile_code

from tests.support import ROOT

POOL_SOURCE = ROOT / "contracts" / "vyper" / "RoyaltyPool.vy"
TOKENS = ROOT / "tests" / "contracts" / "tokens"


@dataclass(frozen=True, slots=True)
class Compiled:
    """What a compiler makes of one source."""

    abi: tuple[dict[str, Any], ...]
    bytecode: bytes
    runtime: bytes
    slots: dict[str, int]


@cache
def compiled(source: str) -> Compiled:
    out = compile_code(source, output_formats=["abi", "bytecode", "bytecode_runtime", "layout"])
    slots = {name: place["slot"] for name, place in out["layout"].get("storage_layout", {}).items()}
    return Compiled(
        tuple(out["abi"]), bytes.fromhex(out["bytecode"][2:]), bytes.fromhex(out["bytecode_runtime"][2:]), slots
    )


def pool() -> Compiled:
    return compiled(POOL_SOURCE.read_text(encoding="utf-8"))


def token(name: str = "DemoToken") -> Compiled:
    """A token by name: the plain one that ships, or one of the awkward ones beside the tests."""
    if name == "DemoToken":
        return compiled((POOL_SOURCE.parent / "DemoToken.vy").read_text(encoding="utf-8"))
    return compiled((TOKENS / f"{name}.vy").read_text(encoding="utf-8"))
