"""The pages that anybody may open in a browser: the verifier of bundles."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from service import operating
from service.verify_page import PAGE
from tests.service.month import Month
from tests.service.web.serving import client, served_month


@pytest.fixture(scope="module")
def june(tmp_path_factory: pytest.TempPathFactory) -> Month:
    return served_month(tmp_path_factory.mktemp("pages") / "home")


@pytest.fixture(scope="module")
def web(june: Month) -> Any:
    with client(june) as opened:
        yield opened


def test_the_verifier_is_served_as_it_was_released(web: Any) -> None:
    """If this fails, a visitor gets another verifier than the release's, or one that its policy stops."""
    answer = web.get("/verify")
    assert (answer.status_code, answer.content) == (200, PAGE.read_bytes())
    policy = answer.headers["content-security-policy"]
    assert re.search(r"script-src 'sha256-[A-Za-z0-9+/=]{44}'; style-src 'sha256-", policy)
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_an_exported_log_brings_its_verifier(june: Month, tmp_path: Path) -> None:
    """If this fails, whoever receives an export must install something to check it."""
    operating.export(june.ws, tmp_path)
    assert (tmp_path / "verify.html").read_bytes() == PAGE.read_bytes()
