"""Changes that nothing can show, and why: what the operator alone states, and what nobody is paid by.

An accepted forgery that stands under none of these is a finding. `docs/security.md` tells readers the same.
"""

from __future__ import annotations

from typing import Final

from tests.attacks.forge.changes import Forgery
from tests.attacks.forge.history import Body, History

STATED: Final = (
    "event",
    "party",
    "recording",
    "work",
    "link",
    "share",
    "grant",
    "model",
    "track",
    "payee",
    "vector",
    "assign",
    "source",
    "hold",
)
"""Inputs that an operator signs alone, or takes from a source that does not sign: the runs follow from them."""
REPEATED: Final = ("segment", "seal", "vector", "key")
"""What says nothing new when it stands there twice, or is about the log alone."""
LAST: Final = ("pay", "payment", "publish", "approve", "run", "release", "adjust", "reverse", "agree")
"""Acts on which nothing stands yet: a log that ends earlier. An earlier checkpoint shows it, or the party who waits."""
CHOSEN: Final = (
    "micros",
    "price_micros",
    "reserve_ppm",
    "minimum_micros",
    "suspense_months",
    "suspense_to",
    "fallback",
    "error_max_ppm",
)
"""What finance chooses for a run, and the second person signs: the run follows from it as from any other choice."""
AGAIN: Final = ("double", "replay")


def signed_by_platform(body: Body) -> bool:
    """Whether a platform answers for this leaf: an event of a source that signs, or its batch."""
    return body["type"] in ("event", "batch") and body["source"] == "gamma"


def _next(forgery: Forgery, honest: History) -> Body:
    """The leaf that a reordered one changes places with."""
    return honest.bodies[int(forgery.change.place) + 1]


def unshown(forgery: Forgery, honest: History) -> str | None:
    """Why nothing shows this forgery; None if something should have."""
    how, _, what = forgery.name.partition(" ")
    what = what.removesuffix(", derived").removesuffix(" and what follows")
    kind, _, name = what.removeprefix("leaf ").partition(".")
    leaf = forgery.change.kind == "leaves"
    if leaf and (how, kind) == ("reorder", "batch"):
        return "a batch and its events in another order"
    if leaf and (how, kind) == ("reorder", "event") and not signed_by_platform(_next(forgery, honest)):
        return "an event of a batch after a leaf of another kind"
    if leaf and kind in ("event", "batch") and signed_by_platform(honest.bodies[int(forgery.change.place)]):
        return None
    listed = kind == "listeners" and (how == "add" or name == "points")
    reasons = {
        "a held listener who played nothing, or for another reason": listed,
        "stated by the operator alone": kind == "influence" or (leaf and kind in STATED and how not in AGAIN),
        "says nothing new": leaf and kind in REPEATED,
        "an act on which nothing stands": leaf and kind in LAST and how in ("drop", "reorder"),
        "chosen, and approved as it is": kind == "inputs" and forgery.approved and name in CHOSEN,
        "who is left out of a batch stays due": (how, kind) == ("drop", "payments"),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)
