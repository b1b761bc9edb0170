"""C1, C2, C3, G3: what holders and licensees do with the registry, and what erasing leaves."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from tests.attacks.victim import ALLOWED, Victim, allocated, declared

SECRET = "LISTENER-SECRET-77"


def holding(path: Path, text: str) -> list[str]:
    """Files below a folder in which a text stands, whatever their format."""
    return [
        str(file.relative_to(path)) for file in path.rglob("*") if file.is_file() and text.encode() in file.read_bytes()
    ]


def test_c1_control_a_holders_bundle_shows_its_own_rows_alone(victim: Victim) -> None:
    """If this fails, a holder reads what its neighbours earn out of its own statement."""
    published = victim.publish()
    del published
    rows = victim.document(victim.bundle("p-bob"))
    assert {row["party"] for row in rows["lines"]} == {"p-bob"}
    assert {item["row"]["group"] for item in rows["groups"]} == {"p-bob"}


def test_c2_a_receipt_licenses_no_track_after_the_revocation(victim: Victim) -> None:
    """If this fails, whoever read a receipt's digest in the log is licensed for ever, whatever the owner revokes."""
    options = (("--licensee", "p-ann", "--model", "mdl-1@1"), ())
    answers = [
        victim.settle("registry", "decide", "rec-1", "--use", "condition", "--receipt", *more) for more in options
    ]
    receipt = next(answer.json["receipt"] for answer in answers if answer.code == 0)
    victim.now += timedelta(seconds=1)
    victim.do("registry", "revoke", "g-rec-1", "--uses", "condition")
    victim.now += timedelta(seconds=1)
    track = {"id": "trk-after", "title": "after", "model": "mdl-1", "version": "1"}
    victim.do("registry", "import", victim.write("t.json", {"tracks": [track]}))
    said = declared("trk-after", rec_1=900_000) | {"decisions": [receipt]}
    victim.settle("attribute", "--declared", victim.write("d.json", said))
    cleared = victim.settle("registry", "clear", "trk-after")
    assert cleared.code != 0 or not cleared.json["clear"]
    assert victim.stream("z-1", track="trk-after", units=997).code == 0
    assert allocated(victim.calculate()).get("p-ann", 0) <= 2_000_000


def test_c3_a_claimant_holds_no_money_by_disputing_without_end(victim: Victim) -> None:
    """If this fails, a holder's key alone holds another's money for ever: each release is followed by a new dispute."""
    victim.do("registry", "enrol", "p-bob")
    opening = ("registry", "dispute", "open", "rec-1", "--claimant", "p-bob", "--reason", "mine", "--as", "p-bob")
    opened = victim.settle(*opening)
    if opened.code == 0:
        victim.settle("registry", "dispute", "resolve", opened.json["registered"][0]["id"], "--release")
    victim.now += timedelta(seconds=1)
    victim.settle(*opening)
    assert allocated(victim.calculate()).get("p-ann") == 600_000_000


def test_g3_erasing_a_listener_leaves_nothing(victim: Victim) -> None:
    """If this fails, the operator says that a person was erased, and their id stays in quarantined rows and reasons."""
    row = {"source": "acme", "track": "trk-1", "occurred_at": "2026-06-07T11:05:00Z", "territory": "SE", "units": 1}
    odd = (
        {"event_id": "L-1", "listener": SECRET},
        {"event_id": "L-2", "track": "nope", "listener": SECRET},
        {"event_id": "L-3", "Listener": SECRET},
        {"event_id": f"L-4 {SECRET}", "track": "nope", "listener": SECRET},
        {"event_id": "L-5", "source": "acme ", "listener": SECRET},
        {"event_id": "L-6", "listener": [SECRET]},
    )
    path = victim.write("l.ndjson", *(row | more for more in odd))
    victim.settle("ingest", path)
    path.unlink()
    victim.do("listener", "erase", "acme", SECRET)
    assert not holding(victim.home, SECRET)


def test_g3_erasing_a_party_says_where_its_account_still_stands(published: Victim) -> None:
    """If this fails, a payee who was erased stands in payment files with name and account, and nobody is told."""
    published.do("pay", "2026-06", "--via", "file")
    published.do("statements", "--period", "2026-06", "--out", published.home / "statements")
    erased = published.plain("registry", "erase", "p-ann")
    left = holding(published.home, "SE4550000000058398257466")
    assert all(Path(name).name in erased for name in left), left


def test_c2_control_a_receipt_licenses_its_own_track(victim: Victim) -> None:
    """If this fails, an honest licensee who asked before generating is not licensed."""
    grant = {"id": "g-x", "grantor": "p-ann", "subject": "rec-1", **ALLOWED}
    assert victim.settle("registry", "import", victim.write("g.json", {"grants": [grant]})).code == 0
    assert victim.do("registry", "clear", "trk-1")["clear"]
