"""The HTTP service: serve requests, and manage access keys and sign-in links."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.render import as_text
from cli.shell import emit, plain, workspace

if TYPE_CHECKING:
    from service.workspace import Workspace

app = typer.Typer()
access = typer.Typer(no_args_is_help=True)
key = typer.Typer(no_args_is_help=True)
webhook = typer.Typer(no_args_is_help=True)
app.add_typer(webhook, name="webhook", help="Messages about tracks to the addresses that their senders gave.")
app.add_typer(access, name="access", help="Who may use the HTTP service.")
access.add_typer(key, name="key", help="Access keys: each belongs to a party, expires, and can be revoked.")


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; use a reverse proxy for TLS.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 chooses a free one.")] = 8080,
    events_per_second: Annotated[int, typer.Option(min=1, help="What one access key may send.")] = 50_000,
    rows: Annotated[int, typer.Option(min=1, help="Rows that one body may hold.")] = 50_000,
) -> None:
    """Accept events and answer requests over HTTP, until interrupted; accepted requests are finished first."""
    from service.web.guard.limits import Limits
    from service.web.server import serve as answer

    limits = Limits(events_per_second=events_per_second, rows=rows)
    answer(workspace(), host=host, port=port, limits=limits, started=lambda url: emit({"listening": url}))


@webhook.command("list")
def webhook_list() -> None:
    """Every message: on its way, delivered, or given up with the last problem."""
    from service.webhooks import deliveries

    emit(deliveries.listed(workspace()))


@webhook.command("replay")
def webhook_replay(
    name: Annotated[str, typer.Argument(metavar="ID", help="See `settle webhook list`.")],
) -> None:
    """Have a message sent again, with the same bytes and id, by the server that runs or the next one."""
    from service.webhooks import deliveries

    emit(deliveries.replay(workspace(), name))


@access.command("log")
def access_log() -> None:
    """What was done to access keys and policies, from the log: each act signed by the operator."""
    from service.access import keys

    emit(keys.administrative_acts(workspace().log))


def _granted(ws: Workspace, made: Any, scopes: list[str] | None) -> str:
    """Return a link or a key as text: the roles it allows, and those of them that the party has now."""
    from service.access.roles import read_roles

    roles = sorted(read_roles(ws).of(made.party) & set(made.scopes))
    shown = plain(made) | {"scopes": scopes or "whatever roles the party has", "roles now": roles}
    return as_text(shown)


@access.command("link")
def access_link(
    party: Annotated[str, typer.Argument(help="The registered party, the approver or the operator who signs in.")],
    scope: Annotated[
        list[str] | None, typer.Option(help="Only in this role: platform, holder, auditor, approver, operator.")
    ] = None,
    url: Annotated[str, typer.Option(help="Where people reach the service.")] = "http://127.0.0.1:8080",
) -> None:
    """Make a link that signs a party in to the portal, in one browser, once, within 24 hours."""
    from service.access import sessions

    ws = workspace()
    emit(sessions.make_link(ws, party, base=url, scopes=scope or ()), text=lambda link: _granted(ws, link, scope))


@access.command("end")
def access_end(
    party: Annotated[str, typer.Argument(help="Whose sessions and unused links end.")],
) -> None:
    """Sign a party out of the portal in every browser, and use up its links; a running server obeys within a second."""
    from service.access import sessions

    emit(sessions.end_all(workspace(), party))


@key.command("add")
def key_add(
    party: Annotated[str, typer.Option(help="The registered party that uses it.")],
    scope: Annotated[
        list[str] | None, typer.Option(help="Only in this role: platform, holder, auditor, approver, operator.")
    ] = None,
    expires: Annotated[str, typer.Option(help="A day or a time, UTC; by default a year from now.")] = "",
) -> None:
    """Make an access key; its token is shown only once."""
    from service.access import keys

    ws = workspace()
    added = keys.add(ws, party, scopes=scope or (), expires=expires or None)
    emit(added, text=lambda made: _granted(ws, made, scope))


@key.command("list")
def key_list() -> None:
    """List all access keys, without their tokens."""
    from service.access import keys

    emit(keys.listed(workspace().log))


@key.command("revoke")
def key_revoke(
    name: Annotated[str, typer.Argument(metavar="ID", help="The key's id; `settle access key list` shows it.")],
) -> None:
    """Revoke an access key; a running server refuses it within a second."""
    from service.access import keys

    emit(keys.revoke(workspace(), name))
