"""The command line keeps its conventions: where data goes, how failure is told, which flags may stand where."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli import shell
from cli.exits import EXIT_CODES, exit_code, kind_of
from cli.render import as_text
from ledger.errors import InputError
from tests.cli.support import settle


@pytest.mark.parametrize("words", [["--json", "--version"], ["--version", "--json"]])
def test_global_flags_may_stand_anywhere(words: list[str]) -> None:
    """If this fails, a script that puts --json last gets a table instead of JSON."""
    answer = settle(*words)
    assert answer.code == 0
    assert set(answer.json) == {"version"}


def test_what_follows_two_dashes_is_left_alone() -> None:
    """If this fails, a file named --json cannot be handed in."""
    assert shell.begin(["ingest", "--", "--json"]) == ["ingest", "--", "--json"]
    assert not shell.wants_json()


def test_usage_errors_leave_with_2_and_still_answer_in_json() -> None:
    """If this fails, a program cannot tell a typing error from a failed verification."""
    answer = settle("--json", "no-such-command")
    assert answer.code == 2
    assert answer.json["ok"] is False
    assert "no-such-command" in answer.json["error"]["message"]
    assert "no-such-command" in answer.err


def test_a_missing_workspace_is_named_with_the_next_step(tmp_path: Path) -> None:
    """If this fails, a newcomer outside a workspace is not told to make one."""
    answer = settle("--json", "status", home=tmp_path)
    assert answer.code == 2
    assert "settle init" in answer.json["error"]["message"]
    assert "Traceback" not in answer.err


def test_a_workspace_is_made_where_later_commands_look_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, `settle init` leaves keys in another folder than SETTLE_HOME, and nothing after it finds them."""
    elsewhere, home = tmp_path / "elsewhere", tmp_path / "home"
    elsewhere.mkdir()
    home.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("SETTLE_HOME", str(home))
    made = settle("--json", "init", "--no-passphrase")
    assert made.json["home"] == str(home)
    assert settle("status").code == 0
    assert list(elsewhere.iterdir()) == []


def test_exit_codes_are_the_published_ones() -> None:
    """If this fails, scripts that act on exit codes break."""
    assert sorted(EXIT_CODES.values()) == [2, 3, 4, 5, 6]
    assert exit_code(InputError("x")) == 2
    assert exit_code(KeyError("x")) == 1
    assert kind_of(KeyError("x")) == "bug"


def test_records_become_a_table_with_figures_to_the_right() -> None:
    """If this fails, lists of records are unreadable on a terminal, or cells with nothing in them look broken."""
    rows = [
        {"holder": "a", "units": 5, "note": None, "tags": []},
        {"holder": "bb", "units": 10, "note": "", "tags": ["x"]},
    ]
    assert as_text(rows).splitlines() == [
        "holder  units  note  tags",
        "------  -----  ----  ----",
        "a           5     -  none",
        "bb         10     -  x",
    ]


def test_people_read_amounts_and_percentages_programs_integers() -> None:
    """If this fails, finance reads micro-units and parts per million on its terminal, or figures that were rounded."""
    run = {
        "pool": "default",
        "currency": "EUR",
        "pool_micros": 25_000_000_000,
        "cap_ppm": 333_333,
        "floor_micros": None,
        "lines": [{"holder": "a", "micros": 1_234_567_890}, {"holder": "b", "micros": -5}],
    }
    assert as_text(run).splitlines() == [
        "pool         default",
        "currency     EUR",
        "pool amount  25,000.000000 EUR",
        "cap          33.3333 %",
        "floor        -",
        "lines:",
        "  holder            amount",
        "  ------  ----------------",
        "  a       1,234.567890 EUR",
        "  b          -0.000005 EUR",
    ]


def test_a_terminal_obeys_nothing_that_came_from_outside() -> None:
    """If this fails, an id or a title rewrites what stands on the screen (L1)."""
    assert shell.printable("a\x1b[2Jb\x9bc\u202ed\ne") == "a\\u{1b}[2Jb\\u{9b}c\\u{202e}d\ne"
    assert shell.printable("\u00e9\n") == "\u00e9\n"
    assert shell.printable("a,b\r\n1,2\r\n") == "a,b\r\n1,2\r\n"
    assert shell.printable("x\ry") == "x\\u{d}y"
