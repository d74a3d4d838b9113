"""Whatever persons and time do to an event and its jobs, in whatever order: what always holds of the plan."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from console.core.reasons import Reason
from console.core.states import JobStatus, MessageType
from console.plugins.messages.plan_views import Place, address_of
from console.plugins.messages.views import EventView, Preferences, WeekendRule
from tests.plugins.messages.desk import FOLLOW_UP, INIT, MONDAY, REMINDER, Desk, event, preferences

ADDRESSES = ["ana@x.example", "bea@x.example", "Cyd@x.example", "dan@x.example"]
DAY = timedelta(days=1)
STARTS = st.integers(-24 * 4, 24 * 40).map(lambda hours: MONDAY + timedelta(hours=hours, minutes=17))
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "name": st.sampled_from(["Hamlet", "Woyzeck"]),
    "venue": st.sampled_from(["", "Studio"]),
    "timezone": st.sampled_from(["UTC", "America/New_York", "Asia/Ho_Chi_Minh", "Pacific/Kiritimati"]),
    "starts_at": STARTS,
    "load_in_at": st.sampled_from([None, MONDAY]),
    "contact_email": st.sampled_from([None, *ADDRESSES]),
    "crew": st.lists(st.sampled_from(ADDRESSES), unique=True, max_size=3).map(tuple),
}
EVENTS = st.fixed_dictionaries(FIELDS).map(lambda fields: event(**fields))
LEADS = {INIT: st.integers(-20, 0), REMINDER: st.integers(-3, 0), FOLLOW_UP: st.integers(0, 3)}
PREFERENCES = st.builds(
    preferences,
    st.sampled_from(list(WeekendRule)),
    st.fixed_dictionaries(LEADS),
    st.sampled_from([time(0, 0), time(9, 30), time(23, 59)]),
)
EDITS = st.one_of(
    *(st.tuples(st.just("edit"), st.fixed_dictionaries({name: value})) for name, value in FIELDS.items()),
    st.tuples(st.just("prefer"), PREFERENCES),
    st.tuples(st.just("delete"), st.none()),
)
HANDS = st.tuples(
    st.sampled_from(["move", "pause", "resume", "skip", "sent", "remove", "readdress", "rename", "busy"]),
    st.integers(0, 9),
)
TIMES = st.tuples(
    st.just("pass"),
    st.tuples(
        st.integers(1, 24 * 12), st.sampled_from([JobStatus.SENT, JobStatus.FAILED, JobStatus.SKIPPED])
    ),
)


@dataclass
class Told:
    """What persons did to each job, by its id: what must stay so."""

    at: dict[UUID, datetime] = field(default_factory=dict)
    paused: set[UUID] = field(default_factory=set)
    closed: dict[UUID, JobStatus] = field(default_factory=dict)
    removed: set[UUID] = field(default_factory=set)
    recipient: set[UUID] = field(default_factory=set)
    name: set[UUID] = field(default_factory=set)


@settings(max_examples=400, deadline=None)
@given(first=EVENTS, wanted=PREFERENCES, edits=st.lists(st.one_of(EDITS, HANDS, TIMES), max_size=14))
def test_planning_twice_changes_nothing_and_hand_edits_survive(
    first: EventView, wanted: Preferences, edits: list[tuple[str, Any]]
) -> None:
    desk, told, told_last = Desk(first, wanted), Told(), first
    desk.plan()
    for does, value in edits:
        if does == "edit":
            told_last = replace(desk.event or told_last, **value)
            desk.event = told_last
        elif does == "delete":
            desk.event = None
        elif does == "prefer":
            desk.preferences = value
        elif does == "pass":
            desk.pass_time(desk.now + timedelta(hours=value[0]), value[1])
            forget_spent(desk, told)
        else:
            by_hand(desk, told, does, value)
        desk.plan()
        assert desk.plan() == []
        holds(desk, told)


def forget_spent(desk: Desk, told: Told) -> None:
    """A time that a person gave is spent when the job ended at it, or it passed while it was withdrawn."""
    for place in desk.places.values():
        job = place.job
        if job and job.at and job.at <= desk.now and (job.is_deleted or not job.is_waiting):
            told.at.pop(job.id, None)


def by_hand(desk: Desk, told: Told, does: str, number: int) -> None:
    """One person does one thing to one of the jobs that are still open, if there is one."""
    found = [place.job for place in desk.open if place.job and not place.job.is_final]
    if not found:
        return
    job = found[number % len(found)]
    if does == "move":
        told.at[job.id] = desk.now + timedelta(hours=1 + number, seconds=7)
        desk.change(job, at=told.at[job.id])
    elif does == "pause":
        told.paused.add(job.id)
        desk.change(job, status=JobStatus.PAUSED, reason=Reason.PAUSED)
    elif does == "resume" and job.status is JobStatus.PAUSED and job.at and job.at > desk.now:
        told.paused.discard(job.id)
        desk.change(job, status=JobStatus.SCHEDULED)
    elif does in ("skip", "sent"):
        status = JobStatus.SENT if does == "sent" else JobStatus.SKIPPED
        told.closed[job.id] = status
        told.paused.discard(job.id)
        desk.change(
            job, status=status, is_closed=True, is_waiting=False, is_final=does == "sent", reason=None
        )
    elif does == "remove":
        told.removed.add(job.id)
        desk.change(job, is_deleted=True)
    elif does == "readdress":
        told.recipient.add(job.id)
        desk.change(job, recipient="hand@x.example")
    elif does == "rename":
        told.name.add(job.id)
        desk.change(job, wording=replace(job.wording, name="A name of my own"))
    elif does == "busy":
        desk.change(job, is_final=True)


def holds(desk: Desk, told: Told) -> None:
    assert all(place.job for place in desk.places.values())
    for place in desk.places.values():
        job = place.job
        assert job is not None
        if job.id in told.removed:
            assert job.is_deleted and not place.is_withdrawn
        if job.id in told.closed:
            assert (job.status, job.is_closed) == (told.closed[job.id], True)
        if job.id in told.at and job.is_waiting:
            assert job.at == told.at[job.id]
        if job.id in told.paused:
            assert job.status is JobStatus.PAUSED or (job.is_closed_by_planner and place.resumes_paused)
        if job.id in told.recipient:
            assert job.recipient == "hand@x.example"
        if job.id in told.name:
            assert job.wording.name == "A name of my own"
    assert_sane(desk, told)


def assert_sane(desk: Desk, told: Told) -> None:
    """One open job for each type and recipient; none in the past, at a weekend, or beyond the start."""
    planned = [place for place in desk.open if place.job and not place.job.is_final]
    addressed = [
        (place.message_type, address_of(place.job.recipient))
        for place in planned
        if place.job and place.job.id not in told.recipient
    ]
    assert len(addressed) == len(set(addressed))
    assert desk.event is not None or planned == []
    for place in planned:
        job = place.job
        assert job is not None and job.at is not None
        if job.status is not JobStatus.PAUSED:
            assert job.at > desk.now
        if job.id not in told.at and desk.event and job.status is not JobStatus.PAUSED:
            fits(desk, place, job.at, desk.event)


def fits(desk: Desk, place: Place, at: datetime, about: EventView) -> None:
    if place.message_type is FOLLOW_UP:
        assert at > about.starts_at
    else:
        assert at < about.starts_at
    assert not (place.message_type is INIT and about.load_in_at)
    if desk.preferences.weekend_rule is not WeekendRule.NONE:
        assert at.astimezone(ZoneInfo(about.timezone)).weekday() < 5


@settings(max_examples=300, deadline=None)
@given(first=EVENTS, last=EVENTS, wanted=PREFERENCES, edits=st.lists(EDITS, max_size=10))
def test_any_way_to_an_event_leads_to_the_end_of_making_it_at_once(
    first: EventView, last: EventView, wanted: Preferences, edits: list[tuple[str, Any]]
) -> None:
    desk = Desk(first)
    desk.plan()
    for does, value in edits:
        if does == "edit":
            desk.event = replace(desk.event or first, **value)
        elif does == "delete":
            desk.event = None
        else:
            desk.preferences = value
        desk.plan()
    desk.event, desk.preferences = last, wanted
    desk.plan()
    fresh = Desk(last, wanted)
    fresh.plan()
    assert shown(desk) == shown(fresh)


def shown(desk: Desk) -> set[object]:
    """What is open, and what can be sent by hand although its time has passed; not what is hidden."""
    about = desk.event
    assert about is not None
    is_ahead = about.starts_at > desk.now
    found: set[object] = set()
    for place in desk.alive:
        job = place.job
        assert job is not None
        if job.is_waiting:
            found.add((place.message_type, place.role, job.recipient, job.at, job.status, job.wording))
        elif job.reason == Reason.IN_THE_PAST and is_ahead:
            found.add((place.message_type, place.role, job.recipient, job.reason, job.wording))
    return found


@settings(max_examples=200, deadline=None)
@given(about=EVENTS, wanted=PREFERENCES, known=st.lists(st.booleans(), max_size=6), is_known=st.booleans())
def test_a_load_in_time_that_comes_and_goes_leaves_no_trace_but_hidden_rows(
    about: EventView, wanted: Preferences, known: list[bool], is_known: bool
) -> None:
    desk = Desk(about, wanted)
    for each in (*known, is_known):
        desk.event = replace(about, load_in_at=MONDAY if each else None)
        desk.plan()
        assert desk.plan() == []
    fresh = Desk(replace(about, load_in_at=MONDAY if is_known else None), wanted)
    fresh.plan()
    assert shown(desk) == shown(fresh)
    settled = [p.job for p in desk.alive if p.job and p.job.reason == Reason.HAS_LOAD_IN_TIME]
    assert bool(settled) <= is_known and len(settled) <= 1


def test_the_properties_look_at_every_type_of_message() -> None:
    desk = Desk(event(crew=tuple(ADDRESSES)))
    desk.plan()
    assert {place.message_type for place in desk.open} == {INIT, REMINDER, FOLLOW_UP}
    assert MONDAY.tzinfo is UTC and MessageType.FREE not in {place.message_type for place in desk.open}
