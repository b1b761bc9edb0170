"""The audit's rules one by one: who may have registered what, from when, about what; and what follows for whom."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from ledger.event import Entry
from ledger.proofs import canon
from ledger.proofs.keyring import Key, KeyRing
from ledger.registry import facts as f
from ledger.registry import manifest, statement
from ledger.registry.audit import AuditReport, audit
from ledger.registry.statement import Signer
from ledger.types import Role
from tests.ledger.world import seeded

ORIGIN = "example.org/registry"
AT, SOON, PAST = "2026-06-01T00:00:00Z", "2026-06-02T00:00:00Z", "2026-05-01T00:00:00Z"
ROLES: tuple[Role, ...] = ("operator", "holder", "approver", "attribution", "platform")


def signer(role: Role, party: str) -> Signer:
    return Signer(seeded(f"{role} {party}"), party, role)


OPERATOR, APPROVER, ANN, LAB = (
    signer("operator", "op"),
    signer("approver", "carol"),
    signer("holder", "ann"),
    signer("holder", "lab"),
)
PEOPLE: dict[Role, tuple[str, ...]] = {
    "operator": ("op",),
    "holder": ("ann", "lab", "eve"),
    "approver": ("carol", "ann"),
    "attribution": ("op",),
    "platform": ("acme",),
}
RING = KeyRing(
    tuple(
        Key(role=role, party=party, public=signer(role, party).key.public)
        for role, parties in PEOPLE.items()
        for party in parties
    )
)


class Log:
    """Registry leaves in memory, with the statements and lists that they name."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.blobs: dict[str, bytes] = {}

    def add(self, by: Signer, *facts: f.AnyFact, origin: str = ORIGIN, at: str = AT) -> Log:
        envelope = statement.sign([f.encode(fact) for fact in facts], by, origin).encode()
        digest = self.keep(envelope)
        for n, fact in enumerate(facts):
            body = f.encode_leaf(fact, at=at, statement=digest, row=n)
            self.entries.append(Entry(index=len(self.entries), body=body))
        return self

    def keep(self, blob: bytes) -> str:
        self.blobs[canon.digest(blob)] = blob
        return canon.digest(blob)

    def audited(self, **more: Any) -> AuditReport:
        given: dict[str, Any] = {"origin": ORIGIN, "size": 99, "ring": RING, "blob": self.blobs.__getitem__} | more
        return audit(self.entries, **given)


PARTY = f.PartyFact(id="ann", kind="person")
SHARE = f.ShareFact(id="sh", subject="rec", party="ann", right="master", ppm=1, territory="SE", state="asserted")
LINK = f.LinkFact(id="ln", recording="rec", work="wrk", ppm=1, state="asserted")
GRANT = f.GrantFact(id="g", grantor="ann", subject="rec", uses=("train",), decision="allow", territory="SE")
MODEL = f.ModelFact(id="m", version="1", operator="lab")
DISPUTE = f.DisputeFact(id="d", subject="rec", claimant="ann")
BEFORE: tuple[f.AnyFact, ...] = (PARTY, SHARE, LINK, GRANT, MODEL, DISPUTE)


def kept(log: Log) -> Log:
    return log.add(OPERATOR, *BEFORE)


RULES: list[tuple[f.AnyFact, set[Role], str | None]] = [
    (
        f.ShareFact(id="s2", subject="rec", party="ann", right="master", ppm=1, territory="SE", state="confirmed"),
        {"operator"},
        None,
    ),
    (
        f.ShareFact(id="s2", subject="rec", party="ann", right="master", ppm=1, territory="SE", state="asserted"),
        {"operator", "holder"},
        None,
    ),
    (f.LinkFact(id="l2", recording="rec", work="wrk", ppm=1, state="confirmed"), {"operator"}, None),
    (f.LinkFact(id="l2", recording="rec", work="wrk", ppm=1, state="asserted"), {"operator", "holder"}, None),
    (f.ConfirmFact(id="sh", subject="rec"), {"operator", "approver"}, None),
    (f.ResolveFact(dispute="d", subject="rec", outcome="released"), {"operator", "approver"}, None),
    (f.PartyFact(id="ann", kind="person"), {"operator", "holder"}, "ann"),
    (f.RecordingFact(id="r2", title="R"), {"operator", "holder"}, None),
    (f.WorkFact(id="w2", title="W"), {"operator", "holder"}, None),
    (
        f.GrantFact(id="g2", grantor="ann", subject="rec", uses=("train",), decision="allow", territory="SE"),
        {"operator", "holder"},
        "ann",
    ),
    (f.RevokeFact(grant="g", grantor="ann", subject="rec", start=SOON), {"operator", "holder"}, "ann"),
    (f.ModelFact(id="m", version="2", operator="ann"), {"operator", "holder"}, "ann"),
    (f.EndFact(id="sh", subject="rec", end=SOON), {"operator", "holder"}, "ann"),
    (f.DisputeFact(id="d2", subject="rec", claimant="ann"), {"operator", "holder"}, "ann"),
    (f.TrackFact(id="t", draft=True), {"operator", "holder", "attribution", "platform"}, None),
    (f.TrackFact(id="t"), {"operator", "holder"}, None),
    (f.DecisionFact(id="a" * 64, subject="rec", use="train", territory="SE", decision="allow"), {"operator"}, None),
    (f.ClearFact(id="a" * 64, track="t", vector="b" * 64), {"operator"}, None),
    (f.AuditFact(id="a" * 64, size=1, violations=0, findings=0), {"operator"}, None),
]
AUTHORS: dict[Role, Signer] = {
    "operator": OPERATOR,
    "holder": ANN,
    "approver": APPROVER,
    "attribution": signer("attribution", "op"),
    "platform": signer("platform", "acme"),
}


