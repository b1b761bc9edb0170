"""Usage by one expression over segments, held against usage by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.errors import InputError, StateError
from payouts.terms import Terms
from payouts.usage.engines import duckdb_engine
from payouts.usage.grain import ELSEWHERE, Grain, Membership
from payouts.usage.segments import Engine, plan
from tests.ledger.logs import event, log_in
from tests.payouts.streams import (
    JUNE,
    TERMS,
    assign,
    by_engine,
    by_hand,
    digest,
    membership,
    sealed_log,
    source_of,
    streams,
    whole,
)

FINE = Grain(
    cuts=("2026-06-10T00:00:00Z", "2026-06-15T07:30:00Z", "2026-06-15T12:00:00Z"),
    territories=("NO", "SE"),
    products=True,
    listeners=True,
)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with duckdb_engine() as one:
        yield one


CUT_LOGS = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 10**6),
        "count": st.integers(1, 250),
        "cuts": st.lists(st.integers(1, 250), max_size=3).map(sorted),
        "span": st.integers(20, 300),
        "grain": st.sampled_from((Grain(), FINE, Grain(territories=("SE",)))),
        "before": st.one_of(st.none(), st.integers(0, 250)),
        "held": st.sets(st.integers(0, 4), max_size=3),
    }
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=CUT_LOGS)
def test_the_expression_is_the_sum_by_hand(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory, made: dict[str, Any]
) -> None:
    """If this fails, the engine and plain Python disagree on what was streamed, however the log is cut into files."""
    home = tmp_path_factory.mktemp("log")
    log = log_in(home)
    leaves = streams(made["seed"], made["count"])
    folder = sealed_log(log, home / "segments", leaves, cuts=made["cuts"], span=made["span"])
    logs = [(log, folder, membership(log.head().size * 9 // 10, made["before"]))]
    holds = {("acme", digest(f"listener {n}"), f"2026-0{6 - n // 4}"): f"hold-{n % 2}" for n in made["held"]}
    expected = by_hand(logs, TERMS, made["grain"], holds)
    sealed_log(log, folder, [event("late to the party")])
    assert by_engine(engine, logs, TERMS, made["grain"], holds) == expected
    log.close()


def test_terms_limit_what_counts(engine: Engine, tmp_path: Path) -> None:
    """If this fails, a pool pays out over streams of other platforms, products or countries."""
    log = log_in(tmp_path)
    folder = sealed_log(log, tmp_path / "segments", [*streams(1, 200), *streams(2, 200, source="bolt")])
    logs = [(log, folder, whole(log))]
    terms = Terms(
        period="2026-06", currency="EUR", micros=1, sources=("bolt",), products=("free",), territories=("SE", "NO")
    )
    grain = Grain(territories=("NO", "SE"), products=True)
    rows = by_engine(engine, logs, terms, grain)
    assert rows == by_hand(logs, terms, grain)
    assert {(row.source, row.product) for row in rows} == {("bolt", "free")}
    assert {row.territory for row in rows} == {"NO", "SE"}


def test_two_logs_are_one_period(engine: Engine, tmp_path: Path) -> None:
    """If this fails, streams of a registered log are lost, or bound to another vector than the home log assigned."""
    (tmp_path / "home").mkdir()
    (tmp_path / "other").mkdir()
    home, other = log_in(tmp_path / "home"), log_in(tmp_path / "other")
    vector = digest("trk-late/late")
    at_home = sealed_log(home, tmp_path / "home/segments", [*streams(1, 100), assign("trk-late", "trk-late/late")])
    plays = [event(f"o-{n}", source="bolt", track="trk-late") for n in range(5)]
    elsewhere = sealed_log(other, tmp_path / "other/segments", [*plays, *streams(3, 90, source="bolt")])
    logs = [
        (home, at_home, whole(home)),
        (other, elsewhere, whole(other)),
    ]
    rows = by_engine(engine, logs, TERMS, Grain())
    assert rows == by_hand(logs, TERMS, Grain())
    assert [row.count for row in rows if row.track == "trk-late" and row.source == "bolt" and row.vector == vector] == [
        5
    ]


def test_an_event_without_a_vector_joins_those_bound_at_once(engine: Engine, tmp_path: Path) -> None:
    """If this fails, an event bound late is paid apart from, or instead of, its track's other events."""
    log = log_in(tmp_path)
    early, bound = event("a", track="t"), event("b", track="t", vector=digest("v"))
    never = event("c", track="u")
    folder = sealed_log(log, tmp_path / "segments", [early, never, assign("t", "v"), bound, assign("t", "w")])
    logs = [(log, folder, whole(log))]
    rows = by_engine(engine, logs, TERMS, Grain())
    assert rows == by_hand(logs, TERMS, Grain())
    assert [(row.track, row.vector, row.count) for row in rows] == [("t", digest("v"), 2), ("u", None, 1)]


