"""The public log: checkpoint, tiles, entries, proofs, as a C2SP tlog-tiles server and as JSON."""

from __future__ import annotations

import re
from typing import Any, Final

from ledger.errors import InputError, VerificationError
from ledger.log.store import queries
from ledger.proofs import leaf
from ledger.proofs.tile import WIDTH, format_entries, format_path
from ledger.proofs.tree import HASH_SIZE
from service import operating
from service.verify_page import PAGE, PARTS, policy
from service.web.call import IMMUTABLE, Call, Content
from service.web.guard.problems import NotFoundError
from service.workspace import TRUST

TEXT: Final = "text/plain; charset=utf-8"
SCRIPTS: Final = PARTS.parent / "pages"
BINARY: Final = "application/octet-stream"
_TILE: Final = re.compile(r"(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([0-9]{1,3}))?\Z")


def checkpoint(call: Call) -> Content:
    """`GET /checkpoint`: the newest signed one."""
    with call.held.standing.workspace() as ws:
        return Content(data=ws.log.checkpoint(), media=TEXT, cache="no-cache")


def trust(call: Call) -> Content:
    """`GET /trust.json`: for convenience; compare it with one from elsewhere."""
    with call.held.standing.workspace() as ws:
        return Content(data=(ws.home / TRUST).read_bytes(), media="application/json", cache="no-cache")


def verify_page(_: Call) -> Content:
    """`GET /verify`: the page that checks bundles in the visitor's own browser; it asks this server for nothing."""
    return Content(data=PAGE.read_bytes(), media="text/html; charset=utf-8", cache="no-cache", policy=policy())


def script(call: Call) -> Content:
    """`GET /static/{name}`: a script of the pages, or a part of the verifier that they use; they load no other."""
    name = call.params["name"]
    paths = [path for folder in (SCRIPTS, PARTS) for path in folder.glob("*.js") if path.name == name]
    if not paths:
        raise NotFoundError(f"script {name!r}")
    return Content(data=paths[0].read_bytes(), media="text/javascript; charset=utf-8", cache="no-cache")


def event_schema(_: Call) -> dict[str, Any]:
    """`GET /event.schema.json`: the JSON Schema of an event."""
    from ledger.ingest.event_schema import event_schema as schema

    return schema()


def tile(call: Call) -> Content:
    """`GET /tile/...`: hashes or entries; a full tile never changes."""
    named = _TILE.match(call.params["path"])
    if named is None:
        raise NotFoundError(f"tile {call.params['path']!r}")
    level = None if named[1] == "entries" else int(named[1])
    n = int(named[2].replace("x", "").replace("/", ""))
    width = WIDTH if named[3] is None else int(named[3])
    if not 0 < width <= WIDTH or format_path(level, n, width) != f"tile/{call.params['path']}":
        raise NotFoundError(f"tile {call.params['path']!r}")
    with call.held.standing.workspace() as ws, ws.log.store.reading() as connection:
        newest = queries.last_checkpoint(connection)
        size = 0 if newest is None else newest.size
        if n * WIDTH + width > size >> 8 * (level or 0):
            raise NotFoundError(f"tile {call.params['path']!r}")
        if level is None:
            entries = queries.page(connection, n * WIDTH, n * WIDTH + width)
            return Content(data=format_entries([entry.body for entry in entries]), media=BINARY, cache=IMMUTABLE)
        data = queries.read_tile(connection, level, n)[: width * HASH_SIZE]
    return Content(data=data, media=BINARY, cache=IMMUTABLE)


def entry(call: Call) -> dict[str, Any]:
    """`GET /v1/log/entries/{index}`: a leaf; it holds no personal data."""
    index = _index(call.params["index"])
    with call.held.standing.workspace() as ws:
        return {"index": index, "leaf": leaf.decode(ws.log.entry(index).body)}


def proof(call: Call) -> Content:
    """`GET /v1/log/proof`: a bundle that `settle verify` and verify.html check without this server."""
    index, event = call.query.get("index"), call.query.get("event")
    with call.held.standing.workspace() as ws:
        proven = operating.prove(ws, event=event, index=None if index is None else _index(index))
    return Content(data=proven.bundle, media="application/json", filename=f"{proven.index}.bundle")


def consistency(call: Call) -> Any:
    """`GET /v1/log/consistency?old=&new=`: that one tree grew out of the other."""
    old, new = call.number("old"), call.number("new")
    with call.held.standing.workspace() as ws:
        try:
            return operating.consistency(ws, old, new)
        except VerificationError as problem:
            raise InputError(str(problem)) from None


def _index(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 15:
        raise InputError(f"index {text!r}: expected a whole number")
    return int(text)
