"""Training sets: those that a party's recordings are in, and everything that is known of one recording's use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ledger import shown
from ledger.proofs import vector
from ledger.registry import manifest as manifests
from ledger.types import ASPECTS
from service.web.call import Call, Content
from service.web.guard.problems import NotFoundError
from service.web.pages.drawing import page, text

if TYPE_CHECKING:
    from ledger.log.append import Log
    from ledger.registry.model import Model
    from ledger.registry.view import View

TRACKS_MAX: Final = 500
"""Assigned vectors that a recording's page looks through, the newest first; it says so."""


def of_party(call: Call) -> Content:
    """`GET /holders/{party}/training`: which models were trained on the party's recordings."""
    party = call.params["party"]
    with call.held.standing.folded() as ws:
        view, log = ws.registry.view(), ws.log
        own = _recordings_of(view, party)
        rows = [
            (
                model,
                sorted(own & listed),
                len(listed),
                [name for name, _ in view.unlicensed(sorted(own & listed), model)],
            )
            for model, listed in _training_lists(view, log)
        ]
        silent = sorted(model.key for model in view.models.values() if model.manifest is None)
    return page(
        call, "training.html", title=text("training.title"), party=party, count=len(own), rows=rows, silent=silent
    )


def recording(call: Call) -> Content:
    """`GET /recordings/{recording}`: was this in a training set, and which tracks does it influence?"""
    name = call.params["recording"]
    with call.held.standing.folded() as ws:
        view, log = ws.registry.view(), ws.log
        record = view.all_recordings.get(name) or view.works.get(name)
        if record is None:
            raise NotFoundError(f"recording or work {name!r}")
        models = [(model, name in listed) for model, listed in _training_lists(view, log)]
        silent = sorted(model.key for model in view.models.values() if model.manifest is None)
        assignments = sorted(log.assignments().items(), key=lambda assigned: -assigned[1][1])
        used = [
            (track, (view.tracks[track].title or track) if track in view.tracks else track, influence)
            for track, (digest, _) in assignments[:TRACKS_MAX]
            for influence in [_influence(log, digest, name)]
            if influence
        ]
    return page(
        call,
        "recording.html",
        title=record.title or name,
        name=name,
        record=record,
        models=models,
        silent=silent,
        used=used,
        searched=min(len(assignments), TRACKS_MAX),
        tracks=len(assignments),
    )


def _recordings_of(view: View, party: str) -> set[str]:
    shares = (line for lines in view.shares_of.values() for line in lines if line.party == party)
    return {line.subject for line in shares if line.subject in view.all_recordings}


def _training_lists(view: View, log: Log) -> list[tuple[Model, frozenset[str]]]:
    """Each model version that was registered with its training list, and the list."""
    return [
        (model, frozenset(manifests.decode(log.blob(model.manifest.blob))))
        for _, model in sorted(view.models.items())
        if model.manifest is not None
    ]


def _influence(log: Log, digest: str, name: str) -> list[tuple[str, str]]:
    """The recording's share in each aspect of an assigned vector."""
    statement = vector.read_statement(log.blob(digest))
    return [
        (aspect, shown.with_interval(shown.percent(source.ppm), source.low, source.high))
        for aspect in ASPECTS
        for source in statement.aspect(aspect).sources
        if source.id == name
    ]
