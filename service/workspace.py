"""The composition root: only this module reads the clock, the environment, configuration and keys.

Commands, routes and jobs receive ready objects from a Workspace; nothing below this module opens a database, loads a
key or reads the clock. Everything opens on first use, so that a command loads only what it needs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ledger.errors import InputError, StateError
from ledger.files import keep_private
from ledger.types import Role
from service.config import Settings, resolve
from service.secrets import Passphrase, from_environment, is_given

if TYPE_CHECKING:
    from ledger.log.append import Log
    from ledger.proofs.keys import PrivateKey
    from ledger.proofs.trust import Trust, TrustedLog
    from ledger.registry.registry import Registry

CONFIG: Final = "settle.toml"
TRUST: Final = "trust.json"
KEYS: Final = "keys"
NEXT: Final = ".next"
"""What follows a key's name while its successor waits beside it."""

UPGRADE_DUE: Final = "the log is of release 0.1's form, and its programs still append to it: settle db upgrade"

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)  # noqa: TID251  the one place that may


def find_home(flag: Path | None, environment: Mapping[str, str], start: Path) -> Path:
    """Return the workspace's folder: the flag, else SETTLE_HOME, else the nearest settle.toml upwards."""
    named = flag or (Path(environment["SETTLE_HOME"]) if environment.get("SETTLE_HOME") else None)
    if named is not None:
        if not (named / CONFIG).is_file():
            raise InputError(f"no {CONFIG} in {named}; make a workspace there with `settle init --home {named}`")
        return named.resolve()
    for folder in (start, *start.parents):
        if (folder / CONFIG).is_file():
            return folder
    raise InputError(
        f"no {CONFIG} in {start} or above it; make a workspace with `settle init`, or name one with --home"
    )


@dataclass(eq=False)
class Workspace:
    """One operator's log, registry, keys and settings, opened on first use."""

    home: Path
    settings: Settings
    clock: Clock = system_clock
    passphrase: Passphrase = field(default_factory=lambda: from_environment(os.environ))

    @classmethod
    def find(cls, flag: Path | None = None, *, clock: Clock = system_clock) -> Workspace:
        """Open the workspace for a command line."""
        return cls.open(find_home(flag, os.environ, Path.cwd()), clock=clock)

    @classmethod
    def open(cls, home: Path, *, clock: Clock = system_clock) -> Workspace:
        """Open the workspace in this folder, with settings from its settle.toml and the environment."""
        for path in (home, *home.iterdir()):  # release 0.1 left them to the umask
            keep_private(path)
        document = (home / CONFIG).read_text(encoding="utf-8")
        return cls(home=home, settings=resolve(document, os.environ), clock=clock)

    @property
    def operator(self) -> str:
        """Return the party that runs this workspace, the maker of its runs."""
        return self.settings.text("workspace.operator")

    def path(self, setting: str) -> str:
        """Return the location in a setting: a URL unchanged, a file relative to the workspace's folder."""
        value = self.settings.text(setting)
        return value if "://" in value else str(self.home / value)

    def key_path(self, name: str) -> Path:
        return self.home / KEYS / f"{name}.json"

    def key(self, name: str) -> PrivateKey:
        """Return the private key stored under this name; asks for the passphrase if the file needs one."""
        from ledger.proofs.keyfile import load

        path = self.key_path(name)
        if name not in self._keys:
            if not path.is_file():
                raise StateError(f"no key file {path}; this workspace cannot sign as {name}")
            if self.key_path(name + NEXT).exists():
                raise StateError(f"a rotation of key {name} was interrupted; finish it with `settle key rotate {name}`")
            self._keys[name] = load(path, self.passphrase).for_log(self.settings.text("log.origin"))
        return self._keys[name]

    def key_without_asking(self, name: str) -> PrivateKey | None:
        """Return the private key stored under this name; None if there is none, or a person must type a passphrase."""
        from ledger.proofs.keyfile import is_sealed

        path = self.key_path(name)
        if name not in self._keys and (not path.is_file() or (is_sealed(path) and not is_given(os.environ))):
            return None
        try:
            return self.key(name)
        except StateError:
            return None

    def hold(self, name: str, key: PrivateKey) -> None:
        """Sign under this name with this key, until `reopen`."""
        self._keys[name] = key

    def close(self) -> None:
        """Close every database connection; later uses open them again."""
        while self._logs:
            self._logs.pop().close()
        while self.others:
            self.others.popitem()[1].close()

    def remark(self) -> str | None:
        """Return a remark for the operator after a command, or None."""
        log: Log | None = self.__dict__.get("log")
        if log is None or not log.wrote_old_form:
            return None
        return UPGRADE_DUE

    def reopen(self) -> None:
        """Discard everything loaded, after keys or trust.json have changed on disk."""
        self.close()
        for name in ("_keys", "log", "trust", "registry"):
            self.__dict__.pop(name, None)

    def renew_log_key(self) -> None:
        """Read the log's key again, after another process handed it over."""
        self._keys.pop("log", None)
        self.log.sign_with(lambda: self.signer("log"))

    def signer(self, role: Role) -> PrivateKey:
        """Return the key with which this workspace acts in a role."""
        return self.key(role)

    @cached_property
    def _keys(self) -> dict[str, PrivateKey]:
        return {}

    @cached_property
    def others(self) -> dict[str, Log]:
        """Return the logs of other workspaces opened from this one, by origin; see `service.log.members`."""
        return {}

    @cached_property
    def log(self) -> Log:
        return self.open_log()

    def open_log(self, *, check: bool = True) -> Log:
        """Open the log; unchecked only for the tools that examine and repair a damaged one."""
        from ledger.log.opening import open_log

        log = open_log(
            self.path("log.store"),
            origin=self.settings.text("log.origin"),
            signer=lambda: self.signer("log"),
            anchor=self.path("log.anchor"),
            clock=self.clock,
            trusted=self._trusted_log().keys,
            form=self._trusted_log().form,
            check=check,
        )
        self._logs.append(log)
        return log

    @cached_property
    def _logs(self) -> list[Log]:
        return []

    def _trusted_log(self) -> TrustedLog:
        origin = self.settings.text("log.origin")
        log = self.trust.log(origin)
        if log is None:
            raise StateError(f"{TRUST} does not name log {origin}; put back the one that was published")
        return log

    @cached_property
    def registry(self) -> Registry:
        from ledger.registry.registry import Registry

        return Registry(self.log)

    @cached_property
    def trust(self) -> Trust:
        from ledger.proofs.trust import parse

        return parse((self.home / TRUST).read_bytes())
