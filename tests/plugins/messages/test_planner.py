"""The planner on real tables: events and their jobs change together, and persons are never overruled."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from select import select
from typing import Any
from uuid import UUID

from apiflask import APIFlask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from console.core.reasons import Reason
from console.core.settings import Settings
from console.core.states import JobStatus, MessageType, RunState, Trigger
from console.db.session import db, reading, transaction
from console.plugins.messages import events, planner, preferences
from console.plugins.messages.models import Event, MessageSettings, MessageTypeSettings
from console.plugins.messages.planner import Planned
from console.plugins.messages.views import EventView
from console.services import deletions, dispatch, edits, execution, jobs, preflights, revisions, triggers
from console.services.changes import Change
from console.services.outcomes import Outcome
from console.services.run_requests import Request
from console.services.views import JobFilter, JobView
from console.services.wakeups import Bell
from tests import factories
from tests.factories import NOON, OrgOf, one, rows
from tests.plugins.messages.desk import FOLLOW_UP, INIT, REMINDER, Desk
from tests.plugins.messages.test_plan_properties import FIELDS
from tests.processes import eventually

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START = datetime(2030, 1, 30, 18, 30, tzinfo=UTC)
"""A Wednesday, four weeks after noon."""
BERLIN = {"timezone": "Europe/Berlin", "starts_at": START, "venue": "Main Stage"}
LOAD_IN = START - 8 * HOUR


def made(org: OrgOf, **fields: Any) -> EventView:
    return factories.event(org, now=NOON, **{**BERLIN, "contact_email": "ana@x.example", **fields})


def edit(org: OrgOf, event: EventView, *, now: datetime = NOON, **fields: Any) -> Planned:
    return events.edited(org.admin, event.id, events.EventChange(**fields), now=now).planned


def replan(org: OrgOf, event: EventView, *, now: datetime = NOON) -> Planned:
    with transaction():
        row = db.session.get_one(Event, event.id)
        return planner.plan_event(org.admin, row, now=now)


def all_of(org: OrgOf, event: EventView, *, now: datetime = NOON) -> Sequence[JobView]:
    wanted = JobFilter(subject_id=event.id, with_settled=True)
    return jobs.page(org.admin, wanted, cursor=None, limit=100, now=now).jobs


def job_of(org: OrgOf, event: EventView, kind: MessageType, recipient: str = "ana@x.example") -> JobView:
    (found,) = [job for job in all_of(org, event) if (job.message_type, job.recipient) == (kind, recipient)]
    return found


def times(org: OrgOf, event: EventView) -> dict[str | None, datetime | None]:
    return {job.message_type: job.next_run_at for job in all_of(org, event)}


def ten(month: int, day: int) -> datetime:
    """Ten o'clock in Berlin in winter."""
    return datetime(2030, month, day, 9, 0, tzinfo=UTC)


def prints() -> list[Any]:
    """What any write at all would change."""
    tables = ("jobs", "job_revisions", "message_plans", "audit_entries", "runs", "events")
    return [[tuple(row) for row in rows(f"SELECT xmin::text, ctid::text FROM {name}")] for name in tables]  # noqa: S608


# Made, changed and taken away with its event ------------------------------------------------------


def test_a_new_event_has_its_messages_in_the_table_with_their_history(org: OrgOf) -> None:
    event = made(org, crew=("bo@x.example",))
    found = all_of(org, event)
    assert [(job.name, job.recipient, job.next_run_at, job.status) for job in found] == [
        ("Hamlet · Init", "ana@x.example", ten(1, 16), "scheduled"),
        ("Hamlet · Reminder", "ana@x.example", ten(1, 29), "scheduled"),
        ("Hamlet · Reminder", "bo@x.example", ten(1, 29), "scheduled"),
        ("Hamlet · Follow-up", "ana@x.example", ten(1, 31), "scheduled"),
    ]
    assert {job.subject for job in found} == {"Main Stage, Wed 30 Jan 2030 19:30"}
    assert {(job.timezone, job.subject_id) for job in found} == {("Europe/Berlin", event.id)}
    assert found[0].args == {"message_type": "INIT", "event_id": str(event.id)}
    assert rows("SELECT DISTINCT reason FROM job_revisions") == [("planned with its event",)]
    assert one("SELECT count(*) FROM audit_entries WHERE tag = 'job:created'") == 4


