"""What the demo hands to outsiders, checked offline; then forgeries of it, each refused with its reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from service.demo import world
from service.demo.steps import Story
from service.demo.tampering import spoil_an_event
from service.workspace import TRUST, Workspace

OUTPUTS: Final = {
    "report": "report.html",
    "statement": "statement.html",
    "statement bundle": "statement.bundle",
    "bundle": "event.bundle",
    "audit": "audit",
}


def prove(story: Story, run: dict[str, Any]) -> None:
    """Reports, statements, receipts and bundles; an auditor checks each offline, with trust.json alone."""
    holder, out = run["lines"][0]["holder"], story.home / "out"
    paths = {name: str(out / file) for name, file in OUTPUTS.items()}
    month = ("--period", world.PERIOD, "--format")
    story.step(
        "The royalty report of a track.", "report", world.TRACKS[0], "--format", "html", "--out", paths["report"]
    )
    story.step("A holder's statement.", "statement", holder, *month, "html", "--out", paths["statement"])
    story.step(
        "The same statement as a bundle that proves its lines.",
        *("statement", holder, *month, "bundle", "--out", paths["statement bundle"]),
    )
    story.step(
        "Proof of one stream: leaf, path to the root, vector.",
        *("ledger", "prove", f"{world.SOURCE}:e-0000001", "--out", paths["bundle"]),
    )
    story.step(
        "Everything an outsider needs to compute the month again.",
        *("period", "export", world.PERIOD, "--out", paths["audit"]),
    )
    for why, file in (
        ("An auditor checks the proof of the stream.", paths["bundle"]),
        ("The platform checks its receipt.", str(out / "receipt.tlog-proof")),
        ("The holder checks the statement.", paths["statement bundle"]),
        *(
            ("The auditor computes a published run again from its bundle.", str(bundle))
            for bundle in sorted(Path(paths["audit"]).rglob("*.bundle"))
        ),
    ):
        verified = story.step(why, "verify", file, "--trust", str(story.home / TRUST))
        story.found(f"OK: {len(verified['steps'])} steps hold")
        story.must("the verdict", seen=verified["ok"], expected=True)
    story.facts["verified"] = True
    story.facts["paths"] = paths


def tamper(story: Story, run: dict[str, Any]) -> None:
    """Changed copies of proofs and a changed row of the database: refused, and the place named."""
    paths = {name: Path(path) for name, path in story.facts["paths"].items()}
    _forge(story, 3, "one stream of a proof is turned into two", paths["bundle"], (b'"units":1', b'"units":2'))
    micros = run["lines"][0]["micros"]
    amounts = (str(micros).encode(), str(micros + 1_000_000).encode())
    _forge(story, 4, "a holder's statement shows one euro more", paths["statement bundle"], amounts)
    checked = story.step("The whole log is read again: every leaf, the chain, the tree.", "ledger", "fsck")
    story.found(f"OK: {checked['entries']:,} entries, root {checked['root'][:16]}...")
    story.must("fsck", seen=checked["ok"], expected=True)
    index, undo = spoil_an_event(Workspace.open(story.home).path("log.store"))
    attempt = "somebody with the database's password removes its guards and doubles a stream"
    report = story.step(f"Forgery 5: {attempt}.", "ledger", "fsck", code=3)
    story.refused(attempt, f"the first bad entry is {report['first_bad']}")
    story.must("the first bad entry", report["first_bad"], index)
    undo()
    story.must("fsck after the repair", seen=story.step("The row put back.", "ledger", "fsck")["ok"], expected=True)


def _forge(story: Story, number: int, attempt: str, original: Path, change: tuple[bytes, bytes]) -> None:
    """Change a copy of a proof; `settle verify` must refuse it and name the step."""
    forged = original.with_name(f"forged-{original.name}")
    forged.write_bytes(original.read_bytes().replace(*change, 1))
    story.must("the forgery is another file", seen=forged.read_bytes() != original.read_bytes(), expected=True)
    words = ("verify", str(forged), "--trust", str(story.home / TRUST))
    verdict = story.step(f"Forgery {number}: {attempt}.", *words, code=3)
    broken = next(step for step in verdict["steps"] if not step["ok"])
    story.refused(attempt, f"step {broken['n']}, {broken['name']}: {broken['detail']}")
