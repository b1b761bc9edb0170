"""The royalty report of a track: its vector, with the parties and permissions of its sources."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ledger import shown
from ledger.errors import InputError, SettleError, StateError
from ledger.log.store import queries
from ledger.proofs import canon, vector
from ledger.types import ASPECTS, MILLION, STYLE_PREFIX, Aspect, Digest, Influence, InfluenceVector
from service.attribution import doors
from service.attribution.cautions import cautions
from service.attribution.indexing import store_of
from service.attribution.vectors import vectors_of
from service.registry.naming import unknown_track

if TYPE_CHECKING:
    from ledger.registry.view import View
    from service.workspace import Workspace

TOP: Final = 10
NO_HOLDER: Final = "(no confirmed holder)"
MEANING: Final[dict[Aspect, str]] = {
    "recording": "Whose sound recordings are in it: shares of the track's own sound.",
    "composition": "Whose tunes and harmonies it uses, whoever plays them.",
    "style": "Which kinds of music shaped it; a style group's part is shared inside the group and names nobody.",
}
RIGHT: Final[dict[Aspect, str]] = {"recording": "master", "composition": "publishing", "style": "master"}


def report(workspace: Workspace, track: str, digest: Digest | None = None) -> dict[str, Any]:
    """Return the report as JSON types, about the payable vector (or the newest, or the one named)."""
    statements = vectors_of(workspace, track)
    view = workspace.registry.view()
    if not statements:
        if track not in view.tracks:
            raise unknown_track(workspace, track)
        raise StateError(f"track {track!r} has no vector; run `settle attribute` on it, or declare one")
    assigned = workspace.log.assignments().get(track, (None, None))[0]
    chosen = digest or assigned or statements[-1][0]
    index = dict(statements).get(chosen)
    if index is None:
        raise InputError(f"track {track!r} has no vector {chosen[:16]}")
    artists = {recording.id: recording.artist for recording in workspace.registry.catalogue()}
    shares, estimated = _shares(workspace, track, chosen, index, artists, assigned=chosen == assigned)
    details = details_of(workspace, estimated, track)
    alternatives = {
        statement: vector.read_statement(workspace.log.blob(statement))
        for statement, _ in statements
        if statement != chosen
    }
    two_doors = {
        "by_basis": doors.by_basis(estimated),
        "findings": [asdict(finding) for finding in doors.findings_of(view, estimated)],
        "beside": doors.beside(estimated, alternatives),
    }
    return {
        **shares,
        **two_doors,
        "by_artist": _by_artist(artists, estimated),
        "by_holder": _by_holder(workspace, view, estimated),
        "matches": _matches(view, artists, details, estimated),
        "length_ms": details.get("length_ms"),
        "notes": [
            *cautions(estimated, details, {row.id: row for row in store_of(workspace).rows()}),
            *doors.notes(two_doors),
        ],
        "other_vectors": [
            {"digest": statement, "method": alternative.method, "version": alternative.version}
            for statement, alternative in alternatives.items()
        ],
    }


def public_report(workspace: Workspace, track: str) -> dict[str, Any] | None:
    """Return the public part of a track's assigned vector, without names of artists and holders.

    None without an assigned vector. `index` is that of the assignment. Only the track and its sources are read, so that
    a public page costs the same in any catalogue.
    """
    with workspace.log.store.reading() as connection:
        assigned = queries.find_assignment(connection, track)
    if assigned is None:
        return None
    shares, estimated = _shares(workspace, track, *assigned, {}, assigned=True)
    mixed = list(doors.mixed(doors.by_basis(estimated)))
    return {**shares, "mixed": mixed, "beside": doors.signed_beside(workspace, estimated)}


def _shares(
    workspace: Workspace,
    track: str,
    chosen: Digest,
    index: int,
    artists: dict[str, str | None],
    *,
    assigned: bool,
) -> tuple[dict[str, Any], InfluenceVector]:
    """Return the vector as shown in the report, and the vector itself."""
    estimated = vector.read_statement(workspace.log.blob(chosen))
    view = workspace.registry.view()
    registered = view.tracks.get(track)
    shares: dict[str, Any] = {
        "v": 1,
        "track": track,
        "title": registered.title if registered is not None else None,
        "digest": chosen,
        "index": index,
        "recorded_at": canon.decode(workspace.log.entry(index).body)["at"],
        "assigned": assigned,
        "method": estimated.method,
        "version": estimated.version,
        "error": None
        if estimated.error is None
        else {name: getattr(estimated.error, name) for name in ("benchmark", "metric", "value_ppm", "n")},
        "catalogue_root": estimated.catalogue_root,
        "catalogue_size": estimated.catalogue_size,
        "model": estimated.model,
        "model_version": estimated.model_version,
        "aspects": [_aspect(view, artists, estimated, track, name) for name in ASPECTS],
    }
    return shares, estimated


def details_of(workspace: Workspace, found: InfluenceVector, track: str) -> dict[str, Any]:
    """Return the matches and remarks stored when the track was attributed on this host; none for a declared vector."""
    from service.attribution.attributing import remembered

    remembered_input = remembered(workspace).get(f"{track}@{found.method}")
    return (
        {}
        if remembered_input is None
        else canon.decode_object(workspace.log.blob(remembered_input.details), "attribution details")
    )


def _aspect(
    view: View, artists: dict[str, str | None], found: InfluenceVector, track: str, name: Aspect
) -> dict[str, Any]:
    ranked = sorted(found.aspect(name).sources, key=lambda source: (-source.ppm, source.id))
    sources = [_source(view, artists, found, track, source) for source in ranked[:TOP]]
    return {
        "aspect": name,
        "meaning": MEANING[name],
        "sources": sources,
        "further": len(ranked) - len(sources),
        "further_ppm": sum(source.ppm for source in ranked[TOP:]),
        "unattributed": found.aspect(name).unattributed,
    }


def _source(
    view: View, artists: dict[str, str | None], found: InfluenceVector, track: str, one: Influence
) -> dict[str, Any]:
    return {
        "id": one.id,
        "title": _title(view, one.id),
        "artist": artists.get(one.id),
        "ppm": one.ppm,
        "low": one.low,
        "high": one.high,
        "basis": one.basis,
        "permitted": _permitted(view, found, track, one),
    }


def _permitted(view: View, found: InfluenceVector, track: str, one: Influence) -> dict[str, Any] | None:
    """Return whether the use was permitted when the track was registered; None for an unregistered source."""
    use = one.use or ("condition" if one.basis == "declared" else "train")
    if one.id.startswith(STYLE_PREFIX):
        return None
    try:
        decision = view.decide_track(track, one.id, use, receipts=found.decisions)
    except SettleError:
        return None
    return {"use": use, "decision": decision.decision, "reasons": list(decision.reasons)}


def _by_artist(artists: dict[str, str | None], found: InfluenceVector) -> list[dict[str, Any]]:
    """Return artists by the shares of their recordings and tunes; a style group has no artist."""
    rows: dict[tuple[str, str], int] = {}
    for name in ASPECTS:
        for source in found.aspect(name).sources:
            if not source.id.startswith(STYLE_PREFIX):
                artist = artists.get(source.id) or "(artist not registered)"
                rows[artist, name] = rows.get((artist, name), 0) + source.ppm
    return _ranked(rows)


def _by_holder(workspace: Workspace, view: View, found: InfluenceVector) -> list[dict[str, Any]]:
    """Return parties by their confirmed shares; unconfirmed shares and style groups are listed separately."""
    now = workspace.registry.now()
    rows: dict[tuple[str, str], int] = {}

    def add(party: str, aspect: str, ppm: int) -> None:
        if ppm:
            rows[party, aspect] = rows.get((party, aspect), 0) + ppm

    for name in ASPECTS:
        for source in found.aspect(name).sources:
            if source.id.startswith(STYLE_PREFIX):
                add(source.id, name, source.ppm)
                continue
            subjects = view.works_of(source.id, now) if name == "composition" else [(source.id, MILLION)]
            left = source.ppm
            for subject, part in subjects:
                for party, ppm in view.shares(subject, RIGHT[name], "WORLD", now).parts:
                    owned = source.ppm * part * ppm // MILLION**2
                    add(party, name, owned)
                    left -= owned
            add(NO_HOLDER, name, left if left > len(subjects) * 8 else 0)
    return [row | {"title": _holder(workspace, row["name"])} for row in _ranked(rows)]


def _holder(workspace: Workspace, name: str) -> str:
    """Return a holder's name, or the id if the name was erased."""
    if name.startswith(STYLE_PREFIX):
        return f"style group {name.removeprefix(STYLE_PREFIX)}, shared equally among its recordings"
    return name if name == NO_HOLDER else str(workspace.registry.personal("party", name).get("name") or name)