def test_planning_twice_writes_nothing_and_rings_for_nobody(org: OrgOf, settings: Settings) -> None:
    event = made(org, contact_email=None, crew=("bo@x.example",), load_in_at=LOAD_IN)
    edit(org, event, load_in_at=None, starts_at=NOON + 6 * HOUR)
    before = prints()
    with Bell(settings.database_url) as bell:
        assert replan(org, event) == Planned()
        with transaction():
            assert planner.plan_all(org.admin, now=NOON) == Planned()
        assert select([bell], [], [], 0.3)[0] == []
    assert prints() == before


def test_a_moved_event_moves_its_messages_says_why_and_wakes_the_scheduler(
    org: OrgOf, settings: Settings
) -> None:
    event = made(org)
    jobs.delete(org.admin, job_of(org, event, FOLLOW_UP).id, now=NOON)
    with Bell(settings.database_url) as bell:
        assert edit(org, event, starts_at=START + DAY, name="Hamlet II") == Planned(moved=2)
        assert eventually(bell.drain)
    assert times(org, event) == {INIT: ten(1, 17), REMINDER: ten(1, 30)}
    job = job_of(org, event, INIT)
    assert (job.name, job.subject) == ("Hamlet II · Init", "Main Stage, Thu 31 Jan 2030 19:30")
    newest = revisions.page(org.admin, job.id, now=NOON).revisions[0]
    assert newest.reason == "planned: the event starts Thu 31 Jan 2030 19:30 Europe/Berlin (18:30 UTC)"
    assert [change.name for change in newest.changes] == ["name", "subject", "schedule"]


def test_a_known_load_in_time_closes_the_question_hides_it_and_gives_it_back_as_it_was(org: OrgOf) -> None:
    event = made(org)
    init = job_of(org, event, INIT)
    change = Change(send_at=ten(1, 15), enabled=False, note="wait for photos")
    edits.edit(org.admin, init.id, change, now=NOON)
    assert edit(org, event, load_in_at=LOAD_IN) == Planned(closed=1)
    closed = job_of(org, event, INIT)
    assert (closed.status, closed.status_reason, closed.next_run_at) == ("skipped", "HAS_LOAD_IN_TIME", None)
    shown = jobs.page(org.admin, JobFilter(subject_id=event.id), cursor=None, limit=10, now=NOON).jobs
    assert init.id not in {job.id for job in shown}
    assert edit(org, event, load_in_at=None) == Planned(opened=1)
    again = job_of(org, event, INIT)
    assert (again.status, again.status_note, again.next_run_at) == ("paused", "wait for photos", ten(1, 15))


def test_a_message_without_a_recipient_is_blocked_and_unblocks_by_itself(org: OrgOf) -> None:
    event = made(org, contact_email=None)
    init = job_of(org, event, INIT, recipient=None)  # type: ignore[arg-type]
    assert (init.status, init.status_reason) == ("blocked", "MISSING_RECIPIENT")
    edit(org, event, contact_email="bo@x.example")
    found = jobs.get(org.admin, init.id, now=NOON)
    assert (found.status, found.recipient, found.next_run_at) == ("scheduled", "bo@x.example", ten(1, 16))


def test_a_blocked_message_whose_time_has_passed_can_be_sent_by_hand_when_the_contact_is_known(
    org: OrgOf,
) -> None:
    event = made(org, contact_email=None)
    init = job_of(org, event, INIT, recipient=None)  # type: ignore[arg-type]
    later = ten(1, 16) + HOUR
    dispatch.dispatch(scheduler="s", now=later)
    assert jobs.get(org.admin, init.id, now=later).status == "blocked"
    edit(org, event, now=later, contact_email="bo@x.example")
    factories.live_worker(now=later)
    assert preflights.preflight(org.admin, init.id, now=later).refusal is None
    assert jobs.get(org.admin, init.id, now=later).recipient == "bo@x.example"


