"""The settings: names, defaults, and the origin of each value.

Precedence: flag, then `SETTLE_<NAME>` in the environment, then settle.toml, then the default. The
environment and the file are passed in, so that this module reads neither.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ledger import units
from ledger.errors import InputError

Value = str | int


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting: its table and key in settle.toml, its default, its meaning."""

    table: str
    key: str
    default: Value
    help: str

    @property
    def name(self) -> str:
        return f"{self.table}.{self.key}"

    @property
    def variable(self) -> str:
        """Return the environment variable.

        `SETTLE_STORE` for log.store, `SETTLE_CHAIN_URL` for chain.url. `SETTLE_HOME` already names the workspace, so
        log.home needs another name: the log would otherwise follow itself.
        """
        head = "" if self.table in ("log", "workspace") and self.key != "home" else f"{self.table.upper()}_"
        return f"SETTLE_{head}{self.key.upper()}"


SETTINGS: Final = (
    Setting("log", "origin", "", "the log's name in every checkpoint; cannot be changed"),
    Setting("log", "store", "settle.db", "a file beside settle.toml (SQLite) or a postgresql:// URL"),
    Setting("log", "anchor", "settle.anchor", "a file on another volume if possible, or a second database's URL"),
    Setting("log", "home", "", "folder of the home log's workspace; empty: this log is its own home"),
    Setting("workspace", "operator", "operator", "party id of the operator of this workspace; the maker of its runs"),
    Setting("registry", "cooling_off_hours", 72, "how long a changed payee account waits before it is used"),
    Setting(
        "registry", "clear_ppm", 10_000, 'a track with more unlicensed influence is not clear; "1%" is accepted too'
    ),
    Setting(
        "registry",
        "clear_unattributed_ppm",
        200_000,
        'a track with more unattributed influence is not clear; "20%" is accepted too',
    ),
    Setting("payouts", "minimum_micros", 0, 'a payee\'s balance below this is carried over; "20.00" is accepted too'),
    Setting("payouts", "issuer_name", "", "name of the issuer of statements, as statements print it"),
    Setting("payouts", "issuer_address", "", "the issuer's postal address, on one line"),
    Setting("payouts", "issuer_contact", "", "contact for questions about a statement: an address, a number or a page"),
    Setting("payouts", "debtor_name", "", "name of the account that pays, as its bank writes it; in pain.001 files"),
    Setting("payouts", "debtor_iban", "", "IBAN of the account that pays; in pain.001 files"),
    Setting("payouts", "debtor_bic", "", "BIC of its bank; empty: the bank accepts files without it"),
    Setting("payouts", "segments", "", "where a Spark cluster reads the segments: a URL such as s3a://bucket/segments"),
    Setting("attribution", "method", "hybrid", "default method of `settle attribute`"),
    Setting("attribution", "inbox", "inbox", "folder of files named after tracks, for the scheduler to attribute"),
    Setting("song", "key_file", "", "private key (PEM) that signs exported songs; not a key of the log"),
    Setting("song", "certificates_file", "", "its certificates (PEM), the signing one first"),
    Setting("song", "password_file", "", "file with the password of song.key_file; empty: the key has none"),
    Setting("song", "anchors_file", "", "certificates (PEM) by which `settle find` trusts the signers of songs"),
    Setting("service", "webhook_hosts", "", "hosts that webhooks may go to though private or without TLS, by commas"),
    Setting("chain", "url", "", "JSON-RPC endpoint; empty means the embedded chain"),
    Setting("chain", "id", 0, "the chain's id, compared with the node's; 0: accept the node's id"),
    Setting("chain", "keystore", "", "keystore file of the publishing account"),
    Setting(
        "chain", "password_file", "", "file with the keystore's password; else SETTLE_CHAIN_PASSWORD; else a prompt"
    ),
    Setting("chain", "signer", "", "command that signs instead of a keystore (KMS, HSM); needs chain.account"),
    Setting(
        "chain", "account", "", "publishing account if its key is on another device; alone: sign by export and import"
    ),
    Setting("chain", "confirmations", 12, "blocks until a transaction counts as final; the embedded chain needs one"),
    Setting("chain", "fee_cap_gwei", 500, "the highest price per gas that Settle offers"),
    Setting("scheduler", "seal", "0 * * * *", 'when to seal: a crontab expression in UTC, or "off"'),
    Setting("scheduler", "witness", "5 * * * *", "when to have the newest checkpoint cosigned"),
    Setting("scheduler", "attribute", "*/10 * * * *", "when to attribute the files in attribution.inbox"),
    Setting("scheduler", "segments", "15 * * * *", "when to seal new events into Parquet segments"),
    Setting("scheduler", "close", "0 6 3-9 * *", "when to close the month that has ended; send late files before this"),
    Setting("scheduler", "logs", "20 * * * *", "when to check that registered logs have only grown"),
    Setting("scheduler", "holds", "30 * * * *", "when to end holds that have reached their date"),
    Setting("scheduler", "instalments", "40 * * * *", "when to pay what mandates allow on account"),
    Setting("scheduler", "chain", "*/5 * * * *", "when to check confirmations on the chain"),
)
_BY_NAME: Final = {setting.name: setting for setting in SETTINGS}


