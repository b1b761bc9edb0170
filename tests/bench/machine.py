"""How much slower this machine is now than a quiet core that makes an Ed25519 signature in 30 microseconds."""

from __future__ import annotations

import os
import time

from tests.ledger.logs import KEY

REFERENCE = 30e-6


def cpu_factor() -> float:
    """For figures in processor time: a slower core, or one that shares its caches."""
    start = time.process_time()
    for _ in range(2_000):
        KEY.sign(b"x" * 330)
    return max(1.0, (time.process_time() - start) / 2_000 / REFERENCE)


def wall_factor() -> float:
    """For figures by the clock: besides, whoever else wants the same cores."""
    waiting = os.getloadavg()[0] / (os.cpu_count() or 1)
    return cpu_factor() * max(1.0, waiting)
