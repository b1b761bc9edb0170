"""Rules by name, from entry points; parameters refused by name, value and range; a rule from another wheel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, fields
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import ClassVar

import pytest

from ledger.proofs import canon
from payouts.errors import RuleError, TermsError
from payouts.rules import catalogue
from payouts.rules.base import Rule, Split, check_split, parameter
from payouts.rules.catalogue import installed, make_rule
from payouts.rules.pro_rata import ProRata
from payouts.rules.shapley_capped import ShapleyCapped
from tests.support import ROOT

SHIPPED = {"artist-centric", "pro-rata", "shapley-capped", "thresholded", "training", "user-centric"}


def test_the_shipped_rules_are_entry_points() -> None:
    """If this fails, a rule of ours is reachable in a way that a plug-in is not, or not at all."""
    rules = installed()
    assert set(rules) >= SHIPPED
    assert all(rules[name].name == name for name in SHIPPED)


def test_parameters_are_typed() -> None:
    """If this fails, a parameter reaches a rule as text or is dropped."""
    assert make_rule("shapley-capped", {"tau": "500000"}) == ShapleyCapped(tau=500_000)
    assert make_rule("thresholded", {"below": "redistribute"}).payload() == {
        "name": "thresholded",
        "version": "1",
        "params": {"min_streams": 0, "min_influence": 0, "below": "redistribute"},
    }


@pytest.mark.parametrize(
    ("name", "params", "said"),
    [
        ("shapley-capped", {"tau": "0"}, "tau=0; expected from 1 to 1000000"),
        ("shapley-capped", {"tau": "1000001"}, "expected from 1 to 1000000"),
        ("shapley-capped", {"kappa": "0"}, "kappa=0"),
        ("shapley-capped", {"tau": "0.5"}, "whole number"),
        ("shapley-capped", {"tau": "-1"}, "whole number"),
        ("shapley-capped", {"taus": "1"}, "has no parameter 'taus'"),
        ("pro-rata", {"tau": "1"}, "none"),
        ("thresholded", {"below": "keep"}, "unattributed, redistribute"),
        ("training", {}, "needs --param model"),
    ],
)
def test_bad_parameters_are_refused_with_what_was_expected(name: str, params: dict[str, str], said: str) -> None:
    """If this fails, a typing error changes who is paid."""
    with pytest.raises(TermsError, match=said):
        make_rule(name, params)


def test_an_unknown_rule_is_refused_with_those_installed() -> None:
    """If this fails, a misspelt rule name gives no next step."""
    with pytest.raises(RuleError, match="pro-rata"):
        make_rule("pro-rota", {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain(Rule):
    """A plug-in that declares its parameter as any dataclass would."""

    name: ClassVar[str] = "plain"

    count: int = 0


def test_a_parameter_has_its_limits_and_its_choices() -> None:
    """If this fails, a plug-in's own limits are not kept, and a rule runs on parameters that mean nothing."""

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Limited(Rule):
        name: ClassVar[str] = "limited"
        count: int = parameter(default=3, low=2, high=5, doc="how many")
        free: int = parameter(default=0)
        below: str = parameter(default="keep", choices=("keep", "drop"))

    assert Limited().payload()["params"] == {"count": 3, "free": 0, "below": "keep"}
    assert Limited.parse({"count": "5", "below": "drop"}) == Limited(count=5, below="drop")
    assert Limited(count=2, free=10**18).free == 10**18
    for wrong in ({"count": "1"}, {"count": "6"}, {"free": str(10**18 + 1)}, {"below": "other"}, {"count": "x"}):
        with pytest.raises(TermsError):
            Limited.parse(wrong)
    with pytest.raises(TermsError, match=r"one of its own \(count, free, below\)"):
        Limited.parse({"novel": "1"})
    with pytest.raises(TermsError, match="pro-rata has no parameter 'novel'"):
        ProRata.parse({"novel": "1"})
    assert {field.name: field.metadata["doc"] for field in fields(Limited)} == {
        "count": "how many",
        "free": "",
        "below": "",
    }


