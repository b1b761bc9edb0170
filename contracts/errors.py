"""The errors of chain settlement, by what the reader can do about them."""

from __future__ import annotations

from ledger.errors import ConflictError, InputError, StateError, TransientError, VerificationError


class PostingError(InputError):
    """A run cannot become a posting: a payee without an account, a zero address, totals that fell."""


class PreflightError(StateError):
    """The chain, the contract, the account or the money is not what the configuration says."""


class ChainStateError(StateError):
    """The pool or the outbox is not in a state for this step."""


class NonceError(ConflictError):
    """The node's count of an account's transactions disagrees with the outbox."""


class ClaimError(VerificationError):
    """A claim file is malformed, or does not lead to the root it names."""


class NodeError(TransientError):
    """The node did not answer, or answered with a failure of its own."""
