"""Where a party's money goes: its accounts, and the proposal of another, which a second person approves."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from service.registry import people
from service.settlement.payees import payees_now
from service.web.call import Call, Content, Redirect
from service.web.pages.drawing import page, text

FIELDS: Final = ("method", "account", "holder", "bic", "town", "country", "from")


def accounts(call: Call) -> Content:
    """`GET /payees/{payee}`: the accounts of a party with their states, and the form for a new one."""
    party = call.params["payee"]
    with call.held.standing.folded() as ws:
        listed = people.list_payees(ws, party)
        current = payees_now(ws).get(party)
        hours = ws.settings.number("registry.cooling_off_hours")
    return page(
        call,
        "account.html",
        title=text("account.title"),
        party=party,
        accounts=list(reversed(listed)),
        current="" if current is None else current.id,
        hours=hours,
    )


def propose(call: Call) -> Redirect:
    """`POST /payees/{payee}`: propose an account; nothing is paid to it before its approval and cooling-off."""
    party = call.params["payee"]
    row = {name: call.form.get(name, "").strip() or None for name in FIELDS} | {"party": party}
    call.held.standing.acting(lambda ws: people.propose_payee(ws, row, None, in_portal=True), folding=True)
    return Redirect(path=f"/payees/{quote(party, safe='')}")
