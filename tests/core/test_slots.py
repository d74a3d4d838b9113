"""The slots over the jumps of the clocks, against a table made by hand, an oracle and the scheduler."""

from collections import Counter
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.core.due import DueJob, decide
from console.core.schedule import Schedule, first_slot, next_slot, parse
from console.core.slots import Mark, Slot, slots
from console.core.states import CatchUp, Overlap

NEW_YORK, LONDON, LORD_HOWE = "America/New_York", "Europe/London", "Australia/Lord_Howe"
SANTIAGO, HO_CHI_MINH = "America/Santiago", "Asia/Ho_Chi_Minh"
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
LETTERS = {"s": Mark.SHIFTED, "r": Mark.REPEATED, "k": Mark.SKIPPED, "": None}

# By hand from tzdata's rules for 2027, all instants in UTC: s shifted, r repeated, k skipped before.
# The first column is a cron expression, the second the instant after which the first slot is sought.
TABLE = {
    # 14 March, 07:00 UTC: 02:00 -05 becomes 03:00 -04.
    (NEW_YORK, "forward"): """
        30 2 * * *       | 03-13T12:00 | 03-14T07:00s 03-15T06:30 03-16T06:30
        30 1 * * *       | 03-13T12:00 | 03-14T06:30 03-15T05:30
        0 3 * * *        | 03-13T12:00 | 03-14T07:00 03-15T07:00
        15 2 * * 0       | 03-13T12:00 | 03-14T07:00s 03-21T06:15
        0 2 14 * *       | 03-01T12:00 | 03-14T07:00s 04-14T06:00
        0,30 2 * * *     | 03-13T12:00 | 03-14T07:00s 03-15T06:00 03-15T06:30
        0 2,3 * * *      | 03-13T12:00 | 03-14T07:00k 03-15T06:00 03-15T07:00
        30 2,3 * * *     | 03-13T12:00 | 03-14T07:00s 03-14T07:30 03-15T06:30
        */15 * * * *     | 03-14T06:40 | 03-14T06:45 03-14T07:00k 03-14T07:15
        30 * * * *       | 03-14T06:00 | 03-14T06:30 03-14T07:30k 03-14T08:30
        */15 2 * * *     | 03-13T07:40 | 03-13T07:45 03-15T06:00k 03-15T06:15
        30 */2 * * *     | 03-14T05:00 | 03-14T05:30 03-14T08:30k 03-14T10:30
        """,
    # 7 November, 06:00 UTC: 02:00 -04 becomes 01:00 -05.
    (NEW_YORK, "back"): """
        30 1 * * *       | 11-06T12:00 | 11-07T05:30r 11-08T06:30
        30 1 * * *       | 11-07T06:10 | 11-08T06:30
        30 2 * * *       | 11-06T12:00 | 11-07T07:30 11-08T07:30
        0 1 * * *        | 11-06T12:00 | 11-07T05:00r 11-08T06:00
        0 2 * * *        | 11-06T12:00 | 11-07T07:00 11-08T07:00
        59 1 * * SUN     | 11-06T12:00 | 11-07T05:59r 11-14T06:59
        15 1 7 * *       | 10-01T12:00 | 10-07T05:15 11-07T05:15r 12-07T06:15
        0,30 1 * * *     | 11-06T12:00 | 11-07T05:00r 11-07T05:30r 11-08T06:00
        0 1,3 * * *      | 11-06T12:00 | 11-07T05:00r 11-07T08:00 11-08T06:00
        */15 * * * *     | 11-07T05:20 | 11-07T05:30r 11-07T05:45r 11-07T06:00r 11-07T06:15r 11-07T06:30r
        30 * * * *       | 11-07T04:40 | 11-07T05:30r 11-07T06:30r 11-07T07:30
        */30 1 * * *     | 11-06T12:00 | 11-07T05:00r 11-07T05:30r 11-07T06:00r 11-07T06:30r 11-08T06:00
        """,
    # 28 March, 01:00 UTC: 01:00 +00 becomes 02:00 +01.
    (LONDON, "forward"): """
        30 1 * * *       | 03-27T12:00 | 03-28T01:00s 03-29T00:30 03-30T00:30
        0 2 * * *        | 03-27T12:00 | 03-28T01:00 03-29T01:00
        30 0 * * *       | 03-27T12:00 | 03-28T00:30 03-28T23:30
        15 1 * * SUN     | 03-27T12:00 | 03-28T01:00s 04-04T00:15
        45 1 28 * *      | 03-01T12:00 | 03-28T01:00s 04-28T00:45
        0,30 1 * * *     | 03-27T12:00 | 03-28T01:00s 03-29T00:00 03-29T00:30
        15 1,2 * * *     | 03-27T12:00 | 03-28T01:00s 03-28T01:15 03-29T00:15
        */15 * * * *     | 03-28T00:40 | 03-28T00:45 03-28T01:00k 03-28T01:15
        0 * * * *        | 03-27T23:30 | 03-28T00:00 03-28T01:00k 03-28T02:00
        */20 1 * * *     | 03-27T12:00 | 03-29T00:00k 03-29T00:20 03-29T00:40
        """,
    # 31 October, 01:00 UTC: 02:00 +01 becomes 01:00 +00.
    (LONDON, "back"): """
        30 1 * * *       | 10-30T12:00 | 10-31T00:30r 11-01T01:30
        0 1 * * *        | 10-30T12:00 | 10-31T00:00r 11-01T01:00
        0 1 * * *        | 10-31T00:00 | 11-01T01:00
        0 2 * * *        | 10-30T12:00 | 10-31T02:00 11-01T02:00
        45 1 * * 7       | 10-30T12:00 | 10-31T00:45r 11-07T01:45
        30 1 31 * *      | 10-01T12:00 | 10-31T00:30r 12-31T01:30
        0,30 1 * * *     | 10-30T12:00 | 10-31T00:00r 10-31T00:30r 11-01T01:00
        */15 * * * *     | 10-31T00:40 | 10-31T00:45r 10-31T01:00r 10-31T01:15r 10-31T01:30r 10-31T01:45r
        30 * * * *       | 10-30T23:10 | 10-30T23:30 10-31T00:30r 10-31T01:30r 10-31T02:30
        */30 1 * * *     | 10-30T12:00 | 10-31T00:00r 10-31T00:30r 10-31T01:00r 10-31T01:30r 11-01T01:00
        """,
    # 3 October, 2 October 15:30 UTC: 02:00 +10:30 becomes 02:30 +11.
    (LORD_HOWE, "forward"): """
        15 2 * * *       | 10-02T00:00 | 10-02T15:30s 10-03T15:15 10-04T15:15
        30 2 * * *       | 10-02T00:00 | 10-02T15:30 10-03T15:30
        45 1 * * *       | 10-02T00:00 | 10-02T15:15 10-03T14:45
        0 2 * * SUN      | 10-02T00:00 | 10-02T15:30s 10-09T15:00
        10 2 3 * *       | 09-10T00:00 | 10-02T15:30s 11-02T15:10
        0,15 2 * * *     | 10-02T00:00 | 10-02T15:30s 10-03T15:00 10-03T15:15
        0,30 2 * * *     | 10-02T00:00 | 10-02T15:30k 10-03T15:00 10-03T15:30
        */15 * * * *     | 10-02T15:10 | 10-02T15:15 10-02T15:30k 10-02T15:45
        15 * * * *       | 10-02T13:30 | 10-02T13:45 10-02T14:45 10-02T16:15k 10-02T17:15
        */15 3 * * *     | 10-02T00:00 | 10-02T16:00 10-02T16:15 10-02T16:30 10-02T16:45 10-03T16:00
        */10 2 * * *     | 10-02T00:00 | 10-02T15:30k 10-02T15:40 10-02T15:50 10-03T15:00
        """,
    # 4 April, 3 April 15:00 UTC: 02:00 +11 becomes 01:30 +10:30.
    (LORD_HOWE, "back"): """
        45 1 * * *       | 04-03T00:00 | 04-03T14:45r 04-04T15:15
        15 1 * * *       | 04-03T00:00 | 04-03T14:15 04-04T14:45
        0 2 * * *        | 04-03T00:00 | 04-03T15:30 04-04T15:30
        30 1 * * SUN     | 04-03T00:00 | 04-03T14:30r 04-10T15:00
        50 1 4 * *       | 03-10T00:00 | 04-03T14:50r 05-03T15:20
        0,30 1 * * *     | 04-03T00:00 | 04-03T14:00 04-03T14:30r 04-04T14:30 04-04T15:00
        */15 * * * *     | 04-03T14:20 | 04-03T14:30r 04-03T14:45r 04-03T15:00r 04-03T15:15r 04-03T15:30
        45 * * * *       | 04-03T13:50 | 04-03T14:45r 04-03T15:15r 04-03T16:15
        */15 2 * * *     | 04-03T00:00 | 04-03T15:30 04-03T15:45 04-03T16:00 04-03T16:15 04-04T15:30
        """,
    # 5 September, 04:00 UTC: 00:00 -04 becomes 01:00 -03; the day has no midnight.
    (SANTIAGO, "forward"): """
        0 0 * * *        | 09-04T12:00 | 09-05T04:00s 09-06T03:00
        30 0 * * *       | 09-04T12:00 | 09-05T04:00s 09-06T03:30
        0 1 * * *        | 09-04T12:00 | 09-05T04:00 09-06T04:00
        59 23 * * *      | 09-04T12:00 | 09-05T03:59 09-06T02:59
        0 0 * * SUN      | 09-04T12:00 | 09-05T04:00s 09-12T03:00
        0 0 5 * *        | 08-10T12:00 | 09-05T04:00s 10-05T03:00
        0,30 0 * * *     | 09-04T12:00 | 09-05T04:00s 09-06T03:00 09-06T03:30
        0 0,1 * * *      | 09-04T12:00 | 09-05T04:00k 09-06T03:00 09-06T04:00
        */15 * * * *     | 09-05T03:40 | 09-05T03:45 09-05T04:00k 09-05T04:15
        30 * * * *       | 09-05T03:00 | 09-05T03:30 09-05T04:30k 09-05T05:30
        30 * 5 9 *       | 09-04T12:00 | 09-05T04:30k 09-05T05:30
        */30 0 * * *     | 09-04T12:00 | 09-06T03:00k 09-06T03:30 09-07T03:00
        * 0 5,6 9 *      | 09-04T12:00 | 09-06T03:00k 09-06T03:01
        """,
    # 4 April, 03:00 UTC: 24:00 -03 of the 3rd becomes 23:00 -04 of the 3rd.
    (SANTIAGO, "back"): """
        30 23 * * *      | 04-03T12:00 | 04-04T02:30r 04-05T03:30
        0 0 * * *        | 04-03T12:00 | 04-04T04:00 04-05T04:00
        15 23 * * SAT    | 04-03T12:00 | 04-04T02:15r 04-11T03:15
        0 23 3 * *       | 03-10T12:00 | 04-04T02:00r 05-04T03:00
        0,30 23 * * *    | 04-03T12:00 | 04-04T02:00r 04-04T02:30r 04-05T03:00
        */15 * * * *     | 04-04T02:40 | 04-04T02:45r 04-04T03:00r 04-04T03:15r 04-04T03:30r 04-04T03:45r
        30 * * * *       | 04-04T02:00 | 04-04T02:30r 04-04T03:30r 04-04T04:30
        */30 23 * * *    | 04-03T12:00 | 04-04T02:00r 04-04T02:30r 04-04T03:00r 04-04T03:30r 04-05T03:00
        """,
    # +07 all the year.
    (HO_CHI_MINH, "never"): """
        30 2 * * *       | 03-13T00:00 | 03-13T19:30 03-14T19:30 03-15T19:30
        30 1 * * *       | 11-06T00:00 | 11-06T18:30 11-07T18:30
        0 0 * * MON      | 03-13T00:00 | 03-14T17:00 03-21T17:00
        0 0 1 * *        | 03-13T00:00 | 03-31T17:00 04-30T17:00
        0,30 2 * * *     | 03-13T20:00 | 03-14T19:00 03-14T19:30
        */15 * * * *     | 03-13T18:50 | 03-13T19:00 03-13T19:15
        30 * * * *       | 10-31T00:00 | 10-31T00:30 10-31T01:30
        */15 2 * * *     | 03-13T00:00 | 03-13T19:00 03-13T19:15 03-13T19:30 03-13T19:45 03-14T19:00
        """,
}


