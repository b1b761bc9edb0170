"""Permissions in other vocabularies: the stricter is written, restrictions are read, a catalogue opts out by file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InputError
from ledger.registry.model import SEVERITY, USES, Answer, Use
from service.registry import permitting
from service.registry.registering import load
from service.trade import permissions
from service.trade.permissions import COVERED, RSL_NAMESPACE, Permitted
from tests.service.month import Month

ALLOWED: dict[Use, Answer] = dict.fromkeys(USES, "allow")


def words(data: bytes, element: str) -> list[str]:
    root = ElementTree.fromstring(data)  # noqa: S314  our own document
    found = root.iterfind(f".//{{{RSL_NAMESPACE}}}{element}")
    return [word for item in found for word in (item.text or "").split()]


@given(st.fixed_dictionaries({use: st.sampled_from(["allow", "ask", "deny"]) for use in USES}))
def test_a_word_says_no_more_than_all_of_its_uses_permit(answers: Any) -> None:
    """If this fails, a file that we publish permits a use that a holder denied or wants to be asked about."""
    thing = Permitted(url="https://label.example/rec-1", answers=answers)
    data = permissions.rsl([thing])
    for word in words(data, "permits"):
        assert all(answers[use] == "allow" for use in COVERED[word])
    back = permissions.read(data, "rsl.xml").answers
    for word in words(data, "prohibits"):
        assert any(answers[use] == "deny" for use in COVERED[word])
        assert all(back[use] == "deny" for use in COVERED[word])
    header = permissions.content_usage([thing, Permitted(url="x", answers=ALLOWED)])
    assert header == f"Content-Usage: train-ai={'y' if answers['train'] == 'allow' else 'n'}\n"
    (row,) = json.loads(permissions.tdmrep([thing]))
    assert row["tdm-reservation"] == (0 if max(map(SEVERITY.__getitem__, answers.values())) == 0 else 1)


def rsl(body: str, *, before: str = "") -> bytes:
    return f'{before}<rsl xmlns="{RSL_NAMESPACE}"><content url="/"><license>{body}</license></content></rsl>'.encode()


@pytest.mark.parametrize(
    ("data", "answers"),
    [
        (
            rsl('<permits type="usage">ai-train</permits><prohibits type="usage">ai-train</prohibits>'),
            {"train": "deny"},
        ),
        (rsl('<prohibits type="usage">ai-all search</prohibits>'), dict.fromkeys(USES, "deny")),
        (rsl('<prohibits type="usage">a-word-of-tomorrow</prohibits>'), dict.fromkeys(USES, "deny")),
        (rsl('<prohibits type="geo">EU</prohibits>'), dict.fromkeys(USES, "deny")),
        (rsl('<prohibits type="user">commercial</prohibits>'), dict.fromkeys(USES, "deny")),
        (rsl('<permits type="usage">all</permits>'), {}),
        (b'[{"location": "/", "tdm-reservation": 1}]', dict.fromkeys(USES, "ask")),
        (b"Content-Usage: train-ai=n\n", {"train": "deny"}),
        (b"train-ai=y, train-genai=n;exceptions=x", {"train": "deny"}),
    ],
)
def test_the_strictest_reading_wins(data: bytes, answers: dict[str, str]) -> None:
    """If this fails, an opt-out is read more leniently than its words."""
    assert permissions.read(data, "x").answers == answers


@pytest.mark.parametrize(
    "data",
    [
        rsl("", before='<!DOCTYPE rsl [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">]>'),
        rsl("", before='<!DOCTYPE rsl [<!ENTITY x SYSTEM "file:///etc/passwd">]>'),
        b"<rsl/>",
        rsl("<a>")[:-10],
        b"[" * 100_000,
        b'[{"tdm-reservation": "maybe"}]',
        b"everything is permitted",
        b"Content-Usage: train-ai=y" + b"; " * 40_000 + b",",  # a single expression for all of it would not end
        b"\xff\xfe\x00",
        b"",
        b" " * 10_000_001,
    ],
)
def test_what_cannot_be_read_safely_is_refused(data: bytes) -> None:
    """If this fails, a hostile or damaged file is taken for a permission, or exhausts the host."""
    with pytest.raises(InputError):
        permissions.read(data, "x")


def test_a_whole_catalogue_opts_out_by_a_file_once(june: Month) -> None:
    """If this fails, a label's opt-out file leaves some of its recordings open, or each import adds it again."""
    path = june.home / "rsl.xml"
    path.write_bytes(rsl('<prohibits type="usage">ai-train</prohibits>'))
    later = "2026-07-03T00:00:00Z"
    assert june.ws.registry.view().decide("rec-1", "train", at=later).decision == "allow"
    done = permitting.opt_out(june.ws, path, grantor="ann", by=None, dry_run=False)
    assert (done.accepted, done.quarantined) == (1, 0)
    view = june.ws.registry.view()
    assert view.decide("rec-1", "train", at=later).decision == "deny"
    assert view.decide("rec-1", "condition", at=later).decision == "allow"
    assert view.decide("rec-2", "train", at=later).decision == "allow"
    size = june.ws.log.head().size
    assert permitting.opt_out(june.ws, path, grantor="ann", by=None, dry_run=False).read == 0
    assert june.ws.log.head().size == size


