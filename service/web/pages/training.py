"""Training sets: those that a party's recordings are in, and everything that is known of one recording's use.

Lists and vectors are decoded after the workspace is given back, so that these pages keep nobody waiting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.web.call import Call, Content
from service.web.guard.problems import NotFoundError
from service.web.pages.drawing import page, text
from service.web.recordings import TRACKS_MAX

if TYPE_CHECKING:
    from ledger.registry.model import Model
    from ledger.registry.view import View


def of_party(call: Call) -> Content:
    """`GET /holders/{party}/training`: which models were trained on the party's recordings."""
    party = call.params["party"]
    with call.held.standing.folded() as ws:
        view = ws.registry.view()
        own = _recordings_of(view, party)
        listed, silent = _models(view)
    lists = _training_lists(call, listed)
    with call.held.standing.folded() as ws:
        view = ws.registry.view()
        rows = [
            (
                model,
                sorted(own & names),
                len(names),
                [name for name, _ in view.unlicensed(sorted(own & names), model)],
            )
            for model, names in lists
        ]
    return page(
        call, "training.html", title=text("training.title"), party=party, count=len(own), rows=rows, silent=silent
    )


def recording(call: Call) -> Content:
    """`GET /recordings/{recording}`: was this in a training set, and which tracks does it influence?"""
    name = call.params["recording"]
    with call.held.standing.folded() as ws:
        view = ws.registry.view()
        record = view.all_recordings.get(name) or view.works.get(name)
        listed, silent = _models(view)
    if record is None:
        raise NotFoundError(f"recording or work {name!r}")
    models = [(model, name in names) for model, names in _training_lists(call, listed)]
    with call.held.standing.workspace() as ws:
        influenced, tracks = call.held.recordings.tracks_of(ws.log, name)
    with call.held.standing.folded() as ws:
        registered = ws.registry.view().tracks
        used = [
            (track, (registered[track].title or track) if track in registered else track, influences)
            for track, influences in influenced
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
        searched=min(tracks, TRACKS_MAX),
        tracks=tracks,
    )


def _recordings_of(view: View, party: str) -> set[str]:
    shares = (line for lines in view.shares_of.values() for line in lines if line.party == party)
    return {line.subject for line in shares if line.subject in view.all_recordings}


def _models(view: View) -> tuple[list[Model], list[str]]:
    """Each model version that was registered with its training list, and the names of the others."""
    models = [model for _, model in sorted(view.models.items())]
    return [model for model in models if model.manifest], sorted(model.key for model in models if not model.manifest)


def _training_lists(call: Call, models: list[Model]) -> list[tuple[Model, frozenset[str]]]:
    with call.held.standing.workspace() as ws:
        return [
            (model, call.held.recordings.training_list(ws.log, model.manifest.blob))
            for model in models
            if model.manifest is not None
        ]