def _ranked(rows: dict[tuple[str, str], int]) -> list[dict[str, Any]]:
    order = sorted(rows, key=lambda key: (ASPECTS.index(key[1]), -rows[key], key[0]))
    return [{"name": name, "aspect": aspect, "ppm": rows[name, aspect]} for name, aspect in order]


def _matches(
    view: View, artists: dict[str, str | None], details: dict[str, Any], found: InfluenceVector
) -> list[dict[str, Any]]:
    """Return the passages of the claimed sources.

    The evidence bundle also has the sources considered and not claimed.
    """
    claimed = {(name, match.id) for name in ASPECTS for match in found.aspect(name).sources}
    matches = [match for match in details.get("matches", []) if (match["aspect"], match["source"]) in claimed]
    return [
        match | {"title": _title(view, match["source"]), "artist": artists.get(match["source"])}
        for match in sorted(
            matches, key=lambda match: (ASPECTS.index(match["aspect"]), match["track_ms"], match["source"])
        )
    ]


def _title(view: View, source: str) -> str | None:
    """Return a recording's title or a style group's name; None if unregistered."""
    if source.startswith(STYLE_PREFIX):
        return source.removeprefix(STYLE_PREFIX)
    recording = view.all_recordings.get(source)
    return None if recording is None else recording.title


