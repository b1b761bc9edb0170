"""A quarter closed as a finance department does it: by commands alone, with banks, a dispute and a wrong vector.

Nothing here computes a figure: what each holder is due is computed again by the independent calculator from the
exported months, and the books are judged by an accounting program written by others.
"""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.cli.support import settle_json
from tests.independent.accounts import Holding, quarter, restated
from tests.independent.exported import Exported
from tests.independent.month import Month as Again
from tests.scenario.banks import read_answer
from tests.service.trade.other_bank import account_report, debits, orders, status_report

pytestmark = pytest.mark.slow

MONTHS = ("2026-06", "2026-07", "2026-08")
IBANS = {
    "p-ann": "SE4550000000058398257466",
    "p-bob": "NO9386011117947",
    "p-cy": "DE89370400440532013000",
    "p-dee": "FR1420041010050500013M02606",
    "p-eve": "GB29NWBK60161331926819",
}
NAMES = {"p-ann": "Ann Dvořák", "p-bob": "Bob Ødegård", "p-cy": "Cy Weiß", "p-dee": "Dee Ferré", "p-eve": "Eve Smith"}
SHARES = {
    "rec-1": {"p-ann": 1_000_000},
    "rec-2": {"p-bob": 700_000, "p-eve": 300_000},
    "rec-3": {"p-cy": 600_000, "p-dee": 400_000},
}
VECTORS = {
    "trk-1": {"rec-1": 600_000, "rec-2": 200_000},
    "trk-2": {"rec-3": 500_000, "rec-1": 100_000},
    "trk-3": {"rec-1": 900_000},
}
"""What the generator declares; of trk-3 it was wrong, and the mended one is declared in July."""


@dataclass
class Office:
    """Finance at a terminal: a workspace and the commands that were typed there."""

    home: Path
    runs: dict[str, str] = field(default_factory=dict)
    files: dict[str, list[str]] = field(default_factory=dict)
    exports: dict[str, Path] = field(default_factory=dict)
    statements: dict[tuple[str, str], Any] = field(default_factory=dict)

    def __call__(self, *words: str | Path, code: int = 0) -> Any:
        return settle_json(*words, home=self.home, code=code)

    def file(self, name: str, text: str | bytes) -> Path:
        path = self.home.parent / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def streams(self, name: str, month: str, counts: dict[str, int]) -> None:
        """Hand in so many streams of each track, played in a month."""
        rows = [
            {"source": "acme", "event_id": f"{name}-{track}-{n}", "track": track, "units": 1}
            | {"occurred_at": f"{month}-{n % 27 + 1:02d}T10:00:00Z", "territory": "SE" if n % 2 else "DE"}
            for track, count in counts.items()
            for n in range(count)
        ]
        self("ingest", self.file(f"{name}.ndjson", "\n".join(map(json.dumps, rows))))

    def close(self, month: str, amount: str) -> None:
        """Close, run, approve, publish, pay by pain.001, export."""
        self("period", "close", month)
        self.runs[month] = run = self("run", "--period", month, "--pool", amount, "--currency", "EUR")["run"]
        self("approve", run, "--as", "Carol Lindqvist", "--yes")
        self("publish", run)
        self.pay(month)

    def pay(self, month: str) -> list[bytes]:
        """The payment files of a month so far."""
        paid = self("pay", self.runs[month], "--via", "file", "--format", "pain.001")
        assert not paid["unwritten"]
        self.files[month] = paid["files"]
        return [Path(path).read_bytes() for path in paid["files"]]

    def approve_all(self) -> None:
        """The second person approves everything that waits."""
        for proposal in self("proposals"):
            self("approve", proposal["id"], "--as", "Carol Lindqvist", "--yes")

    def hand_out(self, month: str) -> None:
        """An auditor gets the month, holders their statements."""
        self.exports[month] = self.home.parent / f"export-{month}"
        self("period", "export", month, "--out", self.exports[month])
        for party in IBANS:
            self.statements[month, party] = self("statement", party, "--period", month)


