"""One failing system call at a time, by strace, and a full disk: the kernel's side of the table of faults."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ledger.log.fsck import fsck
from tests.faults.test_kill import check
from tests.ledger.ingest.streams import known_log, lines, row
from tests.ledger.logs import log_in
from tests.support import ROOT

pytestmark = pytest.mark.system

FAULTS = [
    f"{call}:error={error}:when={when}"
    for call, error in [
        ("fdatasync", "EIO"),
        ("fsync", "EIO"),
        ("pwrite64", "EIO"),
        ("pwrite64", "ENOSPC"),
        ("rename", "EIO"),
    ]
    for when in (1, 2, 5, 11)
]


def acknowledged(output: str) -> dict[str, int]:
    """What a child said before it ended; a torn last line says nothing."""
    whole = [line.split() for line in output.splitlines(keepends=True) if line.endswith("\n") and " " in line]
    return {event_id: int(index) for event_id, index in whole}


def run(folder: Path, *prefix: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.faults.ingesting", "settle.db", "settle.anchor", "events.ndjson"]
    return subprocess.run(
        [*prefix, *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failing_system_call(tmp_path: Path, fault: str) -> None:
    """If this fails, an I/O error passes for success, or leaves a log that does not open."""
    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    known_log(tmp_path).close()
    (tmp_path / "events.ndjson").write_bytes(lines(*(row(f"e-{i:06d}") for i in range(2000))))
    call = fault.partition(":")[0]
    traced = run(tmp_path, "strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={fault}")
    # Where a failure may be ignored (SQLite tries a failed checkpoint again), the run ends well.
    assert traced.returncode == 0 or "TransientError" in traced.stderr, traced.stderr
    log = log_in(tmp_path)
    check(log, acknowledged(traced.stdout))
    log.close()


def test_a_full_disk(tmp_path: Path) -> None:
    """If this fails, running out of space corrupts the log, or loses what was acknowledged before."""
    if os.getuid():
        pytest.skip("needs root, to mount a small file system")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], check=True)
    try:
        known_log(disk).close()
        (disk / "events.ndjson").symlink_to(tmp_path / "events.ndjson")
        (tmp_path / "events.ndjson").write_bytes(lines(*(row(f"e-{i:06d}") for i in range(20_000))))
        full = run(disk)
        assert full.returncode == 1
        assert "TransientError" in full.stderr
        before = acknowledged(full.stdout)
        assert before
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        log = log_in(disk)
        check(log, before)
        log.seal()
        assert fsck(log).ok
        log.close()
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
