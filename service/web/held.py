"""The state of one server: the open workspace, the intake, limits, metrics, and permissions."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Final

from service.access import keys, sessions
from service.access.roles import Roles, read_roles
from service.log.intake import Intake
from service.standing import Standing
from service.web.call import Principal
from service.web.guard.limits import Buckets, InFlight, Limits
from service.web.guard.problems import RefusedError
from service.web.metrics import Metrics
from service.web.recordings import RecordingIndex

if TYPE_CHECKING:
    from service.live.accruing import Watch

FRESH_SECONDS: Final = 1.0
"""How long an answer about a key or a role is believed: a revocation counts within a second."""
REMEMBERED_MAX: Final = 4_096


@dataclass(slots=True, eq=False)
class ServerState:
    """Shared by every request of a server."""

    standing: Standing
    intake: Intake
    limits: Limits
    metrics: Metrics
    now: Callable[[], float] = monotonic
    stopping: bool = False
    buckets: Buckets = field(init=False)
    in_flight: InFlight = field(init=False)
    watches: dict[str, Watch] = field(default_factory=dict)
    """The sums of the open month, for who asks what it earned so far; used under the workspace's own lock."""
    recordings: RecordingIndex = field(default_factory=RecordingIndex)
    _roles: tuple[float, Roles] | None = None
    _principals: OrderedDict[str, tuple[float, Principal]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.buckets = Buckets(self.now)
        self.in_flight = InFlight(self.limits.in_flight_bytes)

    def roles(self) -> Roles:
        """The roles of parties, cached for a moment."""
        with self._lock:
            if self._roles is None or self.now() - self._roles[0] > FRESH_SECONDS:
                with self.standing.folded() as ws:
                    self._roles = (self.now(), read_roles(ws))
            return self._roles[1]

    def remembered(self, secret: str) -> Principal | None:
        """Return the caller of this header or cookie, if cached."""
        entry = self._principals.get(secret)
        return entry[1] if entry is not None and self.now() - entry[0] <= FRESH_SECONDS else None

    def principal(self, header: str) -> Principal:
        """Return the caller of an Authorization header; refuse a key that is not valid now."""
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            raise RefusedError(401, "key", "send an access key: Authorization: Bearer settle_...")
        with self.standing.workspace() as ws:
            key = keys.find(ws.log, token.strip(), ws.clock())
        if key is None:
            raise RefusedError(401, "key", "this access key is not known, has expired or was revoked")
        return self._remember(
            header, Principal(key=key.id, party=key.party, roles=self.roles().of(key.party) & set(key.scopes))
        )

    def signed_in(self, secret: str) -> Principal:
        """Return the caller of a session's cookie; refuse one that is not valid now."""
        with self.standing.workspace() as ws:
            session = sessions.find_session(ws.log, secret, ws.clock())
        if session is None:
            raise RefusedError(401, "session", "you are not signed in, or the session is over")
        roles = self.roles().of(session.party) & set(session.scopes)
        token = sessions.form_token(secret)
        return self._remember(
            secret,
            Principal(key=session.id, party=session.party, roles=roles, session=session.id, form_token=token),
        )

    def forget(self, session: str) -> None:
        """Stop believing what is cached of a session: it has just ended."""
        with self._lock:
            for secret in [secret for secret, (_, cached) in self._principals.items() if cached.session == session]:
                del self._principals[secret]

    def _remember(self, secret: str, principal: Principal) -> Principal:
        with self._lock:
            self._principals[secret] = (self.now(), principal)
            while len(self._principals) > REMEMBERED_MAX:
                self._principals.popitem(last=False)
        return principal
