"""Text in a PDF: fonts for the scripts in which people write their names, one kit for statements and reports.

A text is cut into runs, each in the first font that has its letters. Arabic letters are joined, and texts that run
from right to left are put in the order in which the eye meets them, line by line.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

PLAIN: Final = "Settle"
BOLD: Final = "Settle-Bold"
FONTS: Final = {
    PLAIN: "DejaVuSans.ttf",
    BOLD: "DejaVuSans-Bold.ttf",
    "Settle-Han": "DroidSansFallbackFull.ttf",
    "Settle-Hangul": "NanumGothic.ttf",
    "Settle-Thai": "NotoSansThai-Regular.ttf",
}
"""In the order in which they are tried. Embedded, so that a document looks the same everywhere; it carries only the
letters it uses."""
MISSING: Final = "\N{WHITE SQUARE}"
"""Stands for a letter that no font has, and for a control character."""
JOINERS: Final = frozenset("\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}\N{SOFT HYPHEN}\N{ZERO WIDTH NO-BREAK SPACE}")
"""Letters that are rightly invisible."""

_MIRRORED: Final = {
    left: right for pair in ("()", "[]", "{}", "<>", "«»") for left, right in (tuple(pair), (pair[1], pair[0]))
}


def register() -> None:
    """Register the fonts with reportlab, once."""
    _faces()


@cache
def _faces() -> dict[str, frozenset[int]]:
    """Return the letters of each font, after registering it."""
    from reportlab.pdfbase.pdfmetrics import registerFont
    from reportlab.pdfbase.ttfonts import TTFont

    letters = {}
    for name, file in FONTS.items():
        font = TTFont(name, str(Path(__file__).parent / "fonts" / file))
        registerFont(font)
        letters[name] = frozenset(font.face.charToGlyph)
    return letters


def printable(words: str) -> str:
    """The words on one line, composed; a square for each letter without a font and for each control character.

    A formatting character could turn the direction of what follows and so make an amount or a name read as another.
    """
    faces = _faces()

    def shown(letter: str) -> str:
        if unicodedata.category(letter).startswith("C"):
            return "" if letter in JOINERS else MISSING
        if any(ord(letter) in letters for letters in faces.values()):
            return letter
        bare = "".join(part for part in unicodedata.normalize("NFKD", letter) if ord(part) in faces[PLAIN])
        return bare or ("" if unicodedata.combining(letter) else MISSING)

    return "".join(map(shown, unicodedata.normalize("NFC", " ".join(words.split()))))


def runs(words: str, font: str = PLAIN) -> list[tuple[str, str]]:
    """(font, text) in reading order: each letter in the font asked for if it has it, else in the first that has it."""
    faces = _faces()
    order = (font, *(face for face in faces if face != BOLD))
    pieces: list[tuple[str, str]] = []
    for letter in words:
        name = next((face for face in order if ord(letter) in faces[face]), font)
        if pieces and (pieces[-1][0] == name or letter == " "):
            pieces[-1] = (pieces[-1][0], pieces[-1][1] + letter)
        else:
            pieces.append((name, letter))
    return pieces


def width(words: str, size: float, font: str = PLAIN) -> float:
    """Return the width of a line in points."""
    from reportlab.pdfbase.pdfmetrics import stringWidth

    return sum(float(stringWidth(text, face, size)) for face, text in runs(_joined(words), font))


def fit(words: str, room: float, size: float, font: str = PLAIN) -> str:
    """Return as much of a text as fits, with an ellipsis if it was cut."""
    text = printable(words)
    if width(text, size, font) <= room:
        return text
    while text and width(text + "...", size, font) > room:
        text = text[:-1].rstrip()
    return text + "..." if text else ""


def draw(canvas: Any, x: float, y: float, words: str, size: float, *, font: str = PLAIN) -> None:
    """Draw one line of text on a canvas, from its left end."""
    for face, text in runs(visual(_joined(printable(words))), font):
        canvas.setFont(face, size)
        canvas.drawString(x, y, text)
        x += width(text, size, face)


def strings(x: float, y: float, words: str, size: float, *, colour: Any, end: bool = False) -> list[Any]:
    """Return one line of text as shapes of a drawing, aligned left or right."""
    from reportlab.graphics.shapes import String

    text = printable(words)
    x -= width(text, size) if end else 0
    shapes = []
    for face, part in runs(visual(_joined(text))):
        shapes.append(String(x, y, part, fontName=face, fontSize=size, fillColor=colour))
        x += width(part, size, face)
    return shapes


def paragraph(words: str, style: Any) -> Any:
    """A flowing text in a style of reportlab; the style's font is used for the letters it has."""
    from reportlab.platypus import Paragraph

    text = printable(words)
    if not any(_level_of(letter) for letter in text):
        return Paragraph(_markup(text, style.fontName), style)

    class RightToLeft(Paragraph):  # type: ignore[misc]  # reportlab has no types
        """Breaks its lines before it puts each in order: the other way round, a name would begin on its last line."""

        def wrap(self, room: float, height: float) -> Any:
            lines = _lines(text, room, style)
            self.__init__("<br/>".join(_markup(visual(_joined(line)), style.fontName) for line in lines), style)  # type: ignore[misc]
            return super().wrap(room, height)

    return RightToLeft(_markup(text, style.fontName), style)


