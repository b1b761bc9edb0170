"""Keys handed over by an operator: before, during and after, whatever interrupts it."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from ledger.errors import ConflictError, InputError, StateError, VerificationError
from ledger.log.append import HandedOverError, Log
from ledger.log.fsck import fsck
from ledger.proofs import keyfile, keyring, leaf, trust
from ledger.proofs.keys import PrivateKey
from ledger.proofs.verify import verify_bundle
from service.log import keys
from service.log.renewing import renew
from service.operating import prove
from service.setup import create
from service.workspace import Workspace
from tests.ledger.logs import TickingClock, note


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    create(tmp_path / "home", origin="example.org/ledger", operator="op", passphrase=None, clock=TickingClock())
    return Workspace.open(tmp_path / "home", clock=TickingClock())


def reopened(ws: Workspace) -> Workspace:
    """The workspace as the next command finds it."""
    return Workspace.open(ws.home, clock=ws.clock)


def test_handing_over_the_logs_key(ws: Workspace) -> None:
    """If this fails, a log cannot change its key, or loses its past when it does."""
    before = trust.parse((ws.home / "trust.json").read_bytes())
    old_proof = prove(ws, index=0).bundle
    done = keys.rotate(ws, "log")
    assert (done.until, done.size) == (1, 2)
    ws.log.append([note("signed by the new key")])
    new_proof = prove(ws, index=2).bundle
    for trusted in (before, ws.trust):
        assert verify_bundle(old_proof, trusted).ok
        assert verify_bundle(new_proof, trusted).ok
    again = reopened(ws)
    again.log.append([note("and by the next command too")])
    assert verify_bundle(prove(again, index=3).bundle, before).ok


@pytest.mark.parametrize("name", ["log", "attribution", "operator", "approver"])
def test_every_role_hands_over_twice(ws: Workspace, name: str) -> None:
    """If this fails, a role's key cannot be changed, or only once."""
    first = ws.key(name).public
    keys.rotate(ws, name)
    second = ws.key(name).public
    keys.rotate(ws, name)
    third = reopened(ws).key(name).public
    shown = {one.key: one for one in keys.show(ws)}
    assert [shown[key.id].until for key in (first, second, third)] == ([1, 2, None] if name == "log" else [2, 3, None])
    assert [shown[key.id].file for key in (first, second, third)] == [None, None, name]
    assert len({first, second, third}) == 3


def test_the_old_key_signs_in_vain(ws: Workspace) -> None:
    """If this fails, a stolen old key still speaks for the log."""
    old = ws.key("log")
    keys.rotate(ws, "log")
    ws.hold("log", old)
    with pytest.raises(HandedOverError, match="open the log again"):
        ws.log.append([note()])
    log = ws.log
    Log(log.store, log.anchor, origin=log.origin, signer=old, clock=ws.clock).append([note()])
    forged = prove(ws, index=2).bundle
    report = verify_bundle(forged, reopened(ws).trust)
    assert not report.ok
    assert "which counts up to size 1" in report.steps[-1].detail


def test_v6_the_retired_private_key_is_destroyed(ws: Workspace) -> None:
    """If this fails, who gets the operator's disk finds a retired log key, and signs another history with it."""
    place = ws.key_path("log")
    kept_by_0_1 = place.with_name("log.retired-0123456789abcdef.json")
    kept_by_0_1.write_bytes(place.read_bytes())
    private = place.read_bytes()
    with place.open("rb") as still_open:
        keys.rotate(ws, "log")
        assert still_open.read() == bytes(len(private))
    assert sorted(path.name for path in place.parent.glob("log*")) == ["log.json"]


def test_v6_a_key_that_release_0_1_handed_over_is_pinned_by_trust(ws: Workspace) -> None:
    """If this fails, the log keys that 0.1 handed over, whose leaves state no tree, sign what they like."""
    old, new = ws.key("log"), PrivateKey.generate()
    ws.log.append([keyring.rotate(ws.clock(), signer=old, role="log", party="op", public=new.public, until=2)])
    root = ws.log.head().root
    found = keys.ring(ws)
    assert [key.root for key in found.of("log")] == [None, None]
    ws.log.sign_with(lambda: new)
    ws.log.append([note()])
    keys.publish(ws, found)
    assert [key.root for key in reopened(ws).trust.logs[0].keys if key.role == "log"] == [root, None]


