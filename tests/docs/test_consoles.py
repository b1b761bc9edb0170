"""The reader of console blocks finds commands, exit codes and what is shown, and tells true from false."""

from __future__ import annotations

import pytest

from tests.docs.consoles import DEMO, Step, comes_true, steps

TOLD = "run  9103ad96\n\nallocated    800.000000 EUR\nheld           0.000000 EUR\n  file: /tmp/x/out/a.html\n"

BLOCK = """
```console
$ settle head
size  5
$ settle run \\
    --dry-run   # exit 4
$ make test
$ make demo
...
paid  15.2
```
"""


def test_a_block_is_read_command_by_command() -> None:
    """If this fails, a command of a document is not run, or what it shows is compared with another's output."""
    head, run, demo = steps(BLOCK)
    assert (head.text, head.code, head.shown) == ("settle head", 0, "size  5\n")
    assert (run.text.split(), run.code, run.shown) == (["settle", "run", "--dry-run"], 4, "")
    assert (demo.text, demo.shown, demo.exact) == (DEMO, "...\npaid  15.2\n", False)


@pytest.mark.parametrize(
    "shown",
    [
        "allocated 800.000000 EUR",
        "allocated 800.000000 EUR\nheld 0.000000 EUR",
        "run ...\n...\nheld 0.000000 EUR",
        "file: .../out/a.html",
        "...\nallocated 800.000000 EUR\n...",
    ],
)
def test_what_is_shown_may_leave_out_and_space_freely(shown: str) -> None:
    """If this fails, a document must repeat every id and every space of what a command prints."""
    assert comes_true(Step(None, "settle run", shown=shown), TOLD)


@pytest.mark.parametrize(
    "shown",
    [
        "allocated 800.000001 EUR",
        "allocated 800.000000 USD",
        "held 0.000000 EUR\nallocated 800.000000 EUR",
        "allocated 800.000000 EUR\nfile: ...",
        "file: .../out/b.html",
        "paid 800.000000 EUR",
    ],
)
def test_what_is_not_printed_is_found_out(shown: str) -> None:
    """If this fails, a document may show figures, words or an order that the product does not print."""
    assert not comes_true(Step(None, "settle run", shown=shown), TOLD)


def test_numbers_of_a_smaller_demo_may_differ_and_nothing_else() -> None:
    """If this fails, the README's demo is compared figure by figure with another one, or not at all."""
    assert comes_true(Step(None, DEMO, shown="allocated 1,234.5 EUR", exact=False), TOLD)
    assert not comes_true(Step(None, DEMO, shown="paid 1,234.5 EUR", exact=False), TOLD)
    assert not comes_true(Step(None, DEMO, shown="allocated EUR", exact=False), TOLD)
