"""Sealing a log into segments, and what is found when a segment is not what it should be."""

from __future__ import annotations

from concurrent.futures import Future
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import InputError, StateError, VerificationError
from ledger.log.append import Log
from ledger.proofs import leaf
from ledger.segments import columns, files, schema
from ledger.segments import seal as sealing
from ledger.segments.bindings import Known, as_table, load, numbered
from ledger.segments.check import check_files, verify_segments
from ledger.segments.errors import SegmentError
from ledger.segments.manifest import SegmentManifest, check_chain, manifests, read
from ledger.segments.seal import mend, seal
from ledger.types import format_time
from tests.ledger.logs import ORIGIN, event, log_in, note
from tests.payouts.streams import digest, sealed_log, streams
from tests.support import examples

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


@settings(max_examples=examples(60), deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "event_id": TEXTS,
                "source": TEXTS,
                "track": TEXTS,
                "territory": st.sampled_from(["SE", "NO"]),
                "units": st.integers(0, 2**53 - 1),
                "vector": st.one_of(st.none(), st.just(digest("v"))),
                "occurred_at": st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1)).map(format_time),  # noqa: DTZ001
            },
            optional={
                "product": TEXTS,
                "gross_micros": st.integers(0, 2**53 - 1),
                "currency": st.just("EUR"),
                "listener": st.just(digest("l")),
            },
        ),
        max_size=20,
    )
)
def test_columns_write_the_same_leaves_again(rows: list[dict[str, Any]]) -> None:
    """If this fails, a segment cannot be traced back to what was appended."""
    bodies = [leaf.encode(leaf.event(**row)) for row in rows]
    table = columns.table(range(len(bodies)), bodies, {}) if bodies else schema.EVENTS.empty_table()
    assert columns.leaves(table).to_pylist() == bodies


def folder_of(log: Log, tmp_path: Path, count: int = 300, span: int = 120) -> Path:
    return sealed_log(log, tmp_path / "segments", streams(1, count), span=span)


def test_every_leaf_is_sealed_once_and_leads_back(tmp_path: Path) -> None:
    """If this fails, segments do not stand for the log they were made from."""
    log = log_in(tmp_path)
    folder = folder_of(log, tmp_path)
    made = manifests(log)
    before = log.head().size - len(made)
    assert [one.start for one in made] == list(range(0, before, 120))
    assert made[-1].stop == before
    found = verify_segments(log, folder, made)
    assert (found.ok, found.leaves, found.events) == (True, before, sum(1 for _ in log.entries(types={"event"})))
    kept = pq.read_table(folder / next(made[0].of("leaves")).path).to_pylist()
    assert kept[0] == {"index": 0, "type": "log", "leaf": log.entry(0).body}


def test_sealing_again_takes_up_where_it_ended(tmp_path: Path) -> None:
    """If this fails, an hourly sealing repeats or skips leaves."""
    log = log_in(tmp_path)
    folder = folder_of(log, tmp_path)
    size = log.head().size
    first = seal(log, folder, stop=size)
    assert (first.segments, first.stop) == (1, size)
    assert seal(log, folder, stop=size).segments == 0
    log.append([event("more"), note()])
    again = seal(log, folder)
    assert (again.start, again.stop, again.events) == (size, size + 3, 1)
    assert verify_segments(log, folder, manifests(log)).leaves == size + 3


def test_bindings_are_numbered_as_they_first_appear_however_the_log_is_cut(tmp_path: Path) -> None:
    """If this fails, the number that usage is summed by means different tracks in different files."""
    found = []
    for name, span in (("one", 10**6), ("many", 17)):
        (tmp_path / name).mkdir()
        log = log_in(tmp_path / name)
        folder = sealed_log(log, tmp_path / name / "segments", streams(7, 200), span=span)
        found.append(list(numbered(load(folder, manifests(log)))))
    seen = [(one["source"], one["track"], one["vector"]) for one in streams(7, 200) if one["type"] == "event"]
    assert found == [list(dict.fromkeys(seen))] * 2


def test_a_crash_before_the_leaf_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, files of an interrupted sealing are counted twice or in the way."""
    log = log_in(tmp_path)
    log.append(streams(1, 100))
    folder = tmp_path / "segments"

    def crash(_: Log, writing: Future[SegmentManifest] | None) -> list[SegmentManifest]:
        if writing is None:
            return []
        writing.result()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(sealing, "_committed", crash)
        with pytest.raises(KeyboardInterrupt):
            seal(log, folder, span=50)
    left = list(folder.rglob("*.parquet"))
    (folder / "leaves/part-000000000000-000000000007.parquet.new").write_bytes(b"half a file")
    (folder / "leaves/part-000000000000-000000000007.parquet").write_bytes(b"of another size")
    assert left
    assert manifests(log) == []
    seal(log, folder)
    named = {folder / file.path for one in manifests(log) for file in one.files}
    assert {path for path in folder.rglob("*") if path.is_file()} == named
    verify_segments(log, folder, manifests(log))


def test_one_sealer_at_a_time(tmp_path: Path) -> None:
    """If this fails, two sealers overwrite each other's files."""
    log = log_in(tmp_path)
    folder = folder_of(log, tmp_path)
    with files.locked(folder), pytest.raises(StateError, match="another process is sealing"):
        seal(log, folder)


def test_a_stretch_sealed_elsewhere_is_not_sealed_again(tmp_path: Path) -> None:
    """If this fails, an index is covered by two segments."""
    log = log_in(tmp_path)
    log.append(streams(1, 60))
    stretch = sealing.gather(log, 0, 50, Known(as_table(())))
    seal(log, tmp_path / "here")
    written = sealing.write_segment(log, tmp_path / "there", stretch)
    with pytest.raises(VerificationError, match="follows one that ended at"):
        check_chain([*manifests(log), written], ORIGIN)