ROWS = [
    (zone, *(part.strip() for part in line.split("|")))
    for (zone, _), text in TABLE.items()
    for line in text.strip().splitlines()
]


def cron(expression: str) -> Schedule:
    return parse({"type": "cron", "cron": expression})


def utc(text: str) -> datetime:
    return datetime.fromisoformat(f"2027-{text}+00:00")


def starting(schedule: Schedule, zone: ZoneInfo, after: datetime, count: int) -> list[Slot]:
    return slots(schedule, zone, first_slot(schedule, zone, after), count)


@pytest.mark.parametrize(("zone", "expression", "after", "expected"), ROWS)
def test_slots_and_marks_are_those_of_the_table(
    zone: str, expression: str, after: str, expected: str
) -> None:
    wanted = [(utc(text[:11]), LETTERS[text[11:]]) for text in expected.split()]
    found = starting(cron(expression), ZoneInfo(zone), utc(after), len(wanted))
    assert [(slot.at, slot.mark) for slot in found] == wanted


@pytest.mark.parametrize(("zone", "expression", "after", "expected"), ROWS)
def test_a_mark_has_a_note_and_a_slot_its_local_time(
    zone: str, expression: str, after: str, expected: str
) -> None:
    for slot in starting(cron(expression), ZoneInfo(zone), utc(after), 5):
        assert bool(slot.note) == bool(slot.mark)
        assert slot.at.utcoffset() == timedelta(0)
        assert (slot.local.tzinfo, slot.local.astimezone(UTC)) == (ZoneInfo(zone), slot.at)


