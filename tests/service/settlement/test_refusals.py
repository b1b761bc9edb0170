"""What a settlement is asked that it cannot do: refused with the reason and the next step, and nothing changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ledger.errors import InputError, SettleError, StateError
from ledger.proofs import leaf
from payouts.life.records import Close, LogSize
from service.settlement import life, paying
from service.statements.explaining import explain
from tests.cli.support import settle
from tests.service.month import Month, asked, month, published


@pytest.fixture(scope="module")
def june(tmp_path_factory: pytest.TempPathFactory) -> Month:
    made = month(tmp_path_factory.mktemp("refusals") / "home")
    life.close(made.ws, "2026-06")
    return made


@pytest.fixture(scope="module")
def paid_june(tmp_path_factory: pytest.TempPathFactory) -> Month:
    made = month(tmp_path_factory.mktemp("published") / "home")
    published(made)
    return made


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"pool": "0"}, "more than zero"),
        ({"pool": "-5.00"}, "more than zero"),
        ({"pool": "1e6"}, "expected digits"),
        ({"pool": "1000000.0000001"}, "at most six decimals"),
        ({"pool": "1,000.00"}, "expected digits"),
        ({"pool": None}, "--pool AMOUNT or --param price"),
        ({"params": {"price": "0.01"}}, "an amount and a price"),
        ({"currency": "XAU"}, "convert the pool"),
        ({"currency": "eur"}, "write EUR"),
        ({"currency": "euro"}, "three capital letters"),
        ({"rule": "fair"}, "not installed"),
        ({"params": {"tau": "1"}}, "no parameter 'tau'"),
        ({"rule": "shapley-capped", "params": {"tau": "0.5"}}, "whole number"),
        ({"rule": "shapley-capped", "params": {"kappa": "2000000"}}, "kappa"),
        ({"params": {"aspects": "recording:700000"}}, "sum to 700000"),
        ({"params": {"weight": "gross"}, "currency": "SEK"}, "no gross amount in SEK"),
        ({"period": "2026-13"}, "period"),
        ({"period": "2026-08"}, "settle period close 2026-08"),
        ({"name": "Not A Pool"}, "pool name"),
        ({"engine": "abacus"}, "engine"),
    ],
)
def test_bad_input_changes_nothing(june: Month, changed: dict[str, Any], says: str) -> None:
    """If this fails, an impossible request is half believed, or refused without saying what to do."""
    size = june.ws.log.head().size
    with pytest.raises(SettleError, match=says):
        life.run(june.ws, asked(**changed))
    assert june.ws.log.head().size == size


def test_a_period_closes_when_it_is_over_and_in_order(tmp_path: Path) -> None:
    """If this fails, a month can be closed while streams still happen in it, or after its follower."""
    made = month(tmp_path / "home")
    with pytest.raises(StateError, match="runs until 2026-08-01"):
        life.close(made.ws, "2026-07")
    with pytest.raises(InputError, match="YYYY-MM"):
        life.close(made.ws, "June")
    first = life.close(made.ws, "2026-06")
    assert (first.already, life.close(made.ws, "2026-06").already) == (False, True)
    with pytest.raises(StateError, match="2026-06 is closed"):
        life.close(made.ws, "2026-05")


def test_a_listed_log_that_is_missing_stops_the_run(tmp_path: Path) -> None:
    """If this fails, a period of several logs can be settled on some of them."""
    made = month(tmp_path / "home")
    head = made.ws.log.head()
    logs = (
        LogSize(origin=head.origin, size=head.size, root=head.root.hex()),
        LogSize(origin="example.org/other", size=9, root="0" * 64),
    )
    close = Close(at="2026-07-02T09:00:00Z", period="2026-06", logs=logs, registry_size=head.size)
    made.ws.log.append([leaf.sign(leaf.decode(leaf.encode(close.leaf())), made.ws.signer("operator"))])
    with pytest.raises(StateError, match="other, which is not registered"):
        life.run(made.ws, asked())


def test_a_month_without_a_run_says_what_comes_first(june: Month) -> None:
    """If this fails, whoever pays or explains too early is told of ids, and not of the step that is missing."""
    for act in (
        lambda name: paying.pay(june.ws, name, "file"),
        lambda name: life.publish(june.ws, name),
        lambda name: explain(june.ws, name, "ann"),
    ):
        with pytest.raises(StateError, match="2026-06 has no run yet: settle run --period 2026-06 "):
            act("2026-06")
        with pytest.raises(StateError, match="2026-07 is open: settle period close 2026-07"):
            act("2026-07")


def test_a_share_in_ppm_is_read_back_as_a_percentage(june: Month) -> None:
    """If this fails, tau=60, meant as 60 percent, runs as 60 ppm without a word."""
    pool = ("--period", "2026-06", "--pool", "10.00", "--currency", "EUR", "--engine", "log", "--dry-run")
    said = settle("run", *pool, "--rule", "shapley-capped", "--param", "tau=60", home=june.home)
    assert said.code == 0
    assert "tau = 60 ppm (0.006 %)" in said.err


ADJUST = ("adjust", "ann", "--period", "2026-07", "--amount", "5.00", "--currency", "EUR", "--line", "2026-06")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((*ADJUST, "--reason", "r", "--currency", "USD"), "is in EUR"),
        (("adjust", "anne", *ADJUST[2:], "--reason", "r"), "did you mean ann?"),
        ((*ADJUST, "--reason", "r", "--amount", "0"), "adjustment of nothing"),
        (
            (
                "terms",
                "rate",
                "EUR",
                "USD",
                "--period",
                "2026-07",
                "--rate",
                "0",
                "--source",
                "b",
                "--date",
                "2026-07-31",
            ),
            "positive",
        ),
        (
            ("terms", "withhold", "ann", "--rate", "150%", "--territory", "US", "--law", "l", "--from", "2026-07"),
            "150 %",
        ),
        (("held", "--party", "anne"), "did you mean ann?"),
        (("held", "--period", "2026-13"), "expected YYYY-MM"),
        (("payments", "list", "--state", "paid"), "to be paid, blocked"),
        (("payments", "confirm", "--all-of", "2026-06"), "comes first"),
        (("payment", "2026-06", "ann", "settled"), "no payment to ann under way"),
        (
            ("dispute", "open", "2026-06", "--about", "amount", "--claimant", "ann", "--amount", "0", "--text", "t"),
            "more than nothing",
        ),
        (("run", "--period", "2026-06", "--pool", "5.00", "--currency", "USD"), "is published"),
    ],
)
def test_a_finance_command_that_cannot_be_says_why(paid_june: Month, words: tuple[str, ...], says: str) -> None:
    """If this fails, a mistyped name, currency or rate is written into the ledger, or taken for nothing to do."""
    before = paid_june.reopened().log.head()
    refused = settle(*words, home=paid_june.home)
    assert refused.code in (2, 4, 5)
    assert says in refused.err
    assert paid_june.reopened().log.head() == before