def registry() -> dict[str, Any]:
    world = {"territory": "WORLD", "from": "2020-01-01"}
    return {
        "parties": [{"id": party, "name": name, "kind": "person"} for party, name in NAMES.items()],
        "recordings": [{"id": name, "title": name} for name in SHARES],
        "shares": [
            {"subject": name, "party": party, "right": "master", "ppm": ppm, "state": "confirmed"} | world
            for name, owners in SHARES.items()
            for party, ppm in owners.items()
        ],
        "grants": [
            {"id": f"g-{party}", "grantor": party, "subject": "*", "uses": ["train", "condition"], "decision": "allow"}
            | world
            for party in NAMES
        ],
        "models": [{"id": "mdl", "version": "1", "operator": "p-ann", "training": list(SHARES)}],
        "tracks": [{"id": track, "title": track, "model": "mdl", "version": "1"} for track in VECTORS],
        "payees": [
            {"party": party, "method": "bank", "account": iban, "holder": NAMES[party], "from": "2020-01-01"}
            | ({"town": "London", "country": "GB"} if iban.startswith("GB") else {})
            for party, iban in IBANS.items()
        ],
    }


def declared(track: str, sources: dict[str, int]) -> str:
    rows = [{"recording": name, "ppm": ppm, "use": "condition"} for name, ppm in sources.items()]
    return json.dumps({"track": track, "sources": rows})


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """June to August, as they came."""
    finance = Office(tmp_path_factory.mktemp("quarter") / "home")
    finance.home.mkdir()
    finance("init", "--no-passphrase")
    with (finance.home / "settle.toml").open("a") as settings:
        settings.write('\n[payouts]\ndebtor_name = "Nordtone Musik AB"\ndebtor_iban = "SE4550000000058398257466"\n')
    finance("approver", "add", "Carol Lindqvist")
    finance("registry", "import", finance.file("registry.json", json.dumps(registry())))
    finance("attribute", "--declared", finance.file("v.ndjson", "\n".join(declared(*row) for row in VECTORS.items())))
    agree(finance)
    june(finance)
    july(finance)
    august(finance)
    return finance


def agree(finance: Office) -> None:
    """An advance, tax, a reserve, and two holders paid in other currencies."""
    finance(
        "terms",
        "advance",
        "p-ann",
        "--amount",
        "300.00",
        "--currency",
        "EUR",
        "--rate",
        "50%",
        "--from",
        "2026-06",
        "--reason",
        "contract 1",
    )
    finance(
        "terms", "withhold", "p-ann", "--rate", "15.825%", "--territory", "DE", "--law", "treaty", "--from", "2026-06"
    )
    finance("terms", "reserve", "p-cy", "--rate", "20%", "--months", "1", "--from", "2026-06", "--reason", "contract 2")
    finance("terms", "currency", "p-bob", "NOK", "--from", "2026-06", "--reason", "contract 3")
    finance("terms", "currency", "p-dee", "SEK", "--from", "2026-06", "--reason", "contract 4")
    for month, nok, sek in (
        ("2026-06", "11.4321", "10.98"),
        ("2026-07", "11.5", "11.0123"),
        ("2026-08", "11.61", "11.2"),
    ):
        for to, rate in (("NOK", nok), ("SEK", sek)):
            finance(
                "terms",
                "rate",
                "EUR",
                to,
                "--period",
                month,
                "--rate",
                rate,
                "--date",
                f"{month}-28",
                "--source",
                "bank",
            )
    finance.approve_all()


def june(finance: Office) -> None:
    """A hold on cy; the bank rejects dee's payment, which is sent again, and says so much later about the rest."""
    finance.streams("june", "2026-06", {"trk-1": 60, "trk-2": 30, "trk-3": 7})
    finance("hold", "open", "--party", "p-cy", "--reason", "tax")
    finance.close("2026-06", "1000.00")
    first = [order for data in map(_bytes, finance.files["2026-06"]) for order in orders(data)]
    (of_dee,) = (order for order in first if order.account == IBANS["p-dee"])
    answer = status_report(of_dee.message, {of_dee.reference: "RJCT"})
    assert len(read_answer(finance, answer)["proposals"]) == 1
    finance.approve_all()
    files = finance.pay("2026-06")
    for data in files:
        moved = [movement for movement in debits(data) if movement.reference != of_dee.reference]
        if moved:
            read_answer(finance, account_report("053", moved))
    finance.hand_out("2026-06")


