from __future__ import annotations

from dataclasses import replace
from typing import Any

from ledger.proofs import canon, dsse
from ledger.registry import acts, declared, papers, release
from ledger.registry.compare import Author
from ledger.registry.decide import Question
from ledger.registry.facts import TrackFact
from ledger.registry.intake import Planned
from ledger.registry.release import Verdict
from ledger.types import AspectVector, Influence, InfluenceVector
from tests.ledger.registry.conftest import Office, sample


def vector(*sources: tuple[str, int, str | None], track: str = "trk-1", **more: Any) -> InfluenceVector:
    found = tuple(
        Influence(id=name, ppm=ppm, basis="declared", low=ppm, high=ppm, use=use) for name, ppm, use in sources
    )
    left = 1_000_000 - sum(one.ppm for one in found)
    aspect = AspectVector(sources=found, unattributed=left)
    return InfluenceVector(track=track, recording=aspect, method="declared", version="1", **more)


def judge(
    office: Office,
    found: InfluenceVector | None,
    limit: int = 10_000,
    *,
    unattributed: int = 1_000_000,
    listed: tuple[str, ...] | None = (),
) -> Verdict:
    digest = None if found is None else "ab" * 32
    return release.assess(
        office.registry.view(),
        "trk-1",
        digest,
        found,
        limit_ppm=limit,
        unattributed_limit_ppm=unattributed,
        listed=listed,
    )


def test_a_training_list_without_permission_is_no_clean_track(office: Office) -> None:
    """If this fails, a track is certified though its model was trained on recordings whose owners refused."""
    office.load(sample())
    clean = vector(("rec-1", 600_000, "condition"))
    denied = judge(office, clean, listed=("rec-1", "rec-unknown"))
    assert (denied.clear, denied.trained_on, denied.trained_without) == (False, 2, 1)
    assert "1 of the 2 recordings" in denied.reasons[0]
    assert "no training list" in judge(office, clean, listed=None).reasons[0]


def test_more_unattributed_than_allowed_is_no_clean_track(office: Office) -> None:
    """If this fails, a track is certified of which nobody knows what half of it was made from."""
    office.load(sample())
    assert judge(office, vector(("rec-1", 600_000, "condition")), unattributed=400_000).clear
    over = judge(office, vector(("rec-1", 599_999, "condition")), unattributed=400_000)
    assert "400,001 ppm of the recording influence is unattributed" in over.reasons[0]


def test_a_clean_track_is_clear(office: Office) -> None:
    """If this fails, a track with every permission in place cannot be released."""
    office.load(sample())
    verdict = judge(office, vector(("rec-1", 600_000, "condition"), ("rec-2", 200_000, "train")))
    assert (verdict.clear, verdict.reasons, verdict.unattributed_ppm) == (True, (), 200_000)


def test_every_reason_against_release_is_given(office: Office) -> None:
    """If this fails, a track is released with unlicensed influence, or refused without saying why."""
    office.load(sample())
    assert "no assigned vector" in judge(office, None).reasons[0]
    unlicensed = judge(office, vector(("rec-1", 600_000, "voice"), ("rec-2", 200_000, "train")))
    assert (unlicensed.clear, unlicensed.unlicensed_ppm) == (False, 600_000)
    assert "600,000 ppm of the recording influence is unlicensed" in unlicensed.reasons[0]
    assert not judge(office, vector(("rec-unknown", 500_000, None))).clear
    assert not judge(office, vector(("rec-1", 600_000, "condition"), track="trk-2")).clear


def test_a_trace_below_the_limit_is_tolerated(office: Office) -> None:
    """If this fails, measurement noise keeps every track from release, or the stated limit is not the limit."""
    office.load(sample())
    assert judge(office, vector(("rec-unknown", 10_000, None))).clear
    assert not judge(office, vector(("rec-unknown", 10_001, None))).clear


def test_a_cap_on_influence_is_kept(office: Office) -> None:
    """If this fails, a holder's cap on influence is not looked at before release."""
    document = sample()
    document["grants"][0]["cap_ppm"] = 500_000
    office.load(document)
    assert judge(office, vector(("rec-1", 500_000, "condition"))).clear
    over = judge(office, vector(("rec-1", 500_001, "condition")))
    assert "caps that at 500,000" in over.reasons[0]


