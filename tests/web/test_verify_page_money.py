"""verify.html says of statements, runs and memberships what `settle verify` says: word for word where they hold."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ledger.errors import SettleError
from ledger.proofs import trust as trust_file
from service.bundles import verify_bundle
from tests.attacks.forge.changes import Forger
from tests.attacks.forge.history import History
from tests.attacks.forge.judge import bundles_of, published
from tests.attacks.forge.test_forge import history
from tests.independent.building import canonical
from tests.independent.settled import Settled
from tests.ledger.registry.test_membership import TRUST as REGISTRY
from tests.support import ROOT
from tests.web.browser_verifier import as_report, assert_same_verdicts, browser_reports, left_to_command_line

GOLDEN = ROOT / "tests" / "golden"
BITS = int(os.environ.get("SETTLE_PAGE_BITS", "300"))
"""Bundles with one bit turned; 5,000 before a release."""
FORGERIES = int(os.environ.get("SETTLE_PAGE_FORGERIES", "25"))
"""Forged histories; 2,000 before a release."""
PLAN = 3

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
Kept = dict[str, bytes]


@cache
def month() -> tuple[bytes, Kept]:
    """A settled month of version 2 that was drawn up from docs/formats.md alone: its trust file, its bundles."""
    settled = Settled()
    return canonical(settled.trust()), settled.bundles()


def kept() -> Iterator[tuple[bytes, Kept]]:
    """Every kept bundle that the page checks, by the trust file that it goes with."""
    yield month()
    yield (GOLDEN / "event.trust.json").read_bytes(), {"event": (GOLDEN / "event.bundle").read_bytes()}
    yield REGISTRY.encode(), {"membership": (GOLDEN / "membership.bundle").read_bytes()}
    for trust in sorted(GOLDEN.rglob("*/trust.json")):
        named = {str(path): path.read_bytes() for path in sorted(trust.parent.rglob("*.bundle"))}
        yield trust.read_bytes(), {name: data for name, data in named.items() if b'"kind":"claim"' not in data}


def of_money() -> list[tuple[bytes, Kept]]:
    kinds = (b'"kind":"run"', b'"kind":"statement"')
    chosen = [(trust, {n: d for n, d in named.items() if any(kind in d for kind in kinds)}) for trust, named in kept()]
    return [(trust, named) for trust, named in chosen if named]


def test_honest_bundles_get_the_same_words() -> None:
    """If this fails, a visitor reads other steps, figures or cautions in the browser than on the command line."""
    cases = [(trust, list(named.values())) for trust, named in kept()]
    names = [name for _, named in kept() for name in named]
    expected = [as_report(verify_bundle(data, trust_file.parse(trust))) for trust, bundles in cases for data in bundles]
    for name, here, there in zip(names, expected, browser_reports(*cases), strict=True):
        assert here == there, name
        assert here["ok"], name
    assert {here["kind"] for here in expected} >= {"entry", "event", "membership", "run", "statement", "vector"}


def respelled(text: str) -> Iterator[str]:
    """A run's bundle, written as nobody writes one."""
    yield "\ufeff" + text
    yield text + "\n"
    for spelling in ("2.0", "2e0", "3", "9007199254740993", "true", '"2"', "null"):
        yield text[: -len('"v":2}')] + f'"v":{spelling}' + "}"
    yield text[:-1] + ',"v":2}'
    yield text.replace('{"', '{"__proto__":{"ok":true},"', 1)
    yield text.replace('"kind":"run"', '"kind":"hasOwnProperty"', 1)
    yield text.replace('"kind":"run"', '"kind":"statement"', 1)
    yield text.replace('"micros":"', '"micros":"0', 1)
    yield text.replace("label", "l\\u0061bel", 1)
    yield text.replace("label", "\\ud800", 1)
    yield text.replace("label", "\ud7ff\U00010000", 1)


def test_tricks_of_spelling_are_refused_alike() -> None:
    """If this fails, an amount or a field has a second spelling that one of the two verifiers takes."""
    trust, named = month()
    tricks = [trick.encode() for trick in respelled(named["run.bundle"].decode())]
    assert not any(assert_same_verdicts(trust, tricks))


