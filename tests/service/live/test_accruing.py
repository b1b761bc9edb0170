"""The accrual of real logs: any month of events, assignments, shares and holds, over two logs, read in any steps."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ledger.errors import InputError
from ledger.registry.importing import import_files
from ledger.registry.statement import Signer
from payouts.compute import Line
from payouts.live.accrual import accrue
from service.live.accruing import AccrualShown, Watch, live_pool, open_month, shown, whole_inputs
from service.log.ingesting import ingest_file
from service.settlement import holds, life
from service.settlement.step import read_book
from service.settlement.stored import load
from service.workspace import Workspace
from tests.months.played import base, copied
from tests.service.month import Month
from tests.service.settlement.test_restating import VECTORS

PARAMS = {"price": "0.003333"}
HELD = (("party", "bob"), ("subject", "rec-3"), ("track", "trk-1"), ("source", "acme"))
NOW = datetime(2026, 7, 20, tzinfo=UTC)
ACTS = st.one_of(
    st.tuples(st.just("stream"), st.integers(0, 11)),
    st.tuples(st.just("late"), st.integers(0, 2)),
    st.tuples(st.just("second"), st.integers(0, 2)),
    st.tuples(st.just("assign"), st.integers(0, len(VECTORS) - 1)),
    st.tuples(st.just("hold"), st.integers(0, len(HELD) - 1)),
    st.tuples(st.just("release"), st.integers(0, len(HELD) - 1)),
    st.tuples(st.just("shares"), st.integers(1, 28)),
    st.tuples(st.just("look"), st.integers(0, 1)),
    st.tuples(st.just("close June"), st.just(0)),
)


@cache
def template() -> tuple[tempfile.TemporaryDirectory[str], Path]:
    """Two logs and a registry, made once."""
    folder = tempfile.TemporaryDirectory(prefix="settle-live-")
    (place := Path(folder.name) / "base").mkdir()
    return folder, base(place, chain=False, logs=2)


class Played:
    """July 2026, while it plays."""

    def __init__(self, folder: Path) -> None:
        self.folder = copied(template()[1], folder)
        self.month = Month(self.folder / "home", now=NOW)
        self.watch = Watch(self.month.ws, "2026-07")
        self.pool = live_pool(period="2026-07", currency="EUR", rule="pro-rata", params=PARAMS)
        self.open: dict[int, str] = {}
        self.files = 0
        self.shared = 0

    def take(self, kind: str, which: int) -> None:
        ws = self.month.ws
        if kind == "stream":
            day, track = 1 + which * 2, f"trk-{which % 3 + 1}"
            self.month.stream(
                [track], at=f"2026-07-{day:02d}T07:30:00Z", units=which + 1, territory=("SE", "DE")[which % 2]
            )
        elif kind == "late":
            self.month.stream([f"trk-{which + 1}"], at="2026-06-29T23:59:59Z", units=7)
        elif kind == "second":
            self._second(f"trk-{which + 1}")
        elif kind == "assign":
            self.month.assign(VECTORS[which])
        elif kind == "hold" and which not in self.open:
            scope, subject = HELD[which]
            self.open[which] = holds.open_hold(ws, scope=scope, subject=subject, reason="fraud").id
        elif kind == "release" and which in self.open:
            life.approve(ws, holds.release(ws, self.open.pop(which), note="checked").id, "carol")
        elif kind == "shares":
            self._share(which)
        elif kind == "look":
            self.watch.month()
            self.watch.save()
            if which:
                self.watch = Watch(ws, "2026-07")
        elif kind == "close June" and read_book(ws).close("2026-06") is None:
            life.close(ws, "2026-06")

    def _second(self, track: str) -> None:
        self.files += 1
        row = {"source": "beta", "event_id": f"b-{self.files}", "track": track, "territory": "NO", "units": 3}
        path = self.folder / "beta.ndjson"
        path.write_text(json.dumps(row | {"occurred_at": "2026-07-09T10:00:00Z"}) + "\n")
        second = Workspace.open(self.folder / "second", clock=lambda: NOW)
        assert ingest_file(second, path).accepted == 1
        second.close()

    def _share(self, day: int) -> None:
        """rec-4 changes hands on some day of the month; once."""
        if self.shared:
            return
        self.shared = day
        rows = [
            {
                "subject": "rec-4",
                "party": party,
                "right": "master",
                "ppm": ppm,
                "territory": "WORLD",
                "state": "confirmed",
            }
            | {"from": f"2026-07-{day:02d}"}
            for party, ppm in (("ann", 333_333), ("dee", 666_667))
        ]
        path = self.folder / "shares.json"
        path.write_text(json.dumps({"shares": rows}))
        ws = self.month.ws
        done = import_files(ws.registry, [path], Signer(ws.signer("operator"), "operator", "operator"))
        assert done.accepted == done.read, done.refused

    def settle(self) -> tuple[Line, ...]:
        """The lines of July's run, once the months are closed."""
        ws = self.month.ws
        self.month.now = datetime(2026, 8, 3, tzinfo=UTC)
        if read_book(ws).close("2026-06") is None:
            life.close(ws, "2026-06")
        self.watch.month()
        life.close(ws, "2026-07")
        request = life.request(
            period="2026-07", pool=None, currency="EUR", rule="pro-rata", params=PARAMS, engine="log"
        )
        run = life.run(ws, request).run
        return load(ws.log, read_book(ws).runs[run]).outcome.lines


