"""The demo before its first stream: music files, the registry, the index, and a vector for every track."""

from __future__ import annotations

import json
from random import Random  # noqa: TID251  seeded here: everyone sees the same month
from typing import Any

from service.demo import sounds, world
from service.demo.steps import Story


def hand_over(story: Story) -> list[sounds.Planted]:
    """Write the files a user would have (music to listen to among them), and give the registry to the product."""
    random = Random(sounds.SEED)
    inputs = story.home / "inputs"
    story.say(
        f"\nMaking {sounds.PIECES} recordings and {len(sounds.KINDS)} generated tracks as WAV files in {inputs} ..."
    )
    recordings = sounds.catalogue(inputs / "audio")
    planted = sounds.tracks(inputs / "tracks")
    registry = world.registry_document(recordings)
    (inputs / "registry.json").write_text(json.dumps(registry, indent=1), encoding="utf-8")
    declared = [declaration(track, sorted(recordings), random) for track in world.TRACKS[len(planted) :]]
    (inputs / "declared.ndjson").write_text(
        "".join(json.dumps(declaration) + "\n" for declaration in declared), encoding="utf-8"
    )
    story.step("A workspace: settings, role keys, trust.json, an empty log.", "init", "--no-passphrase")
    story.home.joinpath("settle.toml").write_text(world.with_debtor(story.home.joinpath("settle.toml").read_text()))
    imported = story.step(
        "The registry: who owns what, who permits what, what the model was trained on.",
        "registry",
        "import",
        str(inputs / "registry.json"),
    )
    story.found(f"{imported['accepted']:,} rows accepted")
    story.must("registry rows refused", imported["quarantined"] + imported["conflicts"], 0)
    return planted


def attribute(story: Story, planted: list[sounds.Planted]) -> None:
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
    story.must("vectors", len(estimated) + len(declared), len(world.TRACKS))
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


def declaration(track: str, recordings: list[str], random: Random) -> dict[str, Any]:
    """A declared vector over one to five sources; what they leave is unattributed."""
    left, sources = 1_000_000, []
    for recording in random.sample(recordings, random.randint(1, 5)):
        ppm = random.randint(left // 8, left // 2)
        left -= ppm
        sources.append({"recording": recording, "aspect": "recording", "ppm": ppm, "use": "condition"})
    return {"track": track, "sources": sources}
