"""Digital sales reports: taken whole or not at all, each row of streams as one event that pays the right track."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InputError
from ledger.event import StreamEvent
from ledger.ingest.rows import RowRefusal
from service.trade.dsr.events import events, resolver
from service.trade.dsr.records import looks_like_dsr
from service.trade.dsr.report import DsrPart, check
from tests.service.trade.dsr_files import SENDER, Sale, part, report

SAMPLES = Path(os.environ.get("SETTLE_SAMPLES") or Path(__file__).parents[4] / "shared" / "samples")
"""Files of others, which are not part of the project: beside its folder, or where the variable says."""
NAMES = {"isrc:USRC12400001": {"trk-1"}, f"{SENDER}::RES-2": {"trk-2"}, f"{SENDER}::RES-3": {"trk-3", "trk-4"}}

sales = st.lists(
    st.builds(
        Sale,
        resource=st.sampled_from(["RES-1", "RES-2", "RES-9"]),
        streams=st.integers(0, 10**9),
        isrc=st.sampled_from(["", "USRC12400001", "US-RC1-24-00002"]),
        summary=st.integers(1, 2),
        bearing=st.sampled_from(["true", "false", ""]),
    ),
    min_size=1,
    max_size=6,
)


def read(*parts: DsrPart) -> tuple[list[StreamEvent], list[RowRefusal]]:
    batches = list(events(parts, check(parts), resolver(NAMES)))
    return [e for rows in batches for e in rows.events], [r for rows in batches for r in rows.refused]


@given(sales, st.booleans(), st.sampled_from(["1.2", "1.3", "1.4"]))
def test_every_row_that_pays_is_one_event_with_its_streams(rows: list[Sale], single: bool, version: str) -> None:
    """If this fails, streams of a report are lost, doubled, or counted for another track or country."""
    minor = "" if version == "1.2" else ".03"
    data = report(rows, ("SE", "DE"), single=single, version=version, minor=minor)
    taken, refused = read(part(data))
    assert not refused
    expected = [(sale.streams, ("SE", "DE")[sale.summary - 1]) for sale in rows if sale.bearing != "false"]
    assert [(event.units, event.territory) for event in taken] == expected
    assert len({event.event_id for event in taken}) == len(taken)
    assert {(event.source, event.occurred_at, event.product, event.gross_micros) for event in taken} <= {
        (SENDER, "2026-06-01T00:00:00Z", "Premium", None)
    }
    assert read(part(gzip.compress(data))) == (taken, refused)
    assert read(part(b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n"))) == (taken, refused)


def test_a_row_means_the_track_that_has_its_names() -> None:
    """If this fails, one platform's RES-2 pays another's, or a row that fits two tracks pays one of them by chance."""
    rows = [
        Sale(resource="RES-1", isrc="US-RC1-24-00001", streams=1),
        Sale(resource="RES-2", streams=2),
        Sale(resource="RES-3", streams=3),
        Sale(resource="RES-2", isrc="USRC12400001", streams=4),
        Sale(resource="RES-8", isrc="|USRC12400009|USRC12400001", streams=5),
        Sale(resource="RES-8", isrc="no isrc", streams=6),
    ]
    for single in (False, True):
        assert [event.track for event in read(part(report(rows, single=single)))[0]] == [
            "trk-1",
            "trk-2",
            f"{SENDER}::RES-3",
            f"isrc:USRC12400001|{SENDER}::RES-2",
            f"isrc:USRC12400009|{SENDER}::RES-8",
            f"{SENDER}::RES-8",
        ]


@pytest.mark.parametrize(
    ("sale", "territory", "reason"),
    [
        (Sale(resource="RES-2", streams=-5), "SE", "settle adjust"),
        (Sale(resource="RES-2", streams=1), "Worldwide", "by country"),
        (Sale(resource="RES-2", streams=1), "2136", "by country"),
        (Sale(resource="", streams=1), "SE", "names no resource"),
    ],
)
def test_a_row_that_cannot_be_an_event_is_refused_as_one_that_can_be_mended(
    sale: Sale, territory: str, reason: str
) -> None:
    """If this fails, a correction counts as streams, worldwide streams pay one country's owners, or the row is lost."""
    good = Sale(resource="RES-2", streams=7)
    taken, refused = read(part(report([sale, good], (territory,)))) if territory == "SE" else ([], [])
    if territory != "SE":
        refused = read(part(report([sale], (territory,))))[1]
    assert [event.units for event in taken] == ([7] if territory == "SE" else [])
    assert reason in refused[0].reason
    assert json.loads(refused[0].raw)["source"] == SENDER


GOOD = report([Sale(resource="RES-1", streams=10), Sale(resource="RES-2", streams=20)], ("SE", "DE"))


@given(st.integers(0, GOOD.count(b"\n") - 1), st.sampled_from(["drop", "double"]), st.booleans())
def test_a_report_that_lacks_a_line_or_has_one_twice_is_refused_whole(place: int, change: str, single: bool) -> None:
    """If this fails, half a report is paid, or a row that was copied counts twice."""
    data = report([Sale(resource="RES-1", streams=10), Sale(resource="RES-2", streams=20)], ("SE", "DE"), single=single)
    lines = data.splitlines(keepends=True)
    place %= len(lines)
    lines[place : place + 1] = [] if change == "drop" else [lines[place]] * 2
    with pytest.raises(InputError):
        read(part(b"".join(lines)))


