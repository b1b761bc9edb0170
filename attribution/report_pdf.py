"""The royalty report as PDF, for people who file paper."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from attribution.report_html import REST, hue, percent, seconds


def as_pdf(report: dict[str, Any]) -> bytes:
    """The same facts as the page, in the same order; the same report gives the same bytes."""
    from reportlab.lib.colors import HexColor
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import getSampleStyleSheet
    from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

    styles = getSampleStyleSheet()
    grid = TableStyle(
        [("FONTSIZE", (0, 0), (-1, -1), 8), ("LINEBELOW", (0, 0), (-1, -1), 0.25, HexColor("#dddddd")),
         ("VALIGN", (0, 0), (-1, -1), "TOP")]
    )  # fmt: skip

    def text(words: Any, style: str = "BodyText") -> Any:
        from xml.sax.saxutils import escape

        return Paragraph(escape(str(words)), styles[style])

    story: list[Any] = [text(f"Royalty report: {report['title'] or report['track']}", "Title")]
    state = "this vector pays" if report["assigned"] else "evidence, not assigned"
    story.append(text(f"{report['track']}, method {report['method']} {report['version']}, {state}"))
    story += [text(note) for note in report["notes"]]
    for aspect in report["aspects"]:
        story += [text(aspect["aspect"].capitalize(), "Heading2"), text(aspect["meaning"]), _bar(aspect)]
        rows = [["source", "share", "90 % interval", "permitted use"]]
        for one in aspect["sources"]:
            permitted = one["permitted"]
            rows.append(
                [
                    text(", ".join(filter(None, (one["title"], one["artist"], one["id"])))),
                    percent(one["ppm"]),
                    f"{percent(one['low'])} to {percent(one['high'])}",
                    f"{permitted['use']}: {permitted['decision']}" if permitted else "-",
                ]
            )
        rows.append(["unattributed", percent(aspect["unattributed"]), "", ""])
        story += [Table(rows, colWidths=[230, 70, 120, 90], style=grid), Spacer(1, 8)]
    if report["matches"]:
        story.append(text("Where it is heard", "Heading2"))
        rows = [["source", "aspect", "in the track", "in the source", "evidence"]]
        rows += [
            [text(one["source"]), one["aspect"], f"{seconds(one['track_ms'][0])} - {seconds(one['track_ms'][1])}",
             f"from {seconds(one['source_ms'])}", one["evidence"]]
            for one in report["matches"]
        ]  # fmt: skip
        story.append(Table(rows, colWidths=[170, 70, 100, 80, 90], style=grid))
    story += [text("Vector", "Heading2"), text(f"{report['digest']}, ledger entry {report['index']}")]
    body = BytesIO()
    SimpleDocTemplate(body, pagesize=A4, title=f"Royalty report: {report['track']}", invariant=1).build(story)
    return body.getvalue()


def _bar(aspect: dict[str, Any]) -> Any:
    from reportlab.graphics.shapes import Drawing, Rect
    from reportlab.lib.colors import HexColor

    picture = Drawing(480, 18)
    left = 0.0
    for place, one in enumerate([*aspect["sources"], {"ppm": aspect["unattributed"]}]):
        width = 480 * one["ppm"] / 1_000_000
        colour = hue(place) if "id" in one else REST
        picture.add(Rect(left, 2, width, 14, fillColor=HexColor(colour), strokeColor=None))
        left += width
    return picture
