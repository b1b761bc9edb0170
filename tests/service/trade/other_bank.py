"""A bank as an independent library sees one (pyiso20022): it takes our pain.001 files and answers in its own files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pyiso20022.camt.camt_053_001_08 as camt053
import pyiso20022.camt.camt_054_001_08 as camt054
import pyiso20022.pain.pain_001_001_09 as pain001
import pyiso20022.pain.pain_002_001_10 as pain002
from xsdata.formats.dataclass.parsers import XmlParser
from xsdata.formats.dataclass.serializers import XmlSerializer
from xsdata.models.datatype import XmlDate, XmlDateTime

NOW = XmlDateTime(2026, 8, 3, 12, 0, 0)


@dataclass(frozen=True)
class Order:
    """One payment as the bank understood it."""

    message: str
    batch: str
    reference: str
    currency: str
    amount: Decimal
    name: str
    account: str
    town: str | None = None


@dataclass(frozen=True)
class Movement:
    """One line of an account statement: money that left (`DBIT`) or came in (`CRDT`)."""

    reference: str
    currency: str
    amount: Decimal
    way: str = "DBIT"
    status: str = "BOOK"
    returned: bool = False
    entry: str = "E-1"
    batch: str | None = None

    def back(self, entry: str) -> Movement:
        """The same money, sent back by the payee's bank."""
        return replace(self, way="CRDT", returned=True, entry=entry)


def orders(data: bytes) -> list[Order]:
    """What a bank reads in a pain.001 file, whose own sums it checks."""
    message = XmlParser().from_bytes(data, pain001.Document).cstmr_cdt_trf_initn
    found = []
    for batch in message.pmt_inf:
        payments = batch.cdt_trf_tx_inf
        assert int(batch.nb_of_txs) == len(payments)
        assert batch.ctrl_sum == sum(payment.amt.instd_amt.value for payment in payments)
        for payment in payments:
            identity = payment.cdtr_acct.id
            found.append(
                Order(
                    message=message.grp_hdr.msg_id,
                    batch=batch.pmt_inf_id,
                    reference=payment.pmt_id.end_to_end_id,
                    currency=payment.amt.instd_amt.ccy,
                    amount=payment.amt.instd_amt.value,
                    name=payment.cdtr.nm,
                    account=identity.iban or identity.othr.id,
                    town=payment.cdtr.pstl_adr.twn_nm if payment.cdtr.pstl_adr else None,
                )
            )
    assert int(message.grp_hdr.nb_of_txs) == len(found)
    return found


def debits(data: bytes) -> list[Movement]:
    """The movements of an account whose bank paid every order of a file."""
    return [
        Movement(order.reference, order.currency, order.amount, entry=f"E-{order.reference}") for order in orders(data)
    ]


def status_report(message: str, statuses: dict[str, str], *, group: str | None = None) -> bytes:
    """A pain.002 file: one status (such as RJCT) by reference, or one for the whole message."""
    reason = pain002.StatusReasonInformation12(rsn=pain002.StatusReason6Choice(cd="AC04"))
    payments = [
        pain002.PaymentTransaction105(orgnl_end_to_end_id=reference, tx_sts=status, sts_rsn_inf=[reason])
        for reference, status in statuses.items()
    ]
    batches = (
        [pain002.OriginalPaymentInstruction32(orgnl_pmt_inf_id=message, tx_inf_and_sts=payments)] if payments else []
    )
    report = pain002.CustomerPaymentStatusReportV10(
        grp_hdr=pain002.GroupHeader86(msg_id="B-1", cre_dt_tm=NOW),
        orgnl_grp_inf_and_sts=pain002.OriginalGroupHeader17(
            orgnl_msg_id=message, orgnl_msg_nm_id="pain.001.001.09", grp_sts=group
        ),
        orgnl_pmt_inf_and_sts=batches,
    )
    return _written(pain002.Document(cstmr_pmt_sts_rpt=report))


def account_report(kind: str, movements: list[Movement]) -> bytes:
    """A camt.053 or camt.054 file with these movements, one entry each."""
    camt: Any = camt053 if kind == "053" else camt054
    entries = [_entry(camt, movement) for movement in movements]
    head = camt.GroupHeader81(msg_id="C-1", cre_dt_tm=NOW)
    account = camt.CashAccount39(id=camt.AccountIdentification4Choice(iban="SE4550000000058398257466"))
    if kind == "053":
        balance = camt.CashBalance8(
            tp=camt.BalanceType13(cd_or_prtry=camt.BalanceType10Choice(cd="CLBD")),
            amt=camt.ActiveOrHistoricCurrencyAndAmount(value=Decimal(1), ccy="EUR"),
            cdt_dbt_ind=camt.CreditDebitCode.CRDT,
            dt=camt.DateAndDateTime2Choice(dt=XmlDate(2026, 8, 3)),
        )
        report = camt.AccountStatement9(id="S-1", acct=account, bal=[balance], ntry=entries)
        return _written(camt.Document(bk_to_cstmr_stmt=camt.BankToCustomerStatementV08(grp_hdr=head, stmt=[report])))
    report = camt.AccountNotification17(id="S-1", acct=account, ntry=entries)
    notification = camt.BankToCustomerDebitCreditNotificationV08(grp_hdr=head, ntfctn=[report])
    return _written(camt.Document(bk_to_cstmr_dbt_cdt_ntfctn=notification))


def _entry(camt: Any, movement: Movement) -> Any:
    amount = camt.ActiveOrHistoricCurrencyAndAmount(value=movement.amount, ccy=movement.currency)
    back = camt.PaymentReturnReason5(rsn=camt.ReturnReason5Choice(cd="AC04")) if movement.returned else None
    if movement.batch is None:
        payment = camt.EntryTransaction10(
            refs=camt.TransactionReferences6(end_to_end_id=movement.reference), amt=amount, rtr_inf=back
        )
        details = camt.EntryDetails9(tx_dtls=[payment])
    else:
        details = camt.EntryDetails9(btch=camt.BatchInformation2(pmt_inf_id=movement.batch))
    return camt.ReportEntry10(
        amt=amount,
        cdt_dbt_ind=camt.CreditDebitCode(movement.way),
        sts=camt.EntryStatus1Choice(cd=movement.status),
        bookg_dt=camt.DateAndDateTime2Choice(dt=XmlDate(2026, 8, 3)),
        acct_svcr_ref=movement.entry,
        bk_tx_cd=camt.BankTransactionCodeStructure4(),
        ntry_dtls=[details],
    )


def _written(document: Any) -> bytes:
    return XmlSerializer().render(document).encode()
