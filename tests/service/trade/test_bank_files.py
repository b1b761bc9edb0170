"""Files for banks and from them: valid against the ISO schema, the same bytes again, outcomes by reference."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from typing import Any

import pytest
import xmlschema
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InputError
from service.trade import bank, pain
from service.trade.pain import BankAccount, CreditTransfer

DEBTOR = BankAccount(
    name="Nordtone Musik AB", number="SE4550000000058398257466", bic="ESSESESS", town="Malmö", country="SE"
)
ANN = BankAccount(name="Ann Dvořák", number="DE89370400440532013000", bic="DEUTDEFF")
BOB = BankAccount(name="Bob Zażółć & Söhne", number="NO9386011117947", town="Oslo", country="NO")
SCHEMA = xmlschema.XMLSchema(str(files("sepaxml") / "schemas" / "pain.001.001.09.xsd"))


def as_dict(data: bytes) -> Any:
    """The document as the ISO schema reads it."""
    return SCHEMA.to_dict(data.decode())


def transfer(n: int, to: BankAccount = ANN, *, currency: str = "EUR", micros: int = 12_340_000) -> CreditTransfer:
    return CreditTransfer(
        reference=f"ST{n:030d}", to=to, currency=currency, micros=micros, remittance=f"Royalties 2026-06, part {n}"
    )


def made(*transfers: CreditTransfer) -> bytes:
    return pain.message(
        transfers, name="SETTLE-1-1", created="2026-07-05T10:00:00Z", execute_on="2026-07-06", debtor=DEBTOR
    )


def test_a_file_is_valid_and_the_same_when_made_again() -> None:
    """If this fails, the bank refuses the file, or a file made again is taken for another one and paid twice."""
    rows = [transfer(1), transfer(3, BOB)]
    data = made(*rows)
    SCHEMA.validate(data.decode())
    assert data == made(*reversed(rows))
    content = as_dict(data)["CstmrCdtTrfInitn"]
    (euros,) = content["PmtInf"]
    assert (euros["NbOfTxs"], str(euros["CtrlSum"])) == ("2", "24.68")
    assert (content["GrpHdr"]["NbOfTxs"], str(content["GrpHdr"]["CtrlSum"])) == ("2", "24.68")
    assert euros["PmtTpInf"]["SvcLvl"][0]["Cd"] == "SEPA"
    ann, bob = euros["CdtTrfTxInf"]
    assert ann["Cdtr"]["Nm"] == "Ann Dvorak"
    assert bob["Cdtr"] == {"Nm": "Bob Zazolc + Sohne", "PstlAdr": {"TwnNm": "Oslo", "Ctry": "NO"}}
    (crowns,) = as_dict(made(transfer(2, BOB, currency="NOK", micros=99_990_000)))["CstmrCdtTrfInitn"]["PmtInf"]
    assert "PmtTpInf" not in crowns


@given(st.lists(st.integers(1, 10**12), min_size=1, max_size=8), st.sampled_from(["EUR", "NOK", "USD", "JPY"]))
def test_amounts_are_whole_coins_and_add_up(rows: list[int], currency: str) -> None:
    """If this fails, the file asks the bank for another sum than the run made payable."""
    sent = [
        transfer(n, currency=currency, micros=coins * (1_000_000 if currency == "JPY" else 10_000))
        for n, coins in enumerate(rows)
    ]
    content = as_dict(made(*sent))["CstmrCdtTrfInitn"]
    (batch,) = content["PmtInf"]
    amounts = [payment["Amt"]["InstdAmt"] for payment in batch["CdtTrfTxInf"]]
    assert {amount["@Ccy"] for amount in amounts} == {currency}
    total = sum(transfer.micros for transfer in sent)
    assert total == sum(int(amount["$"] * 1_000_000) for amount in amounts) == int(batch["CtrlSum"] * 1_000_000)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (transfer(1, micros=12_345_678), "whole coins"),
        (transfer(1, micros=0), "whole coins"),
        (transfer(1, replace(ANN, name="久石譲")), "Latin letters"),
        (transfer(1, replace(ANN, name=" ")), "account holder"),
        (transfer(1, replace(ANN, number="12345678")), "IBAN"),
        (transfer(1, replace(ANN, number="BR1500000000000010932840814P2")), "outside SEPA"),
        (transfer(1, replace(ANN, number="CH9300762011623852957")), "town and country"),
        (transfer(1, replace(ANN, bic="deut")), "BIC"),
        (transfer(1, replace(ANN, town="Berlin")), "come together"),
        (replace(transfer(1), reference="x" * 36), "reference"),
    ],
)
def test_what_a_bank_would_refuse_is_refused_here(bad: CreditTransfer, reason: str) -> None:
    """If this fails, a whole batch comes back days later because of one payee."""
    with pytest.raises(InputError, match=reason):
        made(bad)
    with pytest.raises(InputError, match="twice"):
        made(transfer(1), transfer(1))
    with pytest.raises(InputError, match="one currency"):
        made(transfer(1), transfer(2, currency="NOK"))


PAIN_002 = """<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"><CstmrPmtStsRpt>
<GrpHdr><MsgId>B-1</MsgId></GrpHdr>
<OrgnlGrpInfAndSts><OrgnlMsgId>SETTLE-1-1</OrgnlMsgId><GrpSts>{group}</GrpSts></OrgnlGrpInfAndSts>
{payments}</CstmrPmtStsRpt></Document>"""
PAYMENT = """<OrgnlPmtInfAndSts><TxInfAndSts><OrgnlEndToEndId>{ref}</OrgnlEndToEndId><TxSts>{status}</TxSts>
<StsRsnInf><Rsn><Cd>AC04</Cd></Rsn></StsRsnInf></TxInfAndSts></OrgnlPmtInfAndSts>"""
CAMT = """<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.{kind}.001.08"><X>
<GrpHdr><MsgId>C-1</MsgId></GrpHdr>{entries}</X></Document>"""
ENTRY = """<Ntry><Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>{way}</CdtDbtInd><Sts><Cd>{status}</Cd></Sts>
<BookgDt><Dt>2026-07-07</Dt></BookgDt>
<NtryDtls><TxDtls><Refs><EndToEndId>{ref}</EndToEndId></Refs>{more}</TxDtls></NtryDtls></Ntry>"""
RETURNED = "<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>"


def test_a_status_report_rejects_by_reference_and_accepts_nothing_for_good() -> None:
    """If this fails, a payment that is on its way is sent again, or one that was rejected counts as paid."""
    payments = "".join(
        PAYMENT.format(ref=ref, status=status)
        for ref, status in (("a", "RJCT"), ("b", "ACSP"), ("c", "ACSC"), ("d", "????"))
    )
    answers = bank.read(PAIN_002.format(group="PART", payments=payments).encode())
    assert [(one.reference, one.outcome) for one in answers.answers] == [
        ("a", "failed"),
        ("b", "pending"),
        ("c", "settled"),
        ("d", "pending"),
    ]
    assert answers.answers[0].reason == "AC04"
    (whole,) = bank.read(PAIN_002.format(group="RJCT", payments="").encode()).answers
    assert (whole.batch, whole.outcome) == ("SETTLE-1-1", "failed")


@pytest.mark.parametrize("kind", ["053", "054"])
def test_a_statement_books_and_returns_by_reference(kind: str) -> None:
    """If this fails, a returned payment counts as paid, or money that came in counts as a payout."""
    rows = (
        ("a", "DBIT", "BOOK", ""),
        ("b", "DBIT", "PDNG", ""),
        ("c", "CRDT", "BOOK", RETURNED),
        ("d", "CRDT", "BOOK", ""),
        ("NOTPROVIDED", "DBIT", "BOOK", ""),
    )
    entries = "".join(
        ENTRY.format(ref=ref, way=way, status=status, more=more, amount="12.34") for ref, way, status, more in rows
    )
    answers = bank.read(CAMT.format(kind=kind, entries=entries).encode())
    assert [(one.reference, one.outcome, one.currency, one.micros) for one in answers.answers] == [
        ("a", "settled", "EUR", 12_340_000),
        ("b", "pending", "EUR", 12_340_000),
        ("c", "returned", "EUR", 12_340_000),
    ]
    assert (answers.unnamed, answers.name, answers.kind) == (2, "C-1", f"camt.{kind}")


@pytest.mark.parametrize(
    "data",
    [
        b"reference,amount",
        b"<Document/>",
        b"",
        b'<!DOCTYPE x [<!ENTITY a "">]><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08">&a;</Document>',
        CAMT.format(kind="052", entries="").encode(),
        CAMT.format(
            kind="053", entries=ENTRY.format(ref="a", way="DBIT", status="BOOK", more="", amount="1,5")
        ).encode(),
    ],
)
def test_a_file_that_is_none_is_refused(data: bytes) -> None:
    """If this fails, a wrong or hostile file is read as if no payment had an answer."""
    with pytest.raises(InputError):
        bank.read(data)
