"""Release messages: recordings and shares as the registry takes them, deals left out, nothing unsafe read."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import units
from ledger.errors import InputError
from service.registry.registering import load
from service.trade import ern
from tests.service.month import Month

BLUE = "PADPIDA2007050901U"
LABEL = f"<DPID>{BLUE}</DPID>"
OWN = '<ProprietaryId Namespace="PADPIDA2007050901U">1981969</ProprietaryId>'


def party(reference: str, name: str, identifier: str = "") -> str:
    return (
        f"<Party><PartyReference>{reference}</PartyReference><PartyName><FullName>{name}</FullName></PartyName>"
        f"<PartyId>{identifier}</PartyId></Party>"
    )


def controller(reference: str, percent: str = "", *, territory: str = "Worldwide") -> str:
    share = (
        f"<RightSharePercentage>{percent}</RightSharePercentage>"
        if percent
        else "<RightShareUnknown>true</RightShareUnknown>"
    )
    return (
        f"<ResourceRightsController><RightsControllerPartyReference>{reference}</RightsControllerPartyReference>"
        f"<RightsControlType>RightsController</RightsControlType>{share}<DelegatedUsageRights>"
        f"<TerritoryOfRightsDelegation>{territory}</TerritoryOfRightsDelegation></DelegatedUsageRights>"
        "</ResourceRightsController>"
    )


def recording(isrc: str, title: str, *controllers: str) -> str:
    return (
        "<SoundRecording><ResourceReference>A1</ResourceReference><SoundRecordingEdition><ResourceId>"
        f"<ISRC>{isrc}</ISRC></ResourceId>{''.join(controllers)}</SoundRecordingEdition>"
        f"<DisplayTitleText>{title}</DisplayTitleText><DisplayArtistName>Ann &amp; Bob</DisplayArtistName>"
        "</SoundRecording>"
    )


DEAL = "<ReleaseDeal><Deal><DealTerms><TerritoryCode>SE</TerritoryCode></DealTerms></Deal></ReleaseDeal>"


def message(
    parties: str, resources: str, *, deals: int = 2, space: str = "http://ddex.net/xml/ern/43", dtd: str = ""
) -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{dtd}<ern:NewReleaseMessage xmlns:ern="{space}" AvsVersionId="3">'
        "<MessageHeader><MessageSender><PartyName><FullName>Label</FullName></PartyName></MessageSender>"
        f"</MessageHeader><PartyList>{parties}</PartyList><ResourceList>{resources}<Image/></ResourceList>"
        f"<ReleaseList><Release><DisplayTitleText>Album</DisplayTitleText></Release></ReleaseList>"
        f"<DealList>{DEAL * deals}</DealList></ern:NewReleaseMessage>"
    ).encode()


GOOD = message(
    party("P1", "Blue Label", LABEL) + party("P2", "Green", OWN) + party("P3", "Nobody"),
    recording("GB-AYC-17-00598", "I Love\n  You", controller("P1", "66.67"), controller("P2", "33.33"))
    + recording(
        "GBAYC1700599", "Two", controller("P1"), controller("P3", "100"), controller("P1", "50", territory="SE")
    ),
)


def read(data: bytes, known: dict[tuple[str, str], str] | None = None) -> tuple[list[tuple[str, Any]], dict[str, int]]:
    left_out = ern.ErnLeftOut()
    ids = known or {}
    rows = list(ern.read(io.BytesIO(data), "m.xml", lambda kind, code: ids.get((kind, code)), left_out))
    return [(row.list, row.value) for row in rows], dict(left_out.counts)


def test_recordings_and_the_shares_that_are_said_are_rows() -> None:
    """If this fails, a label's message registers no recording, or a share nobody stated."""
    rows, left_out = read(GOOD)
    assert rows == [
        ("recordings", {"id": "GBAYC1700598", "isrc": "GBAYC1700598", "title": "I Love You", "artist": "Ann & Bob"}),
        (
            "parties",
            {"id": f"dpid-{BLUE}", "kind": "label", "name": "Blue Label", "dpid": BLUE},
        ),
        ("shares", share("GBAYC1700598", "dpid-PADPIDA2007050901U", "66.67%")),
        ("parties", {"id": "PADPIDA2007050901U:1981969", "kind": "label", "name": "Green"}),
        ("shares", share("GBAYC1700598", "PADPIDA2007050901U:1981969", "33.33%")),
        ("recordings", {"id": "GBAYC1700599", "isrc": "GBAYC1700599", "title": "Two", "artist": "Ann & Bob"}),
    ]
    assert left_out == {
        "deals": 2,
        "releases": 1,
        "pictures": 1,
        "rights controllers without a percentage": 1,
        "shares of parties without an identifier": 1,
        "shares of single territories": 1,
    }


def share(subject: str, owner: str, ppm: str) -> dict[str, str]:
    return {"subject": subject, "party": owner, "right": "master", "ppm": ppm, "state": "asserted"}


def test_what_is_registered_keeps_its_id() -> None:
    """If this fails, a recording or a label stands there twice after its first message."""
    known = {("isrc", "GBAYC1700598"): "rec-1", ("dpid", "PADPIDA2007050901U"): "p-blue"}
    rows, _ = read(GOOD, known)
    assert rows[:1] == [("shares", share("rec-1", "p-blue", "66.67%"))]


