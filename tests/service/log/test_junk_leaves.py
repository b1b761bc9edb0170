"""What nobody entitled signed stands in the log and keeps nobody from reading it."""

from __future__ import annotations

from pathlib import Path

from ledger.log.fsck import fsck
from ledger.proofs import keyring, leaf
from ledger.proofs.keys import PrivateKey
from ledger.proofs.verify import verify_bundle
from ledger.types import format_time
from payouts.life.records import Hold
from service.log import keys
from service.operating import fsck as examine
from service.operating import prove
from service.settlement.step import read_book
from service.setup import create
from service.workspace import Workspace
from tests.ledger.logs import TickingClock


def test_a_junk_key_leaf_is_void_for_every_reader(tmp_path: Path) -> None:
    """If this fails, who holds the log key alone can make the log impossible to open, for ever."""
    create(tmp_path / "home", origin="example.org/ledger", operator="op", passphrase=None, clock=TickingClock())
    ws = Workspace.open(tmp_path / "home", clock=TickingClock())
    nobody = PrivateKey.generate()
    junk = [
        keyring.add(ws.clock(), signer=nobody, role="operator", party="op", public=nobody.public),
        leaf.make("key", ws.clock(), action="crown"),
        leaf.make("form", ws.clock(), form=9),
    ]
    ws.log.append(junk)
    again = Workspace.open(ws.home, clock=ws.clock)
    again.log.check()
    assert [void.index for void in again.log.reading().voids] == [1, 2, 3]
    assert [void.index for void in fsck(again.log).voids] == [1, 2, 3]
    assert again.log.ring() == keys.ring(again)
    assert keys.ring(again).find(nobody.public.id) is None
    assert not read_book(again).voids
    keys.rotate(again, "log")
    for index in (0, 4):
        assert verify_bundle(prove(again, index=index).bundle, again.trust).ok


def test_fsck_lists_the_acts_without_effect(tmp_path: Path) -> None:
    """If this fails, fsck passes a log with a hold that nobody entitled signed, and only recompute says so."""
    create(tmp_path / "home", origin="example.org/ledger", operator="op", passphrase=None, clock=TickingClock())
    ws = Workspace.open(tmp_path / "home", clock=TickingClock())
    assert examine(ws).ok
    nobody, at = PrivateKey.generate(), format_time(ws.clock())
    hold = Hold(at=at, by="op", key=nobody.public.id, id="h-1", scope="party", subject="p-ann", reason="fraud")
    junk = leaf.make("form", ws.clock(), form=9)
    ws.log.append([junk, leaf.sign(hold.leaf(), nobody)])
    examined = examine(ws)
    assert not examined.ok
    assert [(void.index, void.type) for void in examined.voids] == [(1, "form"), (2, "hold")]
    (void,) = read_book(ws).voids
    assert examined.problems[1:] == [str(void)]
