"""Two hosts, one log: a failover to a replica that lags must not sign a fork."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ledger.errors import TransientError, VerificationError
from ledger.export import export
from ledger.fsck import fsck
from ledger.keyring import Key
from ledger.log import Log, open_log
from ledger.recover import Static, replay
from tests.ledger.logs import KEY, ORIGIN, TickingClock, event
from tests.postgres import own_server

pytestmark = pytest.mark.postgres


def host(store: str, anchor: str, *, check: bool = True) -> Log:
    return open_log(store, origin=ORIGIN, signer=KEY, anchor=anchor, clock=TickingClock(), check=check)


def execute(url: str, statement: str) -> object:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(statement).fetchone()
        return row[0] if row else None


def wait_until(url: str, question: str) -> None:
    """Poll a server until it says yes."""
    for _ in range(600):
        if execute(url, question):
            return
        time.sleep(0.05)
    pytest.fail(f"never true: {question}")


def test_failover_to_a_lagging_replica(tmp_path: Path) -> None:
    """If this fails, a promoted replica signs another history under the log's name."""
    with own_server() as anchors, own_server() as primary, own_server(primary) as replica:
        first = host(primary.url, anchors.url)
        first.append([event(f"a-{i}") for i in range(10)])
        wait_until(replica.url, "SELECT count(*) = 11 FROM entry")
        replica.stop()  # the network between the hosts is gone
        first.append([event(f"b-{i}") for i in range(10)])
        export(first, tmp_path / "export")
        acknowledged = first.checkpoint()
        primary.stop("immediate")
        with pytest.raises(TransientError):
            first.append([event("c")])

        replica.start()
        execute(replica.url, "SELECT pg_promote()")
        with pytest.raises(VerificationError, match="rolled back"):
            host(replica.url, anchors.url)
        second = host(replica.url, anchors.url, check=False)
        with pytest.raises(VerificationError, match="rolled back"):
            second.append([event("fork")])
        assert second.anchor.read() == acknowledged
        assert second.head().size == 11

        trusted = [Key(role="log", party="operator", public=KEY.public)]
        assert replay(second, Static.open(tmp_path / "export", ORIGIN, trusted)).replayed == 10
        assert second.append([event("c")]).size == 22
        assert fsck(second).ok

        primary.start()  # the old primary is back, and behind
        returned = host(primary.url, anchors.url, check=False)
        with pytest.raises(VerificationError, match="rolled back"):
            returned.append([event("d")])
        returned.close()
        first.close()
        second.close()
