"""The portal's pages: what they show to whom, and that every text stands in the catalogue."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest

from ledger.proofs import trust as trust_file
from ledger.proofs import vector
from ledger.registry import manifest as manifests
from service.bundles import verify_bundle
from service.registry import people, signing
from service.settlement import holds, life
from service.web.pages import charts, drawing, operations
from tests.service.month import JULY_OVER, Month, july, published
from tests.service.web.portal import Person, signed_in
from tests.service.web.serving import client, lines, row, served_month
from tests.support import ROOT

PAGES = ROOT / "service" / "web" / "pages"


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Month:
    """June and July, published."""
    month = served_month(tmp_path_factory.mktemp("portal") / "home")
    published(month)
    july(month)
    return month


@pytest.fixture(scope="module")
def web(settled: Month) -> Iterator[Any]:
    settled.now = JULY_OVER
    with client(settled) as opened:
        yield opened


@pytest.fixture(scope="module")
def bob(web: Any, settled: Month) -> Person:
    return signed_in(web, settled, "bob")


def test_every_text_stands_in_the_catalogue_and_is_shown_somewhere() -> None:
    """If this fails, a page breaks on a text that is missing, or a translator translates what nobody sees."""
    catalogue = tomllib.loads(drawing.TEXTS.read_text(encoding="utf-8"))
    sources = "".join(path.read_text(encoding="utf-8") for path in (*PAGES.rglob("*.html"), *PAGES.rglob("*.py")))
    named = set(re.findall(r'(?:\bt|text)\(\s*"([a-z_]+\.[a-z0-9_]+)"', sources))
    named |= set(re.findall(r'text="([a-z_]+\.[a-z0-9_]+)"', sources))
    words = set(re.findall(r'word\(\s*"([a-z_]+)"', sources))
    prefixes = tuple(re.findall(r'\bt\(\s*"([a-z_]+\.[a-z_]*)" ~', sources))
    texts = {f"{section}.{key}" for section, keys in catalogue.items() for key in keys}
    assert not {name for name in named if not name.endswith("_")} - texts
    unused = {name for name in texts - named if not name.startswith(prefixes) and name.partition(".")[0] not in words}
    assert not unused


def test_a_holder_reads_what_they_earned_and_why(bob: Person) -> None:
    """If this fails, a holder does not see the months, the sources or the files of their money."""
    overview = bob.get("/holders/bob").text
    assert overview.count("120.00") >= 2
    assert "240.00 EUR" in overview
    assert 'href="/holders/bob/statements/2026-07"' in overview
    stated = bob.get("/holders/bob/statements/2026-07").text
    assert "rec-2" in stated
    for form in ("html", "pdf", "csv", "json", "bundle"):
        link = re.search(rf'href="(/v1/statements/bob/2026-07\?form={form}[^"]*)"', stated)
        assert link is not None
        assert bob.get(link[1].replace("&amp;", "&")).status_code == 200


def test_a_holder_reads_what_is_held_and_what_releases_it(web: Any, settled: Month) -> None:
    """If this fails, held money is hidden from the person whom it belongs to, or without a way to get it."""
    page = signed_in(web, settled, "operator").get("/holders/ann/held")
    assert page.status_code == 200
    assert "Nothing is held." in page.text


def test_a_blocked_payment_is_shown_to_its_payee_and_to_finance(web: Any, settled: Month) -> None:
    """If this fails, a payee reads "to be paid" about money that a hold stops, and finds it on no page."""
    hold = holds.open_hold(settled.ws, scope="party", subject="dee", reason="legal")
    operator = signed_in(web, settled, "operator")
    for page in ("/held", "/holders/dee/held"):
        assert f"settle hold resolve {hold.id}" in operator.get(page).text
    assert "blocked" in operator.get("/holders/dee").text
    life.approve(settled.ws, holds.release(settled.ws, hold.id, note="checked").id, "approver")
    assert "blocked" not in operator.get("/holders/dee").text


def test_bars_stay_inside_their_chart() -> None:
    """If this fails, a chart of many, negative or no amounts is drawn outside its frame or divides by nothing."""
    for values in ([], [0], [-5, 3], [10**15] * 60, list(range(40))):
        drawn = charts.bars([(str(n), value) for n, value in enumerate(values)])
        assert len(drawn) <= charts.BARS_MAX
        for bar in drawn:
            assert 0 <= bar.y <= bar.y + bar.height <= charts.HEIGHT
            assert 0 <= bar.x <= bar.x + bar.width <= charts.WIDTH


def test_a_page_that_is_not_for_the_reader_looks_as_if_it_were_not_there(bob: Person) -> None:
    """If this fails, one holder opens another's pages, or learns that they exist."""
    for party in ("ann", "dee", "never"):
        assert bob.get(f"/holders/{party}").status_code == 404


