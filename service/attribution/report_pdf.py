"""The royalty report as PDF, for people who file paper: the page's facts in the page's order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

from ledger import shown
from payouts.statements import typeset
from payouts.statements.typeset import BOLD, PLAIN
from service.attribution.report_html import REST, between, colours, headline, parts_of_bar, seconds, shares, table

INCH: Final = 72
WIDTH: Final = 490
"""Points between the margins of an A4 page."""
PAD: Final = 6
"""What a page's frame keeps free inside its margins."""


def as_pdf(report: dict[str, Any]) -> bytes:
    """Return the report as PDF; the same report gives the same bytes."""
    from reportlab.lib.pagesizes import A4
    from reportlab.platypus import SimpleDocTemplate

    body = BytesIO()
    margin = (A4[0] - WIDTH) / 2
    document = SimpleDocTemplate(
        body,
        pagesize=A4,
        title=f"Royalty report: {report['title'] or report['track']}",
        author="Settle",
        invariant=1,
        leftMargin=margin - PAD,
        rightMargin=margin - PAD,
        topMargin=0.8 * INCH,
        bottomMargin=0.8 * INCH,
    )
    pen = _Pen(colours(report))
    foot = f"{report['track']}, vector {report['digest'][:16]}, ledger entry {report['index']}"

    def footer(canvas: Any, page: Any) -> None:
        typeset.draw(canvas, margin, 0.5 * INCH, foot, 7)
        canvas.setFont(PLAIN, 7)
        canvas.drawRightString(A4[0] - margin, 0.5 * INCH, f"page {page.page}")

    story = [*_head(pen, report), *(part for aspect in report["aspects"] for part in _aspect(pen, aspect))]
    story += _owners(pen, report) + _heard(pen, report) + _sureness(pen, report)
    document.build(story, onFirstPage=footer, onLaterPages=footer)
    return body.getvalue()


@dataclass(slots=True)
class _Pen:
    """Text, tables and pictures in the report's type and colours."""

    hues: Mapping[str, str]

    def __post_init__(self) -> None:
        typeset.register()

    def text(
        self, words: Any, size: float = 9, *, bold: bool = False, colour: str = "#222222", after: float = 2
    ) -> Any:
        from reportlab.lib.colors import HexColor
        from reportlab.lib.styles import ParagraphStyle

        style = ParagraphStyle(
            "text",
            fontName=BOLD if bold else PLAIN,
            fontSize=size,
            leading=size * 1.4,
            textColor=HexColor(colour),
            spaceAfter=after,
            splitLongWords=1,
        )
        return typeset.paragraph(str(words), style)

    def heading(self, words: str) -> Any:
        from reportlab.platypus import Spacer

        return [Spacer(1, 12), self.text(words, 12, bold=True)]

    def quiet(self, words: Any) -> Any:
        return self.text(words, 7.5, colour="#666666")

    def grid(self, head: Sequence[str], rows: Sequence[Sequence[Any]], widths: Sequence[float]) -> Any:
        from reportlab.lib.colors import HexColor
        from reportlab.platypus import Table, TableStyle

        numbers = [column for column, name in enumerate(head) if name in ("share", "90 % interval", *_ASPECTS)]
        style = [
            ("FONT", (0, 0), (-1, -1), PLAIN, 8),
            ("FONT", (0, 0), (-1, 0), BOLD, 7),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LINEBELOW", (0, 0), (-1, -1), 0.3, HexColor("#dddddd")),
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("TEXTCOLOR", (0, 0), (-1, 0), HexColor("#666666")),
            ("TOPPADDING", (0, 0), (-1, -1), 3),
            *(("ALIGN", (column, 0), (column, -1), "RIGHT") for column in numbers),
        ]
        lines = [list(head), *map(list, rows)] if head else list(map(list, rows))
        return Table(lines, colWidths=list(widths), style=TableStyle(style), repeatRows=int(bool(head)))

    def bar(self, parts: Sequence[tuple[str, int, str]], width: float = WIDTH, height: float = 16) -> Any:
        """Draw (source, ppm, label) side by side; a source without a colour is grey."""
        from reportlab.graphics.shapes import Drawing, Rect
        from reportlab.lib.colors import HexColor

        picture = Drawing(width, height + 2)
        left = 0.0
        for source, ppm, label in parts:
            long = width * ppm / 1_000_000
            hue = self.hues.get(source, REST)
            picture.add(Rect(left, 1, max(long - 0.7, 0), height, fillColor=HexColor(hue), strokeColor=None))
            if long > 34:
                ink = HexColor("#222222" if hue == REST else "#ffffff")
                for shape in typeset.strings(left + 5, height / 2 - 2, label, 8, colour=ink):
                    picture.add(shape)
            left += long
        return picture


_ASPECTS: Final = ("recording", "composition", "style")


