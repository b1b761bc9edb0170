"""Works by CWR: who collects becomes who is paid, what cannot be said waits with its numbers, no half file is taken."""

from __future__ import annotations

import io

import pytest

from ledger.errors import InputError
from ledger.tabular import Lettering
from service.registry.acknowledging import acknowledge
from service.registry.registering import confirm, load
from service.trade.cwr import works
from service.trade.cwr.records import CwrTransaction, lines, transactions
from tests.service.month import Month
from tests.service.trade.cwr_files import (
    ADMINISTRATOR,
    ALIKE,
    ANN,
    DIFFERENT,
    HOUSE,
    SENDER,
    Interested,
    cwr,
    work,
)


def imported(june: Month, data: bytes, right: str | None = None) -> tuple[int, list[str]]:
    """How many rows were taken, and why others were not."""
    path = june.home / "works.v21"
    path.write_bytes(data)
    done = load(june.ws, [path], by=None, dry_run=False, on_progress=None, right=right)
    assert done.read == done.accepted + done.duplicates + done.conflicts + done.quarantined
    return done.accepted, [refusal.reason for refusal in done.refused]


def shares(june: Month, subject: str, territory: str = "WORLD") -> dict[str, int]:
    lines_of = june.ws.registry.view().shares_of.get((subject, "publishing"), ())
    return {line.party: line.ppm for line in lines_of if line.territory == territory}


def test_whoever_collects_gets_the_shares(june: Month) -> None:
    """If this fails, a publisher's file leads to works whose money goes to others than those who collect for them."""
    accepted, refused = imported(june, cwr(work("W1", "BLUE", iswc="T0345246801"), work("W2", "RED")))
    assert (accepted, refused) == (8, [])  # two works, two parties, four shares
    assert shares(june, "T0345246801") == {f"ipi-{HOUSE}": 500_000, f"ipi-{ANN}": 500_000}
    view = june.ws.registry.view()
    assert view.works[f"{SENDER}:W2"].title == "RED"
    assert all(line.state == "asserted" for line in view.shares_of["T0345246801", "publishing"])
    again, _ = imported(june, cwr(work("W1", "BLUE", iswc="T0345246801"), work("W2", "RED")))
    assert again == 0


def test_rights_that_differ_wait_until_somebody_says_which_pays(june: Month) -> None:
    """If this fails, one of three different shares is guessed, or an owner is paid in place of who collects."""
    data = cwr(work("W1", "BLUE", DIFFERENT))
    accepted, refused = imported(june, data)
    assert accepted == 4
    assert any("the three rights differ: give --right" in reason for reason in refused)
    assert any("performing 50.00%, mechanical 100.00%, synchronisation 100.00%" in reason for reason in refused)
    assert shares(june, f"{SENDER}:W1") == {}
    accepted, refused = imported(june, data, right="mechanical")
    assert (accepted, refused, shares(june, f"{SENDER}:W1")) == (1, [], {f"ipi-{ADMINISTRATOR}": 1_000_000})
    with pytest.raises(InputError, match="expected one of performing"):
        imported(june, data, right="master")


def test_territories_are_honoured_in_their_order(june: Month) -> None:
    """If this fails, money of one country goes to who collects in another."""
    everywhere, half = ("I", "2136", (5000, 5000, 5000)), (5000, 5000, 5000)
    parties = (
        Interested("SPU", "HOUSE", "SONG HOUSE", HOUSE, half, [everywhere, ("E", "0840", half)]),
        Interested("SPU", "ADM", "ADMIN LTD", ADMINISTRATOR, (0, 0, 0), [("I", "0840", half)]),
        Interested("SWR", "ANN", "EXAMPLE", ANN, half, [everywhere]),
    )
    accepted, refused = imported(june, cwr(work("W1", "BLUE", parties)))
    assert (accepted, refused) == (8, [])
    assert shares(june, f"{SENDER}:W1") == {f"ipi-{HOUSE}": 500_000, f"ipi-{ANN}": 500_000}
    assert shares(june, f"{SENDER}:W1", "US") == {f"ipi-{ADMINISTRATOR}": 500_000, f"ipi-{ANN}": 500_000}
    europe = (ALIKE[0], ALIKE[1]._replace(collects=[("I", "2120", half)]))
    _, refused = imported(june, cwr(work("W2", "RED", europe)))
    assert any("TIS 2120" in reason for reason in refused)


