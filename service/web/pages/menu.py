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
MENU: Final[tuple[MenuEntry, ...]] = (
    MenuEntry(text="menu.statements", path="/holders/{party}", roles=_HOLDER),
    MenuEntry(text="menu.held", path="/holders/{party}/held", roles=_HOLDER),
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
