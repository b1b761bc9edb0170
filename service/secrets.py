"""Get a passphrase from a file, the environment, or the terminal; never from an argument."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from ledger.errors import StateError

Passphrase = Callable[[], bytes]
"""Asked only when a key file turns out to be encrypted."""


def from_environment(environment: Mapping[str, str]) -> Passphrase:
    """Return a passphrase source.

    It reads SETTLE_PASSPHRASE_FILE, else SETTLE_PASSPHRASE, else a prompt, once when needed.
    """
    secrets: list[bytes] = []

    def passphrase() -> bytes:
        if not secrets:
            secrets.append(_read(environment))
        return secrets[0]

    return passphrase


def is_given(environment: Mapping[str, str]) -> bool:
    """Return whether the environment gives the passphrase, so that nobody has to type it."""
    return bool(environment.get("SETTLE_PASSPHRASE_FILE")) or "SETTLE_PASSPHRASE" in environment


def _read(environment: Mapping[str, str]) -> bytes:
    if name := environment.get("SETTLE_PASSPHRASE_FILE"):
        try:
            return Path(name).read_bytes().rstrip(b"\r\n")
        except OSError as problem:
            raise StateError(
                f"SETTLE_PASSPHRASE_FILE={name}: {problem.strerror or problem}; name a file with the passphrase"
            ) from None
    if "SETTLE_PASSPHRASE" in environment:
        return environment["SETTLE_PASSPHRASE"].encode()
    return _ask("Passphrase of the workspace's keys: ")


def choose(environment: Mapping[str, str]) -> bytes:
    """Return a new, non-empty passphrase for new keys; a person at a terminal types it twice."""
    if is_given(environment):
        chosen = _read(environment)
    else:
        chosen = _ask("New passphrase for the workspace's keys: ")
        if chosen and chosen != _ask("Again: "):
            raise StateError("the two passphrases differ; nothing was written, try again")
    if not chosen:
        raise StateError("an empty passphrase protects nothing; use --no-passphrase for trials; nothing was written")
    return chosen


def _ask(prompt: str) -> bytes:
    if not sys.stdin.isatty():
        raise StateError(
            "a passphrase is needed and there is no terminal to ask at: set SETTLE_PASSPHRASE_FILE to a file that "
            "contains it, or make the workspace with --no-passphrase"
        )
    return getpass.getpass(prompt, stream=sys.stderr).encode()


def keystore_password(file: str, environment: Mapping[str, str]) -> Callable[[], str]:
    """Return the password of a chain account's keystore: from a file, else SETTLE_CHAIN_PASSWORD, else a prompt."""

    def password() -> str:
        if file:
            return Path(file).read_text(encoding="utf-8").rstrip("\r\n")
        if "SETTLE_CHAIN_PASSWORD" in environment:
            return environment["SETTLE_CHAIN_PASSWORD"]
        return _ask("Password of the chain account's keystore: ").decode()

    return password
