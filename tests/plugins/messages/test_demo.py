"""The demonstration's message desk: every case is there, and what it shows as sent was sent."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from apiflask import APIFlask

from console import plugins
from console.core.states import JobStatus, MessageType
from console.plugins.messages import demo as desk
from console.plugins.messages import events
from console.services import demo, dispatch, jobs, orgs, people, pushing, runs
from console.services.views import JobFilter, JobView
from console.worker import RunWorker
from tests.factories import NOON, OrgOf, one, rows
from tests.plugins.messages.desk import INIT, REMINDER

SATURDAY = NOON + timedelta(days=3)


def seed(now: datetime = NOON) -> OrgOf:
    wanted = plugins.demo_jobs()
    demo.seed(wanted, fill=plugins.fill_demo, timezone="Europe/Berlin", email=None, password=None, now=now)
    return OrgOf(orgs.find_org(demo.ORG_SLUG).id, people.cli_actor(demo.ORG_SLUG, login="root"))


def messages(org: OrgOf, **wanted: Any) -> list[JobView]:
    found = jobs.page(org.admin, JobFilter(**wanted), cursor=None, limit=200, now=NOON).jobs
    return [job for job in found if job.message_type]


def everything() -> list[object]:
    tables = ("events", "jobs", "job_revisions", "message_plans", "message_settings", "audit_entries")
    return [rows(f"SELECT t::text FROM {name} t ORDER BY 1") for name in tables]  # noqa: S608


def passes(worker: RunWorker, now: datetime) -> None:
    """A scheduler's pass, and what a worker makes of it."""
    with time_machine.travel(now):
        pushing.push_tickets(dispatch.dispatch(scheduler="s", now=now).tickets, now=now)
        worker.work(burst=True)


def test_two_dozen_events_show_every_case_that_is_there_before_anything_is_sent(app: APIFlask) -> None:
    org = seed()
    assert one("SELECT count(*) FROM events WHERE starts_at > :now", now=NOON) == 24
    shown = messages(org)
    assert {job.status for job in shown} == {"scheduled", "paused", "blocked", "skipped"}
    assert {job.message_type for job in shown} == {"INIT", "REMINDER", "FOLLOW_UP"}
    (paused,) = [job for job in shown if job.status is JobStatus.PAUSED]
    assert (paused.name, paused.status_note) == ("Peer Gynt · Follow-up", "wait for photos")
    blocked = [job.name for job in shown if job.status is JobStatus.BLOCKED]
    assert {"The Tempest · Reminder", "The Seagull · Init"} <= set(blocked)
    asked = {job.name for job in messages(org, message_type=INIT, with_settled=True)}
    assert "Tartuffe · Init" not in asked and "Medea · Init" in asked, "a known load-in time asks nothing"
    weekdays = {job.next_run_at.weekday() for job in shown if job.next_run_at and job.status != "paused"}
    assert weekdays <= set(range(5)), "the weekend rule"
    (sunday,) = {job.next_run_at for job in shown if job.name == "Macbeth · Reminder"}
    assert sunday is not None and sunday.weekday() == 4
    recipients = {job.recipient.partition("@")[2] for job in shown if job.recipient}
    assert recipients == {"northside.example", "bounce.example"}


@pytest.mark.parametrize("begins", [NOON, SATURDAY])
def test_the_sent_the_failed_and_the_duplicate_come_about_by_themselves(
    app: APIFlask, worker: RunWorker, catcher: int, begins: datetime
) -> None:
    org = seed(begins)
    for after in (desk.SENT, desk.FAILED, desk.DUPLICATE, desk.RULE_SET):
        passes(worker, begins + after)
    found = Counter(
        (row.name, row.state, row.reason_code)
        for row in rows("SELECT name, state, reason_code FROM runs JOIN jobs ON jobs.id = job_id")
    )
    expected = {
        ("Hamlet · Reminder", "succeeded", None): 1,
        ("Faust · Reminder", "failed", "SEND_FAILED"): 1,
        ("Hamlet · Reminder", "skipped", "DUPLICATE"): 1,
    }
    if begins is SATURDAY:
        expected[("Set the weekend rule", "succeeded", None)] = 1
    assert found == expected
    assert rows("SELECT recipients FROM caught_mails") == [(["ana.berg@northside.example"],)]
    assert one("SELECT weekend_rule FROM message_settings") == "previous_friday"
    (failed,) = messages(org, status=JobStatus.FAILED)
    assert failed.last_run and "550" in (runs.get(org.admin, failed.last_run.id, now=begins).reason or "")
    assert {job.message_type for job in messages(org, status=JobStatus.SENT)} == {REMINDER}


def test_seeding_twice_changes_nothing_and_what_was_deleted_stays_away(app: APIFlask) -> None:
    org = seed()
    before = everything()
    seed(NOON + timedelta(days=1))
    assert everything() == before
    for (id_,) in rows("SELECT id FROM events"):
        events.delete(org.admin, id_, now=NOON)
    seed(NOON + timedelta(days=2))
    assert one("SELECT count(*) FROM events WHERE deleted_at IS NULL") == 0
    assert messages(org, message_type=MessageType.INIT) == []