def test_a_deleted_event_takes_its_open_messages_away_and_leaves_what_was_sent(org: OrgOf) -> None:
    event = made(org)
    args = {"message_type": "FREE", "event_id": str(event.id), "subject": "Hello", "text": "Hello"}
    once = {"type": "once", "at": NOON + DAY}
    free = factories.job(org, "send_message", args=args, schedule=once, recipient="x@x.example", now=NOON)
    sent = job_of(org, event, INIT)
    edits.edit(org.admin, sent.id, Change(status=JobStatus.SENT, note="by phone"), now=NOON)
    assert events.deleted(org.admin, event.id, now=NOON).planned == Planned(withdrawn=3)
    assert [job.id for job in all_of(org, event)] == [sent.id]
    gone = rows("SELECT object_id, reason FROM audit_entries WHERE tag = 'job:deleted'")
    assert {row.reason for row in gone} == {"planned: the event was deleted"} and len(gone) == 3
    assert str(free.id) in {row.object_id for row in gone}


def test_crew_that_leaves_and_returns_has_its_own_job_back(org: OrgOf) -> None:
    event = made(org, crew=("bo@x.example",))
    reminder = job_of(org, event, REMINDER, "bo@x.example")
    edits.edit(org.admin, reminder.id, Change(send_at=ten(1, 28)), now=NOON)
    assert edit(org, event, crew=()) == Planned(withdrawn=1)
    assert reminder.id not in {job.id for job in all_of(org, event)}
    assert edit(org, event, crew=("bo@x.example",)) == Planned(opened=1)
    again = job_of(org, event, REMINDER, "bo@x.example")
    assert (again.id, again.next_run_at) == (reminder.id, ten(1, 28))
    assert one("SELECT count(*) FROM audit_entries WHERE tag = 'job:restored'") == 1


def test_a_message_that_comes_back_too_late_does_not_go_out_by_itself(org: OrgOf) -> None:
    event = made(org, crew=("bo@x.example",))
    edit(org, event, crew=())
    later = ten(1, 29) + HOUR
    assert edit(org, event, now=later, crew=("bo@x.example",)).closed == 1
    again = job_of(org, event, REMINDER, "bo@x.example")
    assert (again.status, again.status_reason, again.next_run_at) == ("skipped", "IN_THE_PAST", None)
    assert again.status_note == "its time, Tue 29 Jan 2030 10:00 Europe/Berlin (09:00 UTC), has passed"


def test_a_late_event_shows_what_it_is_too_late_for_so_that_it_can_be_sent_by_hand(org: OrgOf) -> None:
    event = made(org, starts_at=NOON + 6 * HOUR)
    late = job_of(org, event, REMINDER)
    assert (late.status, late.status_reason, late.next_run_at) == ("skipped", "IN_THE_PAST", None)
    assert late.status_note == "its time, Tue 1 Jan 2030 10:00 Europe/Berlin (09:00 UTC), has passed"
    factories.live_worker(now=NOON)
    assert preflights.preflight(org.admin, late.id, now=NOON).refusal is None
    assert edit(org, event, starts_at=START) == Planned(opened=2, moved=1)
    assert times(org, event) == {INIT: ten(1, 16), REMINDER: ten(1, 29), FOLLOW_UP: ten(1, 31)}


# What is due, on its way, or over -----------------------------------------------------------------


def test_what_had_come_due_before_the_edit_goes_out_as_it_was(org: OrgOf) -> None:
    event = made(org)
    later = ten(1, 16) + timedelta(seconds=3)
    planned = edit(org, event, now=later, starts_at=START + 10 * DAY)
    assert (len(planned.tickets), planned.moved) == (1, 2)
    assert one("SELECT slot FROM runs") == ten(1, 16)
    assert times(org, event)[INIT] is None, "its run is on its way and is left alone"


def test_a_run_on_its_way_is_left_alone_and_planned_anew_once_it_has_failed(org: OrgOf) -> None:
    event = made(org)
    factories.live_worker(now=NOON)
    init = job_of(org, event, INIT)
    run = triggers.send_now(org.admin, init.id, Request(Trigger.MANUAL), now=NOON)
    assert edit(org, event, starts_at=START + DAY, load_in_at=LOAD_IN).closed == 0
    assert job_of(org, event, INIT).revision == 1
    claim = execution.claim(run.id, worker="w", offered=[init.task], now=NOON)
    assert claim
    execution.finish_without_retry(claim, Outcome(RunState.FAILED, Reason.SEND_FAILED), NOON)
    replan(org, event)
    assert job_of(org, event, INIT).status_reason == "HAS_LOAD_IN_TIME"