def weights(lines: Iterable[Line]) -> dict[tuple[str, ...], int]:
    return {(line.group, line.party, line.state, line.reason, line.ref): line.weight for line in lines}


def check(acts: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        played = Played(Path(place) / "live")
        for act in acts:
            played.take(*act)
        month = played.watch.month()
        watched = accrue(played.watch.inputs(month, played.pool))
        assert watched == accrue(whole_inputs(played.month.ws, month, played.pool))
        if month.book.close("2026-06") is not None:
            settled = played.settle()
            assert weights(watched.lines) == weights(settled)
            for line, paid in zip(watched.lines, settled, strict=True):
                assert 0 <= paid.micros - line.micros <= 2
        played.month.ws.close()


EXAMPLE: list[tuple[str, int]] = [
    ("stream", 0),
    ("stream", 5),
    ("look", 1),
    ("second", 0),
    ("late", 0),
    ("close June", 0),
    ("late", 1),
    ("shares", 5),
    ("hold", 2),
    ("stream", 9),
    ("assign", 3),
    ("look", 0),
    ("stream", 2),
]


def test_the_accrual_of_a_month_is_what_its_run_divides() -> None:
    """If this fails, what people watch during a month is not what the month's run gives them."""
    check(EXAMPLE)


@pytest.mark.slow
@settings(max_examples=8, deadline=None, phases=(Phase.explicit, Phase.generate))
@given(st.lists(ACTS, min_size=3, max_size=14))
def test_the_accrual_of_any_month_is_what_its_run_divides(acts: list[tuple[str, int]]) -> None:
    """If this fails, some order of late events, assignments, shares and holds makes accrual and run differ."""
    check([*acts, ("close June", 0), ("look", 1)])


@pytest.fixture
def played(tmp_path: Path) -> Played:
    return Played(tmp_path / "live")


def show(played: Played, *parties: str) -> AccrualShown:
    return shown(played.month.ws, played.watch, played.pool, parties or None)


def test_parts_name_track_source_and_territory(played: Played) -> None:
    """If this fails, a holder does not learn from which track, recording and country the money comes."""
    played.take("stream", 0)
    played.take("stream", 3)
    answer = show(played, "ann", "bob")
    assert [party.party for party in answer.parties] == ["ann", "bob"]
    (ann, _) = answer.parties
    assert {(part.track, part.source, part.territory) for part in ann.parts} == {
        ("trk-1", "rec-1", "SE"),
        ("trk-1", "rec-1", "DE"),
    }
    assert ann.earned_micros == 5 * 3333 * 6 // 10
    assert any("not counted here" in text for text in answer.unknown)


def test_a_closed_month_has_no_accrual(played: Played) -> None:
    """If this fails, two figures are shown for a month whose run alone says what it comes to."""
    played.settle()
    with pytest.raises(InputError, match="closed"):
        open_month(played.month.ws, "2026-07")


def test_a_damaged_or_older_file_is_not_believed(played: Played) -> None:
    """If this fails, an edited file of sums, or one of another copy of the log, changes what people are shown."""
    played.take("stream", 1)
    before = show(played)
    played.watch.save()
    path = played.month.home / "live" / "2026-07.json"
    saved: dict[str, Any] = json.loads(path.read_text())
    for damaged in (b"{}", b"\xff", b'{"v":1}', json.dumps(saved | {"basis": "other"}).encode()):
        path.write_bytes(damaged)
        played.watch = Watch(played.month.ws, "2026-07")
        assert show(played).parties == before.parties
    beyond = {origin: size + 5 for origin, size in saved["position"].items()}
    path.write_text(json.dumps(saved | {"position": beyond, "sums": {}}))
    played.watch = Watch(played.month.ws, "2026-07")
    assert show(played).parties == before.parties
    assert Counter(party.party for party in before.parties)
