"""Statements and explanations as a person reads them on a terminal: the words and figures of the page and the PDF."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.render import table
from ledger import shown
from ledger.proofs.batch import in_words
from ledger.shown import NOTHING, money
from payouts.statements.text import FIGURES, NAMES, about, bundle_name, influence

if TYPE_CHECKING:
    from payouts.statements.statement import PoolStatement, Statement
    from service.statements.explaining import Explained


def statement_text(found: Statement) -> str:
    """The figures of a statement, then where they come from, then how to check it."""
    lines = [f"Statement {found.period} for {found.name or found.party}" + ("  [demo]" if found.demo else "")]
    if found.nil:
        return "\n".join([*lines, "nothing was allocated, held, corrected or carried"])
    for pool in found.pools:
        lines += _pool(pool)
    lines += ["", "Check it: the operator makes the bundle and sends it, you verify it with nothing but trust.json:"]
    lines += [f"  settle verify {bundle_name(found)} --trust trust.json"]
    return "\n".join(lines)


def _pool(pool: PoolStatement) -> list[str]:
    lines = ["", f"pool {pool.pool}, {pool.state}, rule {pool.rule}, run {pool.run[:16]}"]
    for name, called in FIGURES.items():
        lines.append(f"  {called:<24}{money(getattr(pool, name + '_micros'), pool.currency):>26}")
        if name == "deductions":
            lines += [f"    {NAMES[one.kind]:<22}{money(one.micros):>22}      {one.note}" for one in pool.deductions]
    if (sent := pool.converted) is not None:
        said = f"one {pool.currency} is {sent.rate} ({sent.source}, {sent.date})"
        lines.append(f"  {'Paid as ' + sent.currency:<24}{money(sent.micros, sent.currency):>26}  {said}")
    left = [one for one in pool.beside if one.closing_micros]
    for one in left:
        called = "Advance still to recoup" if one.kind == "advance" else f"In reserve until {one.due}"
        lines.append(f"  {called:<24}{money(one.closing_micros, pool.currency):>26}  {one.note}")
    lines.append(f"  {'Payment':<24}{pool.payment.state} {pool.payment.reference}".rstrip())
    return lines + _earnings(pool) + _waiting(pool)


def _earnings(pool: PoolStatement) -> list[str]:
    if not pool.earnings:
        return []
    rows = [
        {
            "track": one.track or "several",
            "source": one.source,
            "title": one.source_title or NOTHING,
            "influence": influence(one),
            "basis": one.basis,
            "units": one.units or None,
            "allocated": money(one.micros),
        }
        for one in pool.earnings
    ]
    streams = [f"  streams: {one.count:,} of {one.source}, {in_words(one.platform)}" for one in pool.streams]
    return ["", table(rows), *streams]


def _waiting(pool: PoolStatement) -> list[str]:
    lines = []
    for one in pool.waiting:
        lines += [
            "",
            f"  {FIGURES[one.state]}: {money(one.micros, pool.currency)} of {about(one)}",
            f"    {one.reason}: {one.advice}",
        ]
        lines += [f"    reference: {one.ref}"] if one.ref else []
    return lines


def explained_text(found: Explained) -> str:
    """The division first, then what weighed, then the vectors, then the streams."""
    lines = [f"{found.party} in run {found.run[:16]}, pool {money(found.pool_micros, found.currency)}", ""]
    for one in found.groups:
        up = ", and one more from the rounding" if one.rounded_up else ""
        lines.append(f"group {one.group}: weight {one.weight} of {one.weight_of_all}")
        lines.append(f"  {one.owed} / {one.denominator}, rounded down{up}: {money(one.micros, found.currency)}")
    for line in found.lines:
        reason = f", {line.reason}" if line.reason else ""
        lines += ["", f"{line.state}{reason}: {money(line.micros, found.currency)}, made up of"]
        pieces = [
            {
                "track": one.track or "several",
                "source": one.source,
                "aspect": one.aspect,
                "basis": one.basis,
                "weight": one.weight,
                "amount": money(one.micros),
            }
            for one in line.pieces
        ]
        lines.append(table(pieces))
    for vector in found.vectors:
        model = f" of {vector.model}" if vector.model else ""
        method = f"{vector.method} {vector.version}{model}"
        units = shown.counted(vector.units, "unit")
        lines += ["", f"{vector.track}: {units} by vector {vector.digest}, {method}"]
        lines += [
            f"  {one.id} {shown.with_interval(shown.percent(one.ppm), one.low, one.high)}, {one.basis}"
            for one in vector.sources
        ]
    if found.track is not None:
        streams = shown.counted(found.streams, "stream")
        lines += ["", f"{streams} of {found.track}; the first {len(found.events)}, each with its proof:"]
        lines += [f"  {one.occurred_at} {one.territory}  {in_words(one.platform)}  {one.prove}" for one in found.events]
    return "\n".join(lines)
