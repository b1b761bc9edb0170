"""One POST to an address that a stranger may have chosen: it is resolved once, checked, and connected to directly.

A name that resolves to a public address when it is checked and to a private one when it is used would let a caller
reach machines that only this one reaches, such as a cloud's metadata service. So the name is never resolved again, no
redirect is followed, and an address that is not public is refused unless the operator allows the host by name.
"""

from __future__ import annotations

import http.client
import ipaddress
import itertools
import socket
import ssl
import threading
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from ledger.errors import InputError, TransientError

SECONDS: Final = 10.0
"""For the name, the connection and the whole exchange together, however slowly the other side drips."""
ADDRESSES_MAX: Final = 64
"""Of one name."""
LOOK_UPS_MAX: Final = 8
"""Names that are being resolved at once."""
_LOOK_UPS: Final = threading.BoundedSemaphore(LOOK_UPS_MAX)
URL_MAX: Final = 2_000
_UNICAST: Final = ipaddress.ip_network("2000::/3")
"""All of IPv6 that is assigned for global use. Python 3.11 does not know some of the private rest as private."""
_EXAMPLES: Final = ipaddress.ip_network("3fff::/20")
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")

Resolve = Callable[[str, int], Collection[str]]
"""The addresses of a host, as texts."""
Trust = Callable[[], ssl.SSLContext]
"""Whose certificates are believed."""
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """The destination of a message: the parts of a checked URL."""

    secure: bool
    host: str
    port: int
    path: str


def destination(url: str, allowed: Collection[str]) -> Destination:
    """Return the parts of a URL; InputError unless it is https, or http to a host that the operator allows."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as problem:
        raise InputError(f"webhook URL {url[:200]!r}: {problem}") from None
    printable = url.isascii() and url.isprintable() and " " not in url
    if len(url) > URL_MAX or not printable or "@" in parts.netloc or parts.fragment or not parts.hostname:
        raise InputError(f"webhook URL {url[:200]!r}: expected https://HOST/PATH, without a user or a fragment")
    try:
        parts.hostname.encode("idna")  # as name resolution does it
    except UnicodeError as problem:
        raise InputError(f"webhook URL {url[:200]!r}: the host is not a name: {problem}") from None
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in allowed):
        raise InputError(
            f"webhook URL {url[:200]!r}: expected https://; the setting service.webhook_hosts allows others"
        )
    secure = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    parsed = Destination(secure=secure, host=parts.hostname, port=port or (443 if secure else 80), path=path)
    try:
        literal = ipaddress.ip_address(parsed.host)
    except ValueError:
        return parsed
    if parsed.host not in allowed:
        check_public(literal, parsed.host)
    return parsed


def check_public(address: Address, host: str) -> None:
    """Refuse every address that is not public, also one embedded in another address."""
    hidden = _embedded(address)
    foreign = address.version == 6 and (address not in _UNICAST or address in _EXAMPLES)
    if foreign or any(not inner.is_global or inner.is_multicast for inner in (address, *hidden)):
        raise InputError(
            f"webhook host {host} is at {address}, which is not a public address; the operator may allow the host by "
            "the setting service.webhook_hosts"
        )


def _embedded(address: Address) -> list[Address]:
    """Return the IPv4 addresses embedded in an IPv6 address."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    inner: list[Address] = [v4 for v4 in (address.ipv4_mapped, address.sixtofour) if v4 is not None]
    if address.teredo is not None:
        inner += address.teredo
    if address in _NAT64:
        inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return inner


def resolve(host: str, port: int) -> Collection[str]:
    """Resolve a name with the system's resolver."""
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def _resolved(look_up: Resolve, where: Destination, seconds: float) -> list[str]:
    """The addresses of a host, within a time: a resolver that is never answered cannot be interrupted.

    It is left behind in a thread of its own, and while too many are left behind no other is begun.
    """
    if not _LOOK_UPS.acquire(blocking=False):
        raise TransientError(f"webhook host {where.host}: {LOOK_UPS_MAX} names are being resolved without an answer")
    answer: Future[list[str]] = Future()

    def work() -> None:
        try:
            answer.set_result(list(itertools.islice(look_up(where.host, where.port), ADDRESSES_MAX + 1)))
        except BaseException as problem:  # noqa: BLE001  raised again where the answer is waited for
            answer.set_exception(problem)
        finally:
            _LOOK_UPS.release()

    threading.Thread(target=work, name="resolve", daemon=True).start()
    try:
        addresses = answer.result(timeout=seconds)
    except FutureTimeoutError:
        raise TransientError(f"webhook host {where.host} does not resolve within {seconds:g} seconds") from None
    except (OSError, UnicodeError) as problem:
        raise TransientError(f"webhook host {where.host} does not resolve: {problem}") from None
    if not 0 < len(addresses) <= ADDRESSES_MAX:
        few = "no address" if not addresses else f"more than {ADDRESSES_MAX} addresses"
        raise TransientError(f"webhook host {where.host} has {few}")
    return addresses


def post(
    where: Destination,
    body: bytes,
    headers: Mapping[str, str],
    *,
    allowed: Collection[str],
    look_up: Resolve = resolve,
    trust: Trust = ssl.create_default_context,
    seconds: float = SECONDS,
) -> None:
    """Send a message; TransientError unless the answer is 2xx in time, InputError for a forbidden address."""
    ends = time.monotonic() + seconds
    addresses = _resolved(look_up, where, seconds)
    if where.host not in allowed:
        for address in addresses:  # one private address among public ones is refused too: it might be the one used
            check_public(ipaddress.ip_address(address.partition("%")[0]), where.host)
    try:
        status = _exchange(where, addresses[0], body, headers, trust=trust, seconds=max(0.01, ends - time.monotonic()))
    except (OSError, http.client.HTTPException, ValueError) as problem:
        raise TransientError(f"{where.host}: {type(problem).__name__}: {problem}") from None
    if not 200 <= status < 300:
        redirect = ", and redirects are not followed" if 300 <= status < 400 else ""
        raise TransientError(f"{where.host} answered {status}{redirect}")


def _exchange(
    where: Destination,
    address: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    trust: Trust,
    seconds: float,
) -> int:
    """Send the request; return the status of the answer without reading its body."""
    connection = http.client.HTTPConnection(where.host, where.port)
    ends = time.monotonic() + seconds
    channel = socket.create_connection((address, where.port), timeout=seconds)
    if where.secure:
        # Wrapping takes the descriptor away from the first socket, so the deadline below must end the wrapped one.
        channel = trust().wrap_socket(channel, server_hostname=where.host, do_handshake_on_connect=False)
    # A timeout of the socket begins anew with every byte; this ends the exchange as a whole.
    late = threading.Event()
    deadline = threading.Timer(max(0.01, ends - time.monotonic()), _cut, (channel, late))
    deadline.daemon = True
    deadline.start()
    connection.sock = channel
    try:
        if isinstance(channel, ssl.SSLSocket):
            channel.do_handshake()
        connection.request("POST", where.path, body, dict(headers))
        status = connection.getresponse().status
        if late.is_set():  # headers that the cut ended look complete to http.client
            raise TimeoutError(f"no complete answer within {seconds:g} seconds")
        return status
    finally:
        deadline.cancel()
        connection.close()
        channel.close()


def _cut(channel: socket.socket, late: threading.Event) -> None:
    """Close a connection while another thread reads or writes it."""
    late.set()
    try:
        # Not SSLSocket.shutdown: it turns encryption off first, and the other thread could then send in clear.
        socket.socket.shutdown(channel, socket.SHUT_RDWR)
    except OSError:
        return
