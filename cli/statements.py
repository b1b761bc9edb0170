"""Text of statements and explanations for the terminal, with the words and figures of the page and the PDF."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.render import table
from ledger import shown
from ledger.proofs.batch import in_words
from ledger.shown import NOTHING, money
from payouts.statements.text import (
    FIGURES,
    NAMES,
    about,
    bundle_name,
    formula,
    headline,
    influence,
    next_steps,
    own_share,
)

if TYPE_CHECKING:
    from payouts.statements.statement import PoolStatement, Statement
    from service.statements.explaining import Explained


def statement_text(found: Statement) -> str:
    """Return a statement's figures, their origin, and how to check it."""
    issuer = found.issuer
    lines = [f"Royalty statement, {found.month}, for {found.name or found.party}" + ("  [demo]" if found.demo else "")]
    if issuer.name:
        lines.append("  " + ", ".join(filter(None, (issuer.name, issuer.address, issuer.contact))))
    if found.nil:
        return "\n".join([*lines, "nothing was allocated, held, corrected or carried"])
    for pool in found.pools:
        lines += _pool(pool)
        lines += ["", "What happens next:", *(f"  {step}" for step in next_steps(found, pool))]
    lines += ["", "Check it: the operator makes the bundle and sends it, you verify it with nothing but trust.json:"]
    lines += [f"  settle verify {bundle_name(found)} --trust trust.json"]
    return "\n".join(lines)


def _pool(pool: PoolStatement) -> list[str]:
    amount, state = headline(pool)
    lines = ["", f"{amount} {state}", f"pool {pool.pool}, {pool.state}, rule {pool.rule}, run {pool.run[:16]}"]
    for name, called in FIGURES.items():
        lines.append(f"  {called:<24}{money(getattr(pool, name + '_micros'), pool.currency):>26}")
        if name == "adjustments":
            lines += [
                f"    {NAMES[adjustment.kind]:<22}{money(adjustment.micros):>22}      {adjustment.reason}"
                for adjustment in pool.adjustments
            ]
        if name == "deductions":
            lines += [
                f"    {NAMES[deduction.kind]:<22}{money(deduction.micros):>22}      {deduction.note}"
                for deduction in pool.deductions
            ]
    if (sent := pool.converted) is not None:
        rate = f"one {pool.currency} is {sent.rate} ({sent.source}, {sent.date})"
        lines.append(f"  {'Paid as ' + sent.currency:<24}{money(sent.micros, sent.currency):>26}  {rate}")
    left = [deduction for deduction in pool.beside if deduction.closing_micros]
    for deduction in left:
        called = "Advance still to recoup" if deduction.kind == "advance" else f"In reserve until {deduction.due}"
        lines.append(f"  {called:<24}{money(deduction.closing_micros, pool.currency):>26}  {deduction.note}")
    lines.append(f"  {'Payment':<24}{pool.payment.state} {pool.payment.reference}".rstrip())
    return lines + _earnings(pool) + _waiting(pool)


def _earnings(pool: PoolStatement) -> list[str]:
    if not pool.earnings:
        return []
    rows = [
        {
            "track": earning.track or "several",
            "source": earning.source,
            "title": earning.source_title or NOTHING,
            "influence": influence(earning),
            "basis": earning.basis,
            "part of pool": shown.exact_percent(earning.aspect_ppm),
            "own share": own_share(earning),
            "units": earning.units or None,
            "allocated": money(earning.micros),
        }
        for earning in pool.earnings
    ]
    streams = [
        f"  streams: {earning.count:,} of {earning.source}, {in_words(earning.platform)}" for earning in pool.streams
    ]
    return ["", table(rows), *streams, f"  {formula(pool)}"]


def _waiting(pool: PoolStatement) -> list[str]:
    lines = []
    for amount in pool.waiting:
        lines += [
            "",
            f"  {FIGURES[amount.state]}: {money(amount.micros, pool.currency)} of {about(amount)}",
            f"    {amount.reason}: {amount.advice}",
        ]
        lines += [f"    reference: {amount.ref}"] if amount.ref else []
    return lines


def explained_text(found: Explained) -> str:
    """Return an explanation: the division, the weights, the vectors, the streams."""
    lines = [f"{found.party} in run {found.run[:16]}, pool {money(found.pool_micros, found.currency)}", ""]
    for item in found.groups:
        up = ", and one more from the rounding" if item.rounded_up else ""
        lines.append(f"group {item.group}: weight {item.weight} of {item.weight_of_all}")
        lines.append(f"  {item.owed} / {item.denominator}, rounded down{up}: {money(item.micros, found.currency)}")
    for line in found.lines:
        reason = f", {line.reason}" if line.reason else ""
        lines += ["", f"{line.state}{reason}: {money(line.micros, found.currency)}, made up of"]
        pieces = [
            {
                "track": item.track or "several",
                "source": item.source,
                "aspect": item.aspect,
                "basis": item.basis,
                "weight": item.weight,
                "amount": money(item.micros),
            }
            for item in line.pieces
        ]
        lines.append(table(pieces))
    for vector in found.vectors:
        model = f" of {vector.model}" if vector.model else ""
        method = f"{vector.method} {vector.version}{model}"
        units = shown.counted(vector.units, "unit")
        lines += ["", f"{vector.track}: {units} by vector {vector.digest}, {method}"]
        lines += [
            f"  {item.id} {shown.with_interval(shown.percent(item.ppm), item.low, item.high)}, {item.basis}"
            for item in vector.sources
        ]
    if found.track is not None:
        streams = shown.counted(found.streams, "stream")
        lines += ["", f"{streams} of {found.track}; the first {len(found.events)}, each with its proof:"]
        lines += [
            f"  {item.occurred_at} {item.territory}  {in_words(item.platform)}  {item.prove}" for item in found.events
        ]
    return "\n".join(lines)