def test_what_is_not_there_cannot_be_sealed(tmp_path: Path) -> None:
    """If this fails, a segment promises leaves that nobody appended."""
    log = log_in(tmp_path)
    with pytest.raises(InputError, match="has 1 leaves, 9 cannot be sealed"):
        seal(log, tmp_path / "segments", stop=9)


ODD: dict[str, dict[str, Any]] = {
    "mood": {"mood": "blue"},
    "units": {"units": None},
    "Expected `int`": {"units": True},
    "Expected `str`": {"track": 5},
}


@pytest.mark.parametrize("named", ODD)
def test_an_event_that_this_release_does_not_know_is_not_sealed(tmp_path: Path, named: str) -> None:
    """If this fails, what a newer release wrote is silently left out of segments, or sealed as something else."""
    log = log_in(tmp_path)
    odd = event("e-2", vector="ab" * 32) | ODD[named]
    odd = {name: value for name, value in odd.items() if value is not None}
    log.append([event("e-1"), odd])
    with pytest.raises(SegmentError, match=rf"event leaf 2: .*{named}"):
        seal(log, tmp_path / "segments")
    assert manifests(log) == []


@pytest.mark.parametrize("kind", ["events", "leaves", "bindings"])
def test_a_missing_or_changed_file_is_named_with_the_next_step(tmp_path: Path, kind: Any) -> None:
    """If this fails, money is computed from files that are not what was sealed."""
    log = log_in(tmp_path)
    folder = folder_of(log, tmp_path)
    made = manifests(log)
    file = next(made[0].of(kind))
    path = folder / file.path
    check_files(folder, made[0].files)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(SegmentError, match=rf"{file.path} has .* the log says .*settle segments mend"):
        check_files(folder, made[0].files)
    path.unlink()
    with pytest.raises(SegmentError, match=rf"{file.path} is missing .*settle segments mend"):
        check_files(folder, made[0].files)


def lying(folder: Path, made: list[SegmentManifest], change: Any) -> list[SegmentManifest]:
    """Manifests of the same segments after one events file was rewritten, digests and all."""
    file = next(made[0].of("events"))
    table = pq.read_table(folder / file.path, schema=schema.EVENTS)
    rows = change(table.to_pylist())
    forged = pa.Table.from_pylist(rows, schema=schema.EVENTS)
    files.write(folder / file.path, forged)
    new = files.described(folder, "events", file.path, forged, file.day)
    changed = tuple(new if one is file else one for one in made[0].files)
    fields = {name: getattr(made[0], name) for name in SegmentManifest.__slots__}
    return [SegmentManifest(**{**fields, "files": changed}), *made[1:]]


LIES = {
    "units": lambda rows: [{**rows[0], "units": rows[0]["units"] + 1}, *rows[1:]],
    "binding": lambda rows: [{**rows[0], "binding": rows[0]["binding"] + 1}, *rows[1:]],
    "beyond": lambda rows: [{**rows[0], "binding": 10**6}, *rows[1:]],
    "left out": lambda rows: rows[1:],
    "twice": lambda rows: [*rows, rows[0]],
    "elsewhere": lambda rows: [{**rows[0], "index": 10**6}, *rows[1:]],
}


@pytest.mark.parametrize("lie", LIES)
def test_a_file_that_lies_is_found_out_even_with_the_right_digest(tmp_path: Path, lie: str) -> None:
    """If this fails, whoever writes the manifest decides what was streamed."""
    log = log_in(tmp_path)
    folder = folder_of(log, tmp_path)
    forged = lying(folder, manifests(log), LIES[lie])
    check_files(folder, forged[0].files)
    with pytest.raises(SegmentError, match=r"segment|leaf"):
        verify_segments(log, folder, forged)


def test_a_manifest_says_what_its_leaf_says(tmp_path: Path) -> None:
    """If this fails, a manifest can be exchanged for another."""
    log = log_in(tmp_path)
    folder_of(log, tmp_path)
    made = manifests(log)
    assert [SegmentManifest.parse(one.encode()) for one in made] == made
    body = leaf.encode(made[0].leaf(log.clock()))
    assert read(body, made[0].encode()) == made[0]
    with pytest.raises(VerificationError, match="names another manifest"):
        read(body, made[1].encode())
    with pytest.raises(VerificationError):
        SegmentManifest.parse(made[0].encode().replace(b"leaves/part", b"../../part"))


def test_damaged_files_are_made_again_from_the_log(tmp_path: Path) -> None:
    """If this fails, a lost disk of segments is lost money, though the log has every leaf."""
    log = log_in(tmp_path)
    folder = folder_of(log, tmp_path)
    made = manifests(log)
    lost = [next(made[0].of("bindings")).path, next(made[1].of("events")).path, next(made[2].of("events")).path]
    for path in lost[:2]:
        (folder / path).unlink()
    (folder / lost[2]).write_bytes(b"not Parquet")
    assert mend(log, folder) == lost
    assert mend(log, folder) == []
    verify_segments(log, folder, made)


def test_mending_with_another_writer_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, files that the log never committed to pass for mended."""
    log = log_in(tmp_path)
    folder = folder_of(log, tmp_path)
    file = next(manifests(log)[0].of("events"))
    (folder / file.path).unlink()
    monkeypatch.setattr(files, "ROW_GROUP", 7)
    with pytest.raises(StateError, match="its files differ"):
        mend(log, folder)
