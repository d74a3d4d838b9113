"""The form that is generated from a task's arguments: what it shows, what it reads, what it says is wrong."""

from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from pydantic import Field
from werkzeug.datastructures import MultiDict

from console import Params, Run, task
from console.core.errors import Invalid
from console.core.registry import registry
from console.web import args_form
from console.web.args_form import ArgsField
from console.web.args_shape import Kind

SAIGON = ZoneInfo("Asia/Ho_Chi_Minh")
BERLIN = ZoneInfo("Europe/Berlin")
SOME_ID = "0c8d5a3e-9f6b-4e27-8d41-5b7a90c2e6f3"


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Inner(Params):
    depth: int


class Everything(Params):
    """One argument of each kind."""

    name: str = Field(max_length=20, description="Of the thing.")
    story: str = Field(default="", max_length=2000)
    keep_days: int = Field(default=30, ge=1, lt=100)
    rate: float = Field(default=1.5, ge=0)
    price: Decimal = Decimal("2.50")
    is_loud: bool = False
    is_kept: bool = Field(default=True, title="Keep it")
    maybe: bool | None = None
    colour: Colour = Colour.RED
    side: Literal["left", "right"] | None = None
    level: Literal[1, 2] = 1
    day: date | None = None
    at: datetime | None = None
    clock: time | None = None
    id: UUID | None = None
    people: tuple[str, ...] = ()
    numbers: list[int] = Field(default=[])
    inner: Inner | None = None
    either: int | list[int] = 0


@task(title="Take everything", category="Forms", params=Everything)
def take_everything(run: Run) -> None:
    """Takes an argument of each kind."""


def fields(args: Mapping[str, Any], **more: Any) -> dict[str, ArgsField]:
    form = args_form.form_of(registry.resolve("take_everything"), args, **more)
    return {field.name.removeprefix("args."): field for field in form.fields}


def read(zone: ZoneInfo = SAIGON, **typed: str) -> dict[str, Any]:
    """What comes of a form as the page shows it, with this typed into it."""
    sent = {field.name: field.value for field in fields({}).values() if field.kind is not Kind.YES_NO}
    sent |= {field.name: "1" for field in fields({}).values() if field.is_on}
    sent |= {f"args.{name}": text for name, text in typed.items()}
    return args_form.read(registry.resolve("take_everything"), MultiDict({"args": "1"} | sent), zone=zone)


def wrong(**typed: str) -> dict[str, list[str]]:
    with pytest.raises(Invalid) as caught:
        read(**{"name": "x", **typed})
    return dict(caught.value.fields)


def test_each_argument_has_the_field_of_its_kind_with_its_bounds_and_its_default() -> None:
    found = fields({})
    kinds = {name: field.kind.value for name, field in found.items()}
    assert kinds == {
        "name": "text", "story": "area", "keep_days": "whole", "rate": "number", "price": "number",
        "is_loud": "yes_no", "is_kept": "yes_no", "maybe": "choice", "colour": "choice", "side": "choice",
        "level": "choice", "day": "date", "at": "moment", "clock": "time", "id": "text", "people": "lines",
        "numbers": "lines", "inner": "json", "either": "json",
    }  # fmt: skip
    assert found["keep_days"].bounds == {"min": "1", "max": "99", "step": "1"}
    assert (found["keep_days"].label, found["keep_days"].value) == ("Keep days", "30")
    assert (found["name"].is_required, found["name"].description) == (True, "Of the thing.")
    assert found["name"].bounds == {"maxlength": "20"}
    assert (found["is_kept"].label, found["is_kept"].is_on, found["is_loud"].is_on) == (
        "Keep it",
        True,
        False,
    )
    assert [option.value for option in found["side"].options] == ["", "left", "right"]
    assert [(option.value, option.is_chosen) for option in found["colour"].options] == [
        ("red", True), ("blue", False),
    ]  # fmt: skip


def test_it_is_filled_with_the_jobs_own_and_instants_are_on_the_clocks_of_the_zone() -> None:
    args = {
        "name": "x",
        "at": "2030-06-01T10:00:00Z",
        "people": ["a", "b"],
        "inner": {"depth": 2},
        "level": 2,
    }
    found = fields(args, zone=SAIGON)
    assert (found["at"].value, found["people"].value) == ("2030-06-01T17:00", "a\nb")
    assert found["inner"].value == '{\n  "depth": 2\n}'
    assert [option.value for option in found["level"].options if option.is_chosen] == ["2"]
    stale = fields({"side": "middle"})["side"]  # no longer offered, and not lost in silence
    assert [option.value for option in stale.options if option.is_chosen] == ["middle"]


def test_what_nobody_touched_is_left_out_and_what_is_typed_is_read() -> None:
    assert read(name="x") == {"name": "x"}
    assert read(
        name="x", story="a\r\nb", keep_days="7", rate="0.1", price="3.10", is_loud="1", is_kept="",
        maybe="0", colour="blue", side="left", level="2", day="2030-01-02", at="2030-06-01T17:00",
        clock="09:30", id=SOME_ID, people=" a \r\n\r\nb ", numbers="1\n2", inner='{"depth": 3}', either="[4]",
    ) == {
        "name": "x", "story": "a\nb", "keep_days": 7, "rate": 0.1, "price": "3.10", "is_loud": True,
        "is_kept": False, "maybe": False, "colour": "blue", "side": "left", "level": 2, "day": "2030-01-02",
        "at": "2030-06-01T10:00:00Z", "clock": "09:30:00", "id": SOME_ID, "people": ["a", "b"],
        "numbers": [1, 2], "inner": {"depth": 3}, "either": [4],
    }  # fmt: skip
    assert read(name="x", keep_days=" ", at="2030-06-01T10:00+02:00") == {
        "name": "x",
        "at": "2030-06-01T10:00:00+02:00",
    }


def test_what_is_wrong_is_said_beside_each_field_all_at_once_and_stays_typed() -> None:
    said = wrong(name="", keep_days="0", rate="much", day="soon", id="7", numbers="1\nx", inner="{", at="now")
    assert set(said) == {
        "args.name", "args.keep_days", "args.rate", "args.day", "args.id", "args.numbers.1", "args.inner",
        "args.at",
    }  # fmt: skip
    assert said["args.at"] == ["choose a date and a time"]
    typed = MultiDict({"args": "1", "args.numbers": "1\nx", "args.inner": "{", "args.keep_days": "0"})
    found = fields({}, errors=said, typed=typed)
    assert found["numbers"].errors[0].startswith("line 2: ") and found["numbers"].value == "1\nx"
    assert (found["inner"].value, found["keep_days"].value, found["name"].has_focus) == ("{", "0", True)
    assert not found["is_kept"].is_on and not found["inner"].has_focus


def test_a_time_that_the_clocks_leap_over_is_refused() -> None:
    with pytest.raises(Invalid) as caught:
        read(BERLIN, name="x", at="2030-03-31T02:30")
    assert "doesn't exist" in caught.value.fields["args.at"][0]


def test_a_task_that_is_not_known_here_has_one_field_of_json() -> None:
    form = args_form.form_of(None, {"a": 1})
    (field,) = form.fields
    assert (field.name, field.kind, field.value) == ("args.", Kind.JSON, '{\n  "a": 1\n}')
    assert args_form.read(None, MultiDict({"args.": '{"a": 2}'})) == {"a": 2}
    for text in ("[1]", "{"):
        with pytest.raises(Invalid) as caught:
            args_form.read(None, MultiDict({"args.": text}))
        assert set(caught.value.fields) == {"args"}
