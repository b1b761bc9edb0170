"""Render a statement as PDF: the figures of the page, the same bytes each time."""

from __future__ import annotations

from functools import cache
from io import BytesIO
from typing import Any, Final

from ledger.shown import NOTHING, cents, cents_together, exact_percent, money
from payouts.statements import typeset
from payouts.statements.statement import Beside, Deducted, PoolStatement, Statement
from payouts.statements.text import (
    FIGURES,
    NAMES,
    WIDEST,
    about,
    account_cents,
    bars,
    bundle_name,
    formula,
    headline,
    influence,
    next_steps,
    own_share,
    paid,
    places,
)

INK, SOFT, LINE, BAR, MARK, TINT = "#1c2430", "#5b6675", "#d7dce3", "#3763a8", "#b3261e", "#f3f5f9"
WIDTH: Final = 483.0
"""Points between the margins of an A4 page."""
MARGIN: Final = 56.0
FRAME: Final = 6.0
"""What reportlab leaves free within the margins."""
LABEL: Final = 170.0
"""Points for what a bar of the chart is called."""
BARS: Final = 210.0
"""Points for the longest bar."""


def as_pdf(statement: Statement) -> bytes:
    """Return the statement as PDF: the same facts as the page, in the same order."""
    from reportlab.lib.pagesizes import A4
    from reportlab.platypus import SimpleDocTemplate

    story = _head(statement)
    for pool in statement.pools:
        story += _pool(statement, pool)
    story += _foot(statement)
    body = BytesIO()
    document = SimpleDocTemplate(
        body,
        pagesize=A4,
        leftMargin=MARGIN - FRAME,
        rightMargin=MARGIN - FRAME,
        topMargin=MARGIN,
        bottomMargin=64,
        invariant=1,
        title=f"Royalty statement, {statement.month}, for {statement.party}",
        author="Settle",
    )
    document.build(story, canvasmaker=_numbered(f"Statement {statement.period}, party {statement.party}"))
    return body.getvalue()


# --- parts --------------------------------------------------------------------------------------


def _head(statement: Statement) -> list[Any]:
    """Return the head: party, month and total."""
    issuer = statement.issuer
    whose = [
        *(
            [_text(", ".join(filter(None, (issuer.name, issuer.address, issuer.contact))), "soft")]
            if issuer.name
            else []
        ),
        _text(f"Royalty statement, {statement.month}", "soft"),
        _text(statement.name or statement.party, "title"),
        _text(f"Party {statement.party}", "soft"),
    ]
    story: list[Any] = [_grid([[whose, _sums(statement)]], [WIDTH * 0.6, WIDTH * 0.4], rules=False), _space(10)]
    if statement.demo:
        story.append(_text("Demo: one workspace holds the maker's key and the approver's.", "mark"))
    if statement.nil:
        story += [
            _text("Nothing was earned, held, corrected or carried in this period.", "strong"),
            _text("This is a nil statement: there is nothing for you to do.", "soft"),
        ]
    return story


def _sums(statement: Statement) -> list[Any]:
    """Return the headline figures: what is paid, in the currency of the payment."""
    headlines = [headline(pool) for pool in statement.pools] or [("nothing", "")]
    return [part for amount, state in headlines for part in (_text(amount, "right-title"), _text(state, "right-soft"))]


def _pool(statement: Statement, pool: PoolStatement) -> list[Any]:
    named = len(statement.pools) > 1 or pool.pool != "default"
    story = [_text(f"Pool {pool.pool}" if named else "Your account", "heading")]
    if pool.state not in ("published", "paying"):
        story.append(_text(f"Not binding: this run is {pool.state}.", "mark"))
    if (earlier := pool.earlier) is not None:
        earned = f"in {earlier.last_period} {cents(earlier.last_earned_micros)}"
        year = (
            f"in {earlier.year} so far {cents(earlier.year_earned_micros)}, {cents(earlier.year_net_micros)} to be paid"
        )
        story.append(
            _text(f"{FIGURES['earned']} {cents(pool.earned_micros)} {pool.currency}; {earned}; {year}.", "soft")
        )
    story += [_account(pool), _space(4), _text(_payment(pool), "soft")]
    if pool.beside:
        rows = [["Beside the account", "Terms", "Before", "Now"], *map(_beside, pool.beside)]
        story += [_space(6), _table(rows, [WIDTH * 0.27, WIDTH * 0.33, WIDTH * 0.2, WIDTH * 0.2], numbers=2)]
    if pool.earnings:
        story += [_text("Where it comes from", "heading"), _chart(pool), _space(8), _text(formula(pool), "soft")]
        story += [_space(4), _earnings(pool), _space(4)]
        story.append(_text(f"{pool.plays:,} streams, {places(pool)}.", "soft"))
    if pool.waiting:
        rows = [["Not paid yet", "What to do", "Amount"]]
        rows += [
            [f"{FIGURES[waiting.state]}, {waiting.reason}: {about(waiting)}", waiting.advice, cents(waiting.micros)]
            for waiting in pool.waiting
        ]
        story += [_space(12), _table(rows, [WIDTH * 0.34, WIDTH * 0.44, WIDTH * 0.22], numbers=1)]
    story.append(_text("What happens next", "heading"))
    story += [_text(step, "soft") for step in next_steps(statement, pool)]
    story += [_space(10), _exact_figures(pool)]
    return [*story, _space(6), _text(f"Rule {pool.rule}. Run {pool.run}.", "small")]


