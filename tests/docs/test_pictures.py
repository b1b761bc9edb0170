"""The README's pictures can be made anew, and the pages in them stand on their own."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET

import pytest
from PIL import Image

from tests.demo.played import Played
from tests.docs import pictures


@pytest.mark.browser
def test_pages_are_pictured_alone_and_alike(played: Played) -> None:
    """If this fails, a report or a statement fetches something, runs a faulty script, is wider than a screen, or make
    pictures gives another picture each time."""
    once, again = dict(pictures.screenshots(played.home)), dict(pictures.screenshots(played.home))
    assert once == again
    for name, png in once.items():
        shipped = (pictures.IMAGES / f"{name}.png").read_bytes()
        sizes = {Image.open(io.BytesIO(one)).size for one in (png, shipped)}
        assert sizes == {(pictures.WIDTH, pictures.HEIGHT)}


def test_the_flow_is_the_template_with_figures() -> None:
    """If this fails, the picture of the flow was edited where the next make pictures overwrites it."""
    template = re.sub(r"\$[a-z]+", "N", pictures.FLOW.read_text(encoding="utf-8"))
    drawn = (pictures.IMAGES / "flow.svg").read_text(encoding="utf-8")
    ET.fromstring(drawn)  # noqa: S314  our own file
    assert re.fullmatch(re.escape(template).replace("N", r"[\d,]+"), drawn)