@pytest.mark.parametrize(
    ("text", "flag", "ppm"),
    [
        ("1", "true", 1_000_000),
        ("0.333333", "1", 333_333),
        (".5", " true ", 500_000),
        ("1", "false", 10_000),
        ("66.67", "", 666_700),
    ],
)
def test_a_share_that_is_a_part_of_one_is_no_percentage(text: str, flag: str, ppm: int) -> None:
    """If this fails, a holder of the whole recording gets one percent of its money."""
    share = controller("P1", text).replace("Percentage>", f'Percentage HasMaxValueOfOne="{flag}">', 1)
    rows, _ = read(message(party("P1", "Blue Label", LABEL), recording("GBAYC1700598", "One", share)))
    assert [units.percentage(value["ppm"]) for name, value in rows if name == "shares"] == [ppm]


def test_a_part_of_one_that_is_no_number_is_not_a_share() -> None:
    """If this fails, a text that is no number becomes somebody's share."""
    share = controller("P1", "1e1").replace("Percentage>", 'Percentage HasMaxValueOfOne="true">', 1)
    rows, _ = read(message(party("P1", "Blue Label", LABEL), recording("GBAYC1700598", "One", share)))
    assert rows[-1][1]["ppm"] == "1e1%"


@pytest.mark.parametrize("element", ["RelatedResource", "RelatedRelease"])
def test_a_remix_is_not_the_recording_that_it_was_made_from(element: str) -> None:
    """If this fails, the shares of a remix are registered for the recording that it remixes."""
    other = f"<{element}><ResourceId><ISRC>SEA012600001</ISRC></ResourceId></{element}>"
    remix = recording("GBAYC1700598", "Remix").replace("<SoundRecording>", f"<SoundRecording>{other}")
    rows, _ = read(message("", remix))
    assert [value["isrc"] for _, value in rows] == ["GBAYC1700598"]


BOMB = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>'
OUTSIDE = '<!DOCTYPE x SYSTEM "file:///etc/hostname">'


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (message("", recording("GBAYC1700598", "&c;"), dtd=BOMB), "safely"),
        (message("", "", dtd=OUTSIDE), "safely"),
        (GOOD[:-20], "safely"),
        (GOOD + b"<x/>", "safely"),
        (GOOD.replace(b"Blue", b"Bl\xff"), "safely"),
        (GOOD.replace(b"UTF-8", b"KOI-99"), "unknown encoding"),
        (message("", "", space="http://ddex.net/xml/ern/382"), "expected a NewReleaseMessage of ERN 4.3"),
        (b"<html/>", "no namespace"),
        (b"", "is empty"),
        (b"PK\x03\x04", "safely"),
        (message("", "<a>" * 80 + "</a>" * 80), "stand 64 deep"),
        (message(party("P", "x" * 20_000), ""), "longer than"),
    ],
)
def test_what_is_unsafe_or_no_such_message_is_refused(data: bytes, reason: str) -> None:
    """If this fails, a message reads a file of this host, fills its memory, or is half taken."""
    with pytest.raises(InputError, match=reason):
        read(data)


@given(st.integers(0, len(GOOD)), st.integers(0, 30), st.binary(max_size=30))
def test_no_damage_crashes_the_reader(place: int, dropped: int, junk: bytes) -> None:
    """If this fails, a damaged message ends in a traceback instead of a sentence."""
    try:
        rows, _ = read(GOOD[:place] + junk + GOOD[place + dropped :])
    except InputError:
        return
    assert len(rows) <= 8


class _Endless(io.RawIOBase):
    """A message with so many deals, made as it is read."""

    def __init__(self, deals: int) -> None:
        whole = message(party("P1", "Blue Label", LABEL), recording("GBAYC1700598", "One"), deals=1)
        start, end = whole.split(DEAL.encode())
        self._chunks: Iterator[bytes] = iter([start, *[DEAL.encode() * 500] * (deals // 500), end])

    def read(self, _size: int = -1) -> bytes:
        return next(self._chunks, b"")


def test_a_message_of_many_deals_is_read_in_flat_memory() -> None:
    """If this fails, a catalogue's message of a gigabyte ends the process that reads it."""
    left_out = ern.ErnLeftOut()
    tracemalloc.start()
    try:
        rows = list(ern.read(_Endless(20_000), "m.xml", lambda *_: None, left_out))  # type: ignore[arg-type]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (len(rows), left_out.counts["deals"]) == (1, 20_000)
    assert peak < 4 << 20, peak


def test_a_message_is_imported_and_says_what_it_left_out(june: Month, tmp_path: Path) -> None:
    """If this fails, a label cannot hand in its message, or believes that its deals count."""
    path = tmp_path / "release.xml"
    path.write_bytes(GOOD)
    done = load(june.ws, [path], by=None, dry_run=False, on_progress=None)
    assert (done.accepted, done.refused) == (6, ())
    assert "2 deals of the message were left out" in done.notices
    view = june.ws.registry.view()
    assert sum(line.ppm for line, _ in view.share_lines("GBAYC1700598")) == 1_000_000
    assert {line.state for line, _ in view.share_lines("GBAYC1700598")} == {"asserted"}
    again = load(june.ws, [path], by=None, dry_run=False, on_progress=None)
    assert (again.accepted, again.conflicts, again.quarantined) == (0, 0, 0)