def test_money_beyond_64_bits_is_exact(engine: Engine, tmp_path: Path) -> None:
    """If this fails, sums of very large amounts wrap around or are rounded."""
    log = log_in(tmp_path)
    rich = [event(f"e-{n}", units=2**53 - 1, gross_micros=2**53 - 1 - n, currency="EUR") for n in range(1100)]
    folder = sealed_log(log, tmp_path / "segments", rich, span=300)
    terms = Terms(period="2026-06", currency="EUR", micros=1, weight="gross")
    logs = [(log, folder, whole(log))]
    (row,) = by_engine(engine, logs, terms, Grain(gross=True))
    assert row.units == 1100 * (2**53 - 1) > 2**63
    assert row.gross == 1100 * (2**53 - 1) - 1099 * 1100 // 2
    assert [row] == by_hand(logs, terms, Grain(gross=True))


@pytest.mark.parametrize("odd", [{}, {"gross_micros": 5, "currency": "USD"}])
def test_weight_by_money_names_the_first_event_without_it(engine: Engine, tmp_path: Path, odd: dict[str, Any]) -> None:
    """If this fails, events without money in the pool's currency silently weigh nothing."""
    log = log_in(tmp_path)
    leaves = streams(4, 60, money=True)
    leaves[40:40] = [event("e-odd", track="trk-2", **odd), event("e-odder", track="trk-1")]
    folder = sealed_log(log, tmp_path / "segments", leaves, span=30)
    terms = Terms(period="2026-06", currency="EUR", micros=1, weight="gross")
    logs = [(log, folder, whole(log))]
    named = r"acme:e-odd \(entry 41 of log example.org/log\) has no gross amount in EUR"
    with pytest.raises(InputError, match=named):
        by_hand(logs, terms, Grain(gross=True))
    with pytest.raises(InputError, match=named):
        by_engine(engine, logs, terms, Grain(gross=True))


def test_a_period_needs_segments_up_to_its_close(tmp_path: Path) -> None:
    """If this fails, a run quietly leaves out the end of a period that was not sealed yet."""
    log = log_in(tmp_path)
    folder = sealed_log(log, tmp_path / "segments", streams(5, 50))
    short = source_of(log, folder, membership(10**6))
    with pytest.raises(StateError, match="run `settle segments seal`"):
        plan([short], Grain(), [])


def test_buckets_begin_where_something_changes() -> None:
    """If this fails, streams of different owners are summed before they are divided."""
    grain = Grain(cuts=("2026-05-20T00:00:00Z", "2026-06-15T12:00:00Z"))
    assert grain.bucket("2026-06-01T00:00:00Z") == "2026-06-01T00:00:00Z"
    assert grain.bucket("2026-05-25T00:00:00Z") == "2026-05-20T00:00:00Z"
    assert grain.bucket("2026-06-15T11:59:59Z") == "2026-06-01T00:00:00Z"
    assert grain.bucket("2026-06-15T12:00:00Z") == "2026-06-15T12:00:00Z"
    assert grain.cuts_within("2026-06-15") == ("2026-06-15T12:00:00Z",)
    assert grain.cuts_within("2026-05-20") == ()
    assert grain.territory("SE") == ELSEWHERE


def test_membership_is_size_end_and_no_earlier_run() -> None:
    """If this fails, an event counts in two periods or in none."""
    june = membership(100, before=50)
    assert june == Membership(size=100, end=JUNE.end, earlier=(50, JUNE.start))
    assert june.takes(99, "2026-06-30T23:59:59Z")
    assert not june.takes(100, "2026-06-30T23:59:59Z")
    assert not june.takes(99, "2026-07-01T00:00:00Z")
    assert june.takes(50, "2026-05-31T23:59:59Z")
    assert not june.takes(49, "2026-05-31T23:59:59Z")
    assert june.takes(49, "2026-06-01T00:00:00Z")
