"""CSV as spreadsheets write it: with commas, semicolons or tabs; and what is no CSV."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.core.delimited import Unreadable, decoded, read, written


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_the_delimiter_is_found_in_the_first_line(delimiter: str, ending: str) -> None:
    text = ending.join(("Name,Venue", '"Hamlet, again",Main', "", "  ,", "Faust,")).replace(",", delimiter)
    table = read(text, most=10)
    assert table.columns == ["name", "venue"]
    assert [(line.number, line.cells) for line in table.lines] == [
        (2, {"name": f"Hamlet{delimiter} again".strip(), "venue": "Main"}),
        (5, {"name": "Faust", "venue": ""}),
    ]


def test_a_line_break_in_quotes_belongs_to_its_cell_and_lines_are_counted_on() -> None:
    table = read('name,venue\n"Ham\nlet",Main\nFaust,Yard,\n', most=10)
    assert [(line.number, line.cells["name"]) for line in table.lines] == [(2, "Ham\nlet"), (4, "Faust")]


@pytest.mark.parametrize(
    ("text", "said", "line"),
    [
        ("", "is empty", None),
        ("\n \n", "is empty", None),
        ("name,,venue\n", "without a name", 1),
        ("name,Name\n", "column 'name' twice", 1),
        ("name\nHamlet,Main\n", "has 2 cells, and the header names 1 columns", 2),
        ('name\n"Hamlet\n', "can't be read as CSV", 2),
        ("name\n" + "x\n" * 4, "more than 3 rows", None),
        ("PK\x03\x04\0\0", "rather than CSV", None),
    ],
)
def test_what_is_no_such_table_is_refused_with_its_line(text: str, said: str, line: int | None) -> None:
    with pytest.raises(Unreadable, match=said) as caught:
        read(text, most=3)
    assert caught.value.line == line


def test_only_utf_8_is_text_with_or_without_its_mark() -> None:
    assert decoded("name\nZoë".encode()) == decoded(b"\xef\xbb\xbfname\nZo\xc3\xab") == "name\nZoë"
    with pytest.raises(Unreadable, match="CSV UTF-8") as caught:
        decoded("name\nZoë".encode("latin-1"))
    assert caught.value.line == 2


@pytest.mark.parametrize("begin", "=+-@\t\r'")
def test_what_a_spreadsheet_would_calculate_is_marked_as_text(begin: str) -> None:
    assert written([f"{begin}1+1"]).strip().lstrip('"').startswith(f"'{begin}")


def test_what_is_no_formula_is_written_as_it_is_and_nothing_as_an_empty_cell() -> None:
    assert written(["Hamlet", None, 3, 'a, "b"']) == 'Hamlet,,3,"a, ""b"""\r\n'


@given(st.lists(st.text("=+-@\t\r\n',;\" ab\u00fc\u200b"), min_size=1, max_size=4))
def test_what_was_written_is_read_again(cells: list[str]) -> None:
    """But for the blanks around a cell, which reading takes away."""
    columns = [f"c{number}" for number in range(len(cells) + 1)]
    table = read(written(columns) + written(["x", *cells]), most=1)
    (line,) = table.lines
    found = [line.cells[name] for name in columns[1:]]
    assert [cell.strip() for cell in found] == [cell.strip() for cell in cells]
