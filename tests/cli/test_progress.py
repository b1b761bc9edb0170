"""Progress is for people at a terminal, and stays out of their way."""

from __future__ import annotations

import io
import sys

import pytest

from cli.progress import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_waits_for_the_first_news(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a bar moves while a passphrase is asked for, and hides the question."""
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setenv("TERM", "xterm")
    with progress("Registering", unit="leaves") as advance:
        assert terminal.getvalue() == ""
        assert advance is not None
        advance(3, 8)
        advance(8, 8)
    assert "Registering" in terminal.getvalue()


def test_nobody_watching_means_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a log file of a scheduled job fills with bars."""
    monkeypatch.setattr(sys, "stderr", quiet := io.StringIO())
    with progress("Registering") as advance:
        assert advance is None
    assert quiet.getvalue() == ""