NOTES = [
    ("30 2 * * *", "02:30 doesn't exist on this day; it runs right after the jump."),
    (
        "0,30 2 * * *",
        "02:00 and 02:30 don't exist on this day; they run together, once, right after the jump.",
    ),
    ("0 2,3 * * *", "02:00 doesn't exist on this day; it falls together with 03:00."),
    ("0,20 2,3 * * *", "02:00 and 02:20 don't exist on this day; they fall together with 03:00."),
    ("15 * * * *", "02:15 doesn't exist on this day and is left out."),
    ("*/20 2 * * *", "02:00, 02:20 and 02:40 don't exist on 14 March and are left out."),
    ("* * * * *", "60 times from 02:00 to 02:59 don't exist on this day and are left out."),
    ("* 2 14 3 *", "60 times from 02:00 to 02:59 don't exist on 14 March 2027 and are left out."),
]


@pytest.mark.parametrize(("expression", "note"), NOTES)
def test_the_note_on_the_day_of_a_jump_says_what_becomes_of_which_time(expression: str, note: str) -> None:
    (slot,) = starting(cron(expression), ZoneInfo(NEW_YORK), utc("03-14T06:59"), 1)
    assert slot.note == note


def test_the_note_on_a_repeated_time_says_whether_it_runs_once_or_twice() -> None:
    zone, after = ZoneInfo(NEW_YORK), utc("11-07T05:00")
    assert [slot.note for slot in starting(cron("30 1 * * *"), zone, after, 2)] == [
        "01:30 comes twice on this day; it runs once, the first time.",
        "",
    ]
    assert [slot.note for slot in starting(cron("30 * * * *"), zone, after, 3)] == [
        "01:30 comes twice on this day; it runs both times, this is the first.",
        "01:30 comes twice on this day; it runs both times, this is the second.",
        "",
    ]


