"""A platform's sales report becomes events of the log: once, whole, for tracks that are registered by now or later."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import InputError
from service.log.ingesting import Ingested, ingest_file, quarantined, replay
from service.registry.registering import load
from tests.service.month import Month
from tests.service.trade.dsr_files import SENDER, Sale, report

ROWS = [Sale(resource="RES-1", streams=5), Sale(resource="RES-2", streams=7, isrc="USRC12400002")]


def counts(done: Ingested) -> tuple[int, int, int, int, int]:
    return done.read, done.accepted, done.duplicates, done.conflicts, done.quarantined


def register(june: Month, folder: Path, **names: Any) -> None:
    track = next(name for name, record in june.ws.registry.view().tracks.items() if not record.draft)
    record = june.ws.registry.view().tracks[track]
    row = {"id": track, "title": record.title, "model": record.model, "version": record.version, **names}
    row |= {"generated_at": record.generated_at, "conditioning": list(record.conditioning)}
    path = folder / "names.json"
    path.write_text(json.dumps({"tracks": [{name: value for name, value in row.items() if value}]}))
    done = load(june.ws, [path], by=None, dry_run=False, on_progress=None)
    assert not done.refused, done.refused


def test_a_report_waits_for_names_of_tracks_and_counts_once(june: Month, tmp_path: Path) -> None:
    """If this fails, a report is paid twice, or streams of a track that is named later are lost."""
    path = tmp_path / f"DSR_X_{SENDER}_Premium_2026-06_SE_1of1_20260705T031500.tsv"
    path.write_bytes(report(ROWS))
    first = ingest_file(june.ws, path)
    assert counts(first) == (2, 0, 0, 0, 2)
    assert first.report is not None
    assert (first.report["message"], first.report["streams"]) == ("MSG-1", 2)
    assert {row.kind for row in quarantined(june.ws)} == {"unknown-track"}

    at = {name: track.at for name, track in june.ws.registry.view().tracks.items()}
    register(june, tmp_path, aliases=[f"{SENDER}::RES-1"])
    register(june, tmp_path, isrc="US-RC1-24-00002")
    assert {name: track.at for name, track in june.ws.registry.view().tracks.items()} == at
    assert counts(replay(june.ws)) == (2, 2, 0, 0, 0)
    assert quarantined(june.ws) == []
    again = tmp_path / path.name.replace("031500", "041500")
    again.write_bytes(path.read_bytes().replace(b"T03:15:00Z", b"T04:15:00Z"))
    assert counts(ingest_file(june.ws, again, source=SENDER)) == (2, 0, 2, 0, 0)


def test_a_report_is_taken_with_all_its_files_or_not_at_all(june: Month, tmp_path: Path) -> None:
    """If this fails, half of a report is paid, or a report is taken in a platform's name that did not send it."""
    first, second = (tmp_path / f"DSR_X_{number}of2_T.tsv" for number in (1, 2))
    size = june.ws.log.head().size
    first.write_bytes(report(ROWS[:1], total=ROWS, file=1, files=2))
    with pytest.raises(InputError, match="0 files DSR_X_2of2"):
        ingest_file(june.ws, first)
    second.write_bytes(report(ROWS[1:], total=ROWS, file=2, files=2))
    with pytest.raises(InputError, match="taken as one of 'acme'"):
        ingest_file(june.ws, first, source="acme")
    with pytest.raises(InputError, match="no batch"):
        ingest_file(june.ws, first, batch_file=tmp_path / "x.batch")
    assert june.ws.log.head().size == size
    assert quarantined(june.ws) == []
    assert counts(ingest_file(june.ws, second))[0] == 2
