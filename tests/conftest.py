"""What holds for every test: property tests are not timed one example at a time."""

from __future__ import annotations

from hypothesis import Phase, settings

# A deadline measures the machine's load, not the code; the suite's own timeout catches what hangs.
settings.register_profile("settle", deadline=None)
# For runs that repeat the tests thousands of times (make mutants): few examples, the same each time, not shrunk.
settings.register_profile(
    "quick", deadline=None, max_examples=25, derandomize=True, database=None, phases=[Phase.explicit, Phase.generate]
)
settings.load_profile("settle")
