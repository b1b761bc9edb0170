"""One closing line over the JUnit reports of every suite; exits 1 if anything failed or nothing ran."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree  # our own reports, not foreign XML


def main(folder: Path) -> int:
    """Add up the suites and print the line."""
    tests = failures = skipped = 0
    for report in sorted(folder.glob("*.xml")):
        for suite in ElementTree.parse(report).iter("testsuite"):
            tests += int(suite.get("tests", 0))
            failures += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            skipped += int(suite.get("skipped", 0))
    passed = tests - failures - skipped
    print(f"{passed} passed, {failures} failed, {skipped} skipped")
    return 0 if passed and not failures else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
