"""`settle init`: create a workspace. Existing files are not changed."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ledger.errors import ConflictError
from ledger.files import keep_private, make_folder, write_whole
from ledger.proofs import keyfile, trust
from ledger.proofs.keyring import Key
from ledger.proofs.keys import PrivateKey
from ledger.types import WORKSPACE_APPROVER, Role
from service.secrets import choose
from service.workspace import CONFIG, KEYS, TRUST, Clock, Workspace, system_clock

OWN_ROLES: Final[tuple[Role, ...]] = ("log", "operator", "attribution", "approver")
"""The roles a new workspace can act in; platforms and holders bring keys of their own."""

_CONFIG_TEXT: Final = """\
# What else can be set here, and what each setting means: settle config show

[log]
origin = "{origin}"

[workspace]
operator = "{operator}"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """A new workspace. `trust` is the file to publish and to compare out of band."""

    home: str
    origin: str
    operator: str
    keys: dict[str, str]
    trust: str
    size: int


def new_passphrase(*, no_passphrase: bool) -> bytes | None:
    """Return the passphrase for new keys, or None if the caller chose to have none."""
    return None if no_passphrase else choose(os.environ)


def check_new(home: Path) -> None:
    """Refuse a folder that holds a workspace; called before a passphrase is requested."""
    if (home / CONFIG).exists() or (home / KEYS).exists():
        raise ConflictError(f"{home} already holds a workspace; nothing was changed")


def create(home: Path, *, origin: str, operator: str, passphrase: bytes | None, clock: Clock = system_clock) -> Created:
    """Create settings, role keys, trust.json and an empty log; refuses a folder that holds a workspace."""
    check_new(home)
    origin = origin or f"settle.local/{secrets.token_hex(6)}"
    make_folder(home)
    keep_private(home)
    make_folder(home / KEYS)
    keys = {role: PrivateKey.generate() for role in OWN_ROLES}
    for role, key in keys.items():
        keyfile.save(home / KEYS / f"{role}.json", key, passphrase)
    party = dict.fromkeys(OWN_ROLES, operator) | {"approver": WORKSPACE_APPROVER}
    trusted = trust.make(
        origin, [Key(role=role, party=party[role], public=key.public) for role, key in keys.items()], form=0
    )
    write_whole(home / TRUST, trusted.encode())
    # Written last: a folder without settle.toml is not a workspace, so a crash before this leaves none half-made.
    write_whole(home / CONFIG, _CONFIG_TEXT.format(origin=origin, operator=operator).encode())
    workspace = Workspace.open(home, clock=clock)
    workspace.passphrase = lambda: passphrase or b""
    size = workspace.log.head().size
    workspace.close()
    return Created(
        home=str(home),
        origin=origin,
        operator=operator,
        keys={role: key.public.id for role, key in keys.items()},
        trust=str(home / TRUST),
        size=size,
    )
