"""The demo's streams: one platform hands in a file, two send over HTTP, one of them signs; a bot is among them."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from random import Random  # noqa: TID251  seeded here: everyone sees the same month
from typing import Any, Final

from ledger.shown import added_up
from service.demo import sounds, world
from service.demo.steps import Request, Sent, Story

NDJSON: Final = "application/x-ndjson"


def by_file(story: Story) -> None:
    """A month of streams, with the mistakes such files have; then the same file once more."""
    file = story.home / "inputs" / "events.ndjson"
    rows = list(world.events(world.SOURCE, story.events - _sent(story) - _signed(story), Random(sounds.SEED)))
    file.write_bytes(world.lines(rows) + "\n".join(world.mistakes(rows[0])).encode() + b"\n")
    first = story.step(
        "A month of stream events, with some bad rows, a duplicate and a conflict.", "ingest", str(file), code=5
    )
    story.found(_rows(first))
    story.must("accepted", first["accepted"], len(rows))
    story.must(
        "rows accounted for",
        first["accepted"] + first["duplicates"] + first["conflicts"] + first["quarantined"],
        first["read"],
    )
    repeated = story.step(
        "The same file again: every good row is known, nothing is counted twice.", "ingest", str(file), code=5
    )
    story.found(_rows(repeated))
    story.must("accepted the second time", repeated["accepted"], 0)
    story.facts["events"] = first["accepted"]


def over_http(story: Story) -> None:
    """Two platforms send to `settle serve`: one with an access key alone, the other signs what it sends."""
    story.step("Who speaks for the first source.", "source", "set", world.SOURCE, "--party", world.SENDER)
    own = _signing_key(story)
    tokens = {party: _token(story, party) for party in (world.SENDER, world.SIGNING)}
    story.say("\nThe server starts:\n  $ settle serve --port 0")
    with story.serve(story.home) as request:
        _plain(story, request, tokens[world.SENDER])
        _batch(story, request, tokens[world.SIGNING], own)
        opened = Sent("GET", f"/tracks/{world.TRACKS[0]}")
        page = story.ask("A listener opens the page of a track meanwhile.", request, opened)
        story.must("the page names its track", seen=world.TRACKS[0] in page, expected=True)
        _receipt(story, request, tokens[world.SIGNING])
    story.facts["served"] = _sent(story) + _signed(story)
    story.facts["events"] += story.facts["served"]


def _token(story: Story, party: str) -> str:
    words = ("access", "key", "add", "--party", party)
    return str(story.step(f"An access key for {party}; only its hash is kept.", *words)["token"])


def _signing_key(story: Story) -> str:
    """The second platform makes its key and signs a file of its streams; return the file's path."""
    inputs = story.home / "inputs"
    key, file = str(inputs / "nova.key"), inputs / "nova.ndjson"
    key_pair = story.step("The second platform makes a key of its own.", "batch", "key", key, "--no-passphrase")
    story.step(
        "The operator registers it: from now on this source must sign.",
        *("source", "set", world.SIGNING, "--party", world.SIGNING, "--public", key_pair["public"], "--signed"),
    )
    honest = world.events(world.SIGNING, _signed(story) - world.BOT_PLAYS, Random(sounds.SEED + 1))
    file.write_bytes(world.lines([*honest, *world.bot_events(world.SIGNING)]))
    words = ("batch", "sign", str(file), "--source", world.SIGNING, "--key", key)
    story.step("It signs its streams of June.", *words)
    return str(file)


def _plain(story: Story, request: Request, token: str) -> None:
    rows = world.events(world.SOURCE, _sent(story), Random(sounds.SEED + 2))
    body = world.lines(row | {"event_id": f"h-{row['event_id']}"} for row in rows)
    headers = {"authorization": f"Bearer {token}", "content-type": NDJSON}
    sent = Sent("POST", f"/v1/sources/{world.SOURCE}/events", body, headers)
    counts = story.ask("The first platform sends rows.", request, sent)
    story.found(_rows(counts))
    story.must("accepted over HTTP", counts["accepted"], _sent(story))
    again = story.ask("It gets no answer in time and sends them again.", request, sent)
    story.found(_rows(again))
    story.must("duplicates of the retry", again["duplicates"], _sent(story))


def _batch(story: Story, request: Request, token: str, file: str) -> None:
    body, statement = Path(file).read_bytes(), Path(f"{file}.batch").read_bytes()
    headers = {
        "authorization": f"Bearer {token}",
        "content-type": NDJSON,
        "settle-batch": base64.b64encode(statement).decode(),
    }
    signed = Sent("POST", f"/v1/sources/{world.SIGNING}/batches", body, headers)
    attempt = "somebody on the way turns one stream of a signed batch into seven"
    forged = replace(signed, body=body.replace(b'"units": 1', b'"units": 7', 1))
    problem = story.ask(f"Forgery 1: {attempt}.", request, forged, status=422)
    story.refused(attempt, problem["detail"])
    counts = story.ask("The second platform sends its signed batch.", request, signed)
    story.found(_rows(counts))
    story.must("accepted of the signed batch", counts["accepted"], _signed(story))


def _receipt(story: Story, request: Request, token: str) -> None:
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    body = json.dumps({"event_ids": ["e-0000000"]}).encode()
    sent = Sent("POST", f"/v1/sources/{world.SIGNING}/receipts", body, headers)
    answer = story.ask("It keeps the receipt of a stream; anybody can check it offline.", request, sent)
    (receipt,) = answer["receipts"]
    out = story.home / "out"
    out.mkdir(exist_ok=True)
    (out / "receipt.tlog-proof").write_text(receipt["receipt"], encoding="utf-8")


def hold_fraud(story: Story) -> None:
    """A listener with more plays in a day than fit in it: its streams are held, nobody else's."""
    scored = story.step("Which listeners behave like machines?", "fraud", "score", world.PERIOD)
    story.must("streams of the suspects", [suspect["streams"] for suspect in scored["suspects"]], [world.BOT_PLAYS])
    (suspect,) = scored["suspects"]
    story.found(f"one listener, {suspect['streams']} plays, because of: {', '.join(suspect['reasons'])}")
    hold = story.step("Hold its streams; two people decide about them later.", "fraud", "hold", world.PERIOD)
    story.facts["fraud"] = {"listeners": 1, "streams": hold["streams"], "hold": hold["id"]}


def _sent(story: Story) -> int:
    """Rows that the first platform sends over HTTP."""
    return story.events // 20


def _signed(story: Story) -> int:
    """Rows that the second platform signs, the bot's among them."""
    return story.events // 20 + world.BOT_PLAYS


def _rows(counts: dict[str, Any]) -> str:
    """What became of a file's rows."""
    kinds = {"accepted": "accepted", "duplicate": "duplicates", "conflict": "conflicts", "quarantined": "quarantined"}
    return added_up(counts["read"], {word: counts[kind] for word, kind in kinds.items()})
