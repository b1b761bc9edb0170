"""Proposals that need a second person: what each would change, and what looks odd in it."""

from __future__ import annotations

from service.settlement import proposals
from service.web.call import Call, Content
from service.web.pages.drawing import page, text


def listed(call: Call) -> Content:
    """`GET /proposals`: those that wait, what looks odd first."""
    with call.held.standing.folded() as ws:
        waiting = proposals.waiting(ws)
    waiting.sort(key=lambda proposal: not proposal.questions)
    return page(call, "proposals.html", title=text("proposals.title"), proposals=waiting)


def one_proposal(call: Call) -> Content:
    """`GET /proposals/{proposal}`: one proposal, waiting or approved."""
    with call.held.standing.folded() as ws:
        proposal = proposals.show(ws, call.params["proposal"])
    return page(call, "proposal.html", title=text("proposals.one", kind=proposal.kind), proposal=proposal)
