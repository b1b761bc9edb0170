from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from ledger.errors import InputError
from ledger.proofs import vector
from payouts.rules.base import WHOLE
from service import templates


def test_the_rule_template_is_a_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a newcomer's first rule does not run, or gives away more than there is."""
    templates.write(tmp_path / "winner_takes_most.py", templates.template("rule.py"))
    monkeypatch.syspath_prepend(tmp_path)
    rule = importlib.import_module("winner_takes_most").WinnerTakesMost()
    split = rule.kernel((WHOLE // 2, WHOLE // 4))
    assert [numerator * 1_000_000 // split.denominator for numerator in split.numerators] == [600_000, 150_000]


def test_the_declared_template_is_a_vector() -> None:
    """If this fails, the example of a declared vector is refused."""
    found = vector.from_declared(json.loads(templates.template("declared")))
    assert found.recording.unattributed == 400_000


def test_an_unknown_template_is_answered_with_the_known_ones() -> None:
    """If this fails, a mistyped template name gives no next step."""
    with pytest.raises(InputError, match=r"registry, .*events"):
        templates.template("regsitry")
