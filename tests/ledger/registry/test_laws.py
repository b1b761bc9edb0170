"""What a settlement asks of the registry does not change for tracks made before a revocation."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ledger.registry import facts as f
from ledger.registry.model import USES
from ledger.registry.view import View
from service.settlement.registered import RegistryView
from tests.ledger.registry.test_decide import grants, world

MADE = "2026-03-15T00:00:00Z"
TRAINED = "2026-02-15T00:00:00Z"
LATER = ("2026-03-15T00:00:01Z", "2026-04-01T00:00:00Z", "2026-12-01T00:00:00Z")


def answers(view: View) -> list[Any]:
    """Everything that the payouts of a track depend on, as `payouts.protocols.View` puts it."""

    def no_blob(_: str) -> bytes:
        raise AssertionError("nothing here has a training list")

    asked = RegistryView(view, vectors={}, ends=datetime(2026, 7, 1, tzinfo=UTC), blob=no_blob)
    found: list[Any] = [asked.model_of("trk-1"), asked.works_of("rec-1", MADE)]
    for territory in ("WORLD", "SE", "DE"):
        for subject in ("rec-1", "wrk-1"):
            found += [asked.permitted(subject, use, territory, "trk-1") for use in USES]
        found += [asked.shares("rec-1", "master", territory, at).parts for at in (MADE, *LATER)]
        found += [asked.shares("wrk-1", "publishing", territory, at).parts for at in (MADE, *LATER)]
    return found


@given(st.lists(grants, min_size=1, max_size=8, unique_by=lambda one: one.id), st.data(), st.sampled_from(LATER))
def test_a_revocation_changes_no_settlement_of_earlier_tracks(
    known: list[f.GrantFact], data: st.DataObject, when: str
) -> None:
    """If this fails, revoking a grant at T takes money from, or gives it to, tracks that were made before T."""
    track: list[f.AnyFact] = [
        f.ModelFact(id="mdl", version="1", operator="p-lab", at=TRAINED),
        f.TrackFact(id="trk-1", model="mdl", version="1", at=MADE),
    ]
    grant = data.draw(st.sampled_from(known))
    uses = tuple(sorted(data.draw(st.sets(st.sampled_from(grant.uses)))))
    revocation = f.RevokeFact(
        grant=grant.id, grantor=grant.grantor, subject=grant.subject, start=when, uses=uses, at=when
    )
    assert answers(world(*known, *track)) == answers(world(*known, *track, revocation))