@given(st.integers(0, len(GOOD) - 4))
def test_a_report_that_was_cut_off_is_refused_whole(length: int) -> None:
    """If this fails, a transfer that broke off pays the streams before the break."""
    with pytest.raises(InputError):
        read(part(GOOD[:length]))
    with pytest.raises(InputError):
        read(part(gzip.compress(GOOD)[: length % (len(gzip.compress(GOOD)) - 8)]))


@given(st.binary(max_size=60), st.integers(0, len(GOOD)), st.integers(0, 20))
def test_no_damage_crashes_the_reader(junk: bytes, place: int, dropped: int) -> None:
    """If this fails, a damaged report ends in a traceback instead of a sentence."""
    data = GOOD[:place] + junk + GOOD[place + dropped :]
    try:
        taken, refused = read(part(data))
    except InputError:
        return
    assert sum(event.units for event in taken) <= 30
    assert all(refusal.reason for refusal in refused)


def replaced(old: str, new: str) -> bytes:
    data = GOOD.decode()
    assert old in data
    return data.replace(old, new).encode()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (replaced("\t30\t\tEUR", "\t31\t\tEUR"), r"summary 1 .*31 usages.*come to 30"),
        (replaced("true\t10\t", "true\t1e1\t"), "whole number"),
        (replaced("true\t10\t", f"true\t{'9' * 25}\t"), "whole number"),
        (replaced("true\t10\t", "perhaps\t10\t"), "IsRoyaltyBearing"),
        (replaced("\t1.2\tMSG", "\t1.9\tMSG"), "versions 1.2, 1.3, 1.4"),
        (replaced("BasicAudioProfile", "UgcProfile"), "UgcProfile"),
        (replaced("2026-06-01", "June"), "expected a date"),
        (replaced("2026-06-01", "2026-13-45"), "expected a date"),
        (replaced("2026-06-30", "2026-06-31"), "expected a date"),
        (replaced("2026-06-30", "2026-05-31"), "is after usage end 2026-05-31"),
        (replaced("2026-06-30", "2026-08-31"), "one report a month"),
        (replaced("2026-06-30", "2027-06-30"), "one report a month"),
        (replaced("\t1\t1\t2026-06-01", "\t1\t2\t2026-06-01"), "file 1 of 2, expected 1 of 1"),
        (replaced("\t1\t1\t2026-06-01", "\t3\t2\t2026-06-01"), "not possible"),
        (replaced("RE01\t1", "ZZ01\t1"), "'ZZ01' is none"),
        (GOOD + b"SU02\t9\n", "follows FOOT"),
        (GOOD.replace(b"REL-1", b"REL-\xe9"), "line 4: not UTF-8"),
        (b"", "no record"),
        (b"PK\x03\x04", "zip"),
    ],
)
def test_a_report_that_does_not_hold_is_refused_with_what_was_expected(data: bytes, reason: str) -> None:
    """If this fails, a report that contradicts itself is paid, or its sender cannot tell what to mend."""
    with pytest.raises(InputError, match=reason):
        read(part(data))


def test_the_files_of_a_report_are_one_report() -> None:
    """If this fails, the second file of a report is paid without the first, or two reports are taken for one."""
    rows = [Sale(resource="RES-1", streams=1), Sale(resource="RES-2", streams=2)]
    both: list[dict[str, Any]] = [{"file": 1, "files": 2}, {"file": 2, "files": 2}]
    first, second = (report([row], total=rows, **which) for row, which in zip(rows, both, strict=True))
    taken, _ = read(part(first), part(second))
    assert [event.event_id for event in taken] == [f"{SENDER}/MSG-1/1/1/1/T1", f"{SENDER}/MSG-1/2/1/1/T1"]
    foreign = report([rows[1]], total=rows, message="MSG-2", **both[1])
    for parts in ([first], [second, first], [first, foreign], [first, first]):
        with pytest.raises(InputError):
            read(*map(part, parts))


def test_a_report_is_recognised_by_how_it_begins() -> None:
    """If this fails, a report is read as a table of events, or a table as a report."""
    assert looks_like_dsr(GOOD)
    assert looks_like_dsr(b"\xef\xbb\xbf#HEAD\tMessageVersion\n\n" + GOOD)
    assert not any(map(looks_like_dsr, (b"", b"HEADER,x\n", b"source\tevent_id\n", b"HEAD\n", b"#HEAD\tx\n")))


@pytest.mark.parametrize("name", sorted(path.name for path in SAMPLES.glob("*/*.tsv")) or ["none"])
def test_samples_of_others_are_read_or_refused_with_a_reason(name: str) -> None:
    """If this fails, a real report is refused, or a parser's fixture, whose counts do not add up, is paid."""
    if name == "none":
        pytest.skip("the samples are not on this machine")
    (path,) = SAMPLES.glob(f"*/{name}")
    sample = part(path.read_bytes(), name)
    if path.parent.name == "generated":
        taken, refused = read(sample)
        assert ([event.track for event in taken], [event.units for event in taken], refused) == (["trk-1"], [300], [])
    else:
        with pytest.raises(InputError, match=r"profile|none of the basic audio profile"):
            read(sample)
