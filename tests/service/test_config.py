"""Settings come from where they say they come from."""

from __future__ import annotations

import pytest

from ledger.errors import InputError
from service.config import SETTINGS, resolve


def test_the_environment_beats_the_file_and_the_file_beats_the_default() -> None:
    """If this fails, an operator cannot tell which value is in force."""
    settings = resolve('[workspace]\noperator = "acme"\n[log]\nstore = "file.db"\n', {"SETTLE_STORE": "other.db"})
    sources = {one.name: (one.value, one.source) for one in settings.explained()}
    assert sources["log.store"] == ("other.db", "environment")
    assert sources["workspace.operator"] == ("acme", "settle.toml")
    assert sources["log.anchor"] == ("settle.anchor", "default")


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ("[log]\nstor = 'x'\n", "log.stor"),
        ("[log", "settle.toml"),
        ("[payouts]\nminimum_micros = 'ten'\n", "minimum_micros"),
        ("[log]\nstore = 5\n", "log.store"),
        ("[payouts]\nminimum_micros = true\n", "minimum_micros"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(document: str, named: str) -> None:
    """If this fails, a typing error in settle.toml is silently ignored."""
    with pytest.raises(InputError, match=named):
        resolve(document, {})


def test_no_two_settings_share_a_variable() -> None:
    """If this fails, one environment variable sets two things."""
    assert len({setting.variable for setting in SETTINGS}) == len(SETTINGS)
    assert all(setting.help for setting in SETTINGS)


def test_naming_the_workspace_does_not_make_it_follow_itself() -> None:
    """If this fails, a scheduler started with SETTLE_HOME takes its log for a member and closes no month."""
    assert resolve("", {"SETTLE_HOME": "/srv/label"}).text("log.home") == ""
    assert resolve("", {"SETTLE_LOG_HOME": "/srv/home"}).text("log.home") == "/srv/home"
