"""The commands of the demo's month, in order.

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
from ledger.shown import added_up
from service.demo import sounds, world
from service.demo.tampering import spoil_an_event
from service.workspace import TRUST, Workspace

Run = Callable[[Sequence[str]], tuple[int, Any]]
"""Run one `settle` command; its exit code and its JSON answer."""

SEED: Final = 2026
TRACKS: Final = tuple(f"trk-{n:02d}" for n in range(1, 17))
OUTPUTS: Final = {
    "report": "report.html",
    "statement": "statement.html",
    "bundle": "event.bundle",
    "audit": "audit",
}
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

    def found(self, what: str) -> None:
        """What a step came to, in a line."""
        self.say(f"  {what}")

    def must(self, name: str, seen: Any, expected: Any) -> None:
        """The demo fails loudly where a figure is not what it must be."""
        if seen != expected:
            raise VerificationError(f"demo: {name} is {seen!r}, expected {expected!r}")


def tell(story: Story) -> dict[str, Any]:
    """The whole month, from an empty folder to verified bundles; what the demo answers."""
    story.say(f"The month is made in {story.home}; its commands can be repeated there (cd {story.home}).")
    planted = _hand_over(story)
    _attribute(story, planted)
    _ingest(story)
    run = _settle(story)
    _prove(story, run)
    return {
        "ok": True,
        "period": world.PERIOD,
        "recordings": sounds.PIECES,
        "tracks": len(TRACKS),
        "events": story.facts["events"],
        "currency": world.CURRENCY,
        "pool_micros": run["pool_micros"],
        "paid_micros": run["allocated_micros"],
        "unattributed_micros": run["unattributed_micros"],
        "held_micros": run["held_micros"],
        "suspense_micros": run["suspense_micros"],
        "reserve_micros": run["reserve_micros"],
        "verified": story.facts["verified"],
        "influence": story.facts["influence"],
        "rules": story.facts["rules"],
        "paths": story.facts["paths"],
    }


def _hand_over(story: Story) -> list[sounds.Planted]:
    """Write the files a user would have (music to listen to among them), and give the registry to the product."""
    random = Random(SEED)
    inputs = story.home / "inputs"
    story.say(
        f"\nMaking {sounds.PIECES} recordings and {len(sounds.KINDS)} generated tracks as WAV files in {inputs} ..."
    )
    recordings = sounds.catalogue(inputs / "audio")
    planted = sounds.tracks(inputs / "tracks")
    registry = world.registry_document(recordings, TRACKS)
    (inputs / "registry.json").write_text(json.dumps(registry, indent=1), encoding="utf-8")
    declared = [_declared(track, sorted(recordings), random) for track in TRACKS[len(planted) :]]
    (inputs / "declared.ndjson").write_text(
        "".join(json.dumps(declaration) + "\n" for declaration in declared), encoding="utf-8"
    )
    with (inputs / "events.ndjson").open("w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in world.event_lines(TRACKS, story.events, random))
    story.step("A workspace: settings, role keys, trust.json, an empty log.", "init", "--no-passphrase")
    imported = story.step(
        "The registry: who owns what, who permits what, what the model was trained on.",
        "registry",
        "import",
        str(inputs / "registry.json"),
    )
    story.found(f"{imported['accepted']:,} rows accepted")
    story.must("registry rows refused", imported["quarantined"] + imported["conflicts"], 0)
    return planted


def _attribute(story: Story, planted: list[sounds.Planted]) -> None:
    """Index the catalogue, attribute what came as audio, take what the generator declares for the rest."""
    inputs = story.home / "inputs"
    indexed = story.step("Read every recording into the search index.", "index")
    story.found(f"{indexed['recordings']} recordings in {indexed['clusters']} clusters")
    story.must("recordings indexed", indexed["recordings"], sounds.PIECES)
    estimated = story.step(
        "Tracks that came as audio: who influenced them, by listening alone.", "attribute", str(inputs / "tracks")
    )
    declared = story.step(
        "Tracks whose generator declares what it was conditioned on.",
        "attribute",
        "--declared",
        str(inputs / "declared.ndjson"),
    )
    story.must("vectors", len(estimated) + len(declared), len(TRACKS))
    by_track = {answer["track"]: answer["vector"]["recording"] for answer in estimated}
    story.facts["influence"] = [_beside(track, by_track[track.track]) for track in planted]
    for track in story.facts["influence"]:
        if track["kind"] == "verbatim":
            # Its share may be measured too small, and the table beside says so; that nobody names it may not happen.
            story.must(f"the main source of {track['track']}, an easy track", track["named"], track["true"])


def _beside(planted: sounds.Planted, found: dict[str, Any]) -> dict[str, Any]:
    """The true main source of a track beside the estimated one."""
    best = max(found["sources"], key=lambda source: source["ppm"], default=None)
    return {
        "track": planted.track,
        "kind": planted.kind,
        "true": planted.main,
        "true_ppm": planted.recordings.get(planted.main or "", 0),
        "estimated": best and best["id"],
        "estimated_ppm": best["ppm"] if best else 0,
        "named": next((source["id"] for source in found["sources"] if source["id"] == planted.main), None),
        "unattributed_ppm": found["unattributed"],
    }


def _declared(track: str, recordings: list[str], random: Random) -> dict[str, Any]:
    """A declared vector over one to five sources; what they leave is unattributed."""
    left, sources = 1_000_000, []
    for recording in random.sample(recordings, random.randint(1, 5)):
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
    story.found(_rows(first))
    story.must("accepted", first["accepted"], story.events)
    story.must(
        "rows accounted for",
        first["accepted"] + first["duplicates"] + first["conflicts"] + first["quarantined"],
        first["read"],
    )
    repeated = story.step(
        "The same file again: every good row is known, nothing is counted twice.", "ingest", events, code=5
    )
    story.found(_rows(repeated))
    story.must("accepted the second time", repeated["accepted"], 0)
    story.facts["events"] = first["accepted"]


def _rows(counts: dict[str, Any]) -> str:
    """What became of a file's rows."""
    kinds = {"accepted": "accepted", "duplicate": "duplicates", "conflict": "conflicts", "quarantined": "quarantined"}
    return added_up(counts["read"], {word: counts[kind] for word, kind in kinds.items()})


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
    story.step("Pay by bank the holders who have a bank account: a payment file.", "pay", run["run"], "--via", "file")
    _on_chain(story, run["run"])
    return dict(run)


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