@pytest.mark.parametrize(
    ("fact", "roles", "party"), RULES, ids=[f"{fact.type}-{n}" for n, (fact, _, _) in enumerate(RULES)]
)
def test_who_may_have_registered_what(fact: f.AnyFact, roles: set[Role], party: str | None) -> None:
    """If this fails, a registration that nobody entitled signed passes an audit, or an honest one is reported."""
    for role in ROLES:
        found = kept(Log()).add(AUTHORS[role], fact).audited()
        assert found.ok == (role in roles), (role, found.violations)
        if role not in roles:
            (note,) = found.violations
            assert (note.kind, note.id) == (fact.type, f"leaf {len(BEFORE)}")
            assert note.detail.startswith(f"registered by a {role} key; it takes ")
            assert set(note.detail.partition("it takes ")[2].split(" or ")) == roles
    stranger = kept(Log()).add(signer("holder", "eve"), fact).audited()
    if party is not None:
        (note,) = stranger.violations
        assert note.detail == f"registered by eve; only {party} or the operator may"
    else:
        assert stranger.ok == ("holder" in roles)


def test_a_share_that_is_not_there_is_nobodys_to_end() -> None:
    """If this fails, a holder ends a share under a name that nobody holds."""
    (note,) = kept(Log()).add(ANN, f.EndFact(id="other", subject="rec", end=SOON)).audited().violations
    assert note.detail == "registered by ann; only nobody or the operator may"
    (note,) = kept(Log()).add(ANN, f.EndFact(id="sh", subject="other", end=SOON)).audited().violations
    assert "only nobody" in note.detail


@pytest.mark.parametrize(
    ("fact", "said"),
    [
        (
            f.RevokeFact(grant="g", grantor="ann", subject="rec", start=PAST),
            f"revokes from {PAST}, before its own registration at {AT}",
        ),
        (f.EndFact(id="sh", subject="rec", end=PAST), f"ends a share at {PAST}, before its own registration at {AT}"),
        (f.RevokeFact(grant="x", grantor="ann", subject="rec", start=SOON), "revokes grant x, which is not registered"),
        (f.ResolveFact(dispute="x", subject="rec", outcome="released"), "resolves dispute x, which is not open"),
    ],
)
def test_an_act_reaches_neither_back_nor_into_nothing(fact: f.AnyFact, said: str) -> None:
    """If this fails, what was permitted or owned is taken back in retrospect, and no audit says so."""
    (note,) = kept(Log()).add(OPERATOR, fact).audited().violations
    assert re.fullmatch(said, note.detail), note.detail
    now = (f.RevokeFact(grant="g", grantor="ann", subject="rec", start=AT), f.EndFact(id="sh", subject="rec", end=AT))
    assert kept(Log()).add(OPERATOR, *now).audited().ok


def test_a_dispute_is_resolved_once() -> None:
    """If this fails, a second resolution changes shares that the first had settled."""
    resolved = f.ResolveFact(dispute="d", subject="rec", outcome="released")
    once = kept(Log()).add(OPERATOR, resolved)
    assert once.audited().ok
    (note,) = once.add(APPROVER, resolved).audited().violations
    assert (note.kind, note.detail) == ("resolve", "resolves dispute d, which is not open")


def test_a_statement_stands_for_its_rows_in_its_log_by_its_author() -> None:
    """If this fails, rows of another log, of a stranger or signed for something else pass an audit."""
    foreign = kept(Log()).add(OPERATOR, f.WorkFact(id="w2", title="W"), origin="example.org/other").audited()
    (note,) = foreign.violations
    assert (note.kind, note.detail) == ("statement", f"leaves {len(BEFORE)} on: signed for log example.org/other")
    (unknown,) = Log().add(signer("operator", "eve"), PARTY).audited().violations
    assert "signed by" in unknown.detail
    # A holder's key that signs in the operator's name is no operator's key.
    lying = Log().add(Signer(ANN.key, "op", "operator"), PARTY).audited()
    assert "which is no operator key of op" in lying.violations[0].detail
    other_party = Log().add(Signer(ANN.key, "lab", "holder"), PARTY).audited()
    assert "which is no holder key of lab" in other_party.violations[0].detail
    short = kept(Log())
    short.entries.pop()
    assert "rows" in short.audited().violations[0].detail
    twice = kept(Log()).add(OPERATOR, f.WorkFact(id="w2", title="W")).add(OPERATOR, *BEFORE)
    (note,) = twice.audited().violations
    assert note.detail.endswith("its rows stand in the log twice")


