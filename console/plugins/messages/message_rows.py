"""The rows of a file of message jobs, CSV or JSON, read without a look at what is there."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any
from uuid import UUID

from console.core import delimited
from console.core.delimited import Line, Unreadable
from console.core.texts import storable
from console.plugins.messages.event_rows import LARGEST, BadFile, Fault, Faults
from console.plugins.messages.event_shape import shown
from console.services.job_files import COLUMNS

MOST_ROWS = 5_000
FOR_READERS = ("last_run_state", "last_run_at")
"""Columns that an export has and an import passes over."""
BEGINNINGS = ("{", "[")


@dataclass(frozen=True)
class Row:
    """What one row says: its line (in JSON its number), the job that it names, and the text of its cells."""

    number: int
    id: UUID | None
    key: str | None
    revision: int | None
    cells: Mapping[str, str]

    @property
    def is_new(self) -> bool:
        return self.id is None and self.key is None


def read(text: str, faults: Faults) -> list[Row]:
    """The rows of a file's text; raises `BadFile` for what is no such file."""
    if len(text.encode(errors="replace")) > LARGEST:
        raise BadFile([Fault(0, "", f"is larger than {LARGEST // 1024**2} MB; split it")])
    is_json = text.lstrip("\ufeff \t\r\n").startswith(BEGINNINGS)
    lines = _from_json(text, faults) if is_json else _from_csv(text)
    _check_columns(lines, faults)
    if not lines:
        raise BadFile([Fault(0, "", "has no rows; each one is a message")])
    return [row for row in (_row(line, faults) for line in lines) if row]


def _from_csv(text: str) -> Sequence[Line]:
    try:
        table = delimited.read(text, most=MOST_ROWS)
    except Unreadable as error:
        raise BadFile([Fault(error.line or 0, "", str(error))]) from None
    return table.lines or _headed(table.columns)


def _headed(columns: Sequence[str]) -> Sequence[Line]:
    """A file of a first line alone is one of no rows, whatever its columns are called."""
    return [] if set(columns) <= set(COLUMNS) else [Line(1, dict.fromkeys(columns, ""))]


def _from_json(text: str, faults: Faults) -> Sequence[Line]:
    try:
        found = json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise BadFile([Fault(getattr(error, "lineno", 0), "", f"is no JSON: {error}")]) from None
    rows = found.get("jobs") if isinstance(found, dict) else found
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadFile([Fault(0, "jobs", "must be a list of objects, as an export has it")])
    if len(rows) > MOST_ROWS:
        raise BadFile([Fault(0, "", f"has more than {MOST_ROWS:,} rows; split it")])
    return [Line(number, dict(_cells(number, row, faults))) for number, row in enumerate(rows, 1)]


def _cells(number: int, row: Mapping[str, Any], faults: Faults) -> Iterator[tuple[str, str]]:
    for name, value in row.items():
        if value is not None and not _is_text(value):
            faults.add(number, storable(name, 60), "must be text")
        yield name, "" if value is None else str(value).strip()


def _is_text(value: Any) -> bool:
    """Whether it is text that a database holds, or a whole number."""
    if isinstance(value, str):
        return "\0" not in value and storable(value, len(value)) == value
    return isinstance(value, int) and not isinstance(value, bool)


def _check_columns(lines: Sequence[Line], faults: Faults) -> None:
    """Nothing is guessed out of rows whose columns are not known."""
    for line in lines:
        for column in line.cells:
            if column not in COLUMNS:
                near = get_close_matches(column, COLUMNS, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(COLUMNS)}"
                faults.add(line.number, storable(column, 60), f"is no column of a job; {hint}")
        faults.check()


def _row(line: Line, faults: Faults) -> Row | None:
    cells = {name: _unified(text) for name, text in line.cells.items() if name not in FOR_READERS}
    given, key, revision = (cells.pop(name, "") for name in ("id", "key", "revision"))
    try:
        job_id = UUID(given) if given else None
    except ValueError:
        faults.add(line.number, "id", f"{shown(given)} is no id; leave it empty for a new message")
        return None
    if revision and not (revision.isascii() and revision.isdecimal() and len(revision) < 10):
        faults.add(line.number, "revision", f"{shown(revision)} is no number of a revision")
        return None
    return Row(line.number, job_id, key or None, int(revision) if revision else None, cells)


def _unified(text: str) -> str:
    """Lines end as the database has them, whatever a form or a spreadsheet made of them."""
    return text.replace("\r\n", "\n").strip()