def test_a_declaration_above_a_cap_is_refused(office: Office) -> None:
    """If this fails, a generator's declaration pays more influence than the holder's grant allows."""
    document = sample()
    document["grants"][0]["cap_ppm"] = 500_000
    office.load(document)
    view = office.registry.view()
    assert declared.findings(view, vector(("rec-1", 500_000, "condition"))) == ()
    (finding,) = declared.findings(view, vector(("rec-1", 500_001, "condition")))
    assert (finding.kind, finding.about) == ("refused", "rec-1")
    composition = replace(vector(), composition=vector(("rec-1", 500_001, "condition")).recording)
    assert [finding.about for finding in declared.findings(view, composition)] == ["rec-1"]


def test_declared_conditioning_must_have_been_permitted(office: Office) -> None:
    """If this fails, a track conditioned on a recording without permission passes because its vector is silent."""
    document = sample()
    document["grants"] = document["grants"][1:]
    office.load(document)
    verdict = judge(office, vector())
    assert "declared conditioning on rec-1: deny" in verdict.reasons[0]


def test_a_draft_is_not_released(office: Office) -> None:
    """If this fails, a track nobody registered can be cleared."""
    office.load(sample())
    known = office.registry.view().size
    office.registry.register([Planned(TrackFact(id="trk-draft", draft=True))], office.operator, known=known)
    verdict = release.assess(
        office.registry.view(),
        "trk-draft",
        "ab" * 32,
        vector(track="trk-draft"),
        limit_ppm=0,
        unattributed_limit_ppm=0,
        listed=None,
    )
    assert "is a draft" in verdict.reasons[0]


def test_a_revocation_between_receipt_and_track_voids_the_receipt(office: Office) -> None:
    """If this fails, a receipt licenses every later track, although its permission was revoked (C2)."""
    office.load(sample())
    view, now = office.registry.view(), office.registry.now()
    question = Question(subject="rec-2", use="condition", territory="WORLD", at=now, licensee="p-lab", model="mdl-1@1")
    envelope = papers.receipt(
        question, view.answer(question), origin="example.org", size=view.size, at=now, key=office.operator.key
    )
    fact = papers.receipt_fact(envelope, question, "allow", "condition")
    office.registry.register([Planned(fact)], office.operator, known=view.size, blobs=[envelope.encode()])
    office.wait(hours=1)
    view = office.registry.view()
    author = Author(party="p-op", role="operator", at=office.registry.now())
    revoked = acts.revoke(view, author, grant="g-3", when=author.at)
    office.registry.register(revoked, office.operator, known=view.size)
    office.load(
        {
            "tracks": [
                {"id": "trk-2", "model": "mdl-1", "version": "1"},
                {"id": "trk-3", "model": "mdl-1", "version": "1", "decisions": [envelope.digest]},
            ]
        }
    )
    view = office.registry.view()
    assert view.decide_track("trk-2", "rec-2", "condition").decision == "deny"
    assert view.decide_track("trk-2", "rec-2", "condition", receipts=(envelope.digest,)).decision == "deny"
    assert view.decide_track("trk-3", "rec-2", "condition").decision == "deny"
    assert view.decide_track("trk-3", "rec-2", "voice").decision == "deny"
    assert view.decide_track("trk-3", "rec-1", "sample").decision == "deny"


def test_papers_are_signed_and_say_what_was_asked(office: Office) -> None:
    """If this fails, a certificate or receipt proves nothing to anyone else."""
    office.load(sample())
    view = office.registry.view()
    verdict = judge(office, vector(("rec-1", 600_000, "condition")))
    paper = papers.certificate(
        verdict, origin="example.org", size=view.size, at="2026-06-01T12:00:00Z", key=office.operator.key
    )
    payload = canon.decode(dsse.verify(paper, [office.operator.key.public], papers.CLEARANCE_TYPE))
    assert (payload["track"], payload["unlicensed_ppm"], payload["limit_ppm"]) == ("trk-1", 0, 10_000)
    assert payload["sources"][0]["decision"] == "allow"
