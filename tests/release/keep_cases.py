"""Make small workspaces that hold what a release's ordinary golden workspace lacks, through the command line alone.

It was run with release 0.1.0 on the path: `PYTHONPATH=<release> python tests/release/keep_cases.py FOLDER`.
Every key in them was made for these files, is sealed by no passphrase and belongs to nobody.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import service.setup
import service.workspace
from cli.main import run

JUNE_OVER = datetime(2026, 7, 2, 9, 0, tzinfo=UTC)
JULY_OVER = datetime(2026, 8, 3, 9, 0, tzinfo=UTC)
ALLOWED = {"uses": ["train", "condition"], "decision": "allow", "territory": "WORLD", "from": "2020-01-01"}
CLOCK = [JUNE_OVER]
BANKED = {"p-ann": ("bank", "SE4550000000058398257466"), "p-bob": ("bank", "DE89370400440532013000")}


class Operator:
    """One workspace and the commands given to it."""

    def __init__(self, folder: Path, name: str) -> None:
        self.home = folder / name
        self.home.mkdir(parents=True)
        self.settle("init", "--no-passphrase", "--origin", f"example.org/{name}")

    def settle(self, *words: str | Path, code: int = 0) -> Any:
        answer, remarks = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(answer), contextlib.redirect_stderr(remarks):
            ended = run(["--json", "--home", str(self.home), *map(str, words)])
        if ended != code:
            raise SystemExit(
                f"settle {' '.join(map(str, words))}: exit {ended}\n{answer.getvalue()}{remarks.getvalue()}"
            )
        return json.loads(answer.getvalue())

    def file(self, name: str, document: Any) -> Path:
        path = self.home.parent / name
        rows = document if isinstance(document, list) else [document]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    def register(self, *, group: str | None = None, payees: dict[str, tuple[str, str]] = BANKED) -> None:
        parties: list[dict[str, Any]] = [{"id": f"p-{n}", "name": n.title(), "kind": "person"} for n in ("ann", "bob")]
        for party in parties if group else ():
            party["group"] = group
        document = {
            "parties": [*parties, {"id": "p-acme", "name": "Acme", "kind": "platform"}],
            "recordings": [{"id": "rec-1", "title": "Blue"}, {"id": "rec-2", "title": "Red"}],
            "shares": [
                {
                    "subject": f"rec-{n}",
                    "party": party,
                    "right": "master",
                    "ppm": 1_000_000,
                    "territory": "WORLD",
                    "from": "2020-01-01",
                    "state": "confirmed",
                }
                for n, party in ((1, "p-ann"), (2, "p-bob"))
            ],
            "grants": [
                {"id": f"g-{n}", "grantor": party, "subject": f"rec-{n}", **ALLOWED}
                for n, party in ((1, "p-ann"), (2, "p-bob"))
            ],
            "models": [{"id": "mdl-1", "version": "1", "operator": "p-ann", "training": ["rec-1", "rec-2"]}],
            "tracks": [{"id": f"trk-{n}", "title": f"Track {n}", "model": "mdl-1", "version": "1"} for n in (1, 2)],
            "payees": [
                {"party": party, "method": method, "account": account, "from": "2020-01-01"}
                for party, (method, account) in payees.items()
            ],
        }
        self.settle("registry", "import", self.file("registry.json", document))
        declared = [
            {"recording": f"rec-{n}", "ppm": ppm, "use": "condition"} for n, ppm in ((1, 600_000), (2, 200_000))
        ]
        self.settle("attribute", "--declared", self.file("declared.json", {"track": "trk-1", "sources": declared}))
        self.settle("approver", "add", "carol")

    def stream(self, *ids: str, month: str = "2026-06", track: str = "trk-1", source: str = "acme", **more: Any) -> Any:
        row = {"source": source, "track": track, "occurred_at": f"{month}-03T11:05:00Z", "territory": "SE", "units": 1}
        return self.settle("ingest", self.file("events.ndjson", [row | {"event_id": name} | more for name in ids]))

    def publish(self, month: str = "2026-06", pool: str = "1000.00", engine: str = "log") -> str:
        self.settle("period", "close", month)
        made = self.settle("run", "--period", month, "--pool", pool, "--currency", "EUR", "--engine", engine)
        self.settle("approve", made["run"], "--as", "carol")
        self.settle("publish", made["run"])
        return str(made["run"])

    def agree(self, *words: str | Path) -> None:
        self.settle("approve", self.settle(*words)["id"], "--as", "carol")

    def hand_out(self, folder: Path, *months: str) -> None:
        bundles = folder / "bundles"
        bundles.mkdir(parents=True)
        for month in months:
            self.settle("period", "export", month, "--out", folder / "periods" / month)
            for party in ("p-ann", "p-bob"):
                out = bundles / f"{party}-{month}.bundle"
                self.settle("statement", party, "--period", month, "--format", "bundle", "--out", out)
        shutil.copytree(self.home, folder / "workspace", ignore=shutil.ignore_patterns("*-wal", "*-shm"))
        shutil.copy(self.home / "trust.json", folder / "trust.json")


def keys(folder: Path, out: Path) -> None:
    """The log key rotated after June, an approver's key revoked into the past, a signed batch, a live vector."""
    op = Operator(folder, "keys")
    op.register()
    op.settle("source", "set", "acme")
    op.stream("e-1", "e-2", source="other")
    live = {"sources": [{"recording": "rec-2", "ppm": 900_000, "use": "condition"}]}
    op.stream("live-1", track="trk-2", source="other", vector=live)
    made = op.settle("batch", "key", folder / "acme.key", "--no-passphrase")
    op.settle("source", "set", "acme", "--party", "p-acme", "--signed", "--public", made["public"])
    row = {
        "source": "acme",
        "event_id": "s-1",
        "track": "trk-1",
        "occurred_at": "2026-06-20T11:05:00Z",
        "territory": "SE",
        "units": 4,
    }
    batch = op.file("signed.ndjson", row)
    op.settle("batch", "sign", batch, "--source", "acme", "--key", folder / "acme.key")
    op.settle("ingest", batch, "--batch", f"{batch}.batch")
    op.settle("approver", "add", "dave")
    size = op.settle("ledger", "head")["size"]
    op.stream("e-3", source="other")
    dave = next(key["key"] for key in op.settle("key", "show") if key["party"] == "dave")
    op.settle("key", "revoke", dave, "--by", "approver", "--until", str(size))
    op.publish()
    op.settle("key", "rotate", "log")
    op.stream("e-4", source="other", month="2026-07")
    CLOCK[0] = JULY_OVER
    op.publish("2026-07")
    op.hand_out(out, "2026-06", "2026-07")
    for event in ("other:live-1", "acme:s-1", "other:e-4"):
        op.settle("ledger", "prove", event, "--out", out / "bundles" / f"{event.replace(':', '-')}.bundle")


