"""`docs/adr/README.md`: the decision records by number, and the numbers that were set aside.

`make docs` writes it anew; a test compares.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from tests.support import ROOT

PAGE: Final = ROOT / "docs" / "adr" / "README.md"
INTRODUCTION: Final = """# Decision records

What was decided where it could have been otherwise, and why; half a page each. A decision that is overtaken keeps its
record, and the newer one names it. `make docs` writes this page anew and a test compares it.

| number | decided |
|---|---|
"""


def page() -> str:
    """The whole page."""
    records = {int(path.name[:4]): path for path in PAGE.parent.glob("[0-9]*.md")}
    unused = [str(number) for number in range(1, max(records)) if number not in records]
    lines = [f"| {number} | [{_title(path, number)}]({path.name}) |\n" for number, path in sorted(records.items())]
    gaps = f"\nNumbers are never reused. Set aside and not used: {', '.join(unused)}.\n" if unused else ""
    return INTRODUCTION + "".join(lines) + gaps


def _title(path: Path, number: int) -> str:
    """The heading without its number, which must be the file's."""
    heading = path.read_text(encoding="utf-8").partition("\n")[0]
    found = re.fullmatch(rf"# {number}\. (.+)", heading)
    assert found, f"{path.name} begins with {heading!r}, expected '# {number}. TITLE'"
    return found[1]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
