"""The audit trail of administrative acts: what it says, what it must not say, and who may write it."""

from __future__ import annotations

import re
from datetime import timedelta

from ledger.log.fsck import fsck
from ledger.proofs import admin, leaf
from ledger.proofs.keys import PrivateKey
from service import operating
from service.access import keys
from service.leaf_types import LEAF_TYPES
from service.log.trusting import adopt_policy
from tests.service.month import Month
from tests.support import ROOT


def test_acts_on_keys_and_policies_stand_in_the_log(june: Month) -> None:
    """If this fails, somebody was given access to the service, or lost it, and the log does not say so."""
    ending = keys.add(june.ws, "bob", expires="2026-07-03")
    made = keys.add(june.ws, "ann", scopes=("platform",))
    june.now += timedelta(days=2)
    revoked = keys.revoke(june.ws, made.id)
    assert keys.revoke(june.ws, made.id) == revoked
    size = june.ws.log.head().size
    adopt_policy(june.ws, b"quorum none\n")
    assert june.ws.log.head().size == size, "the policy is the one there was"
    acts = keys.administrative_acts(june.ws.log)
    assert [(act.act, act.about) for act in acts] == [
        ("access-key-added", ending.id),
        ("access-key-added", made.id),
        ("access-key-expired", ending.id),
        ("access-key-revoked", made.id),
    ]
    assert (acts[1].party, acts[1].scopes, acts[1].until) == ("ann", ("platform",), made.expires_at)
    bodies = b"".join(entry.body for entry in june.ws.log.entries(types={"admin"})).decode()
    assert made.token not in bodies
    assert made.token.split("_", 2)[2] not in bodies, "the secret part, which may hold underscores"
    assert keys._hash(made.token) not in bodies
    assert operating.fsck(june.ws).ok


def test_an_act_that_the_operator_did_not_sign_is_void(june: Month) -> None:
    """If this fails, whoever holds the log key alone writes the trail of who had access."""
    keys.add(june.ws, "ann")
    stranger = PrivateKey.generate()
    june.ws.log.append([admin.make(june.now, "access-key-revoked", "0" * 12, signer=stranger)])
    genuine = next(iter(june.ws.log.entries(types={"admin"})))
    june.ws.log.append([leaf.decode(genuine.body)])
    odd = leaf.sign(leaf.make("admin", june.now, act="access-key-lent", about="x"), june.ws.signer("operator"))
    june.ws.log.append([odd])
    assert [act.act for act in keys.administrative_acts(june.ws.log)] == ["access-key-added"]
    voids = [void.reason for void in fsck(june.ws.log).voids]
    assert len(voids) == 3
    assert ["not known" in voids[0], "copy of that leaf" in voids[1], "expected one of" in voids[2]] == [True] * 3


def test_there_is_one_list_of_leaf_types(june: Month) -> None:
    """If this fails, a type of leaf is written that is not listed, or listed and documented nowhere."""
    text = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `([a-z-]+)`", text, re.MULTILINE)) | set(re.findall(r'"type": "([a-z-]+)"', text))
    undocumented = LEAF_TYPES - documented
    assert not undocumented
    june.ws.log.append([leaf.make("novelty", june.now)])
    assert [line for line in operating.fsck(june.ws).unchecked if "novelty" in line]
