"""What is planned for an event, told by examples; `test_plan_properties` has what always holds."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from console.core.reasons import Reason
from console.core.states import JobStatus, MessageType
from console.plugins.messages import naming
from console.plugins.messages.plan import seats
from console.plugins.messages.plan_views import SeatRole
from console.plugins.messages.timing import Shift, timing
from console.plugins.messages.views import TypePreference, WeekendRule
from tests.plugins.messages.desk import FOLLOW_UP, INIT, MONDAY, REMINDER, Desk, event, preferences

BERLIN = ZoneInfo("Europe/Berlin")
DAY = timedelta(days=1)
TEN = time(10, 0)
FRIDAY, MONDAY_AFTER = WeekendRule.PREVIOUS_FRIDAY, WeekendRule.NEXT_MONDAY


def berlin(month: int, day: int, hour: int = 10, minute: int = 0) -> datetime:
    return datetime(2030, month, day, hour, minute, tzinfo=BERLIN)


def at(desk: Desk) -> dict[str, datetime | None]:
    return {place.message_type: place.job.at for place in desk.open if place.job}


# Who gets what, and when --------------------------------------------------------------------------


def test_an_event_has_its_question_its_reminder_and_its_follow_up_at_their_hours() -> None:
    desk = Desk(event())
    desk.plan()
    assert at(desk) == {INIT: berlin(6, 12), REMINDER: berlin(6, 25), FOLLOW_UP: berlin(6, 27)}
    assert desk.of(INIT).wording.name == "Hamlet · Init"
    assert desk.of(FOLLOW_UP).wording.subject == "Main Stage, Wed 26 Jun 2030 19:30"
    assert desk.of(REMINDER).wording.timezone == "Europe/Berlin"


def test_the_reminder_goes_to_the_crew_too_and_once_to_each_address() -> None:
    crew = ("bo@x.example", "ANA@x.example", "cy@x.example", "Bo@x.example")
    found = seats(event(crew=crew))
    assert [(seat.message_type, seat.role, seat.recipient) for seat in found] == [
        (INIT, SeatRole.CONTACT, "ana@x.example"),
        (REMINDER, SeatRole.CONTACT, "ana@x.example"),
        (FOLLOW_UP, SeatRole.CONTACT, "ana@x.example"),
        (REMINDER, SeatRole.CREW, "bo@x.example"),
        (REMINDER, SeatRole.CREW, "cy@x.example"),
    ]


def test_a_message_to_nobody_is_planned_blocked_and_opens_when_the_contact_is_known() -> None:
    desk = Desk(event(contact_email=None))
    desk.plan()
    assert {place.job.status for place in desk.open if place.job} == {JobStatus.BLOCKED}
    desk.event = event()
    assert len(desk.plan()) == 3
    assert {place.job.status for place in desk.open if place.job} == {JobStatus.SCHEDULED}


def test_a_late_event_has_what_can_still_be_sent_by_hand_and_one_that_is_over_has_nothing() -> None:
    desk = Desk(event(starts_at=MONDAY + timedelta(hours=5)))
    desk.plan()
    assert at(desk) == {FOLLOW_UP: berlin(6, 4)}
    assert [desk.of(kind).reason for kind in (INIT, REMINDER)] == [Reason.IN_THE_PAST] * 2
    over = Desk(event(starts_at=MONDAY - 3 * DAY))
    assert over.plan() == []


# Weekends and clocks ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "lead", "rule", "starts_at", "expected", "shifts"),
    [
        # Sunday evening: the reminder's day is a Saturday.
        (REMINDER, -1, WeekendRule.NONE, berlin(6, 16, 20), berlin(6, 15), ()),
        (REMINDER, -1, FRIDAY, berlin(6, 16, 20), berlin(6, 14), (Shift.PREVIOUS_FRIDAY,)),
        (REMINDER, -1, MONDAY_AFTER, berlin(6, 16, 20), berlin(6, 14), (Shift.FRIDAY_INSTEAD,)),
        # Monday: the follow-up of a Saturday.
        (FOLLOW_UP, 1, MONDAY_AFTER, berlin(6, 15, 20), berlin(6, 17), (Shift.NEXT_MONDAY,)),
        (FOLLOW_UP, 1, FRIDAY, berlin(6, 15, 20), berlin(6, 17), (Shift.MONDAY_INSTEAD,)),
        (FOLLOW_UP, 3, FRIDAY, berlin(6, 12, 20), berlin(6, 14), (Shift.PREVIOUS_FRIDAY,)),
        (INIT, -14, MONDAY_AFTER, berlin(6, 29, 20), berlin(6, 17), (Shift.NEXT_MONDAY,)),
        # On the day itself, at an hour at which it is too late or too early.
        (REMINDER, 0, WeekendRule.NONE, berlin(6, 12, 9), berlin(6, 11), (Shift.BEFORE_START,)),
        (FOLLOW_UP, 0, WeekendRule.NONE, berlin(6, 12, 20), berlin(6, 13), (Shift.AFTER_START,)),
        (REMINDER, 0, FRIDAY, berlin(6, 16, 9), berlin(6, 14), (Shift.BEFORE_START, Shift.PREVIOUS_FRIDAY)),
    ],
)
def test_the_day_of_a_message(
    kind: MessageType,
    lead: int,
    rule: WeekendRule,
    starts_at: datetime,
    expected: datetime,
    shifts: tuple[Shift, ...],
) -> None:
    found = timing(event(starts_at=starts_at), TypePreference(kind, True, lead, TEN), rule)
    assert (found.at, found.shifts) == (expected, shifts)


def test_days_are_counted_on_the_calendar_of_the_events_zone_and_hours_on_its_clocks() -> None:
    late = event(starts_at=datetime(2030, 6, 26, 23, 0, tzinfo=UTC), timezone="Asia/Ho_Chi_Minh")
    found = timing(late, TypePreference(REMINDER, True, -1, TEN), WeekendRule.NONE)
    assert (found.day, found.at) == (date(2030, 6, 26), datetime(2030, 6, 26, 3, 0, tzinfo=UTC))
    spring = event(starts_at=berlin(4, 1, 20))
    found = timing(spring, TypePreference(REMINDER, True, -1, time(2, 30)), WeekendRule.NONE)
    assert found.at == berlin(3, 31, 3, 0), "02:30 does not exist on that Sunday"
    autumn = event(starts_at=berlin(10, 28, 20))
    found = timing(autumn, TypePreference(REMINDER, True, -1, time(2, 30)), WeekendRule.NONE)
    assert found.at == datetime(2030, 10, 27, 0, 30, tzinfo=UTC), "the first of two"


# A load-in time that comes and goes ---------------------------------------------------------------


def test_a_known_load_in_time_asks_nothing() -> None:
    desk = Desk(event(load_in_at=berlin(6, 26, 8)))
    desk.plan()
    assert set(at(desk)) == {REMINDER, FOLLOW_UP}


def test_a_load_in_time_that_becomes_known_closes_the_question_and_opens_it_as_it_was() -> None:
    desk = Desk(event())
    desk.plan()
    desk.change(desk.of(INIT), at=berlin(6, 11, 9))
    desk.change(desk.of(INIT), status=JobStatus.PAUSED)
    desk.event = event(load_in_at=berlin(6, 26, 8))
    desk.plan()
    assert (desk.of(INIT).status, desk.of(INIT).reason) == (JobStatus.SKIPPED, Reason.HAS_LOAD_IN_TIME)
    desk.event = event()
    desk.plan()
    assert (desk.of(INIT).status, desk.of(INIT).at) == (JobStatus.PAUSED, berlin(6, 11, 9))


def test_a_question_whose_time_has_passed_meanwhile_stays_closed_and_says_so() -> None:
    desk = Desk(event())
    desk.plan()
    desk.event = event(load_in_at=berlin(6, 26, 8))
    desk.plan()
    desk.pass_time(berlin(6, 20))
    desk.event = event()
    desk.plan()
    assert (desk.of(INIT).status, desk.of(INIT).reason) == (JobStatus.SKIPPED, Reason.IN_THE_PAST)
    desk.event = event(starts_at=berlin(7, 24, 19))
    desk.plan()
    assert (desk.of(INIT).status, desk.of(INIT).at) == (JobStatus.SCHEDULED, berlin(7, 10))


def test_a_late_question_that_is_settled_and_asked_again_keeps_nothing_of_its_old_time() -> None:
    desk = Desk(event())
    desk.plan()
    desk.event = event(starts_at=MONDAY + timedelta(hours=5))
    desk.plan()
    for known in (berlin(6, 3, 18), None):
        desk.event = event(starts_at=MONDAY + timedelta(hours=5), load_in_at=known)
        desk.plan()
    assert (desk.of(INIT).status, desk.of(INIT).reason) == (JobStatus.SKIPPED, Reason.IN_THE_PAST)


def test_crew_that_returns_after_its_hand_set_time_is_reminded_at_the_planned_one() -> None:
    desk = Desk(event(crew=("bo@x.example",)))
    desk.plan()
    desk.change(desk.of(REMINDER, "bo@x.example"), at=berlin(6, 4))
    desk.event = event()
    desk.plan()
    desk.pass_time(berlin(6, 5))
    desk.event = event(crew=("bo@x.example",))
    desk.plan()
    assert desk.of(REMINDER, "bo@x.example").at == berlin(6, 25)
    assert desk.plan() == []


# Events that move, and persons who come in between ------------------------------------------------


def test_a_moved_event_moves_what_is_open_but_not_what_a_person_has_moved() -> None:
    desk = Desk(event())
    desk.plan()
    desk.change(desk.of(REMINDER), at=berlin(6, 24, 16))
    desk.change(desk.of(FOLLOW_UP), status=JobStatus.PAUSED)
    desk.event = event(starts_at=berlin(6, 27, 20))
    desk.plan()
    assert at(desk) == {INIT: berlin(6, 13), REMINDER: berlin(6, 24, 16), FOLLOW_UP: berlin(6, 28)}
    assert desk.of(FOLLOW_UP).status is JobStatus.PAUSED
    assert desk.of(REMINDER).wording.subject == "Main Stage, Thu 27 Jun 2030 20:00"


def test_what_was_sent_stays_and_what_was_missed_is_planned_anew_when_the_event_moves() -> None:
    desk = Desk(event())
    desk.plan()
    desk.pass_time(berlin(6, 12, 11))
    desk.pass_time(berlin(6, 25, 11), JobStatus.SKIPPED)
    assert desk.plan() == []
    desk.event = event(starts_at=berlin(7, 24, 19))
    desk.plan()
    assert desk.of(INIT).status is JobStatus.SENT and desk.of(INIT).at == berlin(6, 12)
    assert at(desk) == {REMINDER: berlin(7, 23), FOLLOW_UP: berlin(7, 25)}


def test_an_event_that_moves_near_closes_what_is_too_late_and_opens_it_when_it_moves_back() -> None:
    desk = Desk(event())
    desk.plan()
    desk.event = event(starts_at=MONDAY + timedelta(hours=5))
    desk.plan()
    assert [desk.of(kind).reason for kind in (INIT, REMINDER)] == [Reason.IN_THE_PAST] * 2
    desk.event = event()
    desk.plan()
    assert at(desk) == {INIT: berlin(6, 12), REMINDER: berlin(6, 25), FOLLOW_UP: berlin(6, 27)}


def test_another_contact_takes_over_what_is_open_and_gets_anew_what_the_one_before_got() -> None:
    desk = Desk(event())
    desk.plan()
    desk.change(desk.of(REMINDER), at=berlin(6, 24, 16))
    desk.pass_time(berlin(6, 12, 11))
    desk.event = event(contact_email="bo@x.example")
    desk.plan()
    assert desk.of(INIT).status is JobStatus.SENT
    assert desk.of(REMINDER, "bo@x.example").at == berlin(6, 24, 16)
    assert desk.of(INIT, "bo@x.example").reason is Reason.IN_THE_PAST


def test_a_failed_message_follows_its_contact_so_that_send_now_goes_to_the_right_one() -> None:
    desk = Desk(event(contact_email="wrong@x.example"))
    desk.plan()
    desk.pass_time(berlin(6, 12, 11), JobStatus.FAILED)
    desk.event = event()
    desk.plan()
    assert desk.of(INIT).status is JobStatus.FAILED


def test_crew_that_leaves_loses_its_reminder_and_has_it_back_with_its_hand_edits() -> None:
    desk = Desk(event(crew=("bo@x.example",)))
    desk.plan()
    desk.change(desk.of(REMINDER, "bo@x.example"), at=berlin(6, 24, 16))
    desk.event = event()
    desk.plan()
    assert set(at(desk)) == {INIT, REMINDER, FOLLOW_UP} and len(desk.alive) == 3
    desk.event = event(crew=("bo@x.example",))
    desk.plan()
    assert desk.of(REMINDER, "bo@x.example").at == berlin(6, 24, 16)


def test_a_deleted_event_has_nothing_open_and_what_a_person_deleted_never_comes_back() -> None:
    desk = Desk(event())
    desk.plan()
    desk.change(desk.of(REMINDER), is_deleted=True)
    desk.event = None
    desk.plan()
    assert desk.alive == []
    desk.event = event(starts_at=berlin(6, 28, 20))
    desk.plan()
    assert set(at(desk)) == {INIT, FOLLOW_UP}


def test_a_job_that_a_person_made_recur_keeps_its_schedule() -> None:
    desk = Desk(event())
    desk.plan()
    desk.change(desk.of(INIT), at=None)
    desk.event = event(starts_at=berlin(6, 28, 20), load_in_at=berlin(6, 28, 8))
    desk.plan()
    assert desk.of(INIT).is_waiting and desk.of(INIT).at is None


def test_switches_change_nothing_that_is_planned() -> None:
    off = preferences()
    off = replace(
        off, enabled=False, types={kind: replace(item, enabled=False) for kind, item in off.types.items()}
    )
    desk = Desk(event())
    desk.plan()
    desk.preferences = off
    assert desk.plan() == []


# Names --------------------------------------------------------------------------------------------


def test_names_fit_whatever_the_event_is_called() -> None:
    long = event(name="Ö" * 300, venue="")
    assert naming.job_name(long, FOLLOW_UP).endswith("Ö · Follow-up")
    assert len(naming.job_name(long, FOLLOW_UP)) == 200
    assert naming.subject_of(long) == "Wed 26 Jun 2030 19:30"
    assert naming.key_of(long, FOLLOW_UP, "4f2a") == "event_follow_up_4f2a"
    keyed = naming.key_of(event(name="The Tempest — Act " + "x" * 200), REMINDER, "4f2a")
    assert keyed.startswith("the_tempest_act_x") and keyed.endswith("_reminder_4f2a") and len(keyed) <= 120
