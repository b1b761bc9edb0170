"""The README's pictures, from a demo played for them: the flow with its figures, a report, a statement.

`make pictures` writes them anew; it needs Chromium. What differs from one demo to the next (ids that follow from new
keys, the time) is written over with constants before a page is pictured, so that on one machine a picture changes when
its page does. Another Chromium or other fonts may draw the same page with other bytes.
"""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import Any, Final

from PIL import Image

from tests.cli.support import settle_json
from tests.support import ROOT

IMAGES: Final = ROOT / "docs" / "images"
FLOW: Final = ROOT / "tests" / "docs" / "flow.svg"
PAGES: Final = ("report", "statement")
WIDTH, HEIGHT = 1000, 900

STEADY: Final = """() => {
  const constants = [
    [/\\b[0-9a-f]{64}\\b/g, "0123456789abcdef".repeat(4)],
    [/\\b[0-9a-f]{16}\\b/g, "0123456789abcdef"],
    [/\\bST[0-9A-F]{30}\\b/g, "ST" + "0123456789ABCDEF".repeat(2).slice(2)],
    [/\\d{4}-\\d{2}-\\d{2}([ T])\\d{2}:\\d{2}(:\\d{2})?/g, "2026-07-03$109:00$2"],
  ];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode())
    for (const [pattern, constant] of constants)
      texts.currentNode.data = texts.currentNode.data.replace(pattern, constant);
}"""


def demo(folder: Path, *, events: int) -> dict[str, Any]:
    """Play a month in a folder; what the demo says of it, and how long the log has become."""
    told: dict[str, Any] = settle_json("demo", "--dir", folder, "--events", str(events))
    return told | {"entries": settle_json("ledger", "head", home=folder)["size"]}


def flow(told: dict[str, Any]) -> str:
    """The picture of the flow with the figures of a demo's month."""
    (holders, *_) = told["rules"].values()
    return Template(FLOW.read_text(encoding="utf-8")).substitute(
        tracks=told["tracks"],
        events=f"{told['events']:,}",
        entries=f"{told['entries']:,}",
        recordings=told["recordings"],
        holders=len(holders),
        pool=f"{told['pool_micros'] // 1_000_000:,}",
        paid=f"{told['paid_micros'] // 1_000_000:,}",
    )


def screenshots(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The upper part of each page of a demo's folder, as PNG; a page that asks for anything else is an error."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    assert chromium, "no chromium here; on Debian, install the package of that name"
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, locale="en-GB", timezone_id="UTC")
        asked: list[str] = []
        broken: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: broken.append(str(error)))
        for name in PAGES:
            url = (folder / "out" / f"{name}.html").resolve().as_uri()
            page.goto(url)
            page.evaluate(STEADY)
            assert page.evaluate("document.documentElement.scrollWidth") <= WIDTH, (
                f"{name}.html is wider than the window"
            )
            yield name, _small(page.screenshot(animations="disabled"))
            assert (asked, broken) == ([url], []), f"{name}.html asked for {asked[1:]}, broke by {broken}"
            asked.clear()
        browser.close()


def _small(png: bytes) -> bytes:
    """The same picture in 256 colours, a third of the size."""
    out = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


def main() -> None:
    """Play the demo as `make demo` does, and write every picture."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "settle-demo"
        (IMAGES / "flow.svg").write_text(flow(demo(home, events=100_000)), encoding="utf-8")
        for name, png in screenshots(home):
            (IMAGES / f"{name}.png").write_bytes(png)


if __name__ == "__main__":
    main()