def test_a_bad_statement_hides_nothing_that_comes_after_it() -> None:
    """If this fails, one false statement keeps an audit from looking at the rest of the log."""
    log = kept(Log()).add(signer("operator", "eve"), f.WorkFact(id="w2", title="W"))
    log.entries.append(Entry(index=len(log.entries), body=b'{"type":"work"}'))
    log.add(ANN, f.AuditFact(id="a" * 64, size=1, violations=0, findings=0))
    found = log.audited()
    assert [(one.kind, one.id) for one in found.violations if one.kind != "statement"] == [
        ("leaf", f"leaf {len(BEFORE) + 1}"),
        ("audit", f"leaf {len(BEFORE) + 2}"),
    ]
    assert [one.kind for one in found.violations].count("statement") == 1
    assert (found.ok, found.leaves, found.statements, found.size) == (False, len(BEFORE) + 2, 3, 99)


def test_keys_count_where_the_statement_stands() -> None:
    """If this fails, a retired key registers on, or what it registered in its time is called false."""
    retired = KeyRing(tuple(replace(key, until=len(BEFORE)) if key.role == "operator" else key for key in RING.keys))
    log = kept(Log())
    assert log.audited(ring=retired).ok
    log.add(OPERATOR, f.WorkFact(id="w2", title="W"))
    assert not log.audited(ring=retired).ok


def test_progress_is_told_by_the_statement() -> None:
    """If this fails, the audit of a large registry is silent to its end."""
    told: list[tuple[int, int | None]] = []
    kept(Log()).add(OPERATOR, f.WorkFact(id="w2", title="W")).audited(on_progress=lambda *done: told.append(done))
    assert told == [(len(BEFORE), None), (len(BEFORE) + 1, None)]


def test_a_report_is_named_by_what_it_says() -> None:
    """If this fails, two reports that differ have one digest, or one audit has two."""
    log = kept(Log())
    found = log.audited()
    matter = {
        "size": 99,
        "leaves": len(BEFORE),
        "violations": [],
        "findings": [[one.kind, one.id, one.detail] for one in found.findings],
    }
    assert found.digest == canon.digest(canon.encode(matter)) == log.audited().digest
    assert log.audited(size=100).digest != found.digest


def grant(name: str, **more: Any) -> f.GrantFact:
    given: dict[str, Any] = {"decision": "allow"} | more
    return f.GrantFact(id=name, grantor="ann", subject="r2", uses=("train",), territory="SE", **given)


def test_what_follows_for_those_concerned() -> None:
    """If this fails, over-claims, disputes, unlicensed uses or dead grants are not told to anybody."""
    log = Log()
    listed, blob = manifest.make(("rec", "r2"))
    assert log.keep(blob) == listed.blob
    log.add(
        OPERATOR,
        *(
            f.ShareFact(
                id=f"sh-{party}",
                subject="rec",
                party=party,
                right="master",
                ppm=600_000,
                territory="SE",
                state="confirmed",
            )
            for party in ("bob", "ann")
        ),
        DISPUTE,
        MODEL,
        f.ModelFact(id="m", version="2", operator="lab", manifest=listed),
        f.TrackFact(id="t", model="m", version="2", conditioning=("r2",)),
        grant("dead", end=PAST),
        grant("no", decision="deny", end=PAST),
        grant("lives", end=SOON),
    )
    found = log.audited()
    assert found.ok
    assert [(one.kind, one.id) for one in found.findings] == [
        ("over-claim", "rec"),
        ("open-dispute", "d"),
        ("no-training-list", "m@1"),
        ("unlicensed-training", "m@2"),
        ("unlicensed-training", "m@2"),
        ("unlicensed-conditioning", "t"),
        ("expired-grant", "dead"),
    ]
    details = [one.detail for one in found.findings]
    assert details[0] == "master: ann, bob claim more than the whole"
    assert details[1] == f"rec, by ann since {AT}"
    assert [detail.partition(":")[0] for detail in details[3:6]] == ["r2", "rec", "r2"]
    assert details[6] == f"ended at {PAST}, before its registration"
    resolved = log.add(OPERATOR, f.ResolveFact(dispute="d", subject="rec", outcome="released")).audited()
    assert "open-dispute" not in {one.kind for one in resolved.findings}