def test_v6_receipts_under_a_retired_key_are_renewed(ws: Workspace, tmp_path: Path) -> None:
    """If this fails, platforms hold receipts that verify no more, and nothing makes them anew."""
    ws.log.append([note(f"{n}") for n in range(3)])
    size = ws.log.head().size
    first = ws.log.inclusion(2, size).replace(b"index", b"extra " + b64encode(ws.log.entry(2).body) + b"\nindex", 1)
    ws.log.append([note()])
    (tmp_path / "r").mkdir()
    path, lines = tmp_path / "r" / "e.tlog-proof", tmp_path / "r" / "all.ndjson"
    path.write_bytes(first)
    lines.write_text(json.dumps({"source": "a", "receipt": first.decode()}) + "\n")
    assert renew(ws, [path]).renewed == 0
    keys.rotate(ws, "log")
    trusted = reopened(ws).trust
    assert "give --log" in verify_bundle(first, trusted).steps[-1].detail
    done = renew(ws, [tmp_path / "r"])
    assert (done.receipts, done.renewed) == (2, 2)
    assert verify_bundle(path.read_bytes(), trusted).ok
    assert json.loads(lines.read_text())["receipt"].encode() == path.read_bytes()
    path.write_bytes(first.replace(b64encode(ws.log.entry(2).body), b64encode(ws.log.entry(1).body)))
    with pytest.raises(ConflictError, match="another entry"):
        renew(ws, [path])


def test_a_sealed_key_has_a_sealed_successor(tmp_path: Path) -> None:
    """If this fails, rotating a key leaves its successor open to everyone who reads the disk."""
    create(tmp_path / "home", origin="example.org/l", operator="op", passphrase=b"pw", clock=TickingClock())
    ws = Workspace.open(tmp_path / "home", clock=TickingClock())
    ws.passphrase = lambda: b"pw"
    keys.rotate(ws, "operator")
    assert b'"sealed"' in ws.key_path("operator").read_bytes()


class Crash(BaseException):
    """The machine stops here."""


def crashing(ws: Workspace, monkeypatch: pytest.MonkeyPatch, step: str) -> Workspace:
    """A rotation that stops before this step; the workspace as the next command finds it."""

    def stop(*_: Any, **__: Any) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        if step == "leaf":
            patch.setattr(Log, "hand_over", stop)
        elif step == "destroy":
            patch.setattr("service.log.keys._destroy", stop)
        elif step == "swap":
            patch.setattr(Path, "replace", stop)
        else:
            patch.setattr("service.log.keys.publish", stop)
        with pytest.raises(Crash):
            keys.rotate(ws, "log")
    return reopened(ws)