def _prove(story: Story, run: dict[str, Any]) -> None:
    """Reports, statements and bundles, verified offline; then deliberate tampering, caught and located."""
    holder, out = run["lines"][0]["holder"], story.home / "out"
    out.mkdir(exist_ok=True)
    paths = {name: str(out / file) for name, file in OUTPUTS.items()}
    story.step("The royalty report of a track.", "report", TRACKS[0], "--format", "html", "--out", paths["report"])
    story.step(
        "A holder's statement, and the bundle that proves its lines.",
        "statement",
        holder,
        "--period",
        world.PERIOD,
        "--format",
        "html",
        "--out",
        paths["statement"],
    )
    event = f"{world.SOURCE}:e-0000001"
    trust = ("--trust", str(story.home / TRUST))
    story.step(
        "Proof of one stream: leaf, path to the root, vector.", "ledger", "prove", event, "--out", paths["bundle"]
    )
    verified = story.step("An auditor checks it offline, with trust.json alone.", "verify", paths["bundle"], *trust)
    story.found(f"OK: {len(verified['steps'])} steps hold")
    story.must("the bundle's verdict", seen=verified["ok"], expected=True)
    story.step(
        "Everything an outsider needs to compute the month again.",
        "period",
        "export",
        world.PERIOD,
        "--out",
        paths["audit"],
    )
    for bundle in sorted(Path(paths["audit"]).rglob("*.bundle")):
        audited = story.step("The auditor recomputes a published run from its bundle.", "verify", str(bundle), *trust)
        story.found(f"OK: {len(audited['steps'])} steps hold")
        story.must("the audit bundle's verdict", seen=audited["ok"], expected=True)
    _tamper(story, Path(paths["bundle"]))
    story.facts["verified"] = True
    story.facts["paths"] = paths


def _tamper(story: Story, bundle: Path) -> None:
    """A digit changed in a bundle, a row changed in the database: both refused, both located."""
    forged = bundle.with_name("forged.bundle")
    forged.write_bytes(bundle.read_bytes().replace(b'"units":1', b'"units":2', 1))
    story.must("the forgery is another file", seen=forged.read_bytes() != bundle.read_bytes(), expected=True)
    refused = story.step(
        "One digit changed in a copy of the bundle: the step that fails is named.",
        "verify",
        str(forged),
        "--trust",
        str(story.home / TRUST),
        code=3,
    )
    broken = next(step for step in refused["steps"] if not step["ok"])
    story.found(f"FAILED at step {broken['n']}, {broken['name']}: {broken['detail']}")
    checked = story.step("The whole log re-read: every leaf, the chain, the tree.", "ledger", "fsck")
    story.found(f"OK: {checked['entries']:,} entries, root {checked['root'][:16]}...")
    story.must("fsck", seen=checked["ok"], expected=True)
    index, undo = spoil_an_event(Workspace.open(story.home).path("log.store"))
    story.say(f"\nSomebody with the database's password removes its guards and doubles the units of entry {index} ...")
    report = story.step("... and fsck says where.", "ledger", "fsck", code=3)
    story.found(f"FAILED: the first bad entry is {report['first_bad']}")
    story.must("the first bad entry", report["first_bad"], index)
    undo()
    story.must("fsck after the repair", seen=story.step("The row put back.", "ledger", "fsck")["ok"], expected=True)
