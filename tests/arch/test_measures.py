"""The counts of `measures.py` only fall: each limit is what the product has reached."""

from __future__ import annotations

from tests.arch.measures import filler_names, formatter_exceptions, shared_class_names

FILLER_SHARE_MAX = 0.004
SHARED_CLASS_NAMES_MAX = 0
FORMATTER_EXCEPTIONS_MAX = 20


def test_names_do_not_get_vaguer() -> None:
    """If this fails, new code names values `one`, `found` or `told`: say what they hold."""
    fillers, names = filler_names()
    assert fillers / names <= FILLER_SHARE_MAX


def test_no_further_class_name_is_used_twice() -> None:
    """If this fails, a new class has the name of another: a reader cannot tell which one is meant."""
    assert len(shared_class_names()) <= SHARED_CLASS_NAMES_MAX


def test_the_formatter_is_not_overruled_more_often() -> None:
    """If this fails, new code is laid out by hand."""
    assert formatter_exceptions() <= FORMATTER_EXCEPTIONS_MAX
