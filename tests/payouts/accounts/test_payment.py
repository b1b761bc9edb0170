"""Payment files: what a bank's operator opens in a spreadsheet, and what is signed when a batch leaves."""

from __future__ import annotations

import csv
import hashlib
import io

import pytest

from ledger.errors import InputError
from payouts.accounts.payment import (
    COLUMNS,
    Instruction,
    PayeeAccount,
    account_digest,
    batch_payload,
    cell,
    payment_file,
    reference,
)

RUN = "f" * 64


def instruction(party: str, micros: int, **more: object) -> Instruction:
    return Instruction(
        party=party,
        micros=micros,
        reference=reference(RUN, party),
        account=account_digest(party, "bank", "SE45"),
        **more,  # type: ignore[arg-type]
    )


ANN, BOB = (
    instruction("ann", 12_340_000),
    instruction("bob", 5_000_000, sent={"currency": "JPY", "micros": "800000000"}),
)


def test_what_is_signed_names_every_payment_and_their_sum() -> None:
    """If this fails, a batch leaves with other payments, or another total, than two people looked at."""
    plain = {"party": "ann", "micros": "12340000", "reference": ANN.reference, "account": ANN.account}
    abroad = {
        "party": "bob",
        "micros": "5000000",
        "reference": BOB.reference,
        "account": BOB.account,
        "sent": {"currency": "JPY", "micros": "800000000"},
    }
    assert batch_payload(RUN, "file", 2, [BOB, ANN]) == {
        "v": 2,
        "run": RUN,
        "via": "file",
        "batch": 2,
        "micros": "17340000",
        "payments": [plain, abroad],
    }


def test_a_file_has_a_row_a_payee_in_the_currency_that_is_sent() -> None:
    """If this fails, somebody is sent another amount, in another currency, or to another account."""
    rows = [
        (BOB, PayeeAccount(party="bob", name='Bob, "Bo" B', method="bank", account="JP77")),
        (
            ANN,
            PayeeAccount(
                party="ann",
                name="=HYPERLINK(1)",
                method="bank",
                account="SE45",
                bic="ESSESESS",
                town="Åre",
                country="SE",
            ),
        ),
    ]
    made = payment_file(rows, currency="EUR", period="2026-06", pool="default", run=RUN)
    assert made.decode() == "\r\n".join(
        (
            "reference,party,name,account,amount,currency,period,pool,run,bic,town,country",
            f"{ANN.reference},ann,'=HYPERLINK(1),SE45,12.34,EUR,2026-06,default,{RUN},ESSESESS,Åre,SE",
            f'{BOB.reference},bob,"Bob, ""Bo"" B",JP77,800,JPY,2026-06,default,{RUN},,,',
            "",
        )
    )
    reordered = [(one, PayeeAccount(party="z", name="N", method="bank", account="A")) for one in (BOB, ANN, BOB)]
    text = payment_file(reordered, currency="EUR", period="2026-06", pool="default", run=RUN).decode()
    assert [line.split(",")[1] for line in text.split("\r\n")[1:-1]] == ["ann", "bob", "bob"]
    assert tuple(next(csv.reader(io.StringIO(made.decode())))) == COLUMNS


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_cell_is_a_formula(start: str) -> None:
    """If this fails, a payee's name runs on the computer of whoever pays."""
    assert cell(f"{start}1") == f"'{start}1"
    assert cell(f"a{start}1") == f"a{start}1"
    assert cell("") == ""


def test_the_same_intent_has_the_same_reference() -> None:
    """If this fails, a repeated batch pays twice, or a bank refuses the reference."""
    assert reference(RUN, "ann") == reference(RUN, "ann") != reference(RUN, "bob")
    assert reference("e" * 64, "ann") != reference(RUN, "ann")
    assert len(ANN.reference) == 32
    assert ANN.reference.startswith("ST")
    assert ANN.reference.isalnum()
    # As it stood on bank statements from the first payment on.
    assert ANN.reference == "ST" + hashlib.sha256(f"{RUN}/ann".encode()).hexdigest()[:30].upper()


def test_every_further_attempt_has_a_reference_of_its_own() -> None:
    """If this fails, a bank's answer to one attempt is taken for the answer to another, or a bank refuses the name."""
    names = [reference(RUN, "ann", attempt) for attempt in range(1, 100)]
    assert names[0] == ANN.reference
    assert names[1] == f"{ANN.reference}-2"
    assert len(set(names)) == 99
    assert max(map(len, names)) == 35
    with pytest.raises(InputError, match="written-off"):
        reference(RUN, "ann", 100)


def test_a_payment_is_read_as_it_was_written() -> None:
    """If this fails, a file made again asks for another amount or currency than the one that was sent."""
    for instruction in (ANN, BOB):
        assert Instruction.from_payload(instruction.payload()) == instruction
        assert Instruction.from_payload(instruction.payload()).sent == instruction.sent
    assert (ANN.paid("EUR"), BOB.paid("EUR")) == (("EUR", ANN.micros), ("JPY", 800_000_000))


def test_an_account_is_named_by_all_of_it() -> None:
    """If this fails, money goes to a changed account under an approval of the old one."""
    accounts = {
        account_digest(*one)
        for one in (("a", "bank", "x"), ("b", "bank", "x"), ("a", "chain", "x"), ("a", "bank", "y"))
    }
    assert len(accounts) == 4
    plain = b'{"account":"x","method":"bank","party":"a"}'
    assert account_digest("a", "bank", "x") == hashlib.sha256(plain).hexdigest()
