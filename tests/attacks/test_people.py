"""M4, M5, M10, M11: who may change an account, approve, and speak for a source."""

from __future__ import annotations

import hashlib
import json
import sqlite3

import pytest

from payouts.accounts.payment import account_digest
from payouts.life.binding import INTRODUCED_ALONE
from tests.attacks.victim import Victim, declared

SWAPPED = "GB82WEST12345698765432"


ANN = "SE4550000000058398257466"


def swap(victim: Victim) -> None:
    """Ann's account in the database becomes another, wherever it stands there."""
    with sqlite3.connect(victim.home / "settle.db") as database:
        changed = database.execute("update registry_payee set account = ? where party = 'p-ann'", (SWAPPED,)).rowcount
        changed += database.execute(
            "update registry_personal set fields = replace(fields, ?, ?)", (ANN, SWAPPED)
        ).rowcount
    database.close()
    if not changed:
        raise RuntimeError("no account was there to swap")


def paid_to(victim: Victim) -> str:
    """Every payment file together."""
    return "".join(path.read_text() for path in (victim.home / "payments").glob("*.csv"))


def test_m4_an_account_changed_in_the_database_is_not_paid(published: Victim) -> None:
    """If this fails, who can write the database, without any key, sends a payee's money to an account of their own."""
    swap(published)
    published.settle("pay", "2026-06", "--via", "file")
    assert SWAPPED not in paid_to(published)
    assert "p-ann" in " ".join(published.do("status")["waiting"]), "nobody is told of it"


def test_m4_a_row_written_into_the_old_table_is_not_paid(published: Victim) -> None:
    """If this fails, an account that nobody signed is paid because release 0.1 would have paid it."""
    with sqlite3.connect(published.home / "settle.db") as database:
        database.execute(
            "insert into registry_payee values ('pay-x', 'p-ann', 'bank', ?, '', 'operator', 'k', "
            "'2026-07-01T00:00:00Z', 'carol', 'c', '2026-07-01T00:00:00Z', '2026-07-01T00:00:00Z')",
            (SWAPPED,),
        )
    database.close()
    published.do("pay", "2026-06", "--via", "file")
    assert SWAPPED not in paid_to(published)


def test_m4_an_operator_with_a_holders_key_changes_no_account_alone(published: Victim) -> None:
    """If this fails, the operator gives a party a key, proposes an account with it and approves it as the operator."""
    published.do("registry", "enrol", "p-ann")
    proposed = published.do("registry", "payee", "propose", "p-ann", "--account", SWAPPED, "--as", "p-ann")["id"]
    for name in ("operator", "approver", "p-ann"):
        assert published.settle("registry", "payee", "approve", proposed, "--as", name).code != 0
        assert published.settle("approve", proposed, "--as", name).code != 0
    waiting = published.do("proposals")
    assert [(one["kind"], one["party"]) for one in waiting] == [("payee", "p-ann")]
    assert SWAPPED in waiting[0]["changes"], "the second person does not see what they sign"
    assert "1 proposal" in " ".join(published.do("status")["waiting"])
    published.do("approve", proposed, "--as", "carol")
    assert published.do("proposals") == []
    published.do("pay", "2026-06", "--via", "file")
    assert SWAPPED not in paid_to(published), "an account that cools off is paid"


def test_m4_accounts_of_release_01_are_paid_once_two_people_adopted_them(published: Victim) -> None:
    """If this fails, an upgrade pays accounts that nothing protected, or cannot pay them at all."""
    with sqlite3.connect(published.home / "settle.db") as database:  # as release 0.1 left it: no account in the log
        database.execute("delete from registry_personal where kind = 'payee'")
        for party, account in (("p-ann", ANN), ("p-bob", "DE89370400440532013000")):
            database.execute(
                "insert into registry_payee values (?, ?, 'bank', ?, '', 'operator', 'k', '2026-05-01T00:00:00Z',"
                " null, null, null, '')",
                (f"pay-{party}", party, account),
            )
    database.close()
    held = published.do("pay", "2026-06", "--via", "file")
    assert (held["sent"], {one["reason"] for one in held["blocked"]}) == (0, {"payee-incomplete"})
    assert "payee adopt" in " ".join(published.do("status")["waiting"])
    adopted = published.do("registry", "payee", "adopt")
    assert adopted["accounts"] == 2
    assert published.do("registry", "payee", "adopt")["accounts"] == 0
    published.do("approve", adopted["id"], "--as", "carol")
    assert published.do("pay", "2026-06", "--via", "file")["sent"] == 0
    published.now = published.now.replace(day=9)
    assert published.do("pay", "2026-06", "--via", "file")["sent"] == 2
    assert ANN in paid_to(published)