def test_recordings_opt_out_by_their_codes(june: Month, tmp_path: Path) -> None:
    """If this fails, a list of recordings is opted out in part, or one that is not registered passes unnoticed."""
    path = june.home / "out.csv"
    path.write_text("id,uses\nrec-1,train|style\nrec-9,train\n")
    done = permitting.opt_out(june.ws, path, grantor="ann", by=None, dry_run=False)
    assert (done.accepted, done.quarantined) == (1, 1)
    later = "2026-07-03T00:00:00Z"
    view = june.ws.registry.view()
    assert [view.decide("rec-1", use, at=later).decision for use in ("train", "style", "condition")] == [
        "deny",
        "deny",
        "allow",
    ]
    path.write_text("isrc,colour\nSEA012600001,blue\n")
    with pytest.raises(InputError, match="columns colour"):
        permitting.opt_out(june.ws, path, grantor="ann", by=None, dry_run=False)
    june.now = june.now.replace(day=4)
    written = permitting.write(june.reopened(), tmp_path, site="https://label.example/")
    assert (written.recordings, written.header) == (4, "Content-Usage: train-ai=n")
    assert words((tmp_path / "rsl.xml").read_bytes(), "prohibits").count("ai-train") == 2, "rec-1, and rec-4 of nobody"


def test_what_has_a_price_or_must_be_asked_for_is_not_published_as_free(june: Month, tmp_path: Path) -> None:
    """If this fails, a site grants for nothing what its holder sells, or a permission of one id covers others."""
    grant = {"id": "g-5", "grantor": "ann", "uses": list(USES), "decision": "allow"}
    share = {"subject": "rec/5", "party": "ann", "right": "master", "ppm": 1_000_000, "state": "confirmed"}
    document = {
        "recordings": [{"id": "rec/5", "title": "Five"}],
        "shares": [share | {"territory": "WORLD", "from": "2020-01-01"}],
        "grants": [grant | {"subject": "rec/5", "territory": "WORLD", "floor_micros": 5_000_000, "currency": "EUR"}],
    }
    (june.home / "five.json").write_text(json.dumps(document))
    done = load(june.ws, [june.home / "five.json"], by=None, dry_run=False, on_progress=None)
    assert done.quarantined == 0
    june.now = june.now.replace(day=4)
    made = june.reopened()
    assert made.registry.view().decide("rec/5", "train", at="2026-07-04T09:00:00Z").decision == "allow"
    permitting.write(made, tmp_path, site="https://label.example/")
    rows = json.loads((tmp_path / "tdmrep.json").read_text())
    reserved = {row["location"]: row["tdm-reservation"] for row in rows}
    assert reserved["https://label.example/rec%2F5$"] == 1
    root = ElementTree.fromstring((tmp_path / "rsl.xml").read_bytes())  # noqa: S314  our own document
    addresses = [item.get("url") for item in root.iterfind(f"{{{RSL_NAMESPACE}}}content")]
    assert "https://label.example/rec-1$" in addresses
    assert not any("rec%2F5" in str(address) for address in addresses), "an empty licence reads as free"
    assert all(len(item) for item in root.iter(f"{{{RSL_NAMESPACE}}}license"))


@pytest.mark.parametrize("uses", ["train, voice", "Train;VOICE", "train|voice"])
def test_every_use_of_a_row_is_denied(june: Month, uses: str) -> None:
    """If this fails, a use that a holder listed stays permitted because of how the list was written."""
    path = june.home / "out.csv"
    path.write_text(f'id,uses\nrec-1,"{uses}"\n')
    permitting.opt_out(june.ws, path, grantor="ann", by=None, dry_run=False)
    view = june.ws.registry.view()
    decisions = [view.decide("rec-1", use, at="2026-07-03T00:00:00Z").decision for use in ("train", "voice", "style")]
    assert decisions == ["deny", "deny", "allow"]


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("id,uses\nrec-1,train\nrec-1,trian voice\n", "line 3: uses 'trian voice'"),
        ("id,uses\nrec-1,train,voice\n", "line 2: more cells than columns"),
        ("id,uses,uses\nrec-1,train,voice\n", "expected each once"),
        ("id,uses\nrec-1," + "x" * 200_000 + "\n", "field larger than"),
        ("id,uses\n" + "rec-1,train\n" * 900_000, "more than the 10,000,000 bytes"),
    ],
)
def test_a_table_that_is_not_understood_opts_nothing_out(june: Month, table: str, says: str) -> None:
    """If this fails, a table is registered in part, and its sender believes that all of it counts."""
    path, size = june.home / "out.csv", june.ws.log.head().size
    path.write_text(table)
    with pytest.raises(InputError, match=says):
        permitting.opt_out(june.ws, path, grantor="ann", by=None, dry_run=False)
    assert june.ws.log.head().size == size


@pytest.mark.parametrize("dates", [{"from": "2027-01-01"}, {"from": "2020-01-01", "to": "2026-08-01"}])
def test_an_opt_out_counts_beside_one_that_begins_later_or_ends(june: Month, dates: dict[str, str]) -> None:
    """If this fails, an opt-out is dropped for a restriction that is not in force, or soon will not be."""
    grant = {"id": "g-1", "grantor": "ann", "subject": "rec-1", "uses": ["train"], "decision": "deny", **dates}
    (june.home / "grants.json").write_text(json.dumps({"grants": [grant | {"territory": "WORLD"}]}))
    load(june.ws, [june.home / "grants.json"], by=None, dry_run=False, on_progress=None)
    path = june.home / "out.csv"
    path.write_text("id,uses\nrec-1,train\n")
    assert permitting.opt_out(june.ws, path, grantor="ann", by=None, dry_run=False).accepted == 1
    view = june.ws.registry.view()
    assert [view.decide("rec-1", "train", at=f"{day}T00:00:00Z").decision for day in ("2026-07-03", "2026-09-01")] == [
        "deny",
        "deny",
    ]
    assert permitting.opt_out(june.ws, path, grantor="ann", by=None, dry_run=False).read == 0
