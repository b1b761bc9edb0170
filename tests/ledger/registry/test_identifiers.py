from __future__ import annotations

from collections.abc import Callable

import pytest

from ledger.errors import InputError
from ledger.registry import identifiers

Check = Callable[[str], str]

# Published codes: ISWC and IPI from CISAC's and MusicBrainz's documentation, ISNI from isni.org, DPID from
# DDEX's own register, IBAN from the SWIFT registry's examples.
VALID: list[tuple[Check, str, str]] = [
    (identifiers.isrc, "US-RC1-76-07839", "USRC17607839"),
    (identifiers.isrc, "GB-AYE-69-00531", "GBAYE6900531"),
    (identifiers.isrc, "se a01 26 00001", "SEA012600001"),
    (identifiers.iswc, "T-034.524.680-1", "T0345246801"),
    (identifiers.iswc, "T-000.000.001-0", "T0000000010"),
    (identifiers.iswc, "T-010.140.236-1", "T0101402361"),
    (identifiers.ipi_base, "I-001068130-6", "I0010681306"),
    (identifiers.ipi_name, "00014107338", "00014107338"),
    (identifiers.ipi_name, "199", "00000000199"),
    (identifiers.ipi_name, "00017798450", "00017798450"),
    (identifiers.ipi, "I-001068130-6", "I0010681306"),
    (identifiers.ipi, "14107338", "00014107338"),
    (identifiers.isni, "0000 0001 2150 090X", "000000012150090X"),
    (identifiers.isni, "0000 0001 2103 2683", "0000000121032683"),
    (identifiers.dpid, "PADPIDA2013020802I", "PADPIDA2013020802I"),
    (identifiers.dpid, "PADPIDA2014111801Y", "PADPIDA2014111801Y"),
    (identifiers.dpid, "PA-DPIDA-2012073007-R", "PADPIDA2012073007R"),
    (identifiers.dpid, "PADPIDA20070627029", "PADPIDA20070627029"),
    (identifiers.iban, "SE45 5000 0000 0583 9825 7466", "SE4550000000058398257466"),
    (identifiers.iban, "GB82 WEST 1234 5698 7654 32", "GB82WEST12345698765432"),
    (identifiers.iban, "DE89 3704 0044 0532 0130 00", "DE89370400440532013000"),
]

INVALID: list[tuple[Check, str]] = [
    (identifiers.isrc, "USRC1760783"),
    (identifiers.isrc, "U5RC17607839"),
    (identifiers.isrc, "USRC1760783A"),
    (identifiers.iswc, "T-034.524.680-2"),
    (identifiers.iswc, "034.524.680-1"),
    (identifiers.iswc, "T-034.524.68-1"),
    (identifiers.ipi_base, "I-001068130-7"),
    (identifiers.ipi_name, "00014107339"),
    (identifiers.ipi_name, "123456789012"),
    (identifiers.ipi, ""),
    (identifiers.isni, "0000 0001 2150 0900"),
    (identifiers.isni, "X000 0001 2150 090X"),
    (identifiers.dpid, "PADPIDA2014999999Z"),
    (identifiers.iban, "SE45 5000 0000 0583 9825 7467"),
    (identifiers.iban, "45SE"),
    (identifiers.evm_address, "0x12"),
]


def named(value: object) -> str:
    """A check by its name, so that a test is called the same in every process."""
    return getattr(value, "__name__", str(value))


@pytest.mark.parametrize(("check", "written", "canonical"), VALID, ids=named)
def test_published_codes_are_accepted_in_one_spelling(check: Check, written: str, canonical: str) -> None:
    """If this fails, a real identifier is refused, or the same one is stored in two spellings."""
    assert check(written) == canonical
    assert check(canonical) == canonical


@pytest.mark.parametrize(("check", "written"), INVALID, ids=named)
def test_wrong_codes_are_refused_by_name(check: Check, written: str) -> None:
    """If this fails, a mistyped identifier enters the registry."""
    with pytest.raises(InputError, match=r"expected|do not agree"):
        check(written)


# IPI: modulus 101 with the check cut to two digits, so of 101 remainders two (0 and 1) share "00".
@pytest.mark.parametrize(
    ("check", "code"),
    [
        (identifiers.ipi_name, "00014107338"),
        (identifiers.ipi_name, "00000000199"),
        (identifiers.isni, "0000000121032683"),
        (identifiers.isni, "000000012150090X"),
        (identifiers.dpid, "PADPIDA2013020802I"),
        (identifiers.iban, "SE4550000000058398257466"),
        (identifiers.iban, "DE89370400440532013000"),
    ],
    ids=named,
)
def test_every_single_digit_error_is_caught(check: Check, code: str) -> None:
    """If this fails, a scheme that promises to catch one wrong digit no longer does."""
    for place, original in enumerate(code):
        if not original.isdigit():
            continue
        for digit in "0123456789":
            if digit != original:
                with pytest.raises(InputError):
                    check(code[:place] + digit + code[place + 1 :])


@pytest.mark.parametrize(
    ("check", "code"), [(identifiers.iswc, "T0345246801"), (identifiers.ipi_base, "I0010681306")], ids=named
)
def test_weighted_mod_ten_catches_what_its_weights_can(check: Check, code: str) -> None:
    """If this fails, the ISWC family's weights are off: weights coprime to ten catch every single-digit error."""
    for place in (1, 3, 7, 9, 10):
        for digit in "0123456789":
            if digit != code[place]:
                with pytest.raises(InputError):
                    check(code[:place] + digit + code[place + 1 :])


def test_ethereum_accounts_keep_their_case() -> None:
    """If this fails, the checksum that an account's letter case carries is lost."""
    address = "0x52908400098527886E0F7030069857D2E4169EE7"
    assert identifiers.evm_address(f" {address} ") == address


NAMES: list[tuple[Check, str]] = [
    (identifiers.isrc, "ISRC"),
    (identifiers.iswc, "ISWC"),
    (identifiers.ipi_base, "IPI base number"),
    (identifiers.ipi_name, "IPI name number"),
    (identifiers.isni, "ISNI"),
    (identifiers.dpid, "DPID"),
]


@pytest.mark.parametrize(("check", "name"), NAMES, ids=[name for _, name in NAMES])
def test_a_refusal_names_the_scheme_and_an_example_that_is_accepted(check: Check, name: str) -> None:
    """If this fails, whoever typed a code wrongly is told of another scheme, or shown a wrong example."""
    with pytest.raises(InputError) as refused:
        check("?!")
    said = str(refused.value)
    assert said.startswith(f"{name} '?!': expected ")
    example = said.partition(", such as ")[2]
    code = check(example)
    if check is not identifiers.isrc:
        other = "0" if code[-1] != "0" else "1"
        with pytest.raises(InputError, match=f"{name} '{code[:-1]}{other}': check digit") as wrong:
            check(code[:-1] + other)
        assert code.endswith(str(wrong.value).partition("check digit '")[2].partition("'")[0])
