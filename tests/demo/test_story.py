"""The demo tells the truth: what it ends with adds up, and a figure that is off ends it with an error."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import VerificationError
from service.demo import sounds, world
from service.demo.steps import Sent, Story
from service.demo.story import tell
from tests.demo.played import EVENTS, Answered, Played

pytestmark = pytest.mark.slow

PARTS = ("paid", "unattributed", "held", "suspense", "reserve")


def test_what_the_demo_ends_with(played: Played) -> None:
    """If this fails, the closing table does not add up, misses a rule, or names a file that is not there."""
    told = played.told
    assert told["ok"] is told["verified"] is True
    assert sum(told[f"{part}_micros"] for part in PARTS) == told["pool_micros"] == 25_000_000_000
    assert told["events"] == EVENTS
    assert list(told["rules"]) == ["pro-rata", "thresholded", "shapley-capped"]
    assert sum(told["rules"]["pro-rata"].values()) == told["paid_micros"]
    assert told["fraud"]["streams"] == world.BOT_PLAYS
    assert told["held_micros"] > 0
    assert len(told["forgeries"]) == 5
    assert all(forgery["refused_because"] for forgery in told["forgeries"])
    assert all(one["named"] == one["true"] for one in told["influence"] if one["kind"] == "verbatim")
    assert all(Path(told["paths"][name]).exists() for name in ("report", "statement", "bundle", "audit"))
    assert len(list((played.home / "inputs" / "audio").glob("*.wav"))) == told["recordings"]


Change = Callable[[str, Any], None]
"""Made to the answer of a command, given its words."""


def off(position: str, *keys: Any, by: int = 1) -> Change:
    """A change of one figure in the answers to some commands."""

    def change(words: str, answer: Any) -> None:
        if position in words:
            for key in keys[:-1]:
                answer = answer[key]
            answer[keys[-1]] = (answer[keys[-1]] or 0) + by

    return change


def deaf(words: str, answer: Any) -> None:
    """Nobody is heard in the first track."""
    if words.endswith("/inputs/tracks"):
        answer[0]["vector"]["recording"]["sources"] = []


LIES: dict[str, tuple[Change, str]] = {
    "a total off by one micro-unit": (off("--rule pro-rata", "allocated_micros"), "the five parts together"),
    "a line off by one micro-unit": (off("--rule pro-rata", "lines", 0, "micros"), "the lines together"),
    "the main source of an easy track not found": (deaf, "the main source of trk-01"),
    "an event counted twice": (off("ingest", "accepted"), "accepted is"),
    "a row counted twice that came over HTTP": (
        off("POST /v1/sources/demo-platform/events", "accepted"),
        "accepted over HTTP is",
    ),
    "a bot that is not noticed": (off("fraud score", "suspects", 0, "streams"), "streams of the suspects"),
    "books on the chain that do not agree": (off("chain check", "ok", by=-1), "the chain's books"),
    "a proof that fails": (off("verify", "ok", by=-1), "the verdict"),
    "tampering located elsewhere": (off("fsck", "first_bad"), "the first bad entry"),
}


@pytest.fixture
def replay(played: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Change], dict[str, Any]]:
    """Tell the story again from its recorded answers, some of them changed; the tampering is done anew."""
    home = tmp_path / "month"
    shutil.copytree(played.home, home, ignore=shutil.ignore_patterns("segments", "index", "audio"))
    monkeypatch.setattr(sounds, "catalogue", lambda _: played.catalogue)
    monkeypatch.setattr(sounds, "tracks", lambda _: played.planted)
    recorded = iter(played.copies())

    def tell_again(change: Change) -> dict[str, Any]:
        def answered(words: Sequence[str]) -> Answered:
            code, answer = next(recorded)
            change(" ".join(words), answer)
            return code, answer

        @contextmanager
        def served(_: Path) -> Iterator[Callable[[Sent], Answered]]:
            yield lambda sent: answered([sent.method, sent.path])

        return tell(Story(home=home, run=answered, serve=served, say=lambda _: None, events=EVENTS))

    return tell_again


@pytest.mark.parametrize("lie", LIES)
def test_a_wrong_figure_ends_the_demo(lie: str, replay: Callable[[Change], dict[str, Any]]) -> None:
    """If this fails, the demo says that all is well when a total is off, a proof fails or a source is missed."""
    change, says = LIES[lie]
    with pytest.raises(VerificationError, match=says):
        replay(change)


def test_the_true_figures_do_not(replay: Callable[[Change], dict[str, Any]]) -> None:
    """If this fails, the lies above are caught because every replay is, and the test above proves nothing."""
    assert replay(lambda _, __: None)["ok"]
