"""The menu: the pages that a signed-in person may open, by role."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from service.web.call import Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuEntry:
    """A page in the menu: its name in the catalogue of texts, and its path, in which `{party}` is the reader."""

    text: str
    path: str
    roles: frozenset[str]


_HOLDER: Final = frozenset({"holder"})
_BOOKS: Final = frozenset({"operator", "approver", "auditor"})
MENU: Final[tuple[MenuEntry, ...]] = (
    MenuEntry(text="menu.sources", path="/sources", roles=frozenset({"platform"})),
    MenuEntry(text="menu.statements", path="/holders/{party}", roles=_HOLDER),
    MenuEntry(text="menu.held", path="/holders/{party}/held", roles=_HOLDER),
    MenuEntry(text="menu.account", path="/payees/{party}", roles=_HOLDER),
    MenuEntry(text="menu.permissions", path="/holders/{party}/permissions", roles=_HOLDER),
    MenuEntry(text="menu.disputes", path="/holders/{party}/disputes", roles=_HOLDER),
    MenuEntry(text="menu.training", path="/holders/{party}/training", roles=_HOLDER),
    MenuEntry(text="menu.periods", path="/periods", roles=_BOOKS),
    MenuEntry(text="menu.proposals", path="/proposals", roles=_BOOKS),
    MenuEntry(text="menu.payments", path="/payments", roles=_BOOKS),
    MenuEntry(text="menu.all_held", path="/held", roles=_BOOKS),
    MenuEntry(text="menu.all_disputes", path="/disputes", roles=_BOOKS),
    MenuEntry(text="menu.restatements", path="/restatements", roles=_BOOKS),
    MenuEntry(text="menu.audit", path="/audit", roles=frozenset({"auditor", "operator"})),
    MenuEntry(text="menu.quarantine", path="/quarantine", roles=frozenset({"operator"})),
    MenuEntry(text="menu.status", path="/status", roles=_BOOKS),
)


def entries(principal: Principal | None) -> list[MenuEntry]:
    """The entries for this reader, with whole paths."""
    if principal is None:
        return []
    party = quote(principal.party, safe="")
    return [
        MenuEntry(text=entry.text, path=entry.path.format(party=party), roles=entry.roles)
        for entry in MENU
        if entry.roles & principal.roles
    ]
