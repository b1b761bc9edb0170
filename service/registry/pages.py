"""The content of `settle registry show` for an id of any kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ledger.errors import InputError
from ledger.proofs import canon, dsse
from ledger.registry.acts import shares_by_id
from ledger.registry.model import BEGINNING, FOREVER, RIGHTS, WORLD, Grant, Instant, Share
from ledger.registry.rows import day
from ledger.registry.view import View
from ledger.types import format_time

if TYPE_CHECKING:
    from service.workspace import Workspace


def show(ws: Workspace, name: str) -> dict[str, Any]:
    """Return everything in the registry about an id, with its history; InputError for an unknown id."""
    view, now = ws.registry.view(), format_time(ws.clock())
    pages = []
    if name in view.parties:
        pages.append(_party(ws, view, name))
    if name in view.all_recordings:
        pages.append(_recording(ws, view, name, now))
    if name in view.works:
        pages.append(_work(view, name, now))
    if name in view.grants:
        pages.append({"kind": "grant", **_grant(view.grants[name])})
    if name in view.tracks:
        pages.append(_track(view, name))
    if name in view.disputes:
        pages.append({"kind": "dispute", **dispute(ws, view, name)})
    if name in view.receipts or any(
        name == clearance.id for clearances in view.clearances.values() for clearance in clearances
    ):
        pages.append({"kind": "paper", "id": name, **canon.decode(dsse.parse(ws.log.blob(name)).payload)})
    if name.startswith("sh-"):
        pages += [
            {"kind": "share", **_share(line, state)}
            for subject, *_ in shares_by_id(view, [name]).values()
            for line, state in view.share_lines(subject)
            if line.id == name
        ]
    pages += [_model(view, key) for key in sorted(view.models) if name in (key, view.models[key].id)]
    if not pages:
        raise InputError(f"{name!r} is not in the registry; ids are case-sensitive")
    return pages[0] if len(pages) == 1 else {"id": name, "pages": pages}


def _party(ws: Workspace, view: View, name: str) -> dict[str, Any]:
    party = view.parties[name]
    return {
        "kind": "party",
        "id": name,
        "party_kind": party.kind,
        "personal": dict(ws.registry.personal("party", name)),
        "groups": [{"group": group, "from": _from(since)} for since, group in party.groups],
        "shares": [
            _share(line, line.state) for lines in view.shares_of.values() for line in lines if line.party == name
        ],
        "grants": [_grant(grant) for grant in view.grants_by(name)],
        **_registered(party),
    }


def _recording(ws: Workspace, view: View, name: str, now: Instant) -> dict[str, Any]:
    recording = view.all_recordings[name]
    return {
        "kind": "recording",
        "id": name,
        "title": recording.title,
        "artist": ws.registry.personal("recording", name).get("artist"),
        "isrc": recording.isrc,
        "audio": recording.audio,
        "style": recording.style,
        "confirmed": recording.confirmed,
        "works": [{"work": work, "ppm": ppm} for work, ppm in view.works_of(name, now)],
        "links": [
            {"id": link.id, "work": link.work, "ppm": link.ppm, "state": link.state}
            for link in view.links.get(name, ())
        ],
        **_owned(view, name, now),
        **_registered(recording),
    }


def _work(view: View, name: str, now: Instant) -> dict[str, Any]:
    work = view.works[name]
    return {
        "kind": "work",
        "id": name,
        "title": work.title,
        "iswc": work.iswc,
        "recordings": list(view.recordings_of.get(name, ())),
        **_owned(view, name, now),
        **_registered(work),
    }


def _owned(view: View, name: str, now: Instant) -> dict[str, Any]:
    """Return the present and past shares, the grants and the disputes of a subject."""
    lines = view.share_lines(name)
    territories = sorted({line.territory for line, _ in lines})
    return {
        "rights": [
            {
                "right": right,
                "territory": territory,
                "state": shares.state,
                "disputed": list(shares.disputed),
                "held": [{"party": party, "ppm": ppm} for party, ppm in shares.held],
                "suspended": [{"party": party, "ppm": ppm} for party, ppm in shares.suspended],
                "parts": [{"party": party, "ppm": ppm} for party, ppm in shares.parts],
            }
            for right in RIGHTS
            if (name, right) in view.shares_of
            for territory in territories or [WORLD]
            for shares in [view.shares(name, right, territory, now)]
        ],
        "shares": [_share(line, state) for line, state in lines],
        "grants": [_grant(grant) for _, grant in sorted(view.grants.items()) if grant.subject == name],
        "disputes": [grant.id for grant in view.disputes.values() if name in (grant.subject, grant.like)],
    }


def _share(line: Share, state: str) -> dict[str, Any]:
    return {
        "id": line.id,
        "subject": line.subject,
        "party": line.party,
        "right": line.right,
        "ppm": line.ppm,
        "territory": line.territory,
        "from": _from(line.start),
        "to": _to(line.end),
        "state": state,
        "index": line.index,
    }


def _grant(grant: Grant) -> dict[str, Any]:
    return {
        "id": grant.id,
        "grantor": grant.grantor,
        "subject": grant.subject,
        "decision": grant.decision,
        "uses": list(grant.uses),
        "territory": grant.territory,
        "from": _from(grant.start),
        "to": _to(grant.end),
        "revoked": [{"use": use, "from": _from(end)} for use, end in grant.ends],
        "licensee": grant.licensee,
        "model": grant.model,
        "floor_micros": grant.floor_micros,
        "currency": grant.currency,
        "cap_ppm": grant.cap_ppm,
        "sunset": grant.sunset,
        "index": grant.index,
    }


def _track(view: View, name: str) -> dict[str, Any]:
    track = view.tracks[name]
    return {
        "kind": "track",
        "id": name,
        "title": track.title,
        "model": track.model,
        "version": track.version,
        "generated_at": track.generated_at,
        "audio_sha256": track.audio_sha256,
        "isrc": track.isrc,
        "aliases": list(track.aliases),
        "draft": track.draft,
        "conditioning": list(track.conditioning),
        "decisions": list(track.decisions),
        "certificates": [clearance.id for clearance in view.clearances.get(name, ())],
        **_registered(track),
    }


def _model(view: View, key: str) -> dict[str, Any]:
    model = view.models[key]
    listed = model.manifest
    return {
        "kind": "model",
        "id": model.id,
        "version": model.version,
        "operator": model.operator,
        "weights_sha256": model.weights_sha256,
        "licences": list(model.licences),
        "training_root": None if listed is None else listed.root,
        "training_size": None if listed is None else listed.size,
        **_registered(model),
    }


def dispute(ws: Workspace, view: View, name: str) -> dict[str, Any]:
    """Return one dispute, with its reason unless it was erased."""
    record = view.disputes[name]
    return {
        "id": name,
        "subject": record.subject,
        "right": record.right,
        "party": record.party,
        "like": record.like,
        "ppm": record.ppm,
        "like_ppm": record.like_ppm,
        "claimant": record.claimant,
        "reason": ws.registry.personal("dispute", name).get("reason"),
        "evidence": record.evidence,
        "opened_at": record.at,
        "resolved_at": record.resolved_at,
        "outcome": record.outcome,
        "index": record.index,
    }


def _registered(one: Any) -> dict[str, Any]:
    return {"registered_at": one.at, "index": one.index}


def _from(start: Instant) -> str | None:
    return None if start == BEGINNING else day(start)


def _to(end: Instant) -> str | None:
    return None if end == FOREVER else day(end)