@pytest.mark.parametrize("near", ["03-14T06:10", "11-07T04:10"])
def test_an_interval_counts_elapsed_time_and_carries_no_marks(near: str) -> None:
    found = slots(parse({"type": "interval", "every_seconds": 1800}), ZoneInfo(NEW_YORK), utc(near), 8)
    assert [slot.at for slot in found] == [utc(near) + number * timedelta(minutes=30) for number in range(8)]
    assert {slot.mark for slot in found} == {None}


def test_once_has_its_one_slot_and_manual_has_none() -> None:
    zone, at = ZoneInfo(NEW_YORK), utc("11-07T06:30")
    once = parse({"type": "once", "at": at})
    assert slots(once, zone, at, 5) == [Slot(at, at.astimezone(zone), None, "")]
    assert slots(parse({"type": "manual"}), zone, None, 5) == []


def test_a_day_that_a_zone_left_out_runs_at_the_start_of_the_next() -> None:
    zone, after = ZoneInfo("Pacific/Apia"), datetime(2011, 12, 29, 22, tzinfo=UTC)
    first, second = starting(cron("15 9 * * *"), zone, after, 2)
    assert (first.mark, first.local) == (Mark.SHIFTED, datetime(2011, 12, 31, tzinfo=zone))
    assert first.note == "09:15 doesn't exist on 30 December; it runs right after the jump."
    assert (second.mark, second.local) == (None, datetime(2011, 12, 31, 9, 15, tzinfo=zone))


