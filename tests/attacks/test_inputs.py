"""F1, F2, L1, L2, L3 and what held: hostile names, files and letters."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ledger.proofs import bundle
from tests.attacks.victim import ALLOWED, Victim, declared
from tests.support import ROOT

CSI, ESC = "\u009b", "\x1b"
SCRIPT = "<script>alert(1)</script>"
ROW = {"source": "acme", "track": "trk-1", "occurred_at": "2026-06-13T11:05:00Z", "territory": "SE", "units": 1}


def stranger(party: str, title: str = "Mine", name: str = "Mal") -> dict[str, object]:
    """A holder of one recording, one track of which is made wholly."""
    confirmed = {"right": "master", "ppm": 1_000_000, "state": "confirmed"}
    return {
        "parties": [{"id": party, "name": name, "kind": "person"}],
        "recordings": [{"id": "rec-x", "title": title}],
        "shares": [{"subject": "rec-x", "party": party, **confirmed}],
        "grants": [{"id": "g-x", "grantor": party, "subject": "*", **ALLOWED}],
        "tracks": [{"id": "trk-x", "title": "<b>=1+1</b>", "model": "mdl-1", "version": "1"}],
    }


def earning(victim: Victim, document: dict[str, object]) -> None:
    """Register the stranger, and publish a month in which it earns."""
    victim.do("registry", "import", victim.write("x.json", document))
    victim.do("attribute", "--declared", victim.write("d.json", declared("trk-x", rec_x=900_000)))
    assert victim.stream("x-1", track="trk-x", units=9).code == 0
    victim.publish()


def test_f2_a_long_party_stops_nobodys_statement(victim: Victim) -> None:
    """If this fails, one holder with a long id keeps every other from getting a statement."""
    earning(victim, stranger("é" * 250))
    out = victim.home.parent / "statements"
    victim.do("statements", "--period", "2026-06", "--out", out)
    assert len(list(out.glob("*.html"))) == 3


def test_f2_a_long_event_id_stops_no_receipt(victim: Victim) -> None:
    """If this fails, one event id of 250 letters stops a platform's file in the middle."""
    rows = [ROW | {"event_id": name} for name in ("A" * 250, "\u4e00" * 256, "next")]
    done = victim.do("ingest", victim.write("long.ndjson", *rows), "--receipts", victim.home.parent / "receipts")
    assert done["accepted"] == 3


def test_f5_ids_are_no_paths(victim: Victim) -> None:
    """If this fails, an event id or a pool's name writes a file outside the folder that was named."""
    outside = victim.home.parent / "receipts"
    names = ("..", ".", "../../x", "/etc/x", "a/../../b")
    rows = [ROW | {"source": source, "event_id": "../../../../PWN"} for source in names]
    victim.settle("ingest", victim.write("paths.ndjson", *rows), "--receipts", outside / "inside")
    assert not [path for path in victim.home.parent.rglob("*PWN*") if outside / "inside" not in path.parents]
    victim.do("period", "close", "2026-06")
    pool = ("run", "--period", "2026-06", "--pool", "10.00", "--currency", "EUR", "--pool-name", "../../evil")
    assert victim.settle(*pool).code == 2


def test_f5_audio_is_found_below_its_document_alone(victim: Victim) -> None:
    """If this fails, whoever hands in a registry document has the operator read any file of the machine."""
    rows = [
        {"id": "rec-p", "title": "P", "audio": "../../etc/passwd"},
        {"id": "rec-q", "title": "Q", "audio": "/etc/passwd"},
    ]
    done = victim.settle("registry", "import", victim.write("t.json", {"recordings": rows}))
    assert done.code != 0
    assert not {"rec-p", "rec-q"} & set(victim.open().registry.view().all_recordings)


