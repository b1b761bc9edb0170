"""A declaration and an estimate of one track: side by side in the report, or joined in one vector."""

from __future__ import annotations

from dataclasses import replace

from ledger.proofs import vector
from ledger.types import MILLION, AspectVector, Influence, InfluenceVector
from service.attribution.report import report, report_text
from service.attribution.vectors import record
from tests.service.month import Month
from tests.service.web.serving import client

DECLARED = {"track": "trk-3", "sources": [{"recording": "rec-1", "ppm": 600_000, "use": "condition"}]}


def estimated(*parts: tuple[str, int]) -> InfluenceVector:
    sources = tuple(Influence(id=n, ppm=ppm, basis="estimated", low=ppm // 2, high=ppm) for n, ppm in parts)
    nothing = AspectVector(sources=(), unattributed=MILLION)
    left = MILLION - sum(ppm for _, ppm in parts)
    return InfluenceVector(
        track="trk-3",
        recording=AspectVector(sources=sources, unattributed=left),
        composition=nothing,
        style=nothing,
        method="hybrid",
        version="1",
    )


def test_a_report_puts_the_methods_beside_each_other(june: Month) -> None:
    """If this fails, a holder sees one method's shares and does not learn that another says something else."""
    record(june.ws, [vector.from_declared(DECLARED)], assign=True, seconds=[0.0])
    record(june.ws, [estimated(("rec-1", 500_000), ("rec-2", 200_000))], assign=False, seconds=[0.0])
    shown = report(june.ws, "trk-3")
    (row,) = shown["beside"]
    assert (row["method"], row["door"], row["aspect"]) == ("hybrid", "similarity of outputs", "recording")
    # Both give 500,000 to rec-1, and both leave 300,000 to nobody.
    assert (row["agreed_ppm"], row["first_alone"], row["second_alone"]) == (800_000, [], ["rec-2"])
    assert "they agree on 80.00 % of the recording" in report_text(shown)


def test_declared_and_estimated_parts_stand_apart_in_one_vector(june: Month) -> None:
    """If this fails, an estimate overwrites what the generator knows, or a page does not say which part is which."""
    record(june.ws, [vector.from_declared(DECLARED)], assign=True, seconds=[0.0])
    estimate = estimated(("rec-1", 500_000), ("rec-2", 250_000))
    record(june.ws, [estimate], assign=True, seconds=[0.0], keep_declared=True)
    shown = report(june.ws, "trk-3")
    assert (shown["method"], shown["assigned"]) == ("declared+hybrid", True)
    parts = {(s["id"], s["basis"]): s["ppm"] for s in shown["aspects"][0]["sources"]}
    assert parts == {
        ("rec-1", "declared"): 600_000,
        ("rec-1", "estimated"): 200_000,
        ("rec-2", "estimated"): 100_000,
    }
    (row,) = shown["by_basis"]
    assert (row["declared"], row["estimated"], row["unattributed"]) == (600_000, 300_000, 100_000)
    with client(june) as web:
        page = web.get("/tracks/trk-3").text
    assert "60.00 % was declared by the generator and 30.00 % was estimated" in page
    # Estimated again, it keeps the same declaration and does not scale the estimate a second time.
    first = june.ws.log.assignments()["trk-3"][0]
    record(june.ws, [estimate], assign=True, seconds=[0.0], keep_declared=True)
    assert june.ws.log.assignments()["trk-3"][0] == first
    record(june.ws, [replace(estimate, track="trk-2")], assign=True, seconds=[0.0])
    assert report(june.ws, "trk-2")["method"] == "hybrid"
