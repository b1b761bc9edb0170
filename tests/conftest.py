"""What holds for every test: property tests are not timed one example at a time."""

from __future__ import annotations

from hypothesis import settings

# A deadline measures the machine's load, not the code; the suite's own timeout catches what hangs.
settings.register_profile("settle", deadline=None)
settings.load_profile("settle")
