"""Find names that look alike: the same letters in another case, width or alphabet.

A small part of what Unicode calls confusable (UTS 39): Latin against Cyrillic and Greek, compatibility forms, and
characters that print nothing. Letters of one alphabet that resemble each other (l and I, 0 and O) are told apart.
"""

from __future__ import annotations

import unicodedata
from typing import Final

_LATIN: Final = str.maketrans(
    dict(zip("аеорсухіјѕһԁԛԝѵӏкмтгв", "aeopcyxijshdqwvlkmtrb", strict=True))
    | dict(zip("АВЕКМНОРСТУХІЈЅԚԜ", "ABEKMHOPCTYXIJSQW", strict=True))
    | dict(zip("οαρνυικτχ", "oapvuiktx", strict=True))
    | dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX", strict=True))
)


def skeleton(name: str, *, fold: bool) -> str:
    """What a name looks like; two names that are taken for one another have one skeleton. `fold`: case aside."""
    visible = "".join(mark for mark in unicodedata.normalize("NFKC", name) if mark.isprintable())
    return (visible.casefold() if fold else visible).translate(_LATIN)