@pytest.mark.parametrize(
    ("americans", "right", "says"),
    [
        (("E", "0840", (0, 0, 0)), None, "nobody collects in US; name who does"),
        (("I", "0840", (0, 0, 0)), None, "nobody collects in US; name who does"),
        (("I", "0840", (0, 10_000, 10_000)), "performing", "nobody collects in US; name who does"),
        (("I", "0840", (0, 10_000, 10_000)), None, "the rights differ in US; name the one that pays"),
    ],
)
def test_a_work_waits_where_nobody_collects_in_a_country(
    june: Month, americans: tuple[str, str, tuple[int, int, int]], right: str | None, says: str
) -> None:
    """If this fails, money of a country goes to a party that said it does not collect there."""
    whole = (10_000, 10_000, 10_000)
    parties = (Interested("SPU", "HOUSE", "SONG HOUSE", HOUSE, whole, [("I", "2136", whole), americans]),)
    _, refused = imported(june, cwr(work("W1", "BLUE", parties)), right=right)
    assert shares(june, f"{SENDER}:W1") == {}
    assert any(says in reason for reason in refused)


def test_a_party_that_the_sender_does_not_represent_keeps_what_it_owns(june: Month) -> None:
    """If this fails, the share of another publisher's writer is lost, or paid to the sender."""
    half = (5000, 5000, 5000)
    parties = (
        Interested("SWR", "ANN", "EXAMPLE", ANN, half, [("I", "2136", half)]),
        Interested("OWR", "BOB", "OTHER", "", half),
    )
    imported(june, cwr(work("W1", "BLUE", parties)))
    assert shares(june, f"{SENDER}:W1") == {f"ipi-{ANN}": 500_000, f"{SENDER}:BOB": 500_000}


def test_a_recording_is_linked_by_its_isrc(june: Month) -> None:
    """If this fails, the composition's money of a recording does not reach the work that it plays."""
    (june.home / "recordings.csv").write_text("id,title,isrc\nrec-9,Blue,SEA012600001\n")
    load(june.ws, [june.home / "recordings.csv"], by=None, dry_run=False, on_progress=None)
    accepted, _ = imported(june, cwr(work("W1", "BLUE", isrc="SEA012600001"), work("W2", "RED", isrc="SEA012600002")))
    assert accepted == 9
    links = [(link.work, link.state) for link in june.ws.registry.view().links["rec-9"]]
    assert links == [(f"{SENDER}:W1", "asserted")]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda data: data[: data.rindex(b"TRL")], "cut off"),
        (lambda data: data[: data.rindex(b"GRT")] + data[data.rindex(b"TRL") :], "a group is open"),
        (lambda data: data.replace(b"TRL0000100000002", b"TRL0000100000003"), "TRL says transactions 3"),
        (lambda data: data.replace(b"GRT0000100000002", b"GRT0000100000001"), "GRT says transactions 1"),
        (lambda data: b"".join(data.splitlines(keepends=True)[:4] + data.splitlines(keepends=True)[5:]), "missing"),
        (lambda data: data + b"NWR" + b"0" * 60, "follows TRL"),
        (lambda data: data.replace(b"01005000034", b"010-5000034", 1), "'-5000', expected 00000 to 10000"),
        (lambda data: data.replace(b"01005000034", b"01099999034", 1), "'99999', expected 00000 to 10000"),
        (lambda data: data.replace(b"NWR0000102.10", b"NWR0000103.00"), "CWR 03.00"),
        (lambda data: data.replace(b"RED   ", b"R\xc9D   ").replace(b"BLUE  ", b"BL\xc3\xbc  "), "not UTF-8"),
        (lambda data: data.replace(b"\r\n", b" " * 2_000 + b"\r\n", 3), "begins no CWR record"),
        (lambda data: b"\x50\x4b\x03\x04" + data, "zip archive"),
        (lambda data: data[:0], "no CWR file"),
    ],
)
def test_a_file_that_is_not_whole_is_refused(spoil: object, says: str) -> None:
    """If this fails, a damaged file is believed, or its sender is not told what is wrong."""
    assert callable(spoil)
    data = spoil(cwr(work("W1", "BLUE"), work("W2", "RED")))
    with pytest.raises(InputError, match=says):
        list(works.read(io.BytesIO(data), "works.v21", lambda *_: None, None, works.CwrReading()))