@dataclass(frozen=True, slots=True)
class SettingValue:
    """A setting's value, its origin (`environment`, `settle.toml` or `default`), and its meaning."""

    name: str
    value: Value
    source: str
    meaning: str


class Settings(Mapping[str, Value]):
    """Every setting by `table.key`, resolved once when a workspace opens."""

    def __init__(self, resolved: Mapping[str, SettingValue]) -> None:
        self._resolved = dict(resolved)

    def __getitem__(self, name: str) -> Value:
        return self._resolved[name].value

    def __iter__(self):  # type: ignore[no-untyped-def]  # Mapping's own signature
        return iter(self._resolved)

    def __len__(self) -> int:
        return len(self._resolved)

    def text(self, name: str) -> str:
        return str(self[name])

    def number(self, name: str) -> int:
        return int(self[name])

    def explained(self) -> list[SettingValue]:
        return list(self._resolved.values())


def resolve(document: str, environment: Mapping[str, str]) -> Settings:
    """Resolve the settings from the text of settle.toml and an environment; refuses unknown keys."""
    try:
        tables = tomllib.loads(document)
    except tomllib.TOMLDecodeError as problem:
        raise InputError(f"settle.toml: {problem}; correct the file or start again with `settle init`") from None
    written = {
        f"{table}.{key}": value
        for table, keys in tables.items()
        if isinstance(keys, dict)
        for key, value in keys.items()
    }
    if unknown := sorted(set(written) - set(_BY_NAME)):
        raise InputError(f"settle.toml: unknown setting {unknown[0]!r}; known are {', '.join(_BY_NAME)}")
    return Settings({setting.name: _resolve_one(setting, written, environment) for setting in SETTINGS})


def _resolve_one(setting: Setting, written: Mapping[str, object], environment: Mapping[str, str]) -> SettingValue:
    value, source = setting.default, "default"
    if setting.variable in environment:
        value, source = _typed(setting, environment[setting.variable], setting.variable), "environment"
    elif setting.name in written:
        value, source = _typed(setting, written[setting.name], "settle.toml"), "settle.toml"
    return SettingValue(setting.name, value, source, setting.help)


def _typed(setting: Setting, value: object, source: str) -> Value:
    if isinstance(setting.default, int):
        if isinstance(value, str) and setting.key.endswith("_ppm") and "%" in value:
            return units.percentage(value, f"{source}: {setting.name}")
        if isinstance(value, str) and setting.key.endswith("_micros") and "." in value:
            return units.micros(value)
        if isinstance(value, bool) or not str(value).lstrip("-").isdecimal():
            raise InputError(f"{source}: {setting.name} is {value!r}, expected a whole number")
        return int(str(value))
    if not isinstance(value, str):
        raise InputError(f"{source}: {setting.name} is {value!r}, expected a text in quotes")
    return value
