"""What `settle registry show` says about one id, whatever kind of thing it is."""

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
    """Everything the registry holds about an id, with its history; InputError if it is not known."""
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
    if name in view.receipts or any(name == one.id for given in view.clearances.values() for one in given):
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
    one = view.all_recordings[name]
    return {
        "kind": "recording",
        "id": name,
        "title": one.title,
        "artist": ws.registry.personal("recording", name).get("artist"),
        "isrc": one.isrc,
        "audio": one.audio,
        "style": one.style,
        "confirmed": one.confirmed,
        "works": [{"work": work, "ppm": ppm} for work, ppm in view.works_of(name, now)],
        **_owned(view, name, now),
        **_registered(one),
    }


def _work(view: View, name: str, now: Instant) -> dict[str, Any]:
    one = view.works[name]
    return {
        "kind": "work",
        "id": name,
        "title": one.title,
        "iswc": one.iswc,
        "recordings": list(view.recordings_of.get(name, ())),
        **_owned(view, name, now),
        **_registered(one),
    }


def _owned(view: View, name: str, now: Instant) -> dict[str, Any]:
    """Shares now and over time, grants, disputes."""
    lines = view.share_lines(name)
    territories = sorted({line.territory for line, _ in lines})
    return {
        "rights": [
            {
                "right": right,
                "territory": territory,
                "state": found.state,
                "disputed": list(found.disputed),
                "parts": [{"party": party, "ppm": ppm} for party, ppm in found.parts],
            }
            for right in RIGHTS
            if (name, right) in view.shares_of
            for territory in territories or [WORLD]
            for found in [view.shares(name, right, territory, now)]
        ],
        "shares": [_share(line, state) for line, state in lines],
        "grants": [_grant(one) for _, one in sorted(view.grants.items()) if one.subject == name],
        "disputes": [one.id for one in view.disputes.values() if name in (one.subject, one.like)],
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
    one = view.tracks[name]
    return {
        "kind": "track",
        "id": name,
        "title": one.title,
        "model": one.model,
        "version": one.version,
        "generated_at": one.generated_at,
        "audio_sha256": one.audio_sha256,
        "draft": one.draft,
        "conditioning": list(one.conditioning),
        "decisions": list(one.decisions),
        "certificates": [given.id for given in view.clearances.get(name, ())],
        **_registered(one),
    }


def _model(view: View, key: str) -> dict[str, Any]:
    one = view.models[key]
    listed = one.manifest
    return {
        "kind": "model",
        "id": one.id,
        "version": one.version,
        "operator": one.operator,
        "weights_sha256": one.weights_sha256,
        "licences": list(one.licences),
        "training_root": None if listed is None else listed.root,
        "training_size": None if listed is None else listed.size,
        **_registered(one),
    }


def dispute(ws: Workspace, view: View, name: str) -> dict[str, Any]:
    """One dispute, with its reason while that is still held."""
    one = view.disputes[name]
    return {
        "id": name,
        "subject": one.subject,
        "right": one.right,
        "party": one.party,
        "like": one.like,
        "claimant": one.claimant,
        "reason": ws.registry.personal("dispute", name).get("reason"),
        "evidence": one.evidence,
        "opened_at": one.at,
        "resolved_at": one.resolved_at,
        "outcome": one.outcome,
        "index": one.index,
    }


def _registered(one: Any) -> dict[str, Any]:
    return {"registered_at": one.at, "index": one.index}


def _from(start: Instant) -> str | None:
    return None if start == BEGINNING else day(start)


def _to(end: Instant) -> str | None:
    return None if end == FOREVER else day(end)