# From here on, schedules and jumps are drawn.


@dataclass(frozen=True)
class Drawn:
    """A cron expression with the sets that it was written from, for an oracle that reads no cron."""

    expression: str
    minutes: frozenset[int]
    hours: frozenset[int]
    weekdays: frozenset[int] | None
    is_fixed: bool

    def names(self, wall: datetime) -> bool:
        if self.weekdays is not None and wall.isoweekday() % 7 not in self.weekdays:
            return False
        return wall.minute in self.minutes and wall.hour in self.hours


def some(low: int, high: int) -> st.SearchStrategy[tuple[str, frozenset[int]]]:
    """A field with the values that it stands for."""
    everything = range(low, high + 1)
    listed = st.frozensets(st.integers(low, high), min_size=1, max_size=4)
    stepped = st.sampled_from([2, 5, 7, 15, 20])
    return st.one_of(
        listed.map(lambda values: (",".join(map(str, sorted(values))), values)),
        stepped.map(lambda by: (f"*/{by}", frozenset(everything[::by]))),
        stepped.map(lambda by: (f"{low}-{high}/{by}", frozenset(everything[::by]))),
        st.just(("*", frozenset(everything))),
    )


@st.composite
def crons(draw: st.DrawFn) -> Drawn:
    minute, minutes = draw(some(0, 59))
    hour, hours = draw(st.one_of(some(0, 23), some(0, 3)))
    weekday, weekdays = draw(st.one_of(st.just(("*", None)), some(0, 6)))
    if hour.startswith("*"):
        hours = frozenset(range(24)[:: int(hour[2:] or 1)])
    is_fixed = not minute.startswith("*") and not hour.startswith("*")
    return Drawn(f"{minute} {hour} * * {weekday}", minutes, hours, weekdays, is_fixed)