def _exact_figures(pool: PoolStatement) -> Any:
    """Return the figures to the millionth, in two columns, so that the appendix needs no page of its own."""
    figures = [
        (_text(called, "cell"), _text(money(getattr(pool, f"{name}_micros")), "number"))
        for name, called in FIGURES.items()
    ]
    half = len(figures) // 2
    currency = _text(pool.currency, "number-head")
    cells = [[_text("Appendix: exact figures", "cell-head"), currency, _text("", "cell-head"), currency]]
    cells += [[*left, *right] for left, right in zip(figures[:half], figures[half:], strict=True)]
    return _grid(cells, [WIDTH * 0.29, WIDTH * 0.2, WIDTH * 0.31, WIDTH * 0.2])


def _account(pool: PoolStatement) -> Any:
    """Return the account from the opening balance to paid and carried, one step a row."""
    shown = account_cents(pool)
    rows: list[list[Any]] = [
        [FIGURES["opening"], "", shown.opening],
        [FIGURES["earned"], "your part of the pool", shown.earned],
    ]
    adjustments = zip(pool.adjustments, shown.adjustments, strict=True)
    rows += [[NAMES[item.kind], item.reason, amount] for item, amount in adjustments]
    deductions = zip(pool.deductions, shown.deductions, strict=True)
    rows += [[NAMES[item.kind], _why(item), amount] for item, amount in deductions]
    total = len(rows) + 1
    rows.append([FIGURES["net"], "", shown.net])
    if (sent := pool.converted) is not None:
        rate = f"one {pool.currency} is {sent.rate} ({sent.source}, {sent.date}); less than a coin is not paid"
        rows.append([f"Paid as {sent.currency}", rate, paid(sent.micros, sent.currency)])
    least = f"payments start at {cents(pool.minimum_micros)}" if pool.minimum_micros else ""
    rows.append([FIGURES["carried"], least, shown.carried])
    head = ["To the hundredth", "exact figures stand in the appendix", pool.currency]
    return _table([head, *rows], [WIDTH * 0.27, WIDTH * 0.5, WIDTH * 0.23], numbers=1, strong=total)


def _why(one: Deducted) -> str:
    until = f", until {one.due}" if one.kind == "reserve" else ""
    return " ".join(filter(None, (f"{one.terms}{until}" if one.terms else f"kept until {one.due}", _aside(one.note))))


def _aside(note: str) -> str:
    return f"({note})" if note else ""


def _beside(one: Beside) -> list[Any]:
    what = f"Reserve, released in {one.due}" if one.kind == "reserve" else "Advance, still to be recouped"
    about = " ".join(filter(None, (one.terms, _aside(one.note or one.term))))
    return [what, about, money(one.opening_micros), money(one.closing_micros)]


def _payment(pool: PoolStatement) -> str:
    paid = pool.payment
    why = f" ({paid.reason})" if paid.reason else ""
    return f"Payment: {paid.state}{why}" + (
        f", reference {paid.reference}, by {paid.route}." if paid.reference else "."
    )


def _earnings(pool: PoolStatement) -> Any:
    rows: list[list[Any]] = [["Track", "Source", "Influence", "Part of pool", "Your share", "Units", "Amount"]]
    amounts = cents_together([earning.micros for earning in pool.earnings])
    for earning, amount in zip(pool.earnings, amounts, strict=True):
        source = (earning.source_title or earning.source) + (f" (through {earning.via})" if earning.via else "")
        late = f" ({earning.late_units:,} late)" if earning.late_units else ""
        rows.append(
            [
                earning.track_title or earning.track or "several",
                f"{source}, {earning.aspect}, {earning.basis}",
                influence(earning),
                exact_percent(earning.aspect_ppm),
                own_share(earning),
                f"{earning.units:,}{late}" if earning.units else NOTHING,
                amount,
            ]
        )
    rows.append([FIGURES["earned"], "", "", "", "", "", cents(pool.earned_micros)])
    widths = [WIDTH * part for part in (0.18, 0.23, 0.2, 0.1, 0.09, 0.09, 0.11)]
    return _table(rows, widths, numbers=5, strong=len(rows) - 1)


def _foot(statement: Statement) -> list[Any]:
    bundle = bundle_name(statement)
    command = f"settle statement {statement.party} --period {statement.period} --format bundle --out {bundle}"
    return [
        _space(14),
        _text("Check it yourself", "heading"),
        _text(
            "Amounts are exact to the millionth. Settle, two files and one command check them, without any network:",
            "soft",
        ),
        _text(f"settle verify {bundle} --trust trust.json", "strong"),
        _text(
            f"The operator makes the first file and sends it to you ({command}). The second, trust.json, says whose "
            "signatures count: get it another way than the statement.",
            "soft",
        ),
    ]


# --- how it looks -------------------------------------------------------------------------------