def july(finance: Office) -> None:
    """Late streams of June, the mended vector, the hold released, eve contests bob's recording, bob ann's amount."""
    (hold,) = finance("hold", "list")
    finance("hold", "resolve", hold["id"], "--reason", "papers came", "--as", "Carol Lindqvist")
    finance.streams("late", "2026-06", {"trk-1": 11, "trk-2": 4})
    vector = finance(
        "attribute", "--no-assign", "--declared", finance.file("mended.json", declared("trk-3", {"rec-3": 900_000}))
    )
    digest = _found(vector, "digest")
    finance("assign", "trk-3", digest, "--reason", "the declaration named another recording")
    finance.streams("july", "2026-07", {"trk-1": 50, "trk-2": 41, "trk-3": 13})
    finance("registry", "dispute", "open", "rec-2", "--claimant", "p-eve", "--reason", "my half is larger")
    finance("registry", "enrol", "p-bob")
    claim = ("--about", "amount", "--claimant", "p-bob", "--against", "p-ann", "--amount", "5.00", "--text", "too much")
    finance("dispute", "open", "2026-06", *claim, code=4)
    evidence = finance.file("plays.csv", "what bob counted")
    dispute = finance("dispute", "open", "2026-06", *claim, "--evidence", evidence, "--as", "p-bob")["id"]
    finance("dispute", "admit", dispute)
    finance("dispute", "answer", dispute, "--party", "p-ann", "--text", "it is right")
    finance.close("2026-07", "1200.00")
    for path in finance.files["2026-07"]:
        read_answer(finance, account_report("054", debits(_bytes(path))))
    finance.hand_out("2026-07")


def august(finance: Office) -> None:
    """The disputes end and what they held is paid; June is restated by the mended vector; a batch is confirmed."""
    (of_amount,) = (dispute["id"] for dispute in finance("dispute", "list") if dispute["about"] == "amount")
    finance("dispute", "resolve", of_amount, "--upheld", "3.00", "--text", "partly", "--as", "Carol Lindqvist")
    (dispute,) = finance("registry", "dispute", "list")
    finance("registry", "dispute", "resolve", dispute["id"], "--release", "--as", "approver")
    for line in finance("held", "--period", "2026-07")["lines"]:
        if line["state"] == "held":
            finance("hold", "resolve", line["ref"], "--reason", "the claim was withdrawn", "--as", "Carol Lindqvist")
    proposed = finance("restate", "2026-06", "--propose", "--into", "2026-08")
    assert proposed["id"]
    finance("restate", "2026-06", "--propose", "--into", "2026-08", code=4)
    finance.approve_all()
    finance.streams("august", "2026-08", {"trk-1": 70, "trk-2": 10, "trk-3": 29})
    finance.close("2026-08", "900.00")
    finance("payments", "confirm", "--all-of", finance.runs["2026-08"])
    finance.hand_out("2026-08")


def _bytes(path: str) -> bytes:
    return Path(path).read_bytes()


def _found(answer: Any, name: str) -> str:
    """The one value under this name anywhere in an answer."""
    if isinstance(answer, dict):
        if name in answer:
            return str(answer[name])
        answer = list(answer.values())
    found = [_found(item, name) for item in answer if isinstance(item, dict | list)]
    return next(filter(None, found), "")


@pytest.fixture(scope="module")
def again(office: Office) -> dict[str, tuple[Again, dict[str, Holding]]]:
    """Every month computed again by a stranger, from what was exported last."""
    office("registry", "export", "--out", office.home.parent / "registry-export.json")
    exported = [Exported(office.exports[month], office.home.parent / "registry-export.json") for month in MONTHS]
    months = [(one, one.runs[0]) for one in exported]
    wrong, *_, right = [leaf["vector"] for leaf in exported[-1].leaves if _assigns(leaf, "trk-3")]
    june_again = restated(Again(*months[0]), Again(exported[-1], exported[0].runs[0], instead={wrong: right}))
    return dict(zip(MONTHS, quarter(months, {"2026-08": june_again}), strict=True))


def _assigns(leaf: dict[str, Any], track: str) -> bool:
    return (leaf["type"], leaf.get("track")) == ("assign", track)


def test_every_line_and_account_is_what_a_stranger_computes(
    office: Office, again: dict[str, tuple[Again, dict[str, Holding]]]
) -> None:
    """If this fails, a statement of the quarter is a micro-unit off."""
    for month in MONTHS:
        lines, accounts = again[month]
        assert sum(lines.totals.values()) == lines.pool
        for party in IBANS:
            stated, account = office.statements[month, party], accounts[party]
            figures = {
                name: stated[f"{name}_micros"]
                for name in ("opening", "earned", "adjustments", "deductions", "net", "carried", "held")
            }
            assert figures == {
                "opening": account.opening,
                "earned": account.earned,
                "adjustments": account.corrected,
                "deductions": account.deducted,
                "net": account.payable,
                "carried": account.carried,
                "held": sum(lines.lines[one] for one in lines.lines if (one.party, one.state) == (party, "held")),
            }, (month, party)


