"""Proposals that need a second person: what each would change, and the approval that their browser signs."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from service.settlement import browser_approvals, proposals
from service.settlement.finding import find_run
from service.settlement.step import read_book
from service.settlement.stored import load
from service.web.call import Call, Content, Redirect
from service.web.pages.drawing import page, text

SIGNING: Final = ("canon.js", "proof.js", "keys.js", "browser-key.js", "approve.js")
"""Those that read and sign a leaf: the first three are verify.html's own."""
JSON: Final = "application/json"


def listed(call: Call) -> Content:
    """`GET /proposals`: those that wait, what looks odd first."""
    with call.held.standing.folded() as ws:
        waiting = proposals.waiting(ws)
    waiting.sort(key=lambda proposal: not proposal.questions)
    return page(call, "proposals.html", title=text("proposals.title"), proposals=waiting)


def one_proposal(call: Call) -> Content:
    """`GET /proposals/{proposal}`: one proposal, and for an approver who did not make it the means to sign."""
    with call.held.standing.folded() as ws:
        proposal = proposals.show(ws, call.params["proposal"])
    signs = "approver" in call.caller.roles and call.caller.party != proposal.made_by and not proposal.approved
    return page(
        call,
        "proposal.html",
        title=text("proposals.one", kind=proposal.kind),
        scripts=SIGNING if signs else (),
        proposal=proposal,
        signs=signs,
    )


def leaf(call: Call) -> Content:
    """`GET /proposals/{proposal}/leaf?key=`: the exact bytes that the caller's key is to sign."""
    name, key = call.params["proposal"], call.required("key")
    with call.held.standing.folded() as ws:
        return Content(data=browser_approvals.prepare(ws, name, call.caller.party, key), media=JSON)


def document(call: Call) -> Content:
    """`GET /proposals/{proposal}/document`: what the leaf names by its digest."""
    with call.held.standing.folded() as ws:
        return Content(data=browser_approvals.document_of(ws, call.params["proposal"]), media=JSON)


def accounts(call: Call) -> Content:
    """`GET /proposals/{proposal}/accounts`: a run's table of accounts, which its document names by digest."""
    with call.held.standing.folded() as ws:
        stored = load(ws.log, find_run(read_book(ws), call.params["proposal"]))
        return Content(data=ws.log.blob(stored.payload["tables"]["accounts"]["sha256"]), media="application/x-ndjson")


def approve(call: Call) -> Redirect:
    """`POST /proposals/{proposal}`: append the leaf that the approver's browser has signed."""
    party, signed, name = call.caller.party, call.field("leaf").encode(), call.params["proposal"]
    with call.held.standing.folded() as ws:  # before a workspace is opened for it: most that is sent twice ends here
        entered = browser_approvals.is_entered(ws, signed, party)
    if not entered:
        name = call.held.standing.acting_apart(lambda ws: browser_approvals.enter(ws, signed, party))
    return Redirect(path=f"/proposals/{quote(name, safe='')}")


def browser_key(call: Call) -> Content:
    """`GET /browser-key`: make an approver's key in this browser, from which it cannot be taken."""
    scripts = ("canon.js", "proof.js", "browser-key.js", "make-key.js")
    return page(call, "browser_key.html", title=text("browser_key.title"), scripts=scripts)
