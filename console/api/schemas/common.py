"""What the shapes share."""

import re
from datetime import UTC, date, datetime, time
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from console.core.schedule import YEARS

LIMIT = 50
MOST = 200
SPACED_OFFSET = re.compile(r" (\d\d:?\d\d)$")


class In(BaseModel):
    """What a caller sends: unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Body(In):
    """A JSON body: no type is guessed out of another."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Out(BaseModel):
    """What the API answers."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _moment(value: object) -> object:
    """An instant, or a date; `+` that became a space on its way through a query is put back."""
    if not isinstance(value, str):
        return value
    text = SPACED_OFFSET.sub(r"+\1", value.strip())
    try:
        moment = date.fromisoformat(text) if len(text) == len("2030-01-31") else datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(NO_MOMENT) from None
    if not YEARS[0] <= moment.year <= YEARS[1]:
        raise ValueError(f"must lie in the years {YEARS[0]} to {YEARS[1]}")
    if not isinstance(moment, datetime):
        return moment
    if moment.tzinfo is None:
        raise ValueError(NO_MOMENT)
    return moment.astimezone(UTC)


NO_MOMENT = "must be an ISO 8601 instant with its offset, such as 2030-01-31T09:15:00+07:00, or a date"


def since(moment: "datetime | date | None", zone: str) -> datetime | None:
    """The instant from which a filter holds: a date begins at midnight in the org's zone."""
    if moment is None or isinstance(moment, datetime):
        return moment
    return datetime.combine(moment, time(), ZoneInfo(zone)).astimezone(UTC)


def until(moment: "datetime | date | None", zone: str) -> datetime | None:
    """The instant up to which a filter holds: a date counts to its end in the org's zone."""
    if moment is None or isinstance(moment, datetime):
        return moment
    return datetime.combine(moment, time.max, ZoneInfo(zone)).astimezone(UTC)


Moment = Annotated[
    datetime | date,
    BeforeValidator(_moment),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}],
            "examples": ["2030-01-31T09:15:00+07:00", "2030-01-31"],
            "description": "An instant with its offset, or a date in the org's zone.",
        }
    ),
]


def _instant(value: object) -> object:
    moment = _moment(value) if isinstance(value, str) else None
    if not isinstance(moment, datetime):
        raise ValueError(NO_INSTANT)
    return moment


NO_INSTANT = "must be an ISO 8601 instant with its offset, such as 2030-01-31T09:15:00+07:00"
Moved = Annotated[
    datetime, BeforeValidator(_instant), WithJsonSchema({"type": "string", "format": "date-time"})
]
Instant = Annotated[
    datetime,
    PlainSerializer(lambda instant: instant.isoformat(), return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Limit = Annotated[int, Field(ge=1, le=MOST, description="How many at most.")]
Cursor = Annotated[str, Field(min_length=1, max_length=1000, description="`next_cursor` of the page before.")]
Text = Annotated[str, Field(max_length=200)]
Address = Annotated[str, Field(max_length=254)]
Arguments = Annotated[dict[str, Any], Field(description="The task's arguments, by name.")]
