"""The errors that all packages share: five kinds, named after what the reader can do about them.

A room's own errors derive from one of these, so that the command line and, later, the HTTP
service map kinds to exit codes and statuses in one table each. A message names the object, the
value seen, the value expected and the next step.
"""

from __future__ import annotations


class SettleError(Exception):
    """Never raised itself: the family every expected failure belongs to."""


class InputError(SettleError):
    """What was handed in is malformed or impossible; handing in something else helps."""


class VerificationError(SettleError):
    """Bytes, a proof, a signature or a database is not what it claims to be.

    The only error a parser or a verifier raises, whatever bytes it is given.
    """


class StateError(SettleError):
    """The request is sound but not possible now: a period is open, a run is not approved."""


class ConflictError(SettleError):
    """Something else already stands in this place; what stood there is kept."""


class TransientError(SettleError):
    """A disk, a database or a network failed; the same request may succeed later."""
