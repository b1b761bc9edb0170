"""Choose who signs in the registry: the operator, a party with a key here, or the approver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ledger.errors import StateError
from ledger.registry.compare import Author
from ledger.registry.statement import Signer
from ledger.types import WORKSPACE_APPROVER, Role, format_time
from service.log import enrolling, keys
from service.log.enrolling import Enrolled

if TYPE_CHECKING:
    from service.workspace import Workspace

HOLDER: Final[Role] = "holder"


def signer(ws: Workspace, party: str | None = None) -> Signer:
    """Return the operator, a party with a holder's key here, or the approver by the name `approver`.

    StateError unless the log and trust.json have the key as that party's in that role: a leaf of any other key would
    stay in the log without effect, and only an audit would report it.
    """
    if party is None or party == ws.operator:
        who = Signer(ws.signer("operator"), ws.operator, "operator")
    elif party == WORKSPACE_APPROVER:
        who = Signer(ws.signer("approver"), WORKSPACE_APPROVER, "approver")
    elif ws.key_path(f"{HOLDER}-{party}").is_file():
        who = Signer(ws.key(f"{HOLDER}-{party}"), party, "holder")
    else:
        raise StateError(f"{party} has no key here; make one with `settle registry enrol {party}`")
    counting = keys.ring(ws).at(ws.log.head().size + 1, who.role, party=who.party)
    if not any(key.public == who.key.public for key in counting):
        raise StateError(
            f"key {who.key.public.id[:16]} is no {who.role} key of {who.party} that is valid now; see "
            "`settle key show`, and the setting workspace.operator if the operator's name was changed"
        )
    return who


def author(ws: Workspace, who: Signer) -> Author:
    return Author(party=who.party, role=who.role, at=format_time(ws.clock()))


def enrol(ws: Workspace, party: str) -> Enrolled:
    """Create a holder's key for a registered party, which signs for itself from then on."""
    ws.registry.view().party(party)
    return enrolling.enrol(ws, party, HOLDER, name=f"{HOLDER}-{party}", by="operator")