def write_report(found: dict[str, Any], form: str, place: Path) -> Path:
    """Write the report as a file: html or pdf."""
    if form == "html":
        from service.attribution.report_html import as_html

        place.write_text(as_html(found), encoding="utf-8")
    else:
        from service.attribution.report_pdf import as_pdf

        place.write_bytes(as_pdf(found))
    return place


def report_text(found: dict[str, Any]) -> str:
    """Return the report for a terminal."""
    from service.attribution.report_html import headline, shares

    headline_text = f"{found['method']} {found['version']}, vector {found['digest'][:16]}, entry {found['index']}"
    lines = [
        f"{found['track']}: {headline_text}",
        *(f"{aspect}: {headline(found, aspect)}" for aspect in ASPECTS),
    ]
    for aspect in found["aspects"]:
        shown_shares = shares(aspect)
        lines.append(f"{aspect['aspect']}:")
        for source, share in zip(aspect["sources"], shown_shares[:-2], strict=True):
            name = ", ".join(filter(None, (source["title"], source["artist"], source["id"])))
            basis = f"{source['basis']}{_between(source)}"
            allowed = (
                f", {source['permitted']['use']}: {source['permitted']['decision']}" if source["permitted"] else ""
            )
            lines.append(f"  {share:>9}  {name}, {basis}{allowed}")
        if aspect["further"]:
            lines.append(f"  {shown_shares[-2]:>9}  {shown.counted(aspect['further'], 'smaller source')}")
        lines.append(f"  {shown_shares[-1]:>9}  unattributed")
    lines += [f"note: {note}" for note in found["notes"]]
    return "\n".join(lines)


def _between(one: dict[str, Any]) -> str:
    return f", {shown.interval(one['low'], one['high'])} %" if one["basis"] == "estimated" else ""
