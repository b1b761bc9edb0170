"""Signed batches: a platform makes a key, signs files of events, and lists its batches."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from cli.shell import emit, origin_here, workspace

app = typer.Typer(no_args_is_help=True, help="Sign batches of events as the platform that reports them.")


@app.command()
def key(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Where to write the new key; keep it on the machine where you sign.")
    ],
    no_passphrase: Annotated[bool, typer.Option("--no-passphrase", help="Leave the key file unencrypted.")] = False,
) -> None:
    """Make a platform's key; its public half goes to the operator. Needs no workspace."""
    from ledger.proofs import keyfile
    from ledger.proofs.keys import PrivateKey
    from service.setup import new_passphrase

    private_key = PrivateKey.generate()
    keyfile.save(file, private_key, new_passphrase(no_passphrase=no_passphrase))
    emit({"file": str(file), "key": private_key.public.id, "public": private_key.public.raw.hex()})


@app.command()
def sign(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Stream events of one source.")],
    *,
    source: Annotated[str, typer.Option(help="The source that the events name.")],
    signer: Annotated[Path, typer.Option("--key", help="The platform's key file.")],
    log: Annotated[
        str | None,
        typer.Option(
            help="Origin of the log, from its trust.json; by default that of the previous batch, or of this workspace."
        ),
    ] = None,
    previous: Annotated[
        Path | None, typer.Option(help="The batch before this one; leave out for a source's first.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write the batch; by default FILE.batch.")] = None,
    form: Annotated[
        str, typer.Option("--format", help="ndjson, csv or parquet; by default from the file's name.")
    ] = "",
) -> None:
    """Sign a file of events for one log; send FILE and FILE.batch together. Needs no workspace and no network."""
    from ledger.errors import InputError
    from ledger.proofs import keyfile
    from service.log import batches
    from service.secrets import from_environment

    target = out or file.with_name(file.name + batches.SUFFIX)
    named = log or (None if previous is None else batches.read(previous)[0].log) or origin_here()
    if named is None:
        raise InputError(
            "for which log is the batch? give --log ORIGIN, the origin in its trust.json; no other log can then use it"
        )
    private_key = keyfile.load(signer, from_environment(os.environ))
    emit(
        batches.sign_file(file, private_key, source=source, log=named, previous=previous, out=target, form=form or None)
    )


@app.command("list")
def list_(source: Annotated[str, typer.Argument(metavar="[SOURCE]", help="Of one source only.")] = "") -> None:
    """List the batches in the log: the signer, the number of events, and how many of them are in the log."""
    from service.log import batches

    emit(batches.show(workspace(), source or None))
