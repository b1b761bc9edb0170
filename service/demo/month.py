"""The demo's month from its close to its payments, and what people object to and correct afterwards."""

from __future__ import annotations

import json
from typing import Any, Final

from ledger.shown import counted
from service.demo import streams, world
from service.demo.steps import PARTS, Story

RULES: Final[dict[str, tuple[str, ...]]] = {
    "pro-rata": (),
    "thresholded": ("--param", "min_influence=50000", "--param", "below=redistribute"),
    "shapley-capped": ("--param", "tau=600000", "--param", "kappa=250000"),
}


def settle(story: Story) -> dict[str, Any]:
    """Close the month, hold a bot's streams, compare rules, have a second person approve, publish, pay."""
    story.step("Close the month: its root is fixed.", "period", "close", world.PERIOD)
    streams.hold_fraud(story)
    pool = ("--period", world.PERIOD, "--pool", world.POOL, "--currency", world.CURRENCY)
    for rule, parameters in RULES.items():
        compared = story.step(f"Dry run under {rule}.", "run", *pool, "--rule", rule, *parameters, "--dry-run")
        story.facts.setdefault("rules", {})[rule] = {line["holder"]: line["micros"] for line in compared["lines"]}
    run = story.step("The run itself.", "run", *pool, "--rule", "pro-rata")
    story.must("the five parts together", sum(run[part] for part in PARTS), run["pool_micros"])
    story.must("something is held, what the bot's streams would earn", seen=run["held_micros"] > 0, expected=True)
    story.must("the lines together", sum(line["micros"] for line in run["lines"]), run["allocated_micros"])
    attempt = "the person who made the run approves it"
    refusal = story.step(f"Forgery 2: {attempt}.", "approve", run["run"], "--as", "operator", code=4)
    story.refused(attempt, refusal["error"]["message"])
    story.step("A second person approves with a key of their own.", "approve", run["run"], "--as", "approver")
    story.step("Publish: statements are fixed.", "publish", run["run"])
    _by_bank(story, run["run"])
    _on_chain(story, run["run"])
    return dict(run)


def _by_bank(story: Story, run: str) -> None:
    words = ("pay", run, "--via", "file", "--format", "pain.001")
    paid = story.step("Pay by bank the holders who have a bank account: a file as banks take it.", *words)
    story.found(f"{paid['payments']} payments")
    story.step("The bank reports that it carried them out.", "payments", "confirm", "--all-of", run)


def _on_chain(story: Story, run: str) -> None:
    """The holders who chose the chain are paid there: one root for all of them, money only to their accounts."""
    currency = ("--currency", world.CURRENCY)
    story.step(
        "A contract on the embedded chain, without a dispute window for the demo.",
        "chain",
        "deploy",
        *currency,
        "--window",
        "0",
    )
    story.step("Test money for it.", "chain", "fund", world.POOL, *currency)
    story.step(
        "Pay the holders who have a wallet on the chain: post the root of what the run owes there, push every claim.",
        "pay",
        run,
        "--via",
        "chain",
    )
    checked = story.step("Reconcile: run, leaves, contract, token movements.", "chain", "check", *currency)
    story.must("the chain's books", seen=checked["ok"], expected=True)


def dispute(story: Story, run: dict[str, Any]) -> None:
    """A holder objects to a line, the other side answers, two people settle it; the next month pays the award."""
    against, claimant = (line["holder"] for line in run["lines"][:2])
    track = world.TRACKS[0]
    opened = story.step(
        f"{claimant} objects: more of {track} is theirs.",
        *("dispute", "open", world.PERIOD, "--about", "influence", "--subject", track, "--claimant", claimant),
        *("--against", against, "--amount", "10.00", "--text", "my recording is in the chorus"),
    )
    name = opened["id"]
    story.step("The other side answers.", "dispute", "answer", name, "--party", against, "--text", "four bars, no more")
    words = ("dispute", "resolve", name, "--upheld", "4.00", "--text", "four bars of sixteen", "--as", "approver")
    story.step("One person proposes the outcome, another approves it.", *words)
    state = story.step("What became of it.", "dispute", "show", name)["state"]
    story.must("the dispute's outcome", state, "upheld")
    story.facts["dispute"] = {"claimant": claimant, "claimed_micros": 10_000_000, "upheld_micros": 4_000_000}


def correct(story: Story) -> None:
    """A vector turns out to be wrong after the month was paid: the differences are proposed for the next month."""
    track, source = world.TRACKS[-1], "rec-001"
    mended = {
        "track": track,
        "sources": [{"recording": source, "aspect": "recording", "ppm": 900_000, "use": "condition"}],
    }
    file = story.home / "inputs" / "mended.json"
    file.write_text(json.dumps(mended), encoding="utf-8")
    (declared,) = story.step(
        f"The generator of {track} had named the wrong recordings; it declares again.",
        *("attribute", "--no-assign", "--declared", str(file)),
    )
    why = "the declaration named other recordings"
    story.step("The operator assigns the new vector.", "assign", track, declared["digest"], "--reason", why)
    proposed = story.step(
        "What June should have paid, proposed as corrections in July; a second person decides.",
        *("restate", world.PERIOD, "--propose", "--into", "2026-07"),
    )
    story.must("something is corrected", seen=bool(proposed["lines"]), expected=True)
    lines = proposed["lines"]
    story.found(f"{counted(len(lines), 'holder')} should have got another amount, such as {lines[0]['holder']}")
    story.facts["correction"] = {"id": proposed["id"], "lines": len(lines)}
