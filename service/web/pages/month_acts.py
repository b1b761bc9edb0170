"""What the operator does with a month: close it, calculate it, publish what was approved, hand payments over.

Each does what the command of the same name does, in a workspace of its own, so that a long calculation keeps nobody
from reading. Approving is not among them: that takes another person's key (`service.web.pages.proposing`).
"""

from __future__ import annotations

from urllib.parse import quote

from ledger.types import Period
from service.settlement import life, paying
from service.web.call import Call, Redirect


def close(call: Call) -> Redirect:
    """`POST /periods/{period}/close`: fix which events belong to the month."""
    name = str(Period.parse(call.params["period"]))
    call.held.standing.acting_apart(lambda ws: life.close(ws, name))
    return _period(name)


def calculate(call: Call) -> Redirect:
    """`POST /periods/{period}/run`: calculate a pool of the month; a second person approves the result."""
    name = str(Period.parse(call.params["period"]))
    request = life.request(
        period=name,
        pool=call.field("pool"),
        currency=call.field("currency"),
        rule=call.field("rule"),
        params={},
        name=call.field("name"),
    )
    call.held.standing.acting_apart(lambda ws: life.run(ws, request))
    return _period(name)


def publish(call: Call) -> Redirect:
    """`POST /runs/{run}/publish`: from here on statements bind."""
    return _period(call.held.standing.acting_apart(lambda ws: life.publish(ws, call.params["run"])).period)


def pay(call: Call) -> Redirect:
    """`POST /runs/{run}/pay`: write the bank's files into the workspace, for every payment that nothing blocks."""
    run = call.params["run"]
    call.held.standing.acting_apart(lambda ws: paying.pay(ws, run, "file"))
    return Redirect(path=f"/payments?run={quote(run, safe='')}")


def _period(name: str) -> Redirect:
    return Redirect(path=f"/periods/{name}")