def test_f4_names_run_nowhere(victim: Victim) -> None:
    """If this fails, a holder's name runs as a script in a statement or as a formula in a spreadsheet."""
    document = stranger(
        f'p-x"{SCRIPT}', "</script><svg onload=alert(2)>", '=HYPERLINK("http://evil","x")<img src=x onerror=alert(1)>'
    )
    document["payees"] = [{"party": f'p-x"{SCRIPT}', "method": "bank", "account": "GB82WEST12345698765432"}]
    earning(victim, document)
    victim.do("pay", "2026-06", "--via", "file")
    for form in ("html", "csv"):
        victim.do("statements", "--period", "2026-06", "--out", victim.home.parent / form, "--format", form)
    pages = [path.read_text() for path in (victim.home.parent / "html").glob("*.html")]
    assert pages
    assert not any(text in page for page in pages for text in (SCRIPT, "<svg onload", "<img src=x"))
    tables = [*(victim.home.parent / "csv").glob("*.csv"), *(victim.home / "payments").glob("*.csv")]
    cells = [cell for path in tables for line in path.read_text().splitlines() for cell in line.split(",")]
    assert not [cell for cell in cells if cell.strip('"').startswith(("=", "@", "+"))]


def test_l1_no_letter_of_an_input_moves_the_cursor(victim: Victim) -> None:
    """If this fails, a platform or the sender of a bundle writes what it likes on an auditor's terminal."""
    victim.settle(
        "ingest", victim.write("evil.ndjson", ROW | {"event_id": "e-9"}, {"source": f"{ESC}]0;pwned\x07{ESC}[2J"})
    )
    shown = [victim.plain("quarantine", *words) for words in (("list",), ("show", "1"))]
    origin = f"x{CSI}1A{CSI}2K"
    note = f"{origin}\n5\n{'A' * 43}=\n\n\u2014 {origin} {'A' * 90}==\n"
    path = victim.home.parent / "c1.bundle"
    path.write_bytes(bundle.encode("entry", checkpoint=note.encode(), entry=None, statement=None))
    shown.append(victim.plain("verify", path, "--trust", victim.home / "trust.json"))
    title = f"T{CSI}31mRED\u202e\u2028fake line"
    victim.settle("registry", "import", victim.write("r.json", {"recordings": [{"id": "rec-esc", "title": title}]}))
    shown.append(victim.plain("registry", "show", "rec-esc"))
    for text in shown:
        assert not [letter for letter in (ESC, CSI, "\x07", "\u202e", "\u2028") if letter in text], text


def test_l2_an_id_ends_where_it_seems_to(victim: Victim) -> None:
    """If this fails, two parties with one visible name are two payees."""
    rows = [{"id": name, "kind": "person"} for name in ("p-nl\n", "p-ann\u200b")]
    victim.settle("registry", "import", victim.write("x.json", {"parties": rows}))
    assert not {"p-nl\n", "p-nl", "p-ann\u200b"} & set(victim.open().registry.view().parties)


def test_l3_a_repeated_key_is_not_dropped_in_silence(victim: Victim) -> None:
    """If this fails, a document that says two things of one party registers the second, and nobody is told."""
    path = victim.home.parent / "dup.json"
    path.write_text(
        '{"parties":[{"id":"p-dup","kind":"person","kind":"label"}],"parties":[{"id":"p-dup2","kind":"person"}]}'
    )
    assert victim.settle("registry", "import", path).code != 0


@pytest.mark.slow
def test_f1_a_small_parquet_file_wants_no_gigabytes(victim: Victim) -> None:
    """If this fails, a file of 14 KB stops the machine that ingests it."""
    rows = 5000

    def column(value: str) -> pa.DictionaryArray:
        return pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([value]))

    columns = {name: column(str(value)) for name, value in ROW.items() if name != "units"}
    names, units = pa.array([str(n) for n in range(rows)]), pa.array([1] * rows)
    table = pa.table({**columns, "event_id": names, "units": units, "product": column("A" * 2_000_000)})
    path = victim.home.parent / "bomb.parquet"
    pq.write_table(table, path, compression="zstd")
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from cli.main import main; main(sys.argv[1:])", "--json", "ingest", path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SETTLE_HOME": str(victim.home), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30)),
    )
    assert done.returncode in (2, 5), done.stderr[-500:]
    assert json.loads(done.stdout or "{}").get("accepted", 0) == 0
