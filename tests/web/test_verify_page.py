"""The verifier in the browser says what `settle verify` says, step by step, of honest and of altered bundles."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ledger.proofs import bundle, form, leaf
from ledger.proofs import trust as trust_file
from ledger.types import Head
from service.verify_page import PAGE, build, digest
from tests.ledger.proofs.test_retired import SUCCESSOR, Handed
from tests.ledger.reading.test_form import COPIED, FIRST, NEW, OLD
from tests.ledger.world import AT, ORIGIN, World, rotation, seeded
from tests.support import ROOT
from tests.web.browser_verifier import assert_same_verdicts, browser_reports

GOLDEN = ROOT / "tests" / "golden"
RELEASE = GOLDEN / "releases" / "0.1.0"
TRUST = (GOLDEN / "event.trust.json").read_bytes()
BUNDLE = (GOLDEN / "event.bundle").read_bytes()

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")


def test_the_page_is_what_its_parts_make() -> None:
    """If this fails, verify.html is not what the tests check: run python -m service.verify_page."""
    assert PAGE.read_text(encoding="utf-8") == build()


def test_the_digest_in_the_documentation_is_the_pages() -> None:
    """If this fails, a careful visitor finds that the page is another than the release says."""
    assert digest() in (ROOT / "docs" / "howto-verify-us.md").read_text(encoding="utf-8"), digest()


@needs_node
@pytest.mark.parametrize(
    ("trust", "path"),
    [
        (GOLDEN / "event.trust.json", GOLDEN / "event.bundle"),
        (GOLDEN / "event.trust.json", GOLDEN / "event.tlog-proof"),
        (RELEASE / "trust.json", RELEASE / "bundles" / "event.bundle"),
        (RELEASE / "trust.json", RELEASE / "bundles" / "entry.bundle"),
    ],
    ids=lambda path: path.name,
)
def test_honest_bundles_hold(trust: Path, path: Path) -> None:
    """If this fails, the page calls an honest bundle false, or checks other steps than the command line."""
    assert assert_same_verdicts(trust.read_bytes(), [path.read_bytes()]) == [True]


@needs_node
def test_every_turned_bit_gets_the_same_verdict() -> None:
    """If this fails, there is a byte of an event's bundle that the page and the command line judge differently."""
    turned = [BUNDLE[:n] + bytes([BUNDLE[n] ^ 1]) + BUNDLE[n + 1 :] for n in range(len(BUNDLE))]
    assert_same_verdicts(TRUST, turned)


@needs_node
@pytest.mark.slow
def test_every_turned_bit_of_a_signed_event_gets_the_same_verdict() -> None:
    """If this fails, the page and the command line judge a platform's signature or a receipt differently."""
    signed = (RELEASE / "bundles" / "event.bundle").read_bytes()
    receipt = (GOLDEN / "event.tlog-proof").read_bytes()
    step = 1 if len(signed) < 6_000 else len(signed) // 3_000
    turned = [signed[:n] + bytes([signed[n] ^ 1]) + signed[n + 1 :] for n in range(0, len(signed), step)]
    assert_same_verdicts((RELEASE / "trust.json").read_bytes(), turned)
    assert_same_verdicts(TRUST, [receipt[:n] + bytes([receipt[n] ^ 2]) + receipt[n + 1 :] for n in range(len(receipt))])