def _head(pen: _Pen, report: Mapping[str, Any]) -> list[Any]:
    facts = [f"track {report['track']}"]
    facts += [f"made by {report['model']} {report['model_version'] or ''}".rstrip()] if report["model"] else []
    facts += [f"{seconds(report['length_ms'])} long"] if report["length_ms"] else []
    facts += [f"compared with {report['catalogue_size']} recordings"] if report["catalogue_size"] else []
    facts += [f"method {report['method']} {report['version']}", f"recorded {report['recorded_at'][:10]}"]
    facts += ["royalties follow this vector" if report["assigned"] else "evidence only: royalties do not follow it"]
    story = [pen.quiet("ROYALTY REPORT"), pen.text(report["title"] or report["track"], 17, bold=True, after=8)]
    lines = [(pen.quiet(name), pen.text(headline(report, name), bold=True)) for name in _ASPECTS]
    story += [pen.quiet(", ".join(facts)), *pen.heading("In short"), pen.grid((), lines, (80, 410))]
    return [*story, *(pen.text(f"Note: {note}", 8.5, colour="#8a4f1f") for note in report["notes"])]


def _aspect(pen: _Pen, aspect: Mapping[str, Any]) -> list[Any]:
    """Return one aspect as a block that is not split between pages."""
    from reportlab.platypus import KeepTogether

    story = [*pen.heading(aspect["aspect"].capitalize()), pen.quiet(aspect["meaning"])]
    story.append(pen.bar(parts_of_bar(aspect)))
    shares_shown = shares(aspect)
    rows = [
        (
            [
                pen.text(", ".join(filter(None, (source["title"] or source["id"], source["artist"]))), 8.5, after=0),
                pen.quiet(f"{source['id']}, {source['basis']}"),
            ],
            share,
            pen.bar([(source["id"], source["ppm"], "")], 70, 6),
            between(source),
            _permitted(pen, source["permitted"]),
        )
        for source, share in zip(aspect["sources"], shares_shown[:-2], strict=True)
    ]
    if aspect["further"]:
        rows.append(([pen.text(f"{aspect['further']} smaller sources", 8.5)], shares_shown[-2], "", "", ""))
    rows.append(([pen.text("unattributed", 8.5, bold=True)], shares_shown[-1], "", "", ""))
    head = ("source", "share", "", "90 % interval", "permitted use")
    return [KeepTogether([*story, pen.grid(head, rows, (150, 52, 78, 100, 110))])]


def _permitted(pen: _Pen, permitted: Mapping[str, Any] | None) -> Any:
    if permitted is None:
        return shown.NOTHING
    words = [pen.text(f"{permitted['use']}: {permitted['decision']}", 8, after=0)]
    return [*words, *(pen.text(reason, 6.5, colour="#666666") for reason in permitted["reasons"][:1])]


def _owners(pen: _Pen, report: Mapping[str, Any]) -> list[Any]:
    from reportlab.platypus import KeepTogether

    story: list[Any] = []
    for title, whose, columns in (("By artist", "by_artist", _ASPECTS[:2]), ("By holder", "by_holder", _ASPECTS)):
        lines = [
            (pen.text(row["title"], 8.5, after=0, bold=not row["name"]), *(row[name] for name in columns))
            for row in table(report, whose, columns)
        ]
        if lines:
            widths = (WIDTH - 80 * len(columns), *(80 for _ in columns))
            story.append(KeepTogether([*pen.heading(title), pen.grid(("", *columns), lines, widths)]))
    return story


def _heard(pen: _Pen, report: Mapping[str, Any]) -> list[Any]:
    if not report["matches"]:
        return []
    rows = [
        (
            pen.text(", ".join(filter(None, (match["title"] or match["source"], match["artist"]))), 8.5, after=0),
            match["aspect"],
            f"{seconds(match['track_ms'][0])} to {seconds(match['track_ms'][1])}",
            f"from {seconds(match['source_ms'])}",
            match["evidence"],
        )
        for match in report["matches"]
    ]
    head = ("source", "as", "in the track", "in the source", "evidence")
    return [*pen.heading("Where it is heard"), pen.grid(head, rows, (170, 65, 95, 75, 85))]


def _sureness(pen: _Pen, report: Mapping[str, Any]) -> list[Any]:
    from reportlab.platypus import KeepTogether

    error = report["error"]
    measured = "No error was measured for this vector."
    if error is not None:
        measured = (
            f"On the benchmark {error['benchmark']} the method's mean {error['metric'].replace('-', ' ')} was "
            f"{shown.percent(error['value_ppm'])} over {error['n']} tracks. That is synthetic music: it is not the "
            "error on real music. The intervals hold the true share nine times in ten on that benchmark."
        )
    limits = (
        "A share is evidence of influence, not a finding of copying or infringement. Only indexed recordings could be "
        "named; everybody else is in the unattributed part."
    )
    proof = f"Vector {report['digest']}. Prove it: settle ledger prove --index {report['index']}"
    root = f"Catalogue root {report['catalogue_root']}." if report["catalogue_root"] else ""
    lines = [pen.text(measured), pen.text(limits), pen.quiet(proof), pen.quiet(root)]
    return [KeepTogether([*pen.heading("How sure this is"), *lines])]
