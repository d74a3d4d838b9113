"""What a file of schedules says: its entries, read field by field, and all that is wrong with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from console.core.errors import Invalid
from console.core.reasons import Reason
from console.core.strict_yaml import Mistake, Node, Unreadable, parse
from console.services.schedule_fields import FIELDS, Wrong, unknown

VERSION = 1
LARGEST = 2 * 1024 * 1024
MOST_ENTRIES = 10_000
MOST_NAMED = 100
HEAD = ("version", "schedules")


class Mistakes:
    """What is wrong with a file, each with its place, such as `schedules[2].cron`, and its line.

    At the 100th nothing more is looked at: names that resemble a wrong one take time to find.
    """

    def __init__(self) -> None:
        self._texts: dict[str, list[str]] = {}
        self._said: list[str] = []
        self._reason: Reason | None = None

    @property
    def count(self) -> int:
        """How many there are so far."""
        return len(self._said)

    def add(self, place: str, line: int, text: str, reason: Reason | None = None) -> None:
        """Adds one; raises `Invalid` when it is the 100th."""
        self._reason = self._reason or reason
        self._texts.setdefault(place, []).append(f"line {line}: {text}")
        self._said.append(f"{place} (line {line}): {text}")
        if len(self._said) == MOST_NAMED:
            self.check()

    def check(self) -> None:
        """Raises `Invalid` with all of them if there are any."""
        count = len(self._said)
        if not count:
            return
        many = f"{count} mistakes: " if count > 1 else ""
        many = f"The first {many}" if count == MOST_NAMED else many
        said = f"{many}{'; '.join(self._said)}. Nothing was changed."
        raise Invalid(said, reason=self._reason or Reason.INVALID_SCHEDULE, fields=self._texts)


@dataclass(frozen=True)
class Entry:
    """One schedule of a file: the fields that it gives, `unread` those that can't be read.

    `schedule` has the contract's shape. `place` is such as `schedules[2]`, `lines` where each field stands.
    """

    place: str
    line: int
    key: str
    given: Mapping[str, Any]
    unread: frozenset[str]
    lines: Mapping[str, int]

    def complain(self, mistakes: Mistakes, name: str, text: str, reason: Reason | None = None) -> None:
        """Adds a mistake in one field, or in the schedule's field of this name."""
        line = self.lines.get(name) or self.lines.get(name.split(".")[0]) or self.lines.get("schedule")
        mistakes.add(f"{self.place}.{name}", line or self.line, text, reason)

    def refuse(self, mistakes: Mistakes, error: Invalid) -> None:
        """Adds what a service finds wrong with the fields."""
        for name, texts in error.fields.items():
            for text in texts:
                self.complain(mistakes, name, text, error.reason)


def read(text: str) -> tuple[list[Entry], Mistakes]:
    """The entries of a file in its order, with what is wrong in them so far.

    Raises `Invalid` at once for a text that is no YAML that is read here, that is too long, or
    that is another document altogether.
    """
    if len(text) > LARGEST or len(text.encode(errors="replace")) > LARGEST:
        _refuse("file", f"is larger than {LARGEST // 1024**2} MiB, which is the most that one file may be")
    try:
        root = parse(text)
    except Unreadable as error:
        raise _unreadable(error.mistakes) from error
    items = _items(root)
    if len(items) > MOST_ENTRIES:
        _refuse("schedules", f"has {len(items):,} entries; one file may have {MOST_ENTRIES:,}")
    mistakes = Mistakes()
    read = [_entry(f"schedules[{number}]", item, mistakes) for number, item in enumerate(items)]
    entries = [entry for entry in read if entry is not None]
    _refuse_twins(entries, mistakes)
    return entries, mistakes


def _refuse(field: str, text: str) -> NoReturn:
    said = f"{field}: {text}. Nothing was changed."
    raise Invalid(said, reason=Reason.INVALID_SCHEDULE, fields={field: [text]})


def _unreadable(found: Sequence[Mistake]) -> Invalid:
    texts = [f"line {item.line}, column {item.column}: {item.text}" for item in found]
    said = f"This is no YAML that is read here: {'; '.join(texts)}. Nothing was changed."
    return Invalid(said, reason=Reason.INVALID_SCHEDULE, fields={"file": texts})


def _items(root: Node) -> list[Node]:
    if not isinstance(root.value, dict):
        _refuse("file", "must be a mapping with version and schedules")
    head = root.value
    mistakes = Mistakes()
    for name, node in head.items():
        if name not in HEAD:
            mistakes.add(name, node.line, unknown(name, HEAD))
    version, schedules = (head.get(name, Node(None, root.line)) for name in HEAD)
    if version.value is True or version.value != VERSION:
        mistakes.add("version", version.line, f"must be {VERSION}, the version that is read here")
    items = schedules.value if isinstance(schedules.value, list) else None
    if items is None:
        mistakes.add("schedules", schedules.line, "must be a list of schedules")
    mistakes.check()
    return items or []


def _refuse_twins(entries: list[Entry], mistakes: Mistakes) -> None:
    first: dict[str, Entry] = {}
    for entry in entries:
        other = first.setdefault(entry.key, entry)
        if other is not entry:
            where = f"{other.place} (line {other.line})"
            entry.complain(mistakes, "key", f"{entry.key} is the key of {where} already")


# One entry ----------------------------------------------------------------------------------------


def _entry(place: str, node: Node, mistakes: Mistakes) -> Entry | None:
    """An entry, or None without a key that could name a job."""
    if not isinstance(node.value, dict):
        mistakes.add(place, node.line, "must be a mapping with a key")
        return None
    given: dict[str, Any] = {}
    for name, value in node.value.items():
        if name not in FIELDS:
            mistakes.add(f"{place}.{name}", value.line, unknown(name, FIELDS))
            continue
        try:
            given[name] = FIELDS[name](value)
        except Wrong as wrong:
            for part in wrong.parts:
                mistakes.add(f"{place}.{part.name or name}", part.line or value.line, part.text)
    if "key" not in given:
        if "key" not in node.value:
            mistakes.add(f"{place}.key", node.line, "is missing; it names the job")
        return None
    unread = frozenset(node.value) - frozenset(given)
    return Entry(place, node.line, given.pop("key"), given, unread, _lines(node.value))


def _lines(fields: Mapping[str, Node]) -> dict[str, int]:
    """Where each field stands, those of the schedule too."""
    schedule = fields["schedule"].value if "schedule" in fields else None
    inner = {name: node.line for name, node in schedule.items()} if isinstance(schedule, dict) else {}
    return inner | {name: node.line for name, node in fields.items()}
