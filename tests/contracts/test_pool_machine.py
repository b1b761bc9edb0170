"""The pool against its model in any order of steps, and the same machine against pools with a fault."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.errors import HypothesisException
from hypothesis.stateful import run_state_machine_as_test

from tests.contracts.compiled import POOL_SOURCE, compiled
from tests.contracts.machine import PoolMachine
from tests.contracts.mutants import MUTANTS
from tests.contracts.world import World


def run(source: str, *, examples: int, steps: int) -> None:
    """Drive a pool compiled from this source against the model."""
    world = World(code=compiled(source), token_name="Moody")
    machine = type("Machine", (PoolMachine,), {"world": world})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            phases=[Phase.generate],
            deadline=None,
            derandomize=True,
            database=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_pool_does_what_its_model_does() -> None:
    """If this fails, some order of steps breaks the books, a role, a window or what the events tell."""
    run(POOL_SOURCE.read_text(encoding="utf-8"), examples=10, steps=20)


@pytest.mark.slow
def test_the_pool_does_what_its_model_does_at_length() -> None:
    """If this fails, a rare order of steps breaks what the short run holds."""
    run(POOL_SOURCE.read_text(encoding="utf-8"), examples=200, steps=50)


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_a_faulty_pool_is_caught(name: str) -> None:
    """If this fails, the machine is blind to this fault: a rule is missing, or refused for another reason."""
    source, (old, new) = POOL_SOURCE.read_text(encoding="utf-8"), MUTANTS[name]
    assert source.count(old) == 1, "the fault no longer applies to the source"
    with pytest.raises((AssertionError, HypothesisException, ExceptionGroup)):
        run(source.replace(old, new), examples=600, steps=40)  # ends at the first refusal; most within ten