def test_what_people_wrote_is_text_in_a_page() -> None:
    """If this fails, a template was added that shows texts without escaping them."""
    for path in PAGES.rglob("*.html"):
        assert not re.search(r"\|\s*safe|autoescape false|\son[a-z]+=|<script>|style=", path.read_text()), path.name


def test_a_holder_sees_what_they_permit_and_asks_what_would_be_decided(bob: Person) -> None:
    """If this fails, a holder cannot tell what others may do with a recording, or is told something else."""
    page = bob.get("/holders/bob/permissions?subject=rec-2,rec-1,nothing&use=train").text
    assert "rec-2" in page
    assert page.count('<span class="state">allow</span>') >= 4
    assert "<strong>nothing</strong>" in page


def test_a_holder_proposes_an_account_that_a_second_person_must_approve(bob: Person, settled: Month) -> None:
    """If this fails, a stolen session redirects a holder's money at once."""
    answer = bob.post("/payees/bob", page="/payees/bob", method="bank", account="DE02120300000000202051", holder="Bob")
    assert answer.status_code == 303, answer.text
    page = bob.get("/payees/bob").text
    assert "DE02120300000000202051" in page
    assert '<span class="state">proposed</span>' in page
    assert "ACC-bob" in page
    assert bob.get("/payees/ann").status_code == 404
    assert [account.state for account in people.list_payees(settled.ws, "bob")] == ["approved", "proposed"]


def test_a_holder_without_an_account_cannot_enter_one_alone(web: Any, settled: Month) -> None:
    """If this fails, whoever steals the session of a party that has no account yet is paid its first money."""
    assert people.list_payees(settled.ws, "audrey") == []
    audrey = signed_in(web, settled, "audrey", "holder")
    assert audrey.post("/payees/audrey", page="/payees/audrey", method="bank", account="ACC-thief").status_code == 303
    assert [account.state for account in people.list_payees(settled.ws, "audrey")] == ["proposed"]


def test_a_holder_opens_a_dispute_and_the_other_side_answers(web: Any, bob: Person, settled: Month) -> None:
    """If this fails, a holder cannot contest a month in the portal, or a stranger speaks in a dispute."""
    page = "/holders/bob/disputes"
    run = re.search(r'<option value="([0-9a-f]{64})"', bob.get(page).text)
    assert run is not None
    text = "<script>alert(1)</script> my share was larger"
    sent = bob.post(
        "/disputes/bob",
        page=page,
        run=run[1],
        about="influence",
        subject="trk-1",
        amount="5.00",
        text=text,
        against="ann",
    )
    assert sent.status_code == 303, sent.text
    opened = bob.get(sent.headers["location"]).text
    assert "&lt;script&gt;" in opened
    assert "<script>alert" not in opened
    name = sent.headers["location"].rpartition("/")[2]
    ann = signed_in(web, settled, "ann")
    shown = f"/holders/ann/disputes/{name}"
    assert ann.post(f"/disputes/ann/{name}", page=shown, text="It was not.").status_code == 303
    assert "It was not." in bob.get(sent.headers["location"]).text
    cy = signed_in(web, settled, "cy")
    assert cy.get(f"/holders/cy/disputes/{name}").status_code == 404
    assert cy.post(f"/disputes/cy/{name}", text="I say").status_code == 409


def test_a_holder_with_a_key_is_told_before_writing_that_a_page_cannot_sign(web: Any, settled: Month) -> None:
    """If this fails, a holder with an own key writes a dispute and has it refused, with a flag of the command line."""
    dee = signed_in(web, settled, "dee")
    assert '<form class="fields" action="/disputes/dee"' in dee.get("/holders/dee/disputes").text
    signing.enrol(settled.ws, "dee")
    page = dee.get("/holders/dee/disputes").text
    assert '<form class="fields" action="/disputes/dee"' not in page
    assert "settle dispute open MONTH --claimant dee --as dee" in page


def test_anybody_sees_whether_a_recording_was_trained_on_and_who_used_it(web: Any) -> None:
    """If this fails, nobody outside can ask whether a recording was in a training set or what it influenced."""
    page = web.get("/recordings/rec-2").text
    assert "yes, it is in the list" in page
    assert "/tracks/trk-1" in page
    assert "no, it is not in the list" in web.get("/recordings/rec-4").text
    assert web.get("/recordings/nothing").status_code == 404