def test_every_trouble_left_its_mark(office: Office, again: dict[str, tuple[Again, dict[str, Holding]]]) -> None:
    """If this fails, the quarter was quieter than it says, and proves less."""
    accounts = {month: again[month][1] for month in MONTHS}
    assert accounts["2026-07"]["p-cy"].corrected > 0, "the hold of June was released in July"
    assert accounts["2026-08"]["p-bob"].corrected > 0, "the disputes of July ended in August"
    (listed,) = (dispute for dispute in office("dispute", "list", "--all") if dispute["about"] == "amount")
    assert (listed["state"], listed["spoken"][0]["signed_by"]) == ("upheld", "p-bob")
    held_in_july = [row["micros"] for row in office.statements["2026-07", "p-ann"]["pools"][0]["adjustments"]]
    assert held_in_july == [-listed["claimed_micros"]]
    assert accounts["2026-08"]["p-cy"].released > 0, "the reserve of July came back in August"
    assert accounts["2026-06"]["p-ann"].recouped > 0 < accounts["2026-06"]["p-ann"].tax
    assert sum(sum(holding.advances.values()) for holding in accounts["2026-08"].values()) < 300_000_000
    assert {holding.paid[0] for holding in accounts["2026-06"].values() if holding.paid} == {"NOK", "SEK"}


def test_a_restated_month_has_nothing_left_to_restate(office: Office) -> None:
    """If this fails, a correction is proposed twice, or a part of it is missing."""
    after = office("restate", "2026-06")
    assert not any(line["difference_micros"] for line in after["lines"])
    assert office("restate", "2026-06", "--propose", "--into", "2026-09")["id"] is None
    corrected = {party: office.statements["2026-08", party]["adjustments_micros"] for party in IBANS}
    assert corrected["p-ann"] < 0 < corrected["p-cy"]


def test_the_bank_was_told_what_the_statements_say(
    office: Office, again: dict[str, tuple[Again, dict[str, Holding]]]
) -> None:
    """If this fails, somebody was paid another amount or in another currency than their statement says."""
    for month in MONTHS:
        sent = {order.account: order for path in office.files[month] for order in orders(_bytes(path))}
        for party, account in again[month][1].items():
            if account.payable:
                currency, micros = account.paid or ("EUR", account.payable)
                order = sent.pop(IBANS[party])
                assert (order.currency, int(order.amount * 1_000_000)) == (currency, micros), (month, party)
        assert not sent
    states = {office("statement", party, "--period", "2026-06")["pools"][0]["payment"]["state"] for party in IBANS}
    assert states == {"settled", "nothing to pay"}


def test_the_books_of_the_quarter_balance(
    office: Office, again: dict[str, tuple[Again, dict[str, Holding]]], tmp_path: Path
) -> None:
    """If this fails, the three months cannot be put into one ledger, or tax is reported wrongly."""
    books = office("books", "--out", tmp_path)
    program = Path(sys.executable).parent / "bean-check"
    done = subprocess.run([program, books["files"][0]], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(_bytes(books["files"][1]).decode())))
    adjusted = [int(row["amount"].replace(".", "")) for row in rows if row["account"] == "Expenses:Adjustments"]
    assert sum(adjusted) == 0 < max(adjusted), "a restatement moves money that was there, and costs nothing"
    withheld = sum(again[month][1]["p-ann"].tax for month in MONTHS)
    assert [(row["territory"], row["party"], row["withheld_micros"]) for row in books["tax"]] == [
        ("DE", "p-ann", withheld)
    ]
    (advance,) = (row for row in books["beside"] if row["kind"] == "advance")
    assert advance["left_micros"] == sum(again["2026-08"][1]["p-ann"].advances.values())


def test_what_waits_adds_up_over_the_quarter(office: Office) -> None:
    """If this fails, held money is in no list."""
    report = office("held")
    for parts in report["runs"]:
        mine = [line for line in report["lines"] if line["run"] == parts["run"]]
        assert sum(line["micros"] for line in mine if not line["gives_up"]) == parts["held_micros"]
        assert sum(line["micros"] for line in mine if line["gives_up"]) == parts["suspense_micros"]
    assert {line["state"] for line in report["lines"]} == {"released"}


def test_the_quarter_stands_up_to_an_auditor(office: Office) -> None:
    """If this fails, an auditor comes to other bytes, or a holder's proof does not verify."""
    trust = office.home / "trust.json"
    for month in MONTHS:
        assert office("period", "recompute", office.exports[month], "--trust", trust)["ok"]
    bundle = office.home.parent / "bob.bundle"
    office("statement", "p-bob", "--period", "2026-08", "--format", "bundle", "--out", bundle)
    assert office("verify", bundle, "--trust", trust)["ok"]
