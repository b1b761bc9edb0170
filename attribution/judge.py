"""Attribute one item against one catalogue: the vector, its parameters, and the details for reports.

    python -m attribution.judge FOLDER [FILE]

reruns an evidence bundle (see docs/formats.md), from the features in it or from the track itself, and
compares: the payload's bytes on the same kind of machine, the shares within TOLERANCE_PPM elsewhere.
"""

from __future__ import annotations

import json
import sys
from copy import copy
from pathlib import Path
from typing import Any, Final

from attribution.assemble import assemble
from attribution.hearing.features import Features, read
from attribution.index.catalogue import Catalogue
from attribution.index.large import LargeCatalogue
from attribution.index.store import IndexStore
from attribution.methods.byname import method as method_of
from attribution.methods.calibration import shipped
from attribution.methods.protocol import Estimate, Method
from attribution.weights.load import digest as weights_digest
from ledger.errors import SettleError, VerificationError
from ledger.proofs import canon, vector
from ledger.types import ASPECTS, InfluenceVector

TOLERANCE_PPM: Final = 50
"""How far a rerun on another kind of machine may be: rounding decides the last digits there."""


def parameters(method: Method) -> dict[str, Any]:
    """Everything but the item and the catalogue that the numbers depend on."""
    return {
        "v": 1,
        "type": "attribution-parameters",
        "method": method.name,
        "version": method.version,
        "weights_sha256": weights_digest(),
        "calibration_sha256": shipped().digest,
        "seed": 0,
    }


def judge(
    method: Method,
    catalogue: Catalogue | LargeCatalogue,
    item: Features,
    *,
    track: str,
    model: tuple[str | None, str | None] = (None, None),
) -> tuple[InfluenceVector, Estimate]:
    """The vector of one track, and the estimate behind it; the method is fitted to the catalogue unless it is large."""
    asked: Catalogue
    if isinstance(catalogue, LargeCatalogue):
        asked, method = catalogue.narrowed(item), copy(method)
        method.fit(asked)
    else:
        asked = catalogue
    estimate = method.attribute(item)
    aspects = assemble(estimate, dict(zip(asked.ids, asked.styles, strict=True)), shipped(), method.name)
    estimated = InfluenceVector(
        track=track,
        recording=aspects["recording"],
        composition=aspects["composition"],
        style=aspects["style"],
        method=method.name,
        version=method.version,
        params_sha256=canon.digest(canon.encode(parameters(method))),
        catalogue_root=catalogue.root,
        catalogue_size=len(catalogue),
        model=model[0],
        model_version=model[1],
        error=shipped().error(method.name),
    )
    return estimated, estimate


def details(track: str, item: Features, estimate: Estimate, method: Method) -> dict[str, Any]:
    """The details of a report beyond the vector, in canonical types: times in milliseconds, shares in ppm."""
    claims = {
        aspect: [
            {"id": name, "ppm": round(share * 1_000_000)}
            for name, share in sorted(shares.items(), key=lambda pair: (-pair[1], pair[0]))[:20]
        ]
        for aspect, shares in estimate.shares.items()
    }
    matches = [
        {
            "source": match.source,
            "aspect": match.aspect,
            "track_ms": [round(match.track_start * 1000), round(match.track_end * 1000)],
            "source_ms": round(match.source_start * 1000),
            "evidence": match.evidence,
        }
        | ({} if match.transposed is None else {"transposed": match.transposed})
        for match in estimate.matches
    ]
    return {
        "v": 1,
        "type": "attribution-details",
        "track": track,
        "method": method.name,
        "item_sha256": item.digest,
        "judged_sha256": item.judged_sha256,
        "form": item.form,
        "length_ms": round(item.seconds * 1000),
        "before_thresholds": claims,
        "above_chance": sorted(estimate.above_chance),
        "matches": matches,
        "remarks": [*item.remarks],
    }


def rerun(folder: Path, file: Path | None = None) -> dict[str, Any]:
    """Attribute a bundle's item again and compare with what the bundle says."""
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    store = IndexStore(folder / "index")
    catalogue = store.catalogue()
    chosen = method_of(expected["method"])
    chosen.fit(catalogue)
    model = (expected.get("model"), expected.get("model_version"))
    item = store.get(expected["item_sha256"]) if file is None else read(file, expected["track"])
    if item.digest != expected["item_sha256"]:
        raise VerificationError(f"{file}: SHA-256 {item.digest}, the bundle is about {expected['item_sha256']}")
    judged, _ = judge(chosen, catalogue, item, track=expected["track"], model=model)
    payload = canon.encode(vector.payload(judged))
    signed = vector.read_statement((folder / "vector.json").read_bytes())
    furthest = 0
    for aspect in ASPECTS:
        then = {source.id: source.ppm for source in signed.aspect(aspect).sources}
        now = {source.id: source.ppm for source in judged.aspect(aspect).sources}
        furthest = max([furthest, *(abs(then.get(name, 0) - now.get(name, 0)) for name in then.keys() | now.keys())])
    digest = canon.digest(payload)
    same = digest == expected["payload_sha256"]
    return {
        "ok": same or furthest <= TOLERANCE_PPM,
        "same_bytes": same,
        "furthest_ppm": furthest,
        "tolerance_ppm": TOLERANCE_PPM,
        "payload_sha256": digest,
        "expected_sha256": expected["payload_sha256"],
    }


def main(argv: list[str] | None = None) -> int:
    words = sys.argv[1:] if argv is None else argv
    if len(words) not in (1, 2):
        sys.stderr.write("usage: python -m attribution.judge FOLDER [FILE]\n")
        return 2
    try:
        answer = rerun(*map(Path, words))
    except SettleError as problem:
        sys.stderr.write(f"{problem}\n")
        return 3
    sys.stdout.write(json.dumps(answer, indent=2) + "\n")
    return 0 if answer["ok"] else 3


if __name__ == "__main__":
    raise SystemExit(main())