def test_m11_the_first_account_after_a_publication_takes_two_people(victim: Victim) -> None:
    """If this fails, the operator alone names the account of a party whose payment is waiting for one."""
    with sqlite3.connect(victim.home / "settle.db") as database:
        database.execute("delete from registry_personal where kind = 'payee'")
    database.close()
    document = {
        "parties": [{"id": "p-new", "kind": "person"}],
        "recordings": [{"id": "rec-3", "title": "New"}],
        "shares": [{"subject": "rec-3", "party": "p-new", "right": "master", "ppm": 1_000_000, "state": "confirmed"}],
        "grants": [
            {"id": "g-3", "grantor": "p-new", "subject": "rec-3", "uses": ["train", "condition"], "decision": "allow"}
        ],
        "tracks": [{"id": "trk-3", "model": "mdl-1", "version": "1"}],
    }
    victim.do("registry", "import", victim.write("new.json", document))
    victim.do("attribute", "--declared", victim.write("declared-3.json", declared("trk-3", rec_3=1_000_000)))
    assert victim.stream("new", track="trk-3").code == 0
    victim.publish()
    account = {"party": "p-new", "method": "bank", "account": SWAPPED}
    victim.do("registry", "import", victim.write("account.json", {"payees": [account]}))
    victim.do("pay", "2026-06", "--via", "file")
    assert SWAPPED not in paid_to(victim)


def test_g2_nothing_in_the_log_lets_an_account_be_guessed(published: Victim) -> None:
    """If this fails, whoever reads an export finds a payee's bank account by trying them all."""
    published.do("pay", "2026-06", "--via", "file")
    guesses = {
        account_digest("p-ann", "bank", ANN),
        hashlib.sha256(ANN.encode()).hexdigest(),
        "pay-" + hashlib.sha256(f"p-ann|bank|{ANN}|2020-01-01T00:00:00Z".encode()).hexdigest()[:20],
    }
    with sqlite3.connect(published.home / "settle.db") as database:
        written = b"".join(
            bytes(row[0])
            for table, column in (("entry", "body"), ("blob", "data"))
            for row in database.execute(f"select {column} from {table}")  # noqa: S608  names of this test's own
        )
    database.close()
    assert not [guess for guess in guesses if guess.encode() in written]
    assert ANN.encode() not in written


def test_m5_the_workspaces_own_approver_key_stops_counting(victim: Victim) -> None:
    """If this fails, an operator approves alone although somebody else was enrolled to do it."""
    (victim.home / "keys" / "approver-carol.json").unlink()
    run = victim.calculate()["run"]
    assert victim.settle("approve", run, "--as", "approver").code != 0


def test_m5_an_operator_enrols_no_approver_alone(victim: Victim) -> None:
    """If this fails, an operator invents the second person who approves."""
    (victim.home / "keys" / "approver-carol.json").unlink()
    run = victim.calculate()["run"]
    enrolled = victim.settle("approver", "add", "dave")
    assert enrolled.code != 0 or victim.settle("approve", run, "--as", "dave").code != 0


def test_m5_verify_says_who_introduced_the_approver(victim: Victim) -> None:
    """If this fails, an operator invents the second person, and a verdict of OK keeps it from whoever reads it."""
    victim.publish()
    bundles = (victim.run_bundle(), victim.bundle("p-ann"))
    for bundle in bundles:
        assert victim.verify(bundle).json["cautions"] == [INTRODUCED_ALONE]
        first_line = victim.plain("verify", bundle, "--trust", victim.home / "trust.json").splitlines()[0]
        assert first_line.endswith(f"steps hold; {INTRODUCED_ALONE}")
    trust = json.loads((victim.home / "trust.json").read_bytes())
    carol = victim.do("key", "export", "approver-carol")["public"]
    start = next(key["counts_from"] for key in victim.do("key", "show") if key["party"] == "carol")
    trust["logs"][0]["keys"].append({"role": "approver", "party": "carol", "public": carol, "from": start})
    newly_published = victim.write("trust.json", trust)
    for bundle in bundles:
        assert victim.settle("verify", bundle, "--trust", newly_published).json["cautions"] == []


def test_m5_a_demo_approval_keeps_its_own_remark(victim: Victim) -> None:
    """If this fails, a bundle of a demo does not say that one person may hold both keys, or says it as of a person."""
    victim.do("key", "revoke", victim.do("key", "export", "approver-carol")["key"], "--by", "approver")
    run = victim.calculate()["run"]
    victim.do("approve", run, "--as", "approver")
    victim.do("publish", run)
    report = victim.verify(victim.run_bundle()).json
    assert report["cautions"] == []
    assert any(remark.startswith("who approver is") for remark in report["unchecked"])


@pytest.mark.parametrize("alias", ["Acme", "ACME", "\u0430cme", "\uff41cme", "ac\u200bme"])
def test_m10_a_signed_source_has_no_unsigned_double(victim: Victim, alias: str) -> None:
    """If this fails, streams that must be signed are counted unsigned under another spelling of their source."""
    victim.do("registry", "import", victim.write("p.json", {"parties": [{"id": "p-acme", "kind": "platform"}]}))
    made = victim.do("batch", "key", victim.home.parent / "acme.key", "--no-passphrase")
    victim.do("source", "set", "acme", "--party", "p-acme", "--signed", "--public", made["public"])
    answer = victim.stream("alias", source=alias, units=1000)
    assert answer.code != 0 or not answer.json["accepted"]


def test_m10_no_source_is_registered_beside_one_that_looks_like_it(victim: Victim) -> None:
    """If this fails, an operator who mistypes a platform's name counts its streams twice."""
    victim.do("registry", "import", victim.write("p.json", {"parties": [{"id": "p-acme", "kind": "platform"}]}))
    victim.do("source", "set", "acme", "--party", "p-acme")
    assert victim.settle("source", "set", "Acme", "--party", "p-acme").code == 5
    assert victim.stream("plain").json["accepted"] == 1
