"""Vectors of other services: taken as evidence under their names, and compared with ours on the same tracks.

They pay nobody until somebody assigns one, with a reason (`settle assign`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ledger.errors import InputError, SettleError
from ledger.files import write_whole
from ledger.ingest.checks import check_id
from ledger.proofs import canon, vector
from ledger.registry.declared import check_payable
from ledger.types import ASPECTS, STYLE_PREFIX, AspectVector, InfluenceVector
from service.attribution.method_amounts import MethodAmount, amounts
from service.attribution.vectors import Attributed, record
from service.log.keys import ring
from service.trade import shares

if TYPE_CHECKING:
    from service.workspace import Workspace

OF: Final = "/"
"""Between a party and its method: no method of ours has one in its name."""
UNKNOWN_SHOWN: Final = 5


def take(
    ws: Workspace, path: Path, *, method: str, version: str, party: str, renamed: Mapping[str, str]
) -> list[Attributed]:
    """Record the results of a party's method as declared, unassigned vectors: all of them, or none."""
    view = ws.registry.view()
    view.party(party)
    for text, what in ((method, "method"), (version, "version")):
        check_id(text, what)
    if OF in method:
        raise InputError(f"method {method!r}: a name without {OF}, which stands between party and method")
    try:
        data = path.read_bytes()
    except OSError as problem:
        raise InputError(f"{path}: {problem.strerror}") from None
    vectors = [
        replace(vector.from_declared(document), method=f"{party}{OF}{method}", version=version)
        for document in shares.read(data, str(path), renamed)
    ]
    named = {source.id for estimate in vectors for aspect in ASPECTS for source in estimate.aspect(aspect).sources}
    for estimate in vectors:
        check_payable(view, estimate)
    unknown = sorted(name for name in named - view.all_recordings.keys() if not name.startswith(STYLE_PREFIX))
    unknown += sorted({estimate.track for estimate in vectors} - view.tracks.keys())
    if unknown:
        more = f" and {len(unknown) - UNKNOWN_SHOWN:,} more" if len(unknown) > UNKNOWN_SHOWN else ""
        raise InputError(f"{path}: not registered: {', '.join(unknown[:UNKNOWN_SHOWN])}{more}; nothing was taken")
    return record(ws, vectors, assign=False, seconds=[0.0] * len(vectors))


def export(ws: Workspace, method: str, out: Path) -> int:
    """Write the newest vectors of a method as a table; return their number."""
    vectors = [estimate for (_, own), estimate in sorted(_newest(ws).items()) if own == method]
    if not vectors:
        methods = sorted({own for _, own in _newest(ws)})
        raise InputError(f"no vector of method {method!r}; recorded are {', '.join(methods) or 'none'}")
    write_whole(out, shares.as_csv(vectors).encode())
    return len(vectors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """The agreement of two methods on one aspect of a track, in ppm.

    A part that both leave unattributed counts as agreement. `first_alone` and `second_alone`: sources that only one of
    them names.
    """

    track: str
    aspect: str
    first: str
    second: str
    agreed_ppm: int
    first_alone: tuple[str, ...]
    second_alone: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementOfMethods:
    """The mean agreement of two methods over all tracks with vectors of both, rounded down."""

    first: str
    second: str
    aspect: str
    tracks: int
    mean_ppm: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodsCompared:
    """Agreement by track and by pair of methods."""

    methods: tuple[AgreementOfMethods, ...]
    tracks: tuple[Agreement, ...]
    amounts: tuple[MethodAmount, ...] = ()


def compare(ws: Workspace, tracks: Sequence[str] = (), *, period: str | None = None) -> MethodsCompared:
    """Compare the newest vectors of each method, on these tracks or on all; nothing is recorded.

    With a published month, also what each would have paid in it.
    """
    newest = _newest(ws)
    by_track: dict[str, list[InfluenceVector]] = defaultdict(list)
    for (track, _), estimate in sorted(newest.items()):
        if not tracks or track in tracks:
            by_track[track].append(estimate)
    if missing := [track for track in tracks if track not in by_track]:
        raise InputError(f"track {missing[0]!r} has no vector; settle attribute records one")
    compared = [
        agreement
        for of_track in by_track.values()
        for first, second in combinations(of_track, 2)
        for agreement in agreements(first, second)
    ]
    pairs: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for agreement in compared:
        pairs[agreement.first, agreement.second, agreement.aspect].append(agreement.agreed_ppm)
    return MethodsCompared(
        methods=tuple(
            AgreementOfMethods(
                first=first, second=second, aspect=aspect, tracks=len(agreed), mean_ppm=sum(agreed) // len(agreed)
            )
            for (first, second, aspect), agreed in sorted(pairs.items())
        ),
        tracks=tuple(compared),
        amounts=() if period is None else amounts(ws, newest, period),
    )


def agreements(first: InfluenceVector, second: InfluenceVector) -> Iterator[Agreement]:
    """Compare two vectors of a track, aspect by aspect."""
    for aspect in ASPECTS:
        first_ppm, second_ppm = _parts(first.aspect(aspect)), _parts(second.aspect(aspect))
        if not first_ppm and not second_ppm:
            continue  # neither measured it, or neither names a source
        agreed = sum(min(ppm, second_ppm.get(name, 0)) for name, ppm in first_ppm.items())
        agreed += min(first.aspect(aspect).unattributed, second.aspect(aspect).unattributed)
        yield Agreement(
            track=first.track,
            aspect=aspect,
            first=first.method,
            second=second.method,
            agreed_ppm=agreed,
            first_alone=tuple(sorted(first_ppm.keys() - second_ppm.keys())),
            second_alone=tuple(sorted(second_ppm.keys() - first_ppm.keys())),
        )


def _parts(aspect: AspectVector) -> dict[str, int]:
    return {source.id: source.ppm for source in aspect.sources}


def _newest(ws: Workspace) -> dict[tuple[str, str], InfluenceVector]:
    """Return by track and method the newest vector that an attribution key of this log signed."""
    keys = [key.public for key in ring(ws).of("attribution")]
    newest: dict[tuple[str, str], InfluenceVector] = {}
    for entry in ws.log.entries(types=("vector",)):
        body = canon.decode(entry.body)
        try:
            estimate = vector.open_statement(ws.log.blob(body["statement"]), keys)
        except SettleError:
            continue  # `settle ledger fsck` names it; it is nobody's word here
        newest[estimate.track, estimate.method] = estimate
    return newest
