"""June published with everybody paid on the chain, and the words for asking about it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cli.exits import EXIT_CODES
from contracts.address import checksum
from ledger.errors import StateError
from ledger.registry.importing import import_files
from ledger.registry.statement import Signer
from service.settlement.step import read_book
from tests.cli.support import settle_json
from tests.service.month import Month, month, published

PARTIES = ("ann", "bob", "cy", "dee")
PAYS = {"ann": 360_000_000, "bob": 120_000_000, "cy": 90_000_000, "dee": 60_000_000}
REFUSED = EXIT_CODES[StateError]


def account(party: str) -> str:
    return checksum((0xABC000 + PARTIES.index(party)).to_bytes(20, "big"))


def published_june(folder: Path) -> Month:
    """June, published, with everybody paid on the chain."""
    made = month(folder / "home", payees=False)
    rows = [{"party": name, "method": "chain", "account": account(name), "from": "2020-01-01"} for name in PARTIES]
    path = folder / "payees.json"
    path.write_text(json.dumps({"payees": rows}))
    done = import_files(made.ws.registry, [path], Signer(made.ws.signer("operator"), "operator", "operator"))
    assert done.accepted == len(PARTIES)
    published(made)
    return made


def run_of(june: Month) -> str:
    return next(iter(read_book(june.ws).published))


def chain(june: Month, *words: str | Path, code: int = 0) -> Any:
    return settle_json("chain", *words, home=june.home, code=code)
