"""Where a cron expression goes wrong, in the words of someone who wants to put it right."""

from dataclasses import dataclass
from functools import lru_cache

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
LONGEST = 200
WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


@dataclass(frozen=True)
class Mistake:
    """The place of a mistake in the normalised expression, from 0, end excluded, and what is wrong."""

    start: int
    end: int
    field: str
    text: str


@dataclass(frozen=True)
class _Field:
    """One of the five; `names` stand for the numbers from `name_base` on."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    name_base: int = 0

    def number(self, text: str) -> int | None:
        """What a single value stands for, in range or not; None for neither number nor name."""
        if text.upper() in self.names:
            return self.names.index(text.upper()) + self.name_base
        return int(text) if _is_digits(text) else None

    @property
    def wanted(self) -> str:
        named = f" or a name such as {self.names[1]}" if self.names else ""
        return f"must be a number from {self.low} to {self.high}{named}"


FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, MONTHS, 1),
    _Field("weekday", 0, 7, WEEKDAYS),
)
ALL_FIELDS = ", ".join(field.name for field in FIELDS)
MONTH_DAY, WEEKDAY = FIELDS[2], FIELDS[4]


@dataclass(frozen=True)
class _Piece:
    """A stretch of the expression; `at` is where it begins."""

    text: str
    at: int

    def split(self, mark: str) -> "tuple[_Piece, _Piece]":
        """What stands before the first mark and after it."""
        head, _, tail = self.text.partition(mark)
        return _Piece(head, self.at), _Piece(tail, self.at + len(head) + len(mark))

    def terms(self, mark: str) -> "list[_Piece]":
        found, at = [], self.at
        for text in self.text.split(mark):
            found.append(_Piece(text, at))
            at += len(text) + len(mark)
        return found

    def wrong(self, field: _Field, text: str) -> Mistake:
        return Mistake(self.at, self.at + len(self.text), field.name, text)


@lru_cache(maxsize=2048)
def mistake(expression: str) -> Mistake | None:
    """The first mistake of an expression; None when all five fields can be read."""
    whole = _Piece(" ".join(expression.split()), 0)
    if len(whole.text) > LONGEST:
        return Mistake(LONGEST, len(whole.text), "", f"is too much; {LONGEST} characters are enough")
    pieces = whole.terms(" ") if whole.text else []
    for piece, field in zip(pieces, FIELDS, strict=False):
        found = next((wrong for term in piece.terms(",") if (wrong := _term(term, field))), None)
        if found:
            return found
    if len(pieces) < len(FIELDS):
        end = _Piece("", len(whole.text))
        return end.wrong(FIELDS[len(pieces)], f"is missing; the five fields are {ALL_FIELDS}")
    if len(pieces) > len(FIELDS):
        rest = _Piece(whole.text[pieces[5].at :], pieces[5].at)
        return Mistake(
            rest.at, rest.at + len(rest.text), "", f"is too much; the five fields are {ALL_FIELDS}"
        )
    return None


def words(expression: str, wrong: Mistake) -> str:
    """A mistake in one line, such as hour “25” at character 3: must lie between 0 and 23."""
    piece = " ".join(expression.split())[wrong.start : wrong.end]
    named = " ".join(part for part in (wrong.field, f"“{piece}”" if piece else "") if part)
    return f"{named} at character {wrong.start + 1}: {wrong.text}"


def _term(term: _Piece, field: _Field) -> Mistake | None:
    """One term of a list: *, a value, a range, either with a step, or the forms with L and #."""
    if field is WEEKDAY and term.text.upper().endswith("L"):
        return _last(term, field)
    if field is WEEKDAY and "#" in term.text:
        return _nth(term, field)
    if "/" in term.text:
        base, step = term.split("/")
        return _base(base, field) or _step(step, field)
    return _base(term, field)


def _last(term: _Piece, field: _Field) -> Mistake | None:
    day = _Piece(term.text[:-1], term.at)
    if not _is_digits(day.text):
        return term.wrong(field, "before L stands the number of the weekday, such as 5L for the last Friday")
    return _value(day, field)


def _nth(term: _Piece, field: _Field) -> Mistake | None:
    day, nth = term.split("#")
    if not (_is_digits(nth.text) and 1 <= int(nth.text) <= 5):
        return nth.wrong(field, "after # stands a number from 1 to 5, such as MON#2 for the second Monday")
    return _value(day, field)


def _step(step: _Piece, field: _Field) -> Mistake | None:
    if _is_digits(step.text) and int(step.text) > 0:
        return None
    return step.wrong(field, "after / stands a whole number of 1 or more, such as */15")


def _base(base: _Piece, field: _Field) -> Mistake | None:
    if base.text == "*" or (field is MONTH_DAY and base.text.upper() in ("L", "LW")):
        return None
    if "-" not in base.text:
        return _value(base, field)
    low, high = base.split("-")
    wrong = _value(low, field) or _value(high, field)
    if wrong:
        return wrong
    if (field.number(high.text) or 0) >= (field.number(low.text) or 0):
        return None
    sunday = "; Sunday at its end is 7" if field is WEEKDAY else ""
    return base.wrong(field, f"must run from the lower value to the higher one{sunday}")


def _value(value: _Piece, field: _Field) -> Mistake | None:
    number = field.number(value.text)
    if number is None:
        return value.wrong(field, field.wanted)
    if not field.low <= number <= field.high:
        return value.wrong(field, f"must lie between {field.low} and {field.high}")
    return None


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()
