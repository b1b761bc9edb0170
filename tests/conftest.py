"""What holds for every test: property tests are not timed one example at a time, and the demo is played once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import Phase, settings

if TYPE_CHECKING:
    from tests.demo.played import Played

# A deadline measures the machine's load, not the code; the suite's own timeout catches what hangs.
settings.register_profile("settle", deadline=None)
# For runs that repeat the tests thousands of times (make mutants): few examples, the same each time, not shrunk.
settings.register_profile(
    "quick", deadline=None, max_examples=25, derandomize=True, database=None, phases=[Phase.explicit, Phase.generate]
)
settings.load_profile("settle")


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """The demo's month, played once for all who look at it."""
    from tests.demo.played import play

    return play(tmp_path_factory.mktemp("demo"))
