"""A schedule over the time in which it was in force: the slots of next_slot, forwards and back."""

from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from console.core.explaining import MINUTE, Clocks, lower, sentence, when, when_named
from console.core.schedule import Schedule
from console.core.slots import chain
from console.core.spell import Spell

BERLIN = ZoneInfo("Europe/Berlin")
SINCE = datetime(2030, 1, 1, 0, 0, 30, tzinfo=UTC)
SCHEDULES = (
    Schedule("cron", cron="* * * * *"),
    Schedule("cron", cron="*/20 0-6 * * *"),
    Schedule("daily", hour=2, minute=30),
    Schedule("weekly", weekday=6, hour=23, minute=59),
    Schedule("cron", cron="0 12 29 2 *"),
    Schedule("interval", every_seconds=7),
    Schedule("interval", every_seconds=5400),
    Schedule("once", at=SINCE + timedelta(days=2)),
)


def test_a_schedule_that_names_one_day_in_four_years_finds_its_last() -> None:
    leap = Spell(SCHEDULES[4], BERLIN, datetime(2019, 1, 1, tzinfo=UTC), None, SINCE)
    assert leap.before(datetime(2032, 2, 28, tzinfo=UTC)) == datetime(2028, 2, 29, 11, tzinfo=UTC)
    assert leap.after(datetime(2030, 1, 1, tzinfo=UTC)) == datetime(2032, 2, 29, 11, tzinfo=UTC)


@given(
    st.sampled_from([schedule for schedule in SCHEDULES if schedule.cron != "0 12 29 2 *"]),
    st.integers(0, 300_000),
    st.integers(60, 300_000),
)
def test_before_within_and_after_share_out_all_slots(schedule: Schedule, offset: int, lasts: int) -> None:
    until = SINCE + timedelta(seconds=lasts)
    anchor = SINCE + timedelta(seconds=schedule.every_seconds or 0)
    spell = Spell(schedule, BERLIN, SINCE, until, anchor)
    at = (SINCE + timedelta(seconds=offset)).replace(second=0)
    first = spell._from(SINCE + timedelta(microseconds=1))
    slots = list(takewhile(lambda slot: slot <= until, chain(schedule, BERLIN, first)))
    earlier = [slot for slot in slots if slot < at]
    later = [slot for slot in slots if slot > at]
    assert spell.before(at) == (earlier[-1] if earlier else None)
    assert spell.after(at) == (later[0] if later else None)
    assert spell.within(at, at + MINUTE) == [slot for slot in slots if at <= slot < at + MINUTE]


def test_words_begin_and_end_as_sentences_and_names_keep_their_letters() -> None:
    assert sentence("queue messages is paused") == "Queue messages is paused."
    assert sentence("It says “no.”") == "It says “no.”"
    assert lower("The job was paused.") == "the job was paused."
    assert lower("Ana@example.com got it.") == "Ana@example.com got it."
    assert lower("ValueError: boom") == "ValueError: boom" and lower("Redis is down.") == "Redis is down."
    assert lower("A run waits.") == "a run waits."


def test_an_instant_is_said_twice_where_the_job_and_its_org_have_other_clocks() -> None:
    lagos, utc = ZoneInfo("Africa/Lagos"), ZoneInfo("UTC")
    summer = datetime(2030, 7, 1, 22, 30, tzinfo=UTC)
    assert when(SINCE, Clocks(BERLIN, BERLIN)) == "Tue 1 Jan 2030 01:00:30"
    assert when(SINCE, Clocks(BERLIN, utc)) == "Tue 1 Jan 2030 01:00:30 Europe/Berlin (00:00:30 UTC)"
    assert when(SINCE, Clocks(BERLIN, lagos)) == "Tue 1 Jan 2030 01:00:30", "in winter they agree"
    assert (
        when(summer, Clocks(BERLIN, lagos))
        == "Tue 2 Jul 2030 00:30 Europe/Berlin (Mon 1 Jul 2030 23:30 Africa/Lagos)"
    )
    assert when_named(SINCE, Clocks(BERLIN, lagos)) == "Tue 1 Jan 2030 01:00:30 (Europe/Berlin)"
    assert when_named(SINCE, Clocks(BERLIN, utc)).endswith("Europe/Berlin (00:00:30 UTC)")