# Jumps of an hour, half an hour, two hours and a day; at midnight, before it, at one minute past it; of
# summer time and of the zone itself.
JUMPS = [
    (NEW_YORK, date(2027, 3, 14)),
    (NEW_YORK, date(2027, 11, 7)),
    (LONDON, date(2027, 3, 28)),
    (LONDON, date(2027, 10, 31)),
    (LORD_HOWE, date(2027, 4, 4)),
    (LORD_HOWE, date(2027, 10, 3)),
    (SANTIAGO, date(2027, 4, 4)),
    (SANTIAGO, date(2027, 9, 5)),
    ("Antarctica/Troll", date(2027, 3, 28)),
    ("Antarctica/Troll", date(2027, 10, 31)),
    ("Pacific/Apia", date(2011, 12, 30)),
    ("America/St_Johns", date(2010, 3, 14)),
    ("America/St_Johns", date(2010, 11, 7)),
    ("Africa/Casablanca", date(2027, 2, 7)),
    ("Africa/Casablanca", date(2027, 3, 14)),
    ("Asia/Pyongyang", date(2015, 8, 15)),
    ("America/Caracas", date(2016, 5, 1)),
    (HO_CHI_MINH, date(2027, 3, 14)),
]


@lru_cache(maxsize=32)
def clock(zone: str, day: date) -> tuple[tuple[datetime, datetime], ...]:
    """Each minute of three days with what the wall shows: the oracle's only source."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC) - DAY
    minutes = (start + number * MINUTE for number in range(3 * 24 * 60))
    return tuple((at, at.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)) for at in minutes)


@lru_cache(maxsize=32)
def read(zone: str, day: date) -> Counter[datetime]:
    """How often the wall shows what."""
    return Counter(wall for _, wall in clock(zone, day))


def oracle(drawn: Drawn, zone: str, day: date) -> list[datetime]:
    """The slots by walking the minutes: what the wall shows, and what it skips."""
    found, highest = [], clock(zone, day)[0][1] - MINUTE
    for at, wall in clock(zone, day):
        if not drawn.is_fixed:
            is_due = drawn.names(wall)
        else:
            # All that is new on the wall since its highest reading, the skipped times with it.
            news = (highest + number * MINUTE for number in range(1, (wall - highest) // MINUTE + 1))
            is_due = any(drawn.names(new) for new in news)
        highest = max(highest, wall)
        if is_due:
            found.append(at)
    return found


def as_scheduled(schedule: Schedule, zone: ZoneInfo, start: datetime, end: datetime) -> list[datetime]:
    found, at = [], next_slot(schedule, zone, start - timedelta(microseconds=1))
    while at is not None and at < end:
        found.append(at)
        at = next_slot(schedule, zone, at)
    return found


@settings(max_examples=100, deadline=None)
@given(drawn=crons(), jump=st.sampled_from(JUMPS))
def test_slots_are_those_of_an_oracle_that_walks_the_minutes(drawn: Drawn, jump: tuple[str, date]) -> None:
    walked = clock(*jump)
    found = as_scheduled(cron(drawn.expression), ZoneInfo(jump[0]), walked[0][0], walked[-1][0] + MINUTE)
    assert found == oracle(drawn, *jump)


@settings(max_examples=80, deadline=None)
@given(
    drawn=crons(), jump=st.sampled_from(JUMPS), seconds=st.lists(st.integers(0, 3 * 86400 - 1), max_size=8)
)
def test_no_slot_is_lost_or_doubled_wherever_the_chain_begins(
    drawn: Drawn, jump: tuple[str, date], seconds: list[int]
) -> None:
    schedule, zone, (start, _) = cron(drawn.expression), ZoneInfo(jump[0]), clock(*jump)[0]
    whole = as_scheduled(schedule, zone, start, start + 3 * DAY)
    for cut in (start + timedelta(seconds=number) for number in seconds):
        following = next((at for at in whole if at > cut), None)
        if following is not None:
            assert first_slot(schedule, zone, cut) == following


@settings(max_examples=80, deadline=None)
@given(drawn=crons(), jump=st.sampled_from(JUMPS), skip=st.integers(0, 30))
def test_a_slot_has_the_same_mark_wherever_the_list_begins(
    drawn: Drawn, jump: tuple[str, date], skip: int
) -> None:
    schedule, zone, (start, _) = cron(drawn.expression), ZoneInfo(jump[0]), clock(*jump)[0]
    whole = starting(schedule, zone, start, 60)
    assert slots(schedule, zone, whole[skip].at, 60 - skip) == whole[skip:]


def marks(drawn: Drawn, zone: str, day: date) -> dict[datetime, Mark | None]:
    """The oracle's slots with their marks, from what the wall shows and skips."""
    walked, due = clock(zone, day), set(oracle(drawn, zone, day))
    readings = read(zone, day)
    found: dict[datetime, Mark | None] = {}
    before, lost = walked[0][1] - MINUTE, False
    for at, wall in walked:
        skipped = (before + number * MINUTE for number in range(1, (wall - before) // MINUTE))
        is_here = any(drawn.names(missing) for missing in skipped)
        before, lost = wall, lost or is_here
        if at in due:
            shifted = drawn.is_fixed and is_here and not drawn.names(wall)
            repeated = Mark.REPEATED if readings[wall] > 1 else None
            found[at] = Mark.SHIFTED if shifted else Mark.SKIPPED if lost else repeated
            lost = False
    return found


@settings(max_examples=80, deadline=None)
@given(drawn=crons(), jump=st.sampled_from(JUMPS))
def test_marks_are_those_of_the_oracle(drawn: Drawn, jump: tuple[str, date]) -> None:
    wanted = marks(drawn, *jump)
    start = clock(*jump)[0][0] - timedelta(microseconds=1)
    found = starting(cron(drawn.expression), ZoneInfo(jump[0]), start, len(wanted))
    assert {slot.at: slot.mark for slot in found} == wanted


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    kind = draw(st.sampled_from(["cron", "cron", "daily", "weekly", "monthly", "interval"]))
    hour, minute = draw(st.integers(0, 23)), draw(st.integers(0, 59))
    if kind == "interval":
        return parse({"type": kind, "every_seconds": draw(st.integers(1800, 20 * 86400))})
    if kind == "daily":
        return parse({"type": kind, "hour": hour, "minute": minute})
    if kind == "weekly":
        return parse({"type": kind, "weekday": draw(st.integers(0, 6)), "hour": hour, "minute": minute})
    if kind == "monthly":
        return cron(f"{minute} {hour} {draw(st.integers(1, 31))} * *")
    return cron(draw(crons()).expression)


def due_job(schedule: Schedule, zone: ZoneInfo, slot: datetime) -> DueJob:
    values: dict[str, object] = {field.name: None for field in fields(DueJob)}
    values |= {"schedule": schedule, "zone": zone, "slot": slot, "is_paused": False}
    values |= {"overlap": Overlap.ALLOW_ALL, "catch_up": CatchUp.ALL}
    return DueJob(**values)  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(
    schedule=schedules(),
    zone=st.sampled_from([NEW_YORK, LONDON, LORD_HOWE, SANTIAGO, HO_CHI_MINH]).map(ZoneInfo),
    steps=st.lists(st.integers(1, 40 * 86400), min_size=1, max_size=12),
    start=st.integers(0, 365 * 86400).map(lambda second: utc("01-01T00:00") + timedelta(seconds=second)),
)
def test_the_preview_shows_what_the_scheduler_decides_as_time_moves_on(
    schedule: Schedule, zone: ZoneInfo, steps: list[int], start: datetime
) -> None:
    first = first_slot(schedule, zone, start)
    now, following, decided = start, first, list[datetime]()
    for step in steps:
        now += timedelta(seconds=step)
        if following is not None and following <= now:
            found = decide(due_job(schedule, zone, following), now)
            decided += [decision.slot for decision in found.decisions]
            following = found.next_run_at
    assert [slot.at for slot in slots(schedule, zone, first, len(decided))] == decided


@settings(max_examples=60, deadline=None)
@given(schedule=schedules(), zone=st.sampled_from([*JUMPS]).map(lambda jump: ZoneInfo(jump[0])))
def test_slots_only_ever_go_forward(schedule: Schedule, zone: ZoneInfo) -> None:
    found = starting(schedule, zone, utc("01-01T00:00"), 100)
    assert all(earlier.at < later.at for earlier, later in pairwise(found))
