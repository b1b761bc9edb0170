"""Both doors to a track's influence: inside its model, and by the similarity of its outputs; with their agreement.

A vector's parts that were declared and parts that were estimated are told apart here too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from attribution.assemble import JOINED
from attribution.influence.details import METHOD
from ledger.errors import SettleError
from ledger.proofs import canon, vector
from ledger.registry import declared
from ledger.registry.declared import DeclarationFinding
from ledger.shown import percent
from ledger.types import ASPECTS, Digest, InfluenceVector
from service.attribution.others import OF, agreements

if TYPE_CHECKING:
    from ledger.registry.view import View
    from service.workspace import Workspace

DOORS: Final = {METHOD: "influence inside the model", vector.DECLARED: "what the generator declared"}
"""What a method looks at; all others of ours compare outputs."""


def door_of(method: str) -> str:
    return DOORS.get(method.removeprefix(JOINED), "another service" if OF in method else "similarity of outputs")


def beside(chosen: InfluenceVector, others: Mapping[Digest, InfluenceVector]) -> list[dict[str, Any]]:
    """Compare a vector with the newest of each other method of its track, aspect by aspect.

    `others`: oldest first. `agreed_ppm` is the part of the million that both give to the same sources, or to none.
    """
    newest = {
        candidate.method: (digest, candidate)
        for digest, candidate in others.items()
        if candidate.method != chosen.method
    }
    return [
        {
            "method": candidate.method,
            "version": candidate.version,
            "door": door_of(candidate.method),
            "digest": digest,
            "aspect": agreement.aspect,
            "agreed_ppm": agreement.agreed_ppm,
            "first_alone": list(agreement.first_alone),
            "second_alone": list(agreement.second_alone),
        }
        for digest, candidate in newest.values()
        for agreement in agreements(chosen, candidate)
    ]


def signed_beside(workspace: Workspace, chosen: InfluenceVector) -> list[dict[str, Any]]:
    """Return the comparison that an influence vector's own details hold; nothing for any other."""
    if chosen.method.removeprefix(JOINED) != METHOD or chosen.params_sha256 is None:
        return []
    try:
        details = canon.decode_object(workspace.log.blob(chosen.params_sha256), "influence details")
    except SettleError:
        return []  # the vector came from elsewhere, and its details did not
    compared: list[dict[str, Any]] = details.get("beside", [])
    return compared


def by_basis(chosen: InfluenceVector) -> list[dict[str, Any]]:
    """Return what of each aspect was declared, what was estimated, and what is unattributed."""
    rows = []
    for name in ASPECTS:
        aspect = chosen.aspect(name)
        sums = {basis: sum(s.ppm for s in aspect.sources if s.basis == basis) for basis in ("declared", "estimated")}
        if aspect.sources:
            rows.append({"aspect": name, **sums, "unattributed": aspect.unattributed})
    return rows


def findings_of(view: View, chosen: InfluenceVector) -> tuple[DeclarationFinding, ...]:
    """Return what is wrong with the declared part of a vector; nothing where receipts were never asked for."""
    registered = view.tracks.get(chosen.track)
    return declared.findings(view, chosen) if registered is not None and chosen.decisions else ()


def notes(report: Mapping[str, Any]) -> Iterator[str]:
    """Say it in sentences, for every form of a report."""
    for finding in report["findings"]:
        yield f"Declaration, {finding['kind']}: {finding['about'][:64]}: {finding['text']}."
    yield from mixed(report["by_basis"])
    for row in report["beside"]:
        yield (
            f"Beside {row['method']} {row['version']} ({row['door']}): they agree on {percent(row['agreed_ppm'])} of "
            f"the {row['aspect']}. Agreement is not accuracy."
        )


def mixed(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Say which part of an aspect the generator declared and which was estimated, where there are both."""
    for row in rows:
        if row["declared"] and row["estimated"]:
            yield (
                f"Of the {row['aspect']}, {percent(row['declared'])} was declared by the generator and "
                f"{percent(row['estimated'])} was estimated."
            )