def _markup(text: str, font: str) -> str:
    """The runs as reportlab's markup; a run in the style's own font stands as it is."""
    return "".join(
        escape(part) if face == font else f'<font name="{face}">{escape(part)}</font>'
        for face, part in runs(text, font)
    )


def _lines(text: str, room: float, style: Any) -> Sequence[str]:
    """The words, in logical order, on as few lines as they need; a word longer than a line is cut."""
    lines = [""]
    for word in text.split(" "):
        pending = word
        wider = f"{lines[-1]} {pending}".strip()
        if width(wider, style.fontSize, style.fontName) <= room:
            lines[-1] = wider
            continue
        while width(pending, style.fontSize, style.fontName) > room and len(pending) > 1:
            cut = next(
                n
                for n in range(len(pending) - 1, 0, -1)
                if n == 1 or width(pending[:n], style.fontSize, style.fontName) <= room
            )
            lines.append(pending[:cut])
            pending = pending[cut:]
        lines.append(pending)
    return [line for line in lines if line]


@cache
def _reshaper() -> Any:
    import arabic_reshaper

    # Vowel signs stay where the writer put them; ligatures of whole phrases are no business of a name.
    return arabic_reshaper.ArabicReshaper(
        {"delete_harakat": False, "support_ligatures": True, "use_unshaped_instead_of_isolated": False}
    )


def _joined(text: str) -> str:
    """Return Arabic letters in the forms that they take next to their neighbours."""
    if not any(unicodedata.bidirectional(letter) == "AL" for letter in text):
        return text
    return str(_reshaper().reshape(text))


def _level_of(letter: str) -> int:
    return 1 if unicodedata.bidirectional(letter) in ("R", "AL") else 0


def visual(text: str) -> str:
    """A line in the order in which it is drawn from left to right, within a page that runs from left to right.

    The Unicode bidirectional algorithm (UAX 9) as far as a line of plain text without formatting characters needs it.
    """
    levels: list[int | None] = []
    strong = 0
    for letter in text:
        kind = unicodedata.bidirectional(letter)
        if kind in ("L", "R", "AL"):
            strong = int(kind != "L")
            levels.append(strong)
        elif kind in ("EN", "AN"):
            levels.append(2 if strong or kind == "AN" else 0)
        elif kind == "NSM" and levels:
            levels.append(levels[-1])
        else:
            levels.append(None)
    resolved = [_between(levels, n) if level is None else level for n, level in enumerate(levels)]
    letters = [
        _MIRRORED.get(letter, letter) if level == 1 else letter for letter, level in zip(text, resolved, strict=True)
    ]
    for least in (2, 1):
        start = 0
        while start < len(letters):
            end = start
            while end < len(letters) and resolved[end] >= least:
                end += 1
            letters[start:end] = reversed(letters[start:end])
            start = end + 1
    return "".join(letters)


def _between(levels: Sequence[int | None], at: int) -> int:
    """Return the direction of a space or sign: that of its neighbours on both sides, else the page's."""
    previous = next((level for level in reversed(levels[:at]) if level is not None), 0)
    next_level = next((level for level in levels[at + 1 :] if level is not None), 0)
    return 1 if previous and next_level else 0