def test_fields_of_other_types_are_refused_alike() -> None:
    """If this fails, a value of another type crashes the page or is believed by one of the two verifiers."""
    trust, named = month()
    odd: list[bytes] = []
    for name in ("run.bundle", "p-ann.bundle"):
        document = json.loads(named[name])
        for field in sorted({*document} - {"v", "kind", "checkpoint"}):
            values: tuple[Any, ...] = (None, [], {}, "", 5, [None], [{}])
            odd += [canonical(document | {field: value}) for value in values if value != document[field]]
    assert not any(assert_same_verdicts(trust, odd))


def turned(random: Random, data: bytes) -> bytes:
    place = random.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << random.randrange(8)]) + data[place + 1 :]


@pytest.mark.node
def test_turned_bits_get_the_same_verdict() -> None:
    """If this fails, there is a byte of a statement or a run that the page and the command line judge differently."""
    random, groups = Random(18), of_money()
    for trust, named in groups:
        honest = list(named.values())
        changed = [turned(random, random.choice(honest)) for _ in range(BITS // len(groups))]
        assert not any(assert_same_verdicts(trust, changed))


def forged(honest: History, random: Random, count: int) -> Iterator[bytes]:
    """Bundles of forged histories, those of each up to the first that `settle verify` refuses."""
    forger = Forger(honest, random)
    for number in range(count):
        forgery = forger.draw(approved=number % 2 == 0)
        try:
            again = honest.forged(forgery.change, approved=forgery.approved)
            drawn = [data for place in published(again) for _, data in bundles_of(again, place)]
        except (SettleError, ValueError, LookupError, AttributeError, TypeError):
            continue  # what should follow from the change cannot even be derived: no such history
        for data in drawn:
            yield data
            if not verify_bundle(data, honest.trust).ok:
                break


@pytest.mark.node
@pytest.mark.timeout(7200)
def test_forgeries_get_the_same_verdict(tmp_path: Path) -> None:
    """If this fails, an operator's forgery is believed in the browser alone, or on the command line alone."""
    honest = history(PLAN, tmp_path)
    drawn = list(forged(honest, Random(18), FORGERIES))
    accepted = assert_same_verdicts(honest.trust.encode(), drawn)
    assert accepted.count(False) > FORGERIES // 2


def test_bundles_that_the_page_cannot_check_are_not_called_false() -> None:
    """If this fails, the page says FAILED of an honest claim, or of a bundle that a later version of Settle wrote."""
    trust, named = month()
    later: dict[str, Any] = json.loads(named["run.bundle"]) | {"v": 3}
    claim = (GOLDEN / "releases" / "0.1.0" / "bundles" / "claim-0.bundle").read_bytes()
    answers = left_to_command_line(trust, [canonical(later), claim, named["run.bundle"], b"{}"])
    assert answers == ["a bundle of kind run, version 3", "a bundle of kind claim", None, None]


def test_long_amounts_and_dense_bundles_are_refused_by_both() -> None:
    """If this fails, a bundle that costs one verifier much time to read is accepted by the other, or by both."""
    trust, named = month()
    text = named["p-bob.bundle"].decode() if "p-bob.bundle" in named else next(iter(named.values())).decode()
    amount = re.search(r'"(opening|carried)":"(-?\d+)"', text)
    assert amount is not None
    respelled_amounts = [
        text.replace(amount[0], f'"{amount[1]}":"{spelling}"', 1)
        for spelling in ("9" * 100, "9" * 101, "-" + "9" * 100, "9" * 5_000, "+1", "1_0", " 1", "01", "-0")
    ]
    dense = ["[" + "[]," * 200_000 + "[]]", "[" + "1," * 900_000 + "1]", '{"a":' * 20 + "1" + "}" * 20]
    verdicts = assert_same_verdicts(trust, [case.encode() for case in (text, *respelled_amounts, *dense)])
    assert verdicts == [True] + [False] * (len(respelled_amounts) + len(dense))
    report = browser_reports((trust, [dense[1].encode()]))[0]
    assert "more values than" in json.dumps(report)
