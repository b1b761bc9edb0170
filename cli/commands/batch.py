"""Signed batches: a platform's own signature under the events it hands over."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from cli.shell import emit, origin_here, workspace

app = typer.Typer(no_args_is_help=True, help="Sign batches of events as the platform that reports them.")


@app.command()
def key(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the new key goes; keep it where you sign.")],
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
            help="The log it is for, as its trust.json says; by default the previous batch's, or the one here."
        ),
    ] = None,
    previous: Annotated[
        Path | None, typer.Option(help="The batch signed before this one; none for a source's first.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where the batch goes; FILE.batch if absent.")] = None,
    form: Annotated[str, typer.Option("--format", help="ndjson, csv or parquet; by the file's name if absent.")] = "",
) -> None:
    """Sign a file of events for one log: hand over FILE and FILE.batch together. Needs no workspace and no network."""
    from ledger.errors import InputError
    from ledger.proofs import keyfile
    from service.log import batches
    from service.secrets import from_environment

    target = out or file.with_name(file.name + batches.SUFFIX)
    named = log or (None if previous is None else batches.read(previous)[0].log) or origin_here()
    if named is None:
        raise InputError(
            "which log is the batch for? say --log ORIGIN, the origin in its trust.json, so that no other can take it"
        )
    private_key = keyfile.load(signer, from_environment(os.environ))
    emit(
        batches.sign_file(file, private_key, source=source, log=named, previous=previous, out=target, form=form or None)
    )


@app.command("list")
def list_(source: Annotated[str, typer.Argument(metavar="[SOURCE]", help="Of one source only.")] = "") -> None:
    """The batches in the log: signed by whom, over how many events, and how many of them are here."""
    from service.log import batches

    emit(batches.show(workspace(), source or None))
