from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InputError
from ledger.ingest.checks import FIELDS
from ledger.tabular import (
    SEPARATORS,
    Lettering,
    cells,
    distance,
    fields_of,
    mapping_lines,
    nearest,
    renaming,
    separator,
    spelled,
)

columns = st.lists(st.text(st.characters(categories=("L", "N", "Zs", "P"), exclude_characters='"\x00')), min_size=2)


@given(columns, st.sampled_from(SEPARATORS))
def test_the_separator_of_a_table_is_found_whatever_stands_in_quotes(names: list[str], sign: str) -> None:
    """If this fails, a table with semicolons is read as one column, or a comma in a quoted name splits it."""
    header = sign.join(f'"{name}"' for name in names)
    assert separator(header) == sign
    assert cells(header, sign) == names


def test_a_header_of_one_column_and_an_open_quote() -> None:
    """If this fails, a list of ids alone is refused, or an open quote swallows what follows."""
    assert cells("id", separator("id")) == ["id"]
    assert separator("id;name,kind;group") == ";"
    with pytest.raises(InputError, match="not CSV"):
        cells('a,"b', ",")


def test_letters_are_those_of_the_file() -> None:
    """If this fails, names from Excel are garbled, or a file in two encodings is taken with half its names wrong."""
    windows, utf8, plain = "Café – Ø €".encode("cp1252"), "Café".encode(), b"Cafe"
    old, new = Lettering(), Lettering()
    old.learn([plain])
    old.learn([plain, windows])
    old.learn([utf8])
    assert [old.text(line) for line in (windows, plain)] == ["Café – Ø €", "Cafe"]
    with pytest.raises(InputError, match="is UTF-8, and the lines before"):
        old.text(utf8)
    with pytest.raises(InputError, match=r"neither UTF-8 nor Windows-1252: byte 0x81 at column 2"):
        old.text(b"a\x81")
    new.learn([windows, utf8])
    assert new.text(utf8) == "Café"
    with pytest.raises(InputError, match=r"not UTF-8: byte 0xE9 at column 4"):
        new.text(windows)
    with pytest.raises(InputError, match="not UTF-8"):
        Lettering().text(windows)


def test_columns_mean_fields_or_are_named_as_not_understood() -> None:
    """If this fails, a column that pays people is dropped without a word."""
    fields = ("id", "title", "isrc")
    assert spelled("  Track-ID no ") == "track_id_no"
    assert fields_of(["ID", "Title", ""], fields, {}, "x") == ["id", "title", None]
    assert fields_of(["ID", "Song", "Notes"], fields, {"Song": "title", "Notes": ""}, "x") == ["id", "title", None]
    with pytest.raises(InputError, match=r"x: column 'titel', 'colour' not understood.*--map 'titel=title'"):
        fields_of(["id", "titel", "colour"], fields, {}, "x")
    with pytest.raises(InputError, match=r"--map 'colour=FIELD'"):
        fields_of(["id", "colour"], fields, {}, "x")
    with pytest.raises(InputError, match="'title' occurs twice"):
        fields_of(["title", "Song"], fields, {"Song": "title"}, "x")
    with pytest.raises(InputError, match=r"no column 'Song'.*it has id, title"):
        fields_of(["id", "", "title"], fields, {"Song": "title"}, "x")


def test_a_mapping_says_each_column_once_and_names_fields() -> None:
    """If this fails, a mistyped mapping leaves a column out, or one whose name has `=` cannot be mapped."""
    assert renaming(["a=b=id", "id="], ["id", "title"]) == {"a=b": "id", "id": ""}
    for pair in ("", "=", "=id", "a", "a=name", "title=id"):
        with pytest.raises(InputError, match=r"expected COLUMN=FIELD|is a field itself"):
            renaming([pair], ["id", "title"])
    with pytest.raises(InputError, match="mapped twice"):
        renaming(["a=id", "a=title"], ["id", "title"])
    assert mapping_lines("# of Acme\n\n Song=title \n#\nA=id") == ["Song=title", "A=id"]


@given(st.sampled_from(FIELDS), st.integers(0, 40), st.sampled_from("abz_"))
def test_one_letter_more_or_less_or_other_is_near(name: str, place: int, letter: str) -> None:
    """If this fails, the distance of two names is not what its words say."""
    cut = place % len(name)
    for after in (name[cut + 1 :], letter + name[cut:], letter + name[cut + 1 :]):
        other = name[:cut] + after
        assert distance(name, other) <= 1
        assert other in FIELDS or nearest(other, FIELDS) is not None
    assert distance(name, name[::-1]) == distance(name[::-1], name)
    assert nearest("colour", FIELDS) is None