@needs_node
def test_tricks_of_spelling_are_refused_alike() -> None:
    """If this fails, a value has a second spelling that one of the two verifiers takes."""
    text = BUNDLE.decode()
    tricks = [
        "\ufeff" + text,
        text + "\n",
        text.replace('"index":', '"index": ', 1),
        text.replace('"index":5', '"index":5.0', 1),
        text.replace('"index":5', '"index":5e0', 1),
        text.replace('"index":5', '"index":05', 1),
        text.replace('"index":5', '"index":-0', 1),
        text.replace('"index":5', '"index":9007199254740993', 1),
        text.replace('"index":5', '"index":18446744073709551621', 1),
        text.replace('"v":1}', '"v":1,"v":1}', 1),
        text.replace('{"', '{"__proto__":{"ok":true},"', 1),
        text.replace('"kind":"event"', '"kind":"constructor"', 1),
        text.replace('"kind":"event"', '"kind":"__proto__"', 1),
        text.replace('"keys":[]', '"keys":[' + "[" * 50_000 + "]" * 50_000 + "]", 1),
        text.replace("acme", "\\u0061cme", 1),
        text.replace("acme", "\\ud800", 1),
        text.replace("acme", "ac\u2028me", 1),
        text.replace('"keys"', '"kéys"', 1),
        "",
        "null",
        "[]",
        "{}",
        '{"checkpoint":"","keys":[],"kind":"event","v":1}',
    ]
    assert_same_verdicts(TRUST, [trick.encode() for trick in tricks])
    assert_same_verdicts(TRUST, [b"\xff" + BUNDLE, BUNDLE[:-1], BUNDLE.replace(b"acme", b"ac\xc3me", 1)])


@needs_node
@pytest.mark.parametrize("pinned", [True, False])
def test_v6_a_retired_log_key_gets_the_same_verdict(*, pinned: bool) -> None:
    """If this fails, the page believes a retired log key where the command line does not, or the other way round."""
    handed = Handed(pinned=pinned)
    size, old = handed.world.size, handed.world.log_key
    thief, forged = seeded("thief"), World(bodies=handed.world.bodies[:3])
    index = rotation(forged, "log", old, thief)
    bundles = [
        handed.entry(1, 5, old),
        handed.entry(1, handed.end, old),
        handed.entry(1, handed.end + 1, old, keys=[handed.end]),
        handed.entry(1, handed.end + 1, SUCCESSOR),
        handed.entry(1, size, SUCCESSOR, keys=[handed.end]),
        handed.entry(1, size, old, SUCCESSOR, keys=[handed.end]),
        bundle.entry(checkpoint=forged.checkpoint(), entry=forged.placed(1), keys=[forged.placed(index)]),
        bundle.entry(checkpoint=forged.checkpoint(None, thief), entry=forged.placed(1), keys=[forged.placed(index)]),
    ]
    for trusted in (handed.before, handed.newest):
        assert_same_verdicts(trusted.encode(), bundles)


@needs_node
@pytest.mark.parametrize("drawn", [None, 0, 1])
def test_the_line_of_form_2_gets_the_same_verdict(drawn: int | None) -> None:
    """If this fails, the page believes a leaf that was copied from another log, or an old one after the line."""
    world = World()
    world.append(FIRST[1], form.draw(AT, Head(ORIGIN, 1, bytes(32), b""), world.operator_key))
    first = world.append(*NEW, *OLD, *COPIED)
    world.append({**NEW[0], "party": "thief"}, leaf.make("close", AT, period="2026-06", logs=[], registry_size=0))
    bundles = [
        bundle.entry(checkpoint=world.checkpoint(), entry=world.placed(n), keys=keys)
        for n in range(1, world.size)
        for keys in ([], [world.placed(1)], [world.placed(1), world.placed(first + 3)])
    ]
    assert_same_verdicts(trust_file.make(ORIGIN, world.trust().logs[0].keys, form=drawn).encode(), bundles)


@needs_node
@pytest.mark.parametrize(
    "trust",
    [
        TRUST.replace(b'"v": 2', b'"v": 2.0'),
        TRUST.replace(b'"v": 2', b'"v": 3'),
        TRUST.replace(b'"v": 2', b'"v": 2, "v": 2'),
        TRUST.replace(b"quorum none", b"quorum all-of-them"),
        TRUST.replace(b"quorum none", b""),
        TRUST.replace(b'"party"', b'"partei"', 1),
        TRUST[:-5],
        b"{}",
    ],
)
def test_a_damaged_trust_file_is_refused(trust: bytes) -> None:
    """If this fails, the page believes a trust file that the command line refuses."""
    assert "trust" in browser_reports((trust, [BUNDLE]))[0]