def test_a_dry_run_holds_nothing_up_and_an_unknown_end_is_for_a_person(org: OrgOf) -> None:
    event = made(org)
    factories.live_worker(now=NOON)
    init, reminder = job_of(org, event, INIT), job_of(org, event, REMINDER)
    dry = Request(Trigger.MANUAL, dry_run=True)
    triggers.send_now(org.admin, init.id, dry, now=NOON)
    run = triggers.send_now(org.admin, reminder.id, Request(Trigger.MANUAL), now=NOON)
    claim = execution.claim(run.id, worker="w", offered=[reminder.task], now=NOON)
    assert claim
    execution.finish_without_retry(
        claim, Outcome(RunState.UNKNOWN, Reason.OUTCOME_UNKNOWN), NOON + timedelta(seconds=1)
    )
    assert edit(org, event, starts_at=START + DAY, load_in_at=LOAD_IN) == Planned(closed=1, moved=1)
    assert job_of(org, event, INIT).status_reason == "HAS_LOAD_IN_TIME"
    assert job_of(org, event, REMINDER).revision == 1


def test_a_reminder_that_nothing_could_send_before_the_event_began_is_missed(org: OrgOf) -> None:
    event = made(org)
    dispatch.dispatch(scheduler="s", now=START + HOUR)
    query = "SELECT message_type, state FROM runs JOIN jobs ON jobs.id = job_id WHERE subject_id = :id"
    assert {tuple(row) for row in rows(query, id=event.id)} == {("INIT", "missed"), ("REMINDER", "missed")}
    assert edit(org, event, now=START + HOUR, starts_at=START + 30 * DAY).opened == 2


# The org's settings -------------------------------------------------------------------------------


def test_a_new_weekend_rule_moves_what_is_open_in_this_org_alone(org: OrgOf) -> None:
    other = factories.org()
    sunday = START + 4 * DAY
    event, theirs = made(org, starts_at=sunday), made(other, starts_at=sunday)
    over = made(org, name="Faust", starts_at=NOON - 40 * DAY)
    hand = job_of(org, event, INIT)
    edits.edit(org.admin, hand.id, Change(send_at=ten(1, 19)), now=NOON)
    with transaction():
        row = MessageSettings(org_id=org.id, enabled=True, weekend_rule="previous_friday", changed_by="me")
        db.session.add(row)
        db.session.flush()
        assert planner.plan_all(org.admin, now=NOON) == Planned(moved=1)
    assert times(org, event) == {INIT: ten(1, 19), REMINDER: ten(2, 1), FOLLOW_UP: ten(2, 4)}
    assert times(other, theirs)[REMINDER] == ten(2, 2)
    assert all_of(org, over) == []


def test_the_events_page_can_say_what_is_planned_and_why(org: OrgOf) -> None:
    event = made(org, starts_at=START + 4 * DAY, load_in_at=LOAD_IN + 4 * DAY, crew=("bo@x.example",))
    with transaction():
        row = MessageSettings(org_id=org.id, enabled=False, weekend_rule="previous_friday", changed_by="me")
        db.session.add(row)
        db.session.flush()
        planner.plan_all(org.admin, now=NOON)
    moved = job_of(org, event, REMINDER, "bo@x.example")
    edits.edit(org.admin, moved.id, Change(send_at=ten(1, 30), enabled=False), now=NOON)
    jobs.delete(org.admin, job_of(org, event, FOLLOW_UP).id, now=NOON)
    off = "Automatic sending is off: it is skipped unless it is on again by then."
    assert [(item.message_type, *item.sentences) for item in planner.explain(org.admin, event, now=NOON)] == [
        (
            INIT,
            "Not planned: the load-in time is known, Sun 3 Feb 2030 11:30, so there is nothing to ask for.",
        ),
        (
            REMINDER,
            "Planned for Fri 1 Feb 2030 10:00 (1 day before the event).",
            "Its day would be Sat 2 Feb; the weekend rule puts it on the Friday before.",
            "Goes to 2 recipients.",
            off,
            "1 paused by hand.",
            "Moved by hand to Wed 30 Jan 2030 10:00: bo@x.example.",
        ),
        (
            FOLLOW_UP,
            "Planned for Mon 4 Feb 2030 10:00 (1 day after the event).",
            "Goes to ana@x.example.",
            off,
            "1 deleted by hand, and not planned anew.",
        ),
    ]


