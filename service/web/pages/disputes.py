"""Disputes: a party's own with their deadlines, to open and to answer; and all of them, for the operator."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from ledger.errors import InputError
from payouts.life.line_disputes import ABOUT
from service.settlement import line_disputes
from service.settlement.line_disputes import DisputeShown
from service.statements.history import history
from service.web.call import Call, Content, Redirect
from service.web.guard.problems import NotFoundError
from service.web.pages.drawing import page, text

TEXT_MAX: Final = 2_000
"""Letters of what is said in one form; it stays in the log."""


def of_party(call: Call) -> Content:
    """`GET /holders/{party}/disputes`: those that the party is in, and the form to open one."""
    party = call.params["party"]
    with call.held.standing.folded() as ws:
        listed = [shown for shown in line_disputes.shown_all(ws, everything=True) if _concerns(shown, party)]
        months = history(ws, party)
        signs_itself = line_disputes.signs_itself(ws, party)
    return page(
        call,
        "disputes.html",
        title=text("disputes.title"),
        party=party,
        disputes=listed,
        months=months,
        about=ABOUT,
        signs_itself=signs_itself,
    )


def all_of_them(call: Call) -> Content:
    """`GET /disputes`: every dispute, those whose date has passed first."""
    with call.held.standing.folded() as ws:
        listed = line_disputes.shown_all(ws, everything=True)
    listed.sort(key=lambda shown: (not shown.overdue, shown.due or "~", shown.opened_at))
    return page(
        call, "disputes.html", title=text("disputes.title_all"), party="", disputes=listed, months=[], about=ABOUT
    )


def single(call: Call) -> Content:
    """`GET /holders/{party}/disputes/{dispute}`: everything that was said in it, and the form to answer."""
    party, name = call.params["party"], call.params["dispute"]
    with call.held.standing.folded() as ws:
        by_name = {shown.id: shown for shown in line_disputes.shown_all(ws, everything=True)}
        signs_itself = line_disputes.signs_itself(ws, call.caller.party)
    if name not in by_name or not _concerns(by_name[name], party):
        raise NotFoundError(f"dispute {name!r}")
    title = text("disputes.single", name=name)
    return page(call, "dispute.html", title=title, party=party, dispute=by_name[name], signs_itself=signs_itself)


def open_dispute(call: Call) -> Redirect:
    """`POST /disputes/{payee}`: contest a published month; nothing is held before the operator admits it."""
    party = call.params["payee"]
    opened = call.held.standing.acting(
        lambda ws: line_disputes.open_dispute(
            ws,
            call.field("run"),
            about=call.field("about"),
            claimant=party,
            amount=call.field("amount"),
            text=_text_of(call),
            against=call.form.get("against", "").strip(),
            subject=call.form.get("subject", "").strip(),
        ),
        folding=True,
    )
    return Redirect(path=_path(party, opened.id))


def answer(call: Call) -> Redirect:
    """`POST /disputes/{payee}/{dispute}`: answer a dispute as the other side."""
    party, name = call.params["payee"], call.params["dispute"]
    spoken = _text_of(call)
    call.held.standing.acting(lambda ws: line_disputes.answer(ws, name, party=party, text=spoken), folding=True)
    return Redirect(path=_path(party, name))


def _text_of(call: Call) -> str:
    spoken = call.field("text")
    letters = len(spoken.replace("\r\n", "\n"))  # a browser counts an end of line as one, and sends two
    if letters > TEXT_MAX:
        raise InputError(f"the text has {letters:,} letters; expected at most {TEXT_MAX:,}")
    return spoken


def _concerns(shown: DisputeShown, party: str) -> bool:
    return party in (shown.claimant, shown.against)


def _path(party: str, name: str) -> str:
    return f"/holders/{quote(party, safe='')}/disputes/{quote(name, safe='')}"