@pytest.mark.parametrize("step", ["leaf", "swap"])
def test_an_interrupted_rotation_blocks_signing_and_can_be_finished(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """If this fails, a crash leaves a log that signs with a retired key, or cannot be finished."""
    found = crashing(ws, monkeypatch, step)
    with pytest.raises(StateError, match="settle key rotate log"):
        found.log.append([note()])
    found = reopened(found)
    done = keys.rotate(found, "log")
    assert (done.until, done.size) == (1, 2), "the leaf is not written twice"
    found.log.append([note()])
    assert verify_bundle(prove(found, index=2).bundle, reopened(found).trust).ok


@pytest.mark.parametrize("step", ["destroy", "publish"])
def test_a_crash_before_publishing_is_mended_by_the_next_rotation(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """If this fails, trust.json stays behind the log for ever."""
    found = crashing(ws, monkeypatch, step)
    found.log.append([note()])
    assert verify_bundle(prove(found, index=2).bundle, found.trust).ok
    keys.rotate(found, "attribution")
    untils = [key.until for key in reopened(found).trust.logs[0].keys if key.role == "log"]
    assert untils == [1, None]


def test_a_rotation_that_another_writer_overtakes(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a key retires at a size that does not cover its own last act."""
    append = Log.append

    def overtaken(log: Log, *leaves: Any, **options: Any) -> Any:
        append(log, [note("another writer")])
        return append(log, *leaves, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Log, "append", overtaken)
        with pytest.raises(ConflictError):
            keys.rotate(ws, "attribution")
    assert keys.rotate(reopened(ws), "attribution").until == 3


def test_revoking(ws: Workspace) -> None:
    """If this fails, a stolen key cannot be shut out, or anybody can shut out any."""
    attribution = ws.key("attribution").public.id
    done = keys.revoke(ws, attribution[:12], until=1, by="operator")
    assert (done.key, done.until, done.size) == (attribution, 1, 2)
    assert [one.until for one in keys.show(ws) if one.key == attribution] == [1]
    for wrong in ("0" * 16, attribution[:4]):
        with pytest.raises(InputError):
            keys.revoke(ws, wrong, until=None, by="operator")
    size = ws.log.head().size
    with pytest.raises(VerificationError, match="may not speak"):
        keys.revoke(ws, ws.key("log").public.id, until=None, by="operator")
    assert ws.log.head().size == size, "what is refused is not in the log"


@pytest.mark.parametrize("by", ["operator", "handed over first"])
def test_revoking_into_the_past_leaves_a_log_that_opens(ws: Workspace, by: str) -> None:
    """If this fails, shutting out a stolen key locks the owner out of the log: its key leaves verify no more."""
    before, old = trust.parse((ws.home / "trust.json").read_bytes()), ws.key("operator")
    ws.log.append([note()] * 20)
    platform, holder = PrivateKey.generate().public, PrivateKey.generate().public
    for role, party, public in (("platform", "acme", platform), ("holder", "h", holder)):
        introduced = keyring.add(ws.clock(), signer=old, role=role, party=party, public=public)  # type: ignore[arg-type]
        ws.log.append([introduced])
    ws.log.append([keyring.revoke(ws.clock(), signer=old, key_id=holder.id, until=22)])
    if by != "operator":
        keys.rotate(ws, "operator")
    bundle = prove(reopened(ws), index=ws.log.head().size - 1).bundle
    known = {key.public.id: (key.start, key.until) for key in keys.ring(ws).keys} | {old.public.id: (0, 15)}
    keys.revoke(ws, old.public.id, until=15, by="operator")
    again = reopened(ws)
    again.log.check()
    again.log.append([note()])
    assert {key.public.id: (key.start, key.until) for key in keys.ring(again).keys} == known
    assert fsck(again.log).ok
    for trusted in (before, again.trust):
        assert verify_bundle(bundle, trusted).ok
        assert verify_bundle(prove(again, index=again.log.head().size - 1).bundle, trusted).ok


def test_a_shut_out_key_brings_nobody_in(ws: Workspace) -> None:
    """If this fails, a thief's fork introduces keys to readers who have been told of the theft."""
    old = ws.key("operator")
    ws.log.append([note()] * 20)
    keys.rotate(ws, "operator")
    keys.revoke(ws, old.public.id, until=15, by="operator")
    first = reopened(ws).trust.logs[0].keys
    for act in (
        keyring.add(ws.clock(), signer=old, role="platform", party="x", public=PrivateKey.generate().public),
        keyring.revoke(ws.clock(), signer=old, key_id=ws.key("attribution").public.id, until=3),
    ):
        with pytest.raises(VerificationError, match="must count at 23"):
            keyring.project(first, [(22, act)])


def test_a_revocation_that_would_lock_the_log_is_refused(ws: Workspace) -> None:
    """If this fails, revoking the log's only key makes a log that nobody can append to or open."""
    size = ws.log.head().size
    with pytest.raises(StateError, match="rotate log"):
        keys.revoke(ws, ws.key("log").public.id, until=None, by="log")
    assert ws.log.head().size == size
    reopened(ws).log.append([note()])


def test_names_that_are_no_keys(ws: Workspace) -> None:
    """If this fails, a mistyped name makes a key that nobody knows."""
    with pytest.raises(InputError, match="settle key show"):
        keys.rotate(ws, "nobody")
    keyfile.save(ws.home / "keys" / "stray.json", PrivateKey.generate(), None)
    with pytest.raises(StateError, match="not in the ring"):
        keys.rotate(ws, "stray")
    assert not (ws.home / "keys" / "stray.next.json").exists()


def test_the_public_half(ws: Workspace) -> None:
    """If this fails, other people's tools cannot be given our key."""
    found = keys.export(ws, "log")
    assert load_pem_public_key(found.pem.encode()).public_bytes_raw().hex() == found.public  # type: ignore[union-attr]
    assert found.vkey == str(ws.trust.logs[0].vkeys()[0])


def test_key_leaves_are_ordinary_leaves(ws: Workspace) -> None:
    """If this fails, the rotation is not in the log, where everybody can see it."""
    keys.rotate(ws, "log")
    body = leaf.decode(ws.log.entry(1).body)
    assert (body["type"], body["action"], body["role"], body["until"]) == ("key", "rotate", "log", 1)
    assert (body["size"], body["root"]) == (1, ws.log.head(1).root.hex())
    covering = verify_bundle(prove(ws, index=1).bundle, reopened(ws).trust)
    assert ws.key("log").public.id[:16] in covering.steps[3].detail, "the successor signs the leaf's own checkpoint"