def test_nothing_of_a_refused_file_is_registered(june: Month) -> None:
    """If this fails, half a catalogue is registered from a file that was cut off."""
    size = june.ws.log.head().size
    data = cwr(work("W1", "BLUE"), work("W2", "RED"))
    with pytest.raises(InputError, match="cut off"):
        imported(june, data[: data.rindex(b"TRL")])
    assert june.ws.log.head().size == size


def test_accents_are_read_in_either_encoding() -> None:
    """If this fails, the fields of a file with accents shift, so that its shares and names are others."""
    title = "CAFÉ"
    latin = cwr(work("W1", title)).decode().encode("latin-1")
    for data in (cwr(work("W1", title)), latin):
        rows = list(works.read(io.BytesIO(data), "x", lambda *_: None, None, works.CwrReading()))
        assert [row.value["ppm"] for row in rows if row.list == "shares"] == ["50.00%", "50.00%"]
        assert rows[0].value["title"] == title


def test_a_header_with_other_letters_is_acknowledged(june: Month) -> None:
    """If this fails, one byte in a publisher's header stops the acknowledgement with an internal error."""
    path = june.home / "works.v21"
    path.write_bytes(cwr(work("W1", "BLUE")).replace(b"01.1020260601", "01.102026060\u0661".encode(), 1))
    assert acknowledge(june.ws, path, june.home / "ack.v21", sender="AA000000123", right=None).rejected == 1


def test_an_acknowledgement_says_what_became_of_each_work(june: Month) -> None:
    """If this fails, a publisher is told that works are registered which are not."""
    path = june.home / "works.v21"
    imported(june, cwr(work("W1", "BLUE"), work("W2", "RED", DIFFERENT)))
    waiting = acknowledge(june.ws, path, june.home / "ack.v21", sender="AA000000123", right=None)
    assert (waiting.accepted, waiting.changed, waiting.rejected) == (0, 2, 0), "asserted shares pay nobody"
    confirm(june.ws, [f"{SENDER}:W1"], None, [f"ipi-{HOUSE}", f"ipi-{ANN}"])
    done = acknowledge(june.ws, path, june.home / "ack.v21", sender="AA000000123", right=None)
    assert (done.accepted, done.changed, done.rejected) == (1, 1, 0)
    with (june.home / "ack.v21").open("rb") as file:
        answers = list(transactions(lines(file, "ack", Lettering()), "ack"))
    acks = [item.records for item in answers if isinstance(item, CwrTransaction)]
    assert [(records[0].text[38:49], records[0].text[157:159]) for records in acks] == [
        ("00000000NWR", "RA"),
        ("00000001NWR", "AS"),
    ]
    assert acks[0][0].text[129:149].strip() == f"{SENDER}:W1"
    assert "SHARES ARE NOT REGISTERED AND CONFIRMED" in acks[1][1].text
    quarter = (2500, 2500, 2500)
    other = (ALIKE[0]._replace(collects=[("I", "2136", quarter)]), ALIKE[1])
    path.write_bytes(cwr(work("W1", "BLUE", other)))
    assert acknowledge(june.ws, path, june.home / "ack.v21", sender="AA000000123", right=None).changed == 1
    path.write_bytes(cwr(work("W7", "GREEN")))
    assert acknowledge(june.ws, path, june.home / "ack.v21", sender="AA000000123", right=None).rejected == 1
    with pytest.raises(InputError, match="nine digits"):
        acknowledge(june.ws, path, june.home / "ack.v21", sender="us", right=None)
