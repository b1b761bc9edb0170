"""Decide a party's role in the service from the log and the registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.log.keys import ring
from service.log.members import sources_of

if TYPE_CHECKING:
    from service.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """The roles of parties at one size of the log."""

    operator: str
    sources: dict[str, str]  # the party that speaks for each source
    kinds: dict[str, str]  # each registered party's kind
    groups: dict[str, frozenset[str]]  # the group that each party is in now, if any
    approvers: frozenset[str]

    def of(self, party: str) -> frozenset[str]:
        """Return every role of a party."""
        roles = {
            "operator": party == self.operator,
            "platform": party in self.sources.values(),
            "auditor": self.kinds.get(party) == "auditor",
            "approver": party in self.approvers,
            "holder": party in self.kinds,
        }
        return frozenset(role for role, holds in roles.items() if holds)

    def speaks_for(self, party: str, source: str) -> bool:
        return self.sources.get(source) == party

    def sees_statements_of(self, party: str, holder: str) -> bool:
        """Return the parties whose statements a party may see: its own, and those of its group."""
        return party == holder or party in self.groups.get(holder, frozenset())


def read_roles(ws: Workspace) -> Roles:
    """Read the roles from the current log."""
    view, size = ws.registry.view(), ws.log.head().size
    approvers = ring(ws).of("approver")
    return Roles(
        operator=ws.operator,
        sources={name: source.party for name, source in sources_of(ws.log).items() if source.party is not None},
        kinds={name: party.kind for name, party in view.parties.items()},
        groups={name: frozenset(group for _, group in party.groups[-1:]) for name, party in view.parties.items()},
        approvers=frozenset(key.party for key in approvers if key.party and key.counts_at(size + 1)),
    )