@pytest.mark.parametrize(
    ("numerators", "denominator"),
    [((1,), 5), ((1, 2, 3), 6), ((-1, 2), 5), ((3, 3), 5)],
    ids=["too few", "too many", "below zero", "more than the whole"],
)
def test_a_split_that_breaks_its_contract_is_refused(numerators: tuple[int, ...], denominator: int) -> None:
    """If this fails, a faulty plug-in pays somebody a negative part, or more than there is."""
    with pytest.raises(RuleError, match="pro-rata"):
        check_split(ProRata(), Split(numerators, denominator), 2)
    check_split(ProRata(), Split((0, 5), 5), 2)
    check_split(ProRata(), Split((), 5), 0)


def test_a_plain_field_is_a_parameter_from_zero() -> None:
    """If this fails, a plug-in's parameter without limits crashes the run, or lets a negative count through."""
    assert Plain.parse({"count": "0"}).count == 0
    assert Plain(count=10**18).payload()["params"] == {"count": 10**18}
    for count in (-1, 10**18 + 1):
        with pytest.raises(TermsError, match=f"plain: count={count}; expected from 0 to {10**18}"):
            Plain(count=count)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("payouts.rules.pro_rata:ProRata", "not a Rule of that name"),
        ("payouts.money:scale", "not a Rule of that name"),
        ("payouts.errors:TermsError", "not a Rule of that name"),
        ("payouts.rules.pro_rata:Missing", "cannot be loaded"),
    ],
)
def test_an_entry_point_that_is_no_rule_is_refused(monkeypatch: pytest.MonkeyPatch, value: str, said: str) -> None:
    """If this fails, a broken plug-in package is run as a rule, or crashes without saying which package it is."""
    broken = EntryPoint(name="broken", value=value, group="settle.rules")
    monkeypatch.setattr(catalogue, "_points", lambda: {broken.name: broken})
    with pytest.raises(RuleError, match=said):
        make_rule("broken", {})


def test_every_rule_has_a_canonical_payload_and_documented_parameters() -> None:
    """If this fails, a rule's parameters are not part of the run key, or are not in the manual."""
    manual = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    for name, rule in installed().items():
        if name not in SHIPPED:
            continue
        made = rule.parse({"model": "mdl"} if name == "training" else {})
        canon.encode(made.payload())
        for param in made.payload()["params"]:
            assert f"`{param}`" in manual, f"{name} {param}"


PLUGIN = ROOT / "tests" / "payouts" / "rules" / "plugin"


def test_the_template_in_the_manual_is_the_rule_that_is_tested() -> None:
    """If this fails, the manual shows a rule that nobody has run."""
    manual = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    assert (PLUGIN / "winner_takes_most.py").read_text(encoding="utf-8").rstrip() in manual


@pytest.mark.slow
def test_a_rule_from_another_wheel_is_found_and_pays(tmp_path: Path) -> None:
    """If this fails, nobody outside this repository can write a rule."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    dist, site = str(tmp_path / "dist"), str(tmp_path / "site")
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", dist, str(PLUGIN)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = map(str, Path(dist).glob("*.whl"))
    install = [*pip, "install", "--no-deps", "--no-index", "--target", site, wheel]
    subprocess.run(install, check=True, capture_output=True)
    code = (
        "import json; from payouts.compute import compute; from payouts.rules.catalogue import make_rule; "
        "from tests.payouts.worlds import inputs, plays, sole, vector; "
        "rule = make_rule('winner-takes-most', {'winner': '900000'}); "
        "made = [vector('t', {'a': 600000, 'b': 400000})]; "
        "out = compute(inputs(sole('a', 'b'), [plays('t', 1)], made, rule=rule, micros=100)); "
        "print(json.dumps(out.allocated_by_party()))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": site},
        check=True,
        capture_output=True,
        text=True,
    )
    assert json.loads(found.stdout) == {"p-a": 90, "p-b": 10}
