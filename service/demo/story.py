"""The demo's month, told in the product's own commands.

Each step is a command line that the reader can repeat in the demo's folder. The runner is handed
in, so that the story knows nothing of terminals. A step whose exit code or figures are not what
they must be ends the demo with an error: a total off by one micro-unit, a proof that fails.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random  # noqa: TID251  seeded here: everyone sees the same month
from typing import Any, Final

from ledger.errors import VerificationError
from service.demo import world

Run = Callable[[Sequence[str]], tuple[int, Any]]
"""Run one `settle` command; its exit code and its JSON answer."""

SEED: Final = 2026
RULES: Final[dict[str, tuple[str, ...]]] = {
    "pro-rata": (),
    "thresholded": ("--param", "min_influence=50000", "--param", "below=redistribute"),
    "shapley-capped": ("--param", "tau=600000", "--param", "kappa=250000"),
}


@dataclass(slots=True)
class Story:
    """What has been told so far, and the figures that the closing table needs."""

    home: Path
    run: Run
    say: Callable[[str], None]
    events: int
    facts: dict[str, Any] = field(default_factory=dict)

    def step(self, why: str, *words: str, code: int = 0) -> Any:
        """Say why, show the command, run it; its answer."""
        self.say(f"\n{why}\n  $ settle {' '.join(words)}")
        left, answer = self.run(["--home", str(self.home), *words])
        if left != code:
            raise VerificationError(f"demo: settle {' '.join(words)} left with {left}, expected {code}: {answer}")
        return answer

    def must(self, name: str, seen: Any, expected: Any) -> None:
        """The demo fails loudly where a figure is not what it must be."""
        if seen != expected:
            raise VerificationError(f"demo: {name} is {seen!r}, expected {expected!r}")


def tell(story: Story) -> dict[str, Any]:
    """The whole month, from an empty folder to verified bundles; what the demo answers."""
    tracks, recordings = _hand_over(story)
    _ingest(story)
    run = _settle(story)
    _prove(story, run)
    return {
        "ok": True, "period": world.PERIOD, "recordings": recordings, "tracks": tracks,
        "events": story.facts["events"], "pool_micros": run["pool_micros"],
        "paid_micros": run["allocated_micros"], "unattributed_micros": run["unattributed_micros"],
        "held_micros": run["held_micros"], "suspense_micros": run["suspense_micros"],
        "reserve_micros": run["reserve_micros"], "verified": story.facts["verified"],
        "paths": story.facts["paths"],
    }  # fmt: skip


def _hand_over(story: Story) -> tuple[int, int]:
    """Write the files a user would have, and give them to the product."""
    random = Random(SEED)
    recordings = {f"rec-{n:03d}": ("blues", "techno", "folk", "ambient")[n % 4] for n in range(1, 41)}
    tracks = tuple(f"trk-{n:02d}" for n in range(1, 17))
    inputs = story.home / "inputs"
    inputs.mkdir(parents=True, exist_ok=True)
    registry = inputs / "registry.json"
    registry.write_text(json.dumps(world.registry_document(recordings, tracks), indent=1), encoding="utf-8")
    declared = inputs / "declared.ndjson"
    declared.write_text(
        "".join(json.dumps(_declared(track, sorted(recordings), random)) + "\n" for track in tracks), encoding="utf-8"
    )
    with (inputs / "events.ndjson").open("w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in world.event_lines(tracks, story.events, random))

    story.step("A workspace: settings, role keys, trust.json, an empty log.", "init", "--no-passphrase")
    imported = story.step("The registry: who owns what, who permits what.", "registry", "import", str(registry))
    story.must("registry rows refused", imported["quarantined"] + imported["conflicts"], 0)
    vectors = story.step(
        "Each track's influence vector, signed into the log and assigned.", "attribute", "--declared", str(declared)
    )
    story.must("vectors", len(vectors), len(tracks))
    return len(tracks), len(recordings)


def _declared(track: str, recordings: list[str], random: Random) -> dict[str, Any]:
    """A declared vector over one to five sources; what they leave is unattributed."""
    chosen = random.sample(recordings, random.randint(1, 5))
    left, sources = 1_000_000, []
    for recording in chosen:
        ppm = random.randint(left // 8, left // 2)
        left -= ppm
        sources.append({"recording": recording, "aspect": "recording", "ppm": ppm, "use": "condition"})
    return {"track": track, "sources": sources}


def _ingest(story: Story) -> None:
    """A month of streams, with the mistakes such files have; then the same file once more."""
    events = str(story.home / "inputs" / "events.ndjson")
    first = story.step(
        "A month of stream events, with some bad rows, a duplicate and a conflict.", "ingest", events, code=5
    )
    story.must("accepted", first["accepted"], story.events)
    story.must(
        "rows accounted for",
        first["accepted"] + first["duplicates"] + first["conflicts"] + first["quarantined"],
        first["read"],
    )
    again = story.step(
        "The same file again: every good row is known, nothing is counted twice.", "ingest", events, code=5
    )
    story.must("accepted the second time", again["accepted"], 0)
    story.facts["events"] = first["accepted"]


def _settle(story: Story) -> dict[str, Any]:
    """Close the month, compare rules, have a second person approve, publish, pay."""
    story.step("Close the month: its root is fixed.", "period", "close", world.PERIOD)
    pool = ("--period", world.PERIOD, "--pool", world.POOL, "--currency", world.CURRENCY)
    for rule, parameters in RULES.items():
        compared = story.step(f"Dry run under {rule}.", "run", *pool, "--rule", rule, *parameters, "--dry-run")
        story.facts.setdefault("rules", {})[rule] = {line["holder"]: line["micros"] for line in compared["lines"]}
    run = story.step("The run itself.", "run", *pool, "--rule", "pro-rata")
    parts = ("allocated_micros", "unattributed_micros", "held_micros", "suspense_micros", "reserve_micros")
    story.must("the five parts together", sum(run[part] for part in parts), run["pool_micros"])
    story.must("the lines together", sum(line["micros"] for line in run["lines"]), run["allocated_micros"])
    story.step("The maker may not approve his own run.", "approve", run["run"], "--as", "operator", code=4)
    story.step("A second person approves with a key of their own.", "approve", run["run"], "--as", "approver")
    story.step("Publish: statements are fixed.", "publish", run["run"])
    story.step("Pay: a payment file for the bank.", "pay", run["run"], "--via", "file")
    return dict(run)


def _prove(story: Story, run: dict[str, Any]) -> None:
    """Statements and bundles, verified offline; then a deliberate forgery, which is caught."""
    holder = run["lines"][0]["holder"]
    out = story.home / "out"
    out.mkdir(exist_ok=True)
    event = out / "event.bundle"
    story.step("A holder's statement.", "statement", holder, "--period", world.PERIOD)
    story.step(
        "Proof of one stream: leaf, path to the root, checkpoint, vector.",
        "ledger",
        "prove",
        f"{world.SOURCE}:e-0000001",
        "--out",
        str(event),
    )
    verified = story.step("An auditor checks it offline, with trust.json alone.", "verify", str(event))
    story.must("the bundle's verdict", seen=verified["ok"], expected=True)
    forged = out / "forged.bundle"
    forged.write_bytes(
        event.read_bytes().replace(b'\\"units\\":1', b'\\"units\\":2', 1).replace(b'"units":1', b'"units":2', 1)
    )
    story.step("One digit changed in a copy: refused, and the step that fails is named.", "verify", str(forged), code=3)
    checked = story.step("The whole log re-read: every leaf, the chain, the tree.", "ledger", "fsck")
    story.must("fsck", seen=checked["ok"], expected=True)
    story.facts["verified"] = True
    story.facts["paths"] = {"bundle": str(event), "inputs": str(story.home / "inputs")}