def money(folder: Path, out: Path) -> None:
    """Both parties in one owner group; a run reversed and run again; a failed payment sent again."""
    op = Operator(folder, "money")
    op.register(group="label")
    op.stream("e-1", "e-2")
    op.settle("pay", op.publish(), "--via", "file")
    op.agree("payment", "2026-06", "p-ann", "failed", "--note", "rejected")
    op.settle("pay", "2026-06", "--via", "file")
    op.settle("payment", "2026-06", "p-ann", "settled", "--note", "arrived")
    op.settle("reverse", "2026-06", "--reason", "wrong pool", "--as", "carol")
    op.publish(pool="2000.00")
    op.settle("pay", "2026-06", "--via", "file")
    op.stream("e-3", month="2026-07")
    CLOCK[0] = JULY_OVER
    op.publish("2026-07")
    op.hand_out(out, "2026-06", "2026-07")


def currency(folder: Path, out: Path, *, name: str = "currency", rate: str = "1.10") -> None:
    """Bob is paid in another currency and has no other terms (finding A)."""
    op = Operator(folder, name)
    op.register()
    op.stream("e-1", "e-2")
    op.settle("period", "close", "2026-06")
    op.agree("terms", "currency", "p-bob", "USD", "--from", "2026-06", "--reason", "contract")
    op.agree(
        "terms",
        "rate",
        "EUR",
        "USD",
        "--period",
        "2026-06",
        "--rate",
        rate,
        "--date",
        "2026-06-30",
        "--source",
        "ECB",
    )
    op.publish()
    op.hand_out(out, "2026-06")


