"""Compiled contracts as committed: ABI, bytecode, and what they were compiled from and with.

The runtime needs only the JSON files; `python -m contracts.artifacts` recompiles them with Vyper, and
`--check` says whether the committed bytes are what the sources compile to.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from contracts.errors import PreflightError

HERE: Final = Path(__file__).resolve().parent
NAMES: Final = ("RoyaltyPool", "DemoToken")
EVM_VERSION: Final = "cancun"


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One compiled contract. `runtime` lacks the immutables, which a deployment appends in this order."""

    name: str
    abi: tuple[dict[str, Any], ...]
    bytecode: bytes
    runtime: bytes
    immutables: tuple[str, ...]
    compiler: str
    evm_version: str
    source_sha256: str

    def check_runtime(self, code: bytes) -> dict[str, int]:
        """The immutables of deployed code, by name; refuses code that is not this contract's."""
        expected = len(self.runtime) + 32 * len(self.immutables)
        if len(code) != expected or not code.startswith(self.runtime):
            seen = f"{len(code)} bytes, SHA-256 {hashlib.sha256(code).hexdigest()[:16]}" if code else "no code"
            raise PreflightError(
                f"this contract is not {self.name} as shipped (source {self.source_sha256[:16]}): {seen}, "
                f"expected {expected} bytes; check the address and the chain"
            )
        words = (code[at : at + 32] for at in range(len(self.runtime), expected, 32))
        return {name: int.from_bytes(word, "big") for name, word in zip(self.immutables, words, strict=True)}


@cache
def load(name: str) -> Artifact:
    """A committed artifact."""
    document = json.loads((HERE / "artifacts" / f"{name}.json").read_text(encoding="utf-8"))
    return Artifact(
        name=document["name"],
        abi=tuple(document["abi"]),
        bytecode=bytes.fromhex(document["bytecode"]),
        runtime=bytes.fromhex(document["runtime"]),
        immutables=tuple(document["immutables"]),
        compiler=document["compiler"],
        evm_version=document["evm_version"],
        source_sha256=document["source_sha256"],
    )


def compile_source(name: str) -> str:
    """The artifact's text as it must be committed; needs Vyper."""
    from vyper import __version__ as compiler
    from vyper.compiler import compile_code

    source = (HERE / "vyper" / f"{name}.vy").read_text(encoding="utf-8")
    out = compile_code(source, output_formats=["abi", "bytecode", "bytecode_runtime", "layout"])
    places = out["layout"].get("code_layout", {})
    document = {
        "name": name,
        "compiler": f"vyper {compiler}",
        "evm_version": EVM_VERSION,
        "source_sha256": hashlib.sha256(source.encode()).hexdigest(),
        "abi": out["abi"],
        "bytecode": out["bytecode"].removeprefix("0x"),
        "immutables": sorted(places, key=lambda name: places[name]["offset"]),
        "runtime": out["bytecode_runtime"].removeprefix("0x"),
    }
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def main(arguments: list[str]) -> int:
    """Write the artifacts, or with `--check` compare them; 1 if any differs."""
    stale = []
    for name in NAMES:
        path, text = HERE / "artifacts" / f"{name}.json", compile_source(name)
        if "--check" not in arguments:
            path.write_text(text, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != text:
            stale.append(name)
    for name in stale:
        sys.stderr.write(f"{name}: the committed artifact is not what its source compiles to; run `make contracts`\n")
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
