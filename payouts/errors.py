"""The errors of a settlement's inputs: three kinds.

Each message names the object, the value seen, the value expected and the next step. Nothing has
been computed when one is raised.
"""

from __future__ import annotations

from ledger.errors import InputError


class TermsError(InputError):
    """The pool's terms or the rule's parameters are unknown, malformed or contradict each other."""


class UsageError(InputError):
    """The usage of the period does not fit the terms: a currency, an amount or a listener is missing or wrong."""


class RuleError(InputError):
    """A rule is not installed, cannot be loaded, or breaks its contract with the engine."""
