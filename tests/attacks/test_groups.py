"""C1: nobody joins another owner group, or leaves a capped one, alone."""

from __future__ import annotations

import pytest

from tests.attacks.victim import ALLOWED, Victim


@pytest.fixture
def holding(victim: Victim) -> Victim:
    """Two shells of one owner, each with a recording and a key of its own, and an outsider with a key."""
    owners = (("p-s1", "rec-a"), ("p-s2", "rec-b"))
    confirmed = {"right": "master", "ppm": 1_000_000, "state": "confirmed"}
    document = {
        "parties": [
            *({"id": party, "kind": "label", "group": "megacorp"} for party, _ in owners),
            {"id": "p-mal", "kind": "person"},
        ],
        "recordings": [{"id": recording, "title": recording} for _, recording in owners],
        "shares": [{"subject": recording, "party": party, **confirmed} for party, recording in owners],
        "grants": [
            {"id": f"g-{party}", "grantor": party, "subject": recording, **ALLOWED} for party, recording in owners
        ],
    }
    victim.do("registry", "import", victim.write("shells.json", document))
    for party in ("p-s1", "p-s2", "p-ann", "p-mal"):
        victim.do("registry", "enrol", party)
    return victim


def group(victim: Victim, party: str) -> str:
    """The group that a party will be in at the end of the year."""
    return victim.open().registry.view().group_of(party, "2026-12-31T00:00:00Z")


@pytest.mark.parametrize(("party", "name"), [("p-mal", "p-ann"), ("p-s2", "p-s2"), ("p-s2", "p-mal")])
def test_c1_a_holders_key_moves_its_party_into_no_group(holding: Victim, party: str, name: str) -> None:
    """If this fails, a holder shares a victim's cap and reads its lines, or evades the cap of its own owner."""
    before = group(holding, party)
    row = {"parties": [{"id": party, "kind": "label" if party != "p-mal" else "person", "group": name}]}
    assert holding.settle("registry", "import", holding.write("move.json", row), "--as", party).code == 5
    assert group(holding, party) == before
    made = holding.do("registry", "group", "propose", party, name, "--as", party)
    move = made["registered"][0]["id"]
    assert holding.settle("registry", "group", "consent", move, party, "--as", party).code != 0
    assert holding.settle("registry", "group", "consent", move, "p-ann", "--as", "p-mal").code != 0
    assert holding.settle("approve", move, "--as", "carol").code != 0, "approved without the group"
    assert holding.settle("approve", move, "--as", party).code != 0
    assert group(holding, party) == before


def test_c1_a_group_that_consents_is_joined_next_month(holding: Victim) -> None:
    """If this fails, an honest sale of a label cannot be registered, or reaches back into months that are counted."""
    move = holding.do("registry", "group", "propose", "p-mal", "p-ann", "--as", "p-mal")["registered"][0]["id"]
    (waiting,) = holding.do("proposals")
    assert (waiting["kind"], waiting["party"]) == ("group", "p-mal")
    assert "a member of p-ann must consent first" in waiting["changes"]
    holding.do("registry", "group", "consent", move, "p-ann", "--as", "p-ann")
    holding.do("approve", move, "--as", "carol")
    view = holding.open().registry.view()
    assert view.group_of("p-mal", "2026-07-31T23:59:59Z") == "p-mal"
    assert view.group_of("p-mal", "2026-08-01T00:00:00Z") == "p-ann"
    assert holding.do("approve", move, "--as", "carol")["already"]
    assert holding.do("proposals") == []
    assert holding.do("registry", "audit")["ok"]


def test_c1_leaving_asks_those_who_stay_and_the_group_that_is_joined(holding: Victim) -> None:
    """If this fails, a shell leaves a capped group with the consent of another shell alone."""
    move = holding.do("registry", "group", "propose", "p-s2", "p-mal", "--as", "p-s2")["registered"][0]["id"]
    holding.do("registry", "group", "consent", move, "p-mal", "--as", "p-mal")
    assert holding.settle("approve", move, "--as", "carol").code == 4
    holding.do("registry", "group", "consent", move, "p-s1", "--as", "p-s1")
    holding.do("approve", move, "--as", "carol")
    assert group(holding, "p-s2") == "p-mal"


def test_c1_an_operator_who_speaks_for_all_still_needs_an_approver(holding: Victim) -> None:
    """If this fails, one person decides who is capped together."""
    move = holding.do("registry", "group", "propose", "p-s2", "p-s2")["registered"][0]["id"]
    holding.do("registry", "group", "consent", move, "p-s1")
    for name in ("operator", "approver"):
        assert holding.settle("approve", move, "--as", name).code != 0
    assert group(holding, "p-s2") == "megacorp"
