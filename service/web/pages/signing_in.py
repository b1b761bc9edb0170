"""Sign in with a link, see where one is signed in, sign out."""

from __future__ import annotations

from service.access import sessions
from service.web.call import Call, Content, Redirect
from service.web.guard.forms import set_cookie
from service.web.pages.drawing import page, text


def form(call: Call) -> Content:
    """`GET /sign-in`: the form that a link opens; a script fills in its code."""
    return page(call, "sign_in.html", title=text("sign_in.title"), scripts=("sign-in.js",))


def entrance(_: Call) -> Redirect:
    """`GET /`: the page that says how to sign in, and what anybody may read."""
    return Redirect(path="/sign-in")


def sign_in(call: Call) -> Redirect:
    """`POST /sign-in`: exchange the code for a session, always a new one, whatever cookie came with it."""
    browser = call.headers.get("user-agent", "")
    with call.held.standing.workspace() as ws:
        _, secret = sessions.open_session(ws.log, call.field("code"), ws.clock(), browser=browser)
    return Redirect(path="/home", cookie=set_cookie(secret, int(sessions.SESSION_LIFE.total_seconds())))


def listed(call: Call) -> Content:
    """`GET /sessions`: the browsers in which the caller is signed in."""
    caller = call.caller
    with call.held.standing.workspace() as ws:
        own = sessions.sessions_of(ws.log, caller.party, ws.clock())
    return page(call, "sessions.html", title=text("sessions.title"), sessions=own)


def sign_out(call: Call) -> Redirect:
    """`POST /sessions/end`: end one of the caller's sessions, by default this one."""
    caller = call.caller
    name = call.form.get("session") or caller.key
    with call.held.standing.workspace() as ws:
        sessions.end_session(ws.log, name, caller.party, ws.clock())
    call.held.forget(name)
    own = name == caller.session
    return Redirect(path="/sign-in" if own else "/sessions", cookie=set_cookie("", 0) if own else None)


def home(call: Call) -> Content:
    """`GET /home`: where a person begins."""
    return page(call, "home.html", title=text("home.title"))