def coin(folder: Path, out: Path) -> None:
    """The same where all that Bob earned is worth less than the smallest coin of his currency: he carries it."""
    currency(folder, out, name="coin", rate="0.00001")


def logs(folder: Path, out: Path) -> None:
    """A second log takes one source's events; the month rests on both."""
    op = Operator(folder, "home")
    op.register()
    second = Operator(folder, "second")
    op.settle("ledger", "logs", "add", second.home)
    op.settle("source", "set", "beta", "--log", "example.org/second")
    op.stream("e-1")
    second.settle(
        "ingest",
        op.file(
            "beta.ndjson",
            {
                "source": "beta",
                "event_id": "b-1",
                "track": "trk-1",
                "occurred_at": "2026-06-04T11:05:00Z",
                "territory": "DE",
                "units": 2,
            },
        ),
    )
    op.publish()
    op.hand_out(out, "2026-06")
    shutil.copytree(second.home, out / "second", ignore=shutil.ignore_patterns("*-wal", "*-shm"))


def failed_after_reversal(folder: Path, out: Path) -> None:
    """A payment of a reversed run is rejected by the bank, and 0.1 never gives it back (finding M6)."""
    op = Operator(folder, "m6")
    op.register()
    op.stream("e-1", "e-2")
    first = op.publish()
    op.settle("pay", "2026-06", "--via", "file")
    op.settle("reverse", "2026-06", "--reason", "wrong pool", "--as", "carol")
    op.publish(pool="2000.00")
    op.settle("pay", "2026-06", "--via", "file")
    op.agree("payment", first, "p-ann", "failed", "--note", "rejected after three days")
    op.stream("e-3", month="2026-07")
    CLOCK[0] = JULY_OVER
    op.publish("2026-07", pool="100.00")
    op.hand_out(out, "2026-06", "2026-07")


def never_posted(folder: Path, out: Path) -> None:
    """A batch that no chain ever had counts as paid when its run is reversed (finding M7)."""
    op = Operator(folder, "m7")
    op.register(
        payees={
            "p-ann": ("chain", "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"),
            "p-bob": ("chain", "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"),
        }
    )
    op.stream("e-1", "e-2")
    op.publish()
    op.settle("chain", "deploy", "--currency", "EUR", "--window", "0")
    op.settle("pay", "2026-06", "--via", "chain", code=4)
    op.settle("reverse", "2026-06", "--reason", "wrong pool", "--as", "carol")
    op.publish(pool="2000.00")
    op.hand_out(out, "2026-06")


UNSAFE = (failed_after_reversal, never_posted)


def main(folder: Path) -> None:
    """Every case into a folder of its own; those that 0.1 got wrong under `unsafe`."""
    for name in ("find", "open"):
        vars(service.workspace.Workspace)[name].__func__.__kwdefaults__["clock"] = lambda: CLOCK[0]
    assert service.setup.create.__kwdefaults__ is not None
    service.setup.create.__kwdefaults__["clock"] = lambda: CLOCK[0]
    for case in (keys, money, currency, coin, logs, *UNSAFE):
        CLOCK[0] = JUNE_OVER
        out = folder / "unsafe" / case.__name__ if case in UNSAFE else folder / case.__name__
        shutil.rmtree(out, ignore_errors=True)
        with tempfile.TemporaryDirectory() as place:
            case(Path(place), out)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