def test_a_recordings_page_decodes_nothing_twice_and_keeps_nobody_waiting(
    settled: Month, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, anybody who asks for such a page again and again keeps all others from the registry."""
    decoded: list[str] = []
    statuses: list[int] = []

    with client(settled) as web:

        def read_meanwhile(what: str) -> None:
            decoded.append(what)
            reader = Thread(target=lambda: statuses.append(web.get("/recordings/nothing").status_code), daemon=True)
            reader.start()
            reader.join(timeout=20)

        def decode(blob: bytes, real: Any = manifests.decode) -> Any:
            read_meanwhile("list")
            return real(blob)

        def read_statement(blob: bytes, real: Any = vector.read_statement) -> Any:
            read_meanwhile("vector")
            return real(blob)

        monkeypatch.setattr(manifests, "decode", decode)
        monkeypatch.setattr(vector, "read_statement", read_statement)
        first = web.get("/recordings/rec-2").text
        assert {"list", "vector"} == set(decoded)
        assert statuses == [404] * len(decoded)
        decoded.clear()
        assert web.get("/recordings/rec-2").text == first
        assert web.get("/recordings/rec-4").status_code == 200
        assert decoded == []


def test_finance_reads_a_month_and_its_five_parts(web: Any, settled: Month) -> None:
    """If this fails, finance cannot see that the parts of a pool add up to it, or what changed since last month."""
    operator = signed_in(web, settled, "operator")
    page = operator.get("/periods/2026-07").text
    for part in ("allocated", "unattributed", "held", "in suspense", "reserve", "1,000.00", "2026-06"):
        assert part in page
    assert 'href="/periods/2026-07"' in operator.get("/periods").text
    assert "to be paid" in operator.get("/payments?run=2026-07").text
    for path in ("/held", "/disputes", "/quarantine", "/status", "/proposals"):
        assert operator.get(path).status_code == 200


def test_an_auditor_downloads_what_verifies_without_us(web: Any, settled: Month) -> None:
    """If this fails, an auditor cannot get the rows of a month, or does not see who was given access."""
    audrey = signed_in(web, settled, "audrey")
    page = audrey.get("/audit").text
    assert "sign-in-link-added" in page
    link = re.search(r'href="(/runs/[0-9a-f]{64}/bundle)"', page)
    assert link is not None
    trust = trust_file.parse((settled.home / "trust.json").read_bytes())
    assert verify_bundle(audrey.get(link[1]).content, trust).ok
    assert audrey.get("/restatements").status_code == 200
    assert audrey.get("/quarantine").status_code == 403
    assert audrey.get("/payees/bob").status_code in (403, 404)


def test_a_browser_without_a_session_is_led_to_signing_in(web: Any) -> None:
    """If this fails, who opens the service's address reads JSON, or is asked for a header that no browser sends."""
    assert web.get("/", follow_redirects=False).headers["location"] == "/sign-in"
    assert 'href="/methods"' in web.get("/sign-in").text
    refused = web.get("/held")
    assert refused.status_code == 401
    assert 'href="/sign-in"' in refused.text
    assert "Authorization" not in refused.text


def test_anybody_reads_how_often_the_methods_are_wrong(web: Any) -> None:
    """If this fails, shares are shown without the error of the method that estimated them."""
    page = web.get("/methods").text
    assert "hybrid" in page
    assert re.search(r"\d+\.\d\d %", page)


def test_the_operator_replays_and_discards_rows_by_group(web: Any, settled: Month) -> None:
    """If this fails, rows in quarantine can only be mended at a command line, or go without a reason."""
    ann, operator = signed_in(web, settled, "ann", "platform"), signed_in(web, settled, "operator")
    rows = lines(row("q-1", track="nobody"), row("q-2", track="nobody")).decode()
    assert "2 in quarantine" in ann.post("/sources/acme", page="/sources/acme", rows=rows).text
    page = operator.get("/quarantine").text
    numbers = re.search(r'name="rows" value="([0-9 ]+)"', page)
    assert numbers is not None
    chosen = {"page": "/quarantine", "rows": numbers[1]}
    assert operator.post("/quarantine/replay", **chosen).status_code == 303
    assert "2 rows were not taken" in operator.get("/quarantine").text
    assert operator.post("/quarantine/discard", **chosen).status_code == 400
    assert operator.post("/quarantine/discard", reason="<b>never</b>", **chosen).status_code == 303
    assert "No row waits" in operator.get("/quarantine").text
    assert ann.post("/quarantine/replay", page="/sources/acme", rows="1").status_code == 403


def test_a_row_s_own_reason_does_not_fill_the_operator_s_page(web: Any, settled: Month) -> None:
    """If this fails, one file whose rows each have a reason of their own makes a page that no browser opens."""
    ann, operator = signed_in(web, settled, "ann", "platform"), signed_in(web, settled, "operator")
    rows = lines(*(row(f"many-{n}", track=f"nobody-{n}") for n in range(operations.GROUPS_MAX + 7))).decode()
    ann.post("/sources/acme", page="/sources/acme", rows=rows)
    page = operator.get("/quarantine").text
    assert page.count('action="/quarantine/replay"') == operations.GROUPS_MAX
    assert "7 smaller groups" in page
