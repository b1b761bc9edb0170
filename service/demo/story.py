"""The demo's month, chapter by chapter: from music files to proofs, with the mistakes and forgeries of real months."""

from __future__ import annotations

from typing import Any

from service.demo import month, prepared, proofs, streams, world
from service.demo.sounds import PIECES
from service.demo.steps import PARTS, Story


def tell(story: Story) -> dict[str, Any]:
    """Play the whole month, from an empty folder to verified payouts; return what the demo answers."""
    story.say(f"The month is made in {story.home}; its commands can be repeated there (cd {story.home}).")
    planted = prepared.hand_over(story)
    prepared.attribute(story, planted)
    streams.by_file(story)
    streams.over_http(story)
    run = month.settle(story)
    month.dispute(story, run)
    month.correct(story)
    proofs.prove(story, run)
    proofs.tamper(story, run)
    figures = (
        "events",
        "served",
        "fraud",
        "rules",
        "dispute",
        "correction",
        "influence",
        "verified",
        "forgeries",
        "paths",
    )
    return {
        "ok": True,
        "period": world.PERIOD,
        "recordings": PIECES,
        "tracks": len(world.TRACKS),
        "currency": world.CURRENCY,
        "pool_micros": run["pool_micros"],
        "paid_micros": run["allocated_micros"],
        **{part: run[part] for part in PARTS[1:]},
        **{name: story.facts[name] for name in figures},
    }
