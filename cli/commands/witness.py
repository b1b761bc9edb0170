"""Witnesses: run one for other people's logs, or have your own log witnessed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.commands.ledger import app as ledger
from cli.exits import EXIT_CODES
from cli.shell import emit, leave, say, workspace
from ledger.errors import InputError, TransientError, VerificationError

app = typer.Typer(no_args_is_help=True)
witness = typer.Typer(no_args_is_help=True)
asking = typer.Typer(no_args_is_help=True)
app.add_typer(witness, name="witness", help="Cosign other people's logs as a witness; detect forks.")
ledger.add_typer(asking, name="witness", help="Ask witnesses to cosign this workspace's log.")

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The witness's folder.")]


# --- being a witness ----------------------------------------------------------------------------


@witness.command()
def init(
    folder: Folder,
    name: Annotated[str, typer.Option(help="The witness's name, such as witness.example/w1.")],
    no_passphrase: Annotated[bool, typer.Option("--no-passphrase", help="Leave the key file unencrypted.")] = False,
) -> None:
    """Make a witness: a key and an empty database. People who trust it put its vkey into their policies."""
    from service.setup import new_passphrase
    from service.witness.server import Witness
    from service.workspace import system_clock

    opened = Witness.create(folder, name, new_passphrase(no_passphrase=no_passphrase), system_clock)
    emit({"witness": opened.name, "vkey": str(opened.vkey), "folder": str(folder)})


@witness.command()
def know(
    folder: Folder,
    vkeys: Annotated[list[str] | None, typer.Argument(metavar="[VKEY]...", help="Verifier keys of logs.")] = None,
    trust: Annotated[Path | None, typer.Option(help="A trust.json: all log keys in it.")] = None,
) -> None:
    """Let the witness cosign these logs; logs that it knows already stay."""
    from ledger.proofs.note import parse_vkey
    from service.bundles import read_trust

    keys = [parse_vkey(text) for text in vkeys or ()]
    if trust is not None:
        keys += [vkey for log in read_trust(trust).logs for vkey in log.current_vkeys()]
    if not keys:
        raise InputError("name a log: its verifier key, or --trust FILE")
    opened = _open(folder)
    opened.know(*keys)
    emit({"witness": opened.name, "logs": [str(vkey) for vkey in opened.logs()]})


@witness.command()
def serve(
    folder: Folder,
    listen: Annotated[str, typer.Option(help="HOST:PORT to listen on.")] = "127.0.0.1:8090",
) -> None:
    """Answer add-checkpoint requests until interrupted."""
    from service.witness.server import WitnessServer

    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdecimal():
        raise InputError(f"--listen {listen!r}: expected HOST:PORT, such as 127.0.0.1:8090")
    opened = _open(folder)
    with WitnessServer(opened, host, int(port), say) as server:
        address = f"http://{host}:{server.server_address[1]}"
        emit({"witness": opened.name, "vkey": str(opened.vkey), "url": address})
        server.serve_forever()


@witness.command()
def show(folder: Folder) -> None:
    """Show the witness's checkpoint of each log, and the contradictions that it received."""
    opened = _open(folder)
    refused = [
        {
            "origin": fork.origin,
            "time": fork.time,
            "reason": fork.reason,
            "held": _text(fork.held),
            "signed": _text(fork.note),
        }
        for fork in opened.store.refused()
    ]
    seen = [{"origin": fork.origin, "size": fork.size, "root": fork.root.hex()} for fork in opened.store.seen()]
    emit({"witness": opened.name, "vkey": str(opened.vkey), "seen": seen, "refused": refused})


def _open(folder: Path) -> Any:
    from service.secrets import from_environment
    from service.witness.server import Witness
    from service.workspace import system_clock

    return Witness.open(folder, from_environment(os.environ), system_clock)


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode(errors="replace")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise InputError(f"{path}: {problem.strerror or problem}") from None


# --- having one's log witnessed -----------------------------------------------------------------


@asking.command("policy")
def set_policy(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A tlog-policy file; without it, show the current policy.")
    ] = None,
) -> None:
    """Set in trust.json which cosignatures a checkpoint needs; its readers must get the file again."""
    from service.log.trusting import adopt_policy

    ws = workspace()
    trust = ws.trust if file is None else adopt_policy(ws, _read(file))
    emit(
        {"policy": trust.policy.encode().decode(errors="replace").splitlines()},
        text=lambda answer: "\n".join(answer["policy"]),
    )


@asking.command("ask")
def ask_witnesses() -> None:
    """Ask for cosignatures of the newest checkpoint; exits with 3 if a witness saw another log, 6 below the quorum."""
    from service.witness.asking import ask

    ws = workspace()
    done = ask(ws.log, ws.trust.policy)
    emit(done)
    if done.alarming:
        say("settle: a witness contradicts this log; stop writing to it and find out why before anything else")
        leave(EXIT_CODES[VerificationError])
    if not done.quorum:
        say("settle: the quorum is not reached; ask again")
        leave(EXIT_CODES[TransientError])