@cache
def _styles() -> dict[str, Any]:
    from reportlab.lib.colors import HexColor
    from reportlab.lib.styles import ParagraphStyle

    typeset.register()

    def style(size: float, colour: str = INK, *, bold: bool = False, **more: Any) -> Any:
        font = typeset.BOLD if bold else typeset.PLAIN
        return ParagraphStyle(
            font, fontName=font, fontSize=size, leading=size * 1.4, textColor=HexColor(colour), **more
        )

    return {
        "title": style(17, bold=True),
        "soft": style(8.5, SOFT),
        "small": style(6.5, SOFT),
        "body": style(8),
        "strong": style(10, bold=True),
        "heading": style(10.5, bold=True, spaceBefore=14, spaceAfter=5, keepWithNext=1),
        "mark": style(8.5, MARK, bold=True, spaceAfter=4),
        "cell": style(7.5),
        "cell-head": style(7, SOFT),
        "cell-strong": style(7.5, bold=True),
        "number": style(7.5, alignment=2),
        "number-head": style(7, SOFT, alignment=2),
        "number-strong": style(7.5, bold=True, alignment=2),
        "right-soft": style(8.5, SOFT, alignment=2),
        "right-title": style(17, bold=True, alignment=2),
    }


def _text(words: str, style: str) -> Any:
    return typeset.paragraph(words, _styles()[style])


def _space(points: float) -> Any:
    from reportlab.platypus import Spacer

    return Spacer(1, points)


def _table(rows: list[list[Any]], widths: list[float], *, numbers: int, strong: int | None = None) -> Any:
    """Return a table with a head; the last `numbers` columns are right-aligned, the row `strong` is a sum."""
    cells = []
    for n, row in enumerate(rows):
        mark = "-head" if n == 0 else ("-strong" if n == strong else "")
        first = len(row) - numbers
        cells.append([_text(text, ("number" if k >= first else "cell") + mark) for k, text in enumerate(row)])
    return _grid(cells, widths, strong=strong)


def _grid(cells: list[list[Any]], widths: list[float], *, rules: bool = True, strong: int | None = None) -> Any:
    from reportlab.lib.colors import HexColor
    from reportlab.platypus import Table, TableStyle

    style: list[Any] = [("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (0, -1), 0 if not rules else 4)]
    style += [("TOPPADDING", (0, 0), (-1, -1), 3), ("BOTTOMPADDING", (0, 0), (-1, -1), 4)]
    if rules:
        style += [
            ("LINEBELOW", (0, 1), (-1, -1), 0.4, HexColor(LINE)),
            ("LINEBELOW", (0, 0), (-1, 0), 0.9, HexColor(INK)),
        ]
    if strong is not None:
        style += [
            ("BACKGROUND", (0, strong), (-1, strong), HexColor(TINT)),
            ("LINEABOVE", (0, strong), (-1, strong), 0.9, HexColor(INK)),
        ]
    return Table(
        cells, colWidths=widths, style=TableStyle(style), repeatRows=1 if rules else 0, hAlign="LEFT", splitInRow=1
    )


def _chart(pool: PoolStatement) -> Any:
    """Return the chart of earnings by source, as on the page: largest first, the others as one."""
    from reportlab.graphics.shapes import Drawing, Rect
    from reportlab.lib.colors import HexColor

    chart = bars(pool)
    height = 15 * len(chart)
    picture = Drawing(WIDTH, height)
    for n, bar in enumerate(chart):
        foot = height - 15 * n - 12
        length = BARS * int(bar["width"]) / WIDEST
        name = typeset.fit(str(bar["name"]), LABEL - 40, 7.5)
        name_width = typeset.width(name, 7.5) + 4
        label = typeset.fit(str(bar["id"]), LABEL - name_width, 6)
        shapes = [
            *typeset.strings(4, foot + 2.5, name, 7.5, colour=HexColor(INK)),
            *typeset.strings(4 + name_width, foot + 2.5, label, 6, colour=HexColor(SOFT)),
            Rect(LABEL + 10, foot, length, 10, fillColor=HexColor(BAR), strokeColor=None),
            *typeset.strings(WIDTH - 4, foot + 2.5, str(bar["amount"]), 7.5, colour=HexColor(INK), end=True),
        ]
        for shape in shapes:
            picture.add(shape)
    return picture


def _numbered(said: str) -> Any:
    """A canvas that knows the number of pages when it writes a page's foot."""
    from reportlab.lib.colors import HexColor
    from reportlab.pdfgen.canvas import Canvas

    class Numbered(Canvas):  # type: ignore[misc]  # reportlab has no types
        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            self._pages: list[dict[str, Any]] = []

        def showPage(self) -> None:  # noqa: N802  reportlab's name
            self._pages.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            _styles()
            for page in self._pages:
                self.__dict__.update(page)
                self.setFillColor(HexColor(SOFT))
                typeset.draw(self, MARGIN, 36, said, 7)
                self.setFont(typeset.PLAIN, 7)
                self.drawRightString(MARGIN + WIDTH, 36, f"page {self._pageNumber} of {len(self._pages)}")
                super().showPage()
            super().save()

    return Numbered
