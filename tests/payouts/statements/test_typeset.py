"""Names in PDFs: every script people here write in, in the right order, on lines that fit."""

from __future__ import annotations

import re
import unicodedata
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payouts.statements import typeset

DVORAK, ZAL, HISAISHI, ARIA = (
    "Anton\u00edn Dvo\u0159\u00e1k",
    "\u017bal",
    "\u4e45\u77f3\u8b72",
    "\u0410\u0440\u0438\u044f",
)
FAIRUZ, ARGOV = "\u0641\u064a\u0631\u0648\u0632", "\u05d6\u05d4\u05e8 \u05d0\u05e8\u05d2\u05d5\u05d1"


@pytest.mark.parametrize(
    "name",
    [
        DVORAK,
        ZAL,
        HISAISHI,
        ARIA,
        FAIRUZ,
        ARGOV,
        "\uc774\uc18c\ub77c",
        "\u0e2a\u0e22\u0e32\u0e21",
        "Bj\u00f6rk (\u0395\u03bb\u03bb\u03ac\u03c2)",
    ],
)
def test_a_name_is_printed_with_its_own_letters(name: str) -> None:
    """If this fails, a statement prints the name of the person it pays wrong, or as question marks."""
    assert typeset.printable(name) == name
    faces = typeset._faces()
    for font in (typeset.PLAIN, typeset.BOLD):
        for face, text in typeset.runs(typeset._joined(name), font):
            assert {ord(letter) for letter in text if letter != " "} <= faces[face]


def test_letters_no_font_has_are_told_apart_from_none() -> None:
    """If this fails, a name loses letters without a sign, or keeps characters that change how a line reads."""
    assert typeset.printable("S\u030c\u0165e\u030cpa\u0301n") == "\u0160\u0165\u011bp\u00e1n"
    assert typeset.printable("\u0905\u092e") == typeset.MISSING * 2
    assert typeset.printable("a\u202eb\n c\x00") == f"a{typeset.MISSING}b c{typeset.MISSING}"


def test_right_to_left_text_is_drawn_in_the_order_it_is_read() -> None:
    """If this fails, an Arabic or Hebrew name stands backwards, or a number within it does."""
    assert typeset.visual("abc 12") == "abc 12"
    assert typeset.visual("\u05d0\u05d1\u05d2") == "\u05d2\u05d1\u05d0"
    assert typeset.visual("by \u05d0\u05d1 \u05d2 (x)") == "by \u05d2 \u05d1\u05d0 (x)"
    assert typeset.visual("\u05d0 12 \u05d1") == "\u05d1 12 \u05d0"
    assert typeset.visual("\u05d0(\u05d1)\u05d2") == "\u05d2(\u05d1)\u05d0"
    assert typeset._joined(FAIRUZ) == "\ufed3\ufef4\ufeae\ufeed\ufeaf"


@given(st.text(alphabet=st.sampled_from("ab1 (\u05d0\u05d1\u0627\u0661.")))
def test_no_letter_is_lost_by_ordering(text: str) -> None:
    """If this fails, a letter of a name disappears or is printed twice."""
    mirrored = str.maketrans("()", "((")
    assert sorted(typeset.visual(text).translate(mirrored)) == sorted(text.translate(mirrored))
    if not any(unicodedata.bidirectional(letter) in ("R", "AL", "AN") for letter in text):
        assert typeset.visual(text) == text


@pytest.mark.parametrize("name", ["x", "\u8b72", FAIRUZ[0], "\u0416", f"{FAIRUZ} ", f"{DVORAK} "])
def test_a_name_of_two_hundred_letters_stays_on_its_page(name: str) -> None:
    """If this fails, a long name runs over the margin and the rest of it cannot be read."""
    long = (name * 200)[:200]
    for size, room in ((17, 290.0), (7.5, 60.0)):
        flowing = typeset.paragraph(long, _style(size))
        flowing.wrap(room, 10_000)
        assert typeset.width(typeset.fit(long, room, size), size) <= room
        for line in _drawn(flowing, room):
            assert line <= room + 0.5


def _style(size: float) -> Any:
    from reportlab.lib.styles import ParagraphStyle

    typeset.register()
    return ParagraphStyle("name", fontName=typeset.PLAIN, fontSize=size, leading=size * 1.4)


def _drawn(flowing: Any, room: float) -> list[float]:
    """The width of each line as it was laid out."""
    widths = []
    for line in flowing.blPara.lines:
        extra = line[0] if isinstance(line, tuple) else line.extraSpace
        widths.append(room - extra)
    return widths


def test_only_the_letters_used_are_embedded() -> None:
    """If this fails, each statement carries megabytes of font, or a reader's machine must have the font."""
    from reportlab.platypus import SimpleDocTemplate

    body = BytesIO()
    names = (DVORAK, ZAL, HISAISHI, ARIA, FAIRUZ, ARGOV)
    SimpleDocTemplate(body, invariant=1).build([typeset.paragraph(name, _style(12)) for name in names])
    data = body.getvalue()
    assert len(re.findall(rb"/FontFile2", data)) == 2
    assert len(data) < 60_000
