"""Methods by name."""

from __future__ import annotations

from attribution.methods.calibration import Calibration
from attribution.methods.protocol import Method
from ledger.errors import InputError

NAMES = ("chroma", "fingerprint", "ivd", "hybrid")


def method(name: str, calibration: Calibration | None = None) -> Method:
    """A method of this name, not yet fitted, with the shipped calibration unless given; InputError for no name."""
    from attribution.methods.chroma import Chroma
    from attribution.methods.fingerprint import Fingerprint
    from attribution.methods.hybrid import Hybrid
    from attribution.methods.ivd import Decomposed

    if name == "chroma":
        return Chroma()
    if name == "fingerprint":
        return Fingerprint(calibration)
    if name == "ivd":
        return Decomposed(calibration)
    if name == "hybrid":
        return Hybrid(calibration)
    raise InputError(f"method {name!r}, expected one of {', '.join(NAMES)}")
