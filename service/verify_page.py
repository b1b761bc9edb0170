"""Joins the browser's verifier into one file that works from disk: `python -m service.verify_page`.

A page opened from a file cannot load modules, so scripts and styles are inside it. The content security policy lists
their digests: a script added to the page afterwards does not run.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Final

PARTS: Final = Path(__file__).parent / "web" / "static" / "verify"
PAGE: Final = PARTS.parent / "verify.html"
CORE: Final = (
    "canon",
    "proof",
    "keys",
    "vector",
    "amounts",
    "terms",
    "accounts",
    "binding",
    "money",
    "statement",
    "membership",
    "kinds",
)
"""The scripts that check; `page` shows what they find."""


def script() -> str:
    """Return all scripts joined, in the order of their dependencies."""
    return "\n".join((PARTS / f"{name}.js").read_text(encoding="utf-8") for name in (*CORE, "page"))


def build() -> str:
    """Return the content of `PAGE`."""
    code, style = f"\n{script()}", f"\n{(PARTS / 'verify.css').read_text(encoding='utf-8')}"
    page = (PARTS / "verify.template.html").read_text(encoding="utf-8")
    for name, text in (
        ("{script_hash}", _csp_hash(code)),
        ("{style_hash}", _csp_hash(style)),
        ("{style}", style),
        ("{script}", code),
    ):
        page = page.replace(name, text)
    return page


def policy() -> str:
    """Return the content security policy for serving the page: its own, and no framing."""
    _, _, policy_onwards = PAGE.read_text(encoding="utf-8").partition('http-equiv="Content-Security-Policy" content="')
    own, _, _ = policy_onwards.partition('"')
    return f"{own}; frame-ancestors 'none'"


def digest() -> str:
    """Return the SHA-256 of the page, which is published with the release."""
    return hashlib.sha256(PAGE.read_bytes()).hexdigest()


def _csp_hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


if __name__ == "__main__":
    PAGE.write_text(build(), encoding="utf-8")
