"""The error text for an unknown party or track: suggest the likely id, and where to find ids."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from ledger.errors import InputError
from ledger.registry import personal

if TYPE_CHECKING:
    from service.workspace import Workspace

SUGGESTED: Final = 3


def unknown_party(ws: Workspace, name: str) -> InputError:
    """Return the error for an unregistered party's id, or for a name in place of an id."""
    with ws.log.store.reading() as connection:
        personal_rows = personal.load(connection)
    named = {
        party: str(fields.get("name", "")) for (kind, party), (_, fields) in personal_rows.items() if kind == "party"
    }
    called = [party for party, whole in named.items() if whole.casefold() == name.casefold()]
    message = f"party {name!r} is not in the registry; expected a party's id"
    if called:
        return InputError(f"{message}: {name} is the name of {_listed(called)}")
    meant = _like(name, ws.registry.view().parties) or [
        party for party in named if named[party] in _like(name, named.values())
    ]
    return InputError(message + (f"; did you mean {_listed(meant)}?" if meant else _ELSEWHERE))


def unknown_track(ws: Workspace, name: str) -> InputError:
    """Return the error for an unregistered track's id, or for the id of something else."""
    view = ws.registry.view()
    message = f"track {name!r} is not registered"
    if name in view.all_recordings or name in view.works:
        kind = "recording" if name in view.all_recordings else "work"
        return InputError(f"{message}: {name} is a {kind}; expected the id of a generated track")
    meant = _like(name, view.tracks)
    return InputError(message + (f"; did you mean {_listed(meant)}?" if meant else _ELSEWHERE))


def unknown_recording(ws: Workspace, name: str) -> InputError:
    """Return the error for a text that is neither a registered recording's id nor a registered ISRC."""
    meant = _like(name, ws.registry.view().all_recordings)
    message = f"{name!r} is not the id of a registered recording nor an ISRC that one bears; nothing is proven about it"
    return InputError(message + (f"; did you mean {_listed(meant)}?" if meant else _ELSEWHERE))


_ELSEWHERE: Final = "; ids are case-sensitive, and `settle registry export --out F` lists them all"


def _like(name: str, known: Iterable[str]) -> list[str]:
    return get_close_matches(name, list(known), n=SUGGESTED, cutoff=0.75)


def _listed(ids: list[str]) -> str:
    return " or ".join(ids[:SUGGESTED])
