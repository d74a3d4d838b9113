"""The rows of a CSV file of events, read without a look at what is there."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from console.core import delimited, local_time
from console.core.delimited import Line, Table, Unreadable
from console.core.errors import Invalid
from console.plugins.messages.event_shape import NAMES, NEEDED, shown
from console.services.orgs import zone

LARGEST = 1024 * 1024
MOST_ROWS = 5_000
MOST_NAMED = 100
COLUMNS = ("id", *NAMES)
INSTANTS = ("starts_at", "load_in_at")
AS_IT_IS = ("name", "starts_at", "timezone")
"""Columns in which an empty cell says nothing; in the others it empties the field."""
ADDRESS_ENDS = str.maketrans(";,", "  ")


@dataclass(frozen=True)
class Fault:
    """What is wrong in a file; line 0 is the file as a whole, and an empty column a row as a whole."""

    line: int
    column: str
    text: str

    @property
    def place(self) -> str:
        """Such as `lines[7].starts_at`."""
        return f"lines[{self.line}].{self.column}".rstrip(".") if self.line else "file"


class BadFile(Invalid):
    """The file can't be used; nothing was changed."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = faults
        fields: dict[str, list[str]] = {}
        for fault in faults:
            fields.setdefault(fault.place, []).append(fault.text)
        said = "; ".join(f"{name}: {', '.join(texts)}" for name, texts in fields.items())
        super().__init__(f"{said}. Nothing was changed.", fields=fields)


@dataclass
class Faults:
    """Collects what is wrong; at the hundredth nothing more is looked at."""

    found: list[Fault] = field(default_factory=list)

    def add(self, line: int, column: str, text: str) -> None:
        """Raises `BadFile` when it is the hundredth."""
        self.found.append(Fault(line, column, text))
        if len(self.found) == MOST_NAMED:
            self.check()

    def check(self) -> None:
        """Raises `BadFile` with all of them if there are any."""
        if self.found:
            raise BadFile(sorted(self.found, key=lambda fault: fault.line))


@dataclass(frozen=True)
class Row:
    """What one row says: its line, the event's id if it names one, and the text of its cells by column."""

    number: int
    id: UUID | None
    cells: Mapping[str, str]

    def place(self, default: str) -> ZoneInfo:
        """The zone in which its local times are meant; raises `Invalid`."""
        return zone(self.cells.get("timezone") or default)


def read(text: str, faults: Faults) -> list[Row]:
    """The rows of a file's text; raises `BadFile` for what is no such table."""
    if len(text.encode(errors="replace")) > LARGEST:
        raise BadFile([Fault(0, "", f"is larger than {LARGEST // 1024**2} MB; split it")])
    try:
        table = delimited.read(text, most=MOST_ROWS)
    except Unreadable as error:
        raise BadFile([Fault(error.line or 0, "", str(error))]) from None
    _check_columns(table, faults)
    return [row for row in (_row(line, faults) for line in table.lines) if row]


def _check_columns(table: Table, faults: Faults) -> None:
    """Nothing is guessed out of rows whose columns are not known."""
    for column in table.columns:
        if column not in COLUMNS:
            near = get_close_matches(column, COLUMNS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(COLUMNS)}"
            faults.add(1, column[:60], f"is no column of an event; {hint}")
    if "id" not in table.columns:
        for column in NEEDED:
            if column not in table.columns:
                faults.add(1, column, "is missing; every event needs it")
    faults.check()
    if not table.lines:
        raise BadFile([Fault(0, "", "has no rows; each one below the first line is an event")])


def _row(line: Line, faults: Faults) -> Row | None:
    cells = {name: text for name, text in line.cells.items() if text or name not in AS_IT_IS}
    given = cells.pop("id", "")
    try:
        return Row(line.number, UUID(given) if given else None, cells)
    except ValueError:
        faults.add(line.number, "id", f"{shown(given)} is no id; leave it empty for a new event")
        return None


def values(row: Row, place: ZoneInfo, faults: Faults) -> dict[str, Any]:
    """What the row says by field, as far as it can be read; local times are meant in the zone `place`."""
    found: dict[str, Any] = {}
    for name, text in row.cells.items():
        try:
            found[name] = _value(name, text, place)
        except ValueError as error:
            faults.add(row.number, name, str(error))
    return found


def _value(name: str, text: str, place: ZoneInfo) -> Any:
    if name in INSTANTS:
        return moment(text, place) if text else None
    if name == "crew":
        return list(_addresses(text))
    return (text or None) if name == "contact_email" else text


def _addresses(text: str) -> Iterator[str]:
    yield from text.translate(ADDRESS_ENDS).split()


def moment(text: str, place: ZoneInfo) -> datetime:
    """An instant with an offset, or a local time of the zone; raises ValueError that says what is wrong."""
    if local_time.LOCAL.fullmatch(text):
        return local_time.instant_of(text, place)
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"{shown(text)} is no date and time; write it like 2026-11-28 19:30")
