"""Tables in text files (CSV): with commas, semicolons or tabs, as spreadsheets write them."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO

FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")
"""With these a spreadsheet takes a cell for a formula; the apostrophe is the mark against that."""
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}


class Unreadable(ValueError):
    """The file is no such table; the text says why, and in which line when that is known."""

    def __init__(self, text: str, line: int | None = None) -> None:
        super().__init__(text)
        self.line = line


@dataclass(frozen=True)
class Line:
    """A row of the table: the line of the file in which it begins, and its cells by column."""

    number: int
    cells: Mapping[str, str]


@dataclass(frozen=True)
class Table:
    """The columns, in lower case and in their order, and the rows that are not empty."""

    columns: Sequence[str]
    lines: Sequence[Line]


def decoded(raw: bytes) -> str:
    """The text of a file in UTF-8, with or without its mark; raises `Unreadable`."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        advice = "save it from the spreadsheet as “CSV UTF-8”"
        raise Unreadable(f"is no text in UTF-8; {advice}", line) from None


def read(text: str, *, most: int) -> Table:
    """The table of a text whose first line names the columns; raises `Unreadable`, for too many rows too."""
    if "\0" in text:
        raise Unreadable("holds characters that no text has; is it a spreadsheet rather than CSV?")
    records = _records(text.removeprefix("\ufeff"))
    try:
        _, head = next(records)
    except StopIteration:
        raise Unreadable("is empty; its first line names the columns") from None
    columns = [cell.strip().lower() for cell in head]
    _check_head(columns)
    lines: list[Line] = []
    for number, cells in records:
        if len(lines) == most:
            raise Unreadable(f"has more than {most:,} rows; split it")
        lines.append(_line(number, cells, columns))
    return Table(columns, lines)


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each record that is not empty, with the line in which it begins: a quoted cell may hold line breaks."""
    reader = csv.reader(StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    before = 0
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise Unreadable(f"can't be read as CSV: {error}", before + 1) from None
        if any(cell.strip() for cell in cells):
            yield before + 1, cells
        before = reader.line_num


def _delimiter(text: str) -> str:
    """What stands most often in the first line that holds anything."""
    head = next((line for line in text.splitlines() if line.strip()), "")
    return max(DELIMITERS, key=head.count)


def _check_head(columns: Sequence[str]) -> None:
    for column in columns:
        if not column:
            raise Unreadable("has a column without a name", 1)
        if columns.count(column) > 1:
            raise Unreadable(f"has the column {column[:60]!r} twice", 1)


def _line(number: int, cells: Sequence[str], columns: Sequence[str]) -> Line:
    given = [plain(cell).strip() for cell in cells]
    while len(given) > len(columns) and not given[-1]:
        given.pop()
    if len(given) > len(columns):
        text = f"has {len(given)} cells, and the header names {len(columns)} columns"
        raise Unreadable(f"{text}; a cell that holds the delimiter stands in double quotes", number)
    given += [""] * (len(columns) - len(given))
    return Line(number, dict(zip(columns, given, strict=True)))


def written(cells: Iterable[object]) -> str:
    """One line with its end, such that no spreadsheet calculates a cell; None is an empty cell."""
    into = StringIO()
    csv.writer(into).writerow("" if cell is None else marked(str(cell)) for cell in cells)
    return into.getvalue()


def marked(text: str) -> str:
    """The text of a cell, with an apostrophe before what would be a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text


def plain(text: str) -> str:
    """What `marked` was made of."""
    return text[1:] if text.startswith("'") and text[1:].startswith(FORMULA) else text
