"""The command starts fast: heavy libraries are imported by the commands that need them.

What is counted is what is imported, not how long it takes: a busy machine would fail a clock.
`python -m tests.bench.bench_proofs` measures the time.
"""

from __future__ import annotations

from pathlib import Path

from tests.support import ROOT, packages_after

FRAMEWORK = {"typer", "shellingham", "annotated_doc", "rich", "markdown_it", "mdurl", "pygments"}
VERIFIER = {"cryptography", "_cffi_backend", "_openssl"}
OURS = {"cli", "service", "ledger", "payouts", "contracts", "attribution"}


def test_help_imports_nothing_but_the_framework() -> None:
    """If this fails, every command pays for a library that only some need."""
    assert packages_after("from cli.main import run; run(['--help'])") <= FRAMEWORK | OURS


def test_verify_imports_the_framework_and_cryptography_only() -> None:
    """If this fails, checking a bundle costs more in imports than in cryptography."""
    bundle, trust = (str(Path("tests/golden") / name) for name in ("event.bundle", "event.trust.json"))
    assert (ROOT / bundle).exists()
    used = packages_after(f"from cli.main import run; run(['verify', {bundle!r}, '--trust', {trust!r}])")
    assert "cryptography" in used
    assert used <= FRAMEWORK | VERIFIER | OURS