# At one time --------------------------------------------------------------------------------------


def test_edits_by_hand_while_the_event_moves_to_and_fro_lose_nothing(app: APIFlask, org: OrgOf) -> None:
    event = made(org, crew=("bo@x.example",))
    init, reminder = job_of(org, event, INIT), job_of(org, event, REMINDER)
    errors: list[BaseException] = []

    def person() -> None:
        for number in range(8):
            change = Change(send_at=ten(1, 20) + number * HOUR)
            edits.edit(org.admin, init.id, change, now=NOON)
        edits.edit(org.admin, reminder.id, Change(enabled=False, note="wait"), now=NOON)

    def mover(field: str, values: Sequence[Any]) -> None:
        for value in values:
            edit(org, event, **{field: value})

    def guarded(work: Any, *args: Any) -> None:
        try:
            with app.app_context():
                work(*args)
        except BaseException as error:
            errors.append(error)

    threads = [
        threading.Thread(target=guarded, args=(person,)),
        threading.Thread(target=guarded, args=(mover, "starts_at", [START + n * DAY for n in range(1, 9)])),
        threading.Thread(target=guarded, args=(mover, "crew", [("bo@x.example", "cy@x.example"), ()] * 4)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    found = {job.id: job for job in all_of(org, event)}
    assert found[init.id].next_run_at == ten(1, 20) + 7 * HOUR
    assert (found[reminder.id].status, found[reminder.id].status_note) == ("paused", "wait")
    assert found[reminder.id].next_run_at == ten(1, 29) + 8 * DAY
    assert len(found) == 3
    assert replan(org, event) == Planned()


# The model in memory is what the tables do --------------------------------------------------------

EDITS = {name: st.fixed_dictionaries({name: value}) for name, value in FIELDS.items() if name != "starts_at"}
STEPS = st.one_of(
    *(st.tuples(st.just("edit"), fields) for fields in EDITS.values()),
    st.tuples(st.just("edit"), st.integers(-1, 40).map(lambda days: {"starts_at": NOON + days * DAY + HOUR})),
    st.tuples(st.sampled_from(["move", "pause", "skip", "delete", "rename"]), st.integers(0, 5)),
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, min_size=1, max_size=8))
def test_tables_and_model_come_to_the_same_end(org: OrgOf, steps: list[tuple[str, Any]]) -> None:
    event = made(org, crew=("bea@x.example",))
    desk = Desk(event, with_preferences(org), now=NOON)
    desk.plan()
    for does, value in steps:
        if does == "edit":
            value = {**value, "load_in_at": None} if "starts_at" in value else value
            if value.get("load_in_at"):
                value = {"load_in_at": desk.event.starts_at - HOUR}  # type: ignore[union-attr]
            edit(org, event, **value)
            desk.event = replace(events.get(org.admin, event.id))
        else:
            hand(org, desk, does, value)
        desk.plan()
        assert replan(org, event) == Planned()
        assert in_tables(event) == in_memory(desk)


def with_preferences(org: OrgOf) -> Any:
    with reading():
        return preferences.of(org.id)


def hand(org: OrgOf, desk: Desk, does: str, number: int) -> None:
    """The same edit by hand in both: of the same open job, found by its type and recipient."""
    found = sorted(desk.open, key=lambda place: (place.message_type, place.address))
    if not found:
        return
    place = found[number % len(found)]
    job = place.job
    assert job is not None
    query = (
        "SELECT job_id FROM message_plans WHERE (message_type, address, event_id) = (:type, :address, :id)"
    )
    assert desk.event is not None
    job_id: UUID = one(query, type=place.message_type, address=place.address, id=desk.event.id)
    if does == "move":
        at = NOON + (number + 1) * HOUR
        edits.edit(org.admin, job_id, Change(send_at=at), now=NOON)
        status = JobStatus.SCHEDULED if job.status is JobStatus.BLOCKED else job.status
        desk.change(job, at=at, status=status)
    elif does == "pause":
        edits.edit(org.admin, job_id, Change(enabled=False), now=NOON)
        desk.change(job, status=JobStatus.PAUSED, reason="PAUSED")
    elif does == "skip":
        edits.edit(org.admin, job_id, Change(status=JobStatus.SKIPPED), now=NOON)
        desk.change(job, status=JobStatus.SKIPPED, is_closed=True, is_waiting=False, reason=None)
    elif does == "delete":
        jobs.delete(org.admin, job_id, now=NOON)
        desk.change(job, is_deleted=True)
    else:
        edits.edit(org.admin, job_id, Change(name="My own"), now=NOON)
        desk.change(job, wording=replace(job.wording, name="My own"))


def in_tables(event: EventView) -> list[Any]:
    found = rows(
        "SELECT plans.message_type, plans.role, plans.address, plans.planned_at, plans.is_withdrawn,"
        " plans.resumes_paused, jobs.status, jobs.status_reason, jobs.next_run_at IS NOT NULL,"
        " (jobs.schedule ->> 'at')::timestamptz, jobs.deleted_at IS NOT NULL, jobs.recipient, jobs.name,"
        " jobs.subject, jobs.timezone"
        " FROM message_plans AS plans JOIN jobs ON jobs.id = plans.job_id WHERE plans.event_id = :id",
        id=event.id,
    )
    return sorted((tuple(row) for row in found), key=repr_of)


def in_memory(desk: Desk) -> list[Any]:
    found = []
    for place in desk.places.values():
        job = place.job
        assert job is not None
        wording = (job.wording.name, job.wording.subject, job.wording.timezone)
        kept = (place.message_type, place.role, place.address, place.planned_at, place.is_withdrawn)
        stands = (place.resumes_paused, job.status, job.reason, job.is_waiting, job.at, job.is_deleted)
        found.append((*kept, *stands, job.recipient, *wording))
    return sorted((tuple(str(x) if isinstance(x, str) else x for x in row) for row in found), key=repr_of)


def repr_of(row: tuple[Any, ...]) -> tuple[str, str]:
    return row[0], row[2]


# Back from a deletion -----------------------------------------------------------------------------


def test_messages_that_come_back_follow_what_became_of_their_events_and_of_the_settings(org: OrgOf) -> None:
    moved, gone, other = made(org), made(org, name="Faust"), made(org, name="Woyzeck", crew=("bo@x.example",))
    own = job_of(org, other, INIT)
    edits.edit(org.admin, own.id, Change(send_at=ten(1, 19)), now=NOON)
    before = times(org, other)
    done = deletions.delete_matching(org.admin, JobFilter(with_settled=True), now=NOON)
    change = {"starts_at": START + DAY, "contact_email": "bo@x.example", "load_in_at": LOAD_IN + DAY}
    assert edit(org, moved, now=NOON + HOUR, **change) == Planned(), "what a person deleted stays away"
    events.delete(org.admin, gone.id, now=NOON + HOUR)
    assert done.id
    deletions.undo(org.admin, done.id, now=NOON + 2 * HOUR)
    assert times(org, moved) == {INIT: None, REMINDER: ten(1, 30), FOLLOW_UP: ten(2, 1)}
    assert {job.recipient for job in all_of(org, moved)} == {"bo@x.example"}
    assert job_of(org, moved, INIT, "bo@x.example").status_reason == Reason.HAS_LOAD_IN_TIME
    assert all_of(org, gone) == []
    assert times(org, other) == before and job_of(org, other, INIT).revision == own.revision + 1

    done = deletions.delete_matching(org.admin, JobFilter(subject_id=other.id), now=NOON + 3 * HOUR)
    with transaction():
        late = {"lead_days": 2, "send_time": time(10), "changed_at": NOON + 4 * HOUR, "changed_by": "me"}
        db.session.add(MessageTypeSettings(org_id=org.id, message_type=FOLLOW_UP, enabled=True, **late))
    assert done.id
    deletions.undo(org.admin, done.id, now=NOON + 5 * HOUR)
    assert times(org, other) == {**before, FOLLOW_UP: ten(2, 1)}
