"""What keeps the console tidy and says whether it is well: retention, the health check, and the seed."""

from datetime import datetime, timedelta

import pytest
from apiflask import APIFlask

from console import plugins
from console.core.clock import utc_now
from console.core.settings import Settings
from console.core.states import Role, RunState
from console.queue import queues
from console.services import (
    demo,
    edits,
    execution,
    health,
    jobs,
    mail,
    orgs,
    people,
    recomputing,
    retention,
    runs,
    sealing,
    verifying,
)
from console.services.demo import Seeded
from console.services.outcomes import Outcome
from console.services.views import JobFilter, JobView
from console.worker import RunWorker
from tests import factories
from tests.factories import NOON, PASSWORD, OrgOf, one, rows
from tests.web.conftest import change

OLD = NOON - timedelta(days=40)
BEFORE = NOON - timedelta(days=30)


def ended(of: OrgOf, job: JobView, at: datetime) -> str:
    """A run that succeeded at this instant, with a log line."""
    run = factories.run(of, job, now=at)
    claim = execution.claim(run.id, worker="w", offered=[job.task], now=at)
    assert claim is not None
    execution.note(claim, lines=[(at, "said")], progress=None)
    execution.finish(claim, Outcome(RunState.SUCCEEDED), now=at)
    return str(run.id)


def left() -> set[str]:
    return {str(row.id) for row in rows("SELECT id FROM runs")}


# Old runs


def test_runs_that_ended_long_ago_go_with_their_log_and_the_newer_stay(org: OrgOf) -> None:
    job = factories.job(org)
    for day in (2, 1, 0):
        ended(org, job, OLD - timedelta(days=day))
    kept = {ended(org, job, BEFORE), ended(org, job, NOON)}
    assert retention.delete_runs(org.id, before=BEFORE, limit=100) == 3
    assert left() == kept
    assert {str(row.run_id) for row in rows("SELECT run_id FROM run_logs")} == kept
    assert retention.delete_runs(org.id, before=BEFORE, limit=100) == 0


def test_the_last_run_of_each_job_stays_however_old_it_is(org: OrgOf) -> None:
    first, second = factories.job(org), factories.job(org)
    ended(org, first, OLD - timedelta(days=1))
    kept = {ended(org, first, OLD), ended(org, second, OLD)}
    assert retention.delete_runs(org.id, before=BEFORE, limit=100) == 1
    assert left() == kept
    shown = jobs.get(org.admin, first.id, now=NOON).last_run
    assert shown is not None and str(shown.id) in kept
    assert runs.get(org.admin, shown.id, now=NOON).state is RunState.SUCCEEDED


def test_what_has_not_ended_stays(org: OrgOf) -> None:
    job = factories.job(org)
    waiting = factories.run(org, job, now=OLD)
    running = factories.run(org, job, now=OLD)
    assert execution.claim(running.id, worker="w", offered=[job.task], now=OLD)
    assert retention.delete_runs(org.id, before=BEFORE, limit=100) == 0
    assert left() == {str(waiting.id), str(running.id)}


def test_the_runs_of_another_org_stay(org: OrgOf) -> None:
    theirs = factories.org()
    job = factories.job(theirs)
    kept = {ended(theirs, job, OLD), ended(theirs, job, OLD + timedelta(days=1))}
    assert retention.delete_runs(org.id, before=BEFORE, limit=100) == 0
    assert left() == kept


def test_a_batch_is_no_larger_than_its_limit(org: OrgOf) -> None:
    job = factories.job(org)
    for day in range(6):
        ended(org, job, OLD + timedelta(days=day))
    assert [retention.delete_runs(org.id, before=BEFORE, limit=2) for _ in range(4)] == [2, 2, 1, 0]


def test_sessions_that_ended_long_ago_go(org: OrgOf) -> None:
    email = str(factories.person(org).email)
    stranger = str(factories.person(factories.org()).email)
    for who, at in ((email, OLD), (email, NOON), (stranger, OLD)):
        people.sign_in(who, PASSWORD, now=at, address=None, user_agent=None)
    before = OLD + timedelta(days=15)
    assert retention.delete_sessions(org.id, before=before) == 1
    assert one("SELECT count(*) FROM login_sessions") == 2
    factories.person(org, Role.ADMIN)
    people.set_active(org.admin, email, False, now=NOON)
    assert retention.delete_sessions(org.id, before=NOON + timedelta(seconds=1)) == 1


# The health check


@pytest.fixture
def _well(org: OrgOf) -> None:
    """Everything lives at noon."""
    factories.live_scheduler(now=NOON)
    factories.live_watcher(now=NOON)
    factories.live_worker(now=NOON)


def wrong(now: datetime = NOON) -> dict[str, str]:
    """What the health check finds wrong; each says what to do."""
    found = [check for check in health.doctor(now=now) if not check.ok]
    assert all(check.advice for check in found)
    return {check.name: check.text for check in found}


@pytest.mark.usefixtures("_well")
def test_all_is_well_while_heartbeats_are_fresh() -> None:
    checks = health.doctor(now=NOON)
    assert [check.name for check in checks if check.ok] == [
        "postgres",
        "migrations",
        "redis",
        "scheduler",
        "workers",
        "queues",
        "watcher",
        "mail",
        "alerts",
        "audit",
    ]
    assert len(checks) == 10


@pytest.mark.usefixtures("_well")
def test_a_silent_scheduler_and_silent_workers_are_named() -> None:
    found = wrong(NOON + timedelta(seconds=31))
    assert set(found) == {"scheduler", "workers", "queues"}
    assert found["scheduler"] == "heard 31 s ago"
    assert found["workers"] == "0 alive"


def test_a_queue_that_nobody_serves_is_named(org: OrgOf) -> None:
    factories.live_scheduler(now=NOON)
    factories.live_watcher(now=NOON)
    factories.live_worker(now=NOON, queues=["default"])
    found = wrong()
    assert set(found) == {"queues"}
    assert "messages" in found["queues"] and "default" not in found["queues"]


@pytest.mark.usefixtures("_well")
def test_redis_is_named_when_it_cannot_be_reached(settings: Settings) -> None:
    queues.configure("redis://127.0.0.1:1/0")
    try:
        assert set(wrong()) == {"redis"}
    finally:
        queues.configure(settings.redis_url)


@pytest.mark.usefixtures("_well")
def test_a_missing_mail_server_is_named(settings: Settings) -> None:
    mail.configure("", settings.from_email)
    try:
        assert wrong() == {"mail": "no server is set"}
    finally:
        mail.configure(settings.smtp_url, settings.from_email)


@pytest.mark.usefixtures("_well")
def test_tables_behind_the_newest_revision_are_named() -> None:
    newest = one("SELECT version_num FROM alembic_version")
    change("UPDATE alembic_version SET version_num = 'older'")
    try:
        assert wrong() == {"migrations": f"at older, not at {newest}"}
    finally:
        change("UPDATE alembic_version SET version_num = :newest", newest=newest)


# The seed


def seed(email: str | None = None, password: str | None = None, now: datetime = NOON) -> Seeded:
    return demo.seed(plugins.demo_jobs(), timezone="Europe/Berlin", email=email, password=password, now=now)


def workspace() -> OrgOf:
    found = orgs.find_org(demo.ORG_SLUG)
    return OrgOf(found.id, people.cli_actor(demo.ORG_SLUG, login="root"))


def table(of: OrgOf) -> dict[str, JobView]:
    page = jobs.page(of.admin, JobFilter(), cursor=None, limit=50, now=NOON)
    return {job.key: job for job in page.jobs}


def everything() -> list[object]:
    tables = ("orgs", "users", "memberships", "jobs", "job_revisions", "audit_entries")
    return [rows(f"SELECT t::text FROM {name} t ORDER BY 1") for name in tables]  # noqa: S608


def test_the_seed_makes_jobs_that_are_due_as_promised_and_an_admin_who_can_sign_in(app: APIFlask) -> None:
    made = seed()
    assert made.password is not None
    signed_in = people.sign_in(made.email, made.password, now=NOON, address=None, user_agent=None)
    actor = people.session_actor(signed_in.secret, now=NOON, address=None, request_id=None)
    assert actor is not None and actor.role is Role.ADMIN
    shown = table(workspace())
    assert {key: job.schedule_text for key, job in shown.items()} == {
        "send_test_email_to_self": "only by hand",
        "perform_system_health_check": "every 30 min",
        "cleanup_old_runs": "daily at 03:30",
        "verify_audit_trail": "daily at 04:00",
        "count_slowly": "only by hand",
        "empty_outbox": "only by hand",
        "morning_intelligence_report": "daily at 09:15",
        "inventory_health_check": "every 6 h",
        "weekly_summary_report": "Mondays at 08:00",
    }
    assert all(job.is_registered and job.button_reason is None for job in shown.values())
    assert shown["cleanup_old_runs"].timezone == "Europe/Berlin"
    assert shown["send_test_email_to_self"].next_run_at is None


def test_a_second_seed_changes_nothing_and_tells_no_password(app: APIFlask) -> None:
    first = seed()
    before = everything()
    second = seed(now=NOON + timedelta(days=1))
    assert (second.email, second.password) == (first.email, None)
    assert everything() == before


def test_a_seed_keeps_what_was_edited_paused_or_deleted(app: APIFlask) -> None:
    seed()
    org = workspace()
    shown = table(org)
    edits.set_paused(org.admin, shown["perform_system_health_check"].id, True, note="calm", now=NOON)
    jobs.delete(org.admin, shown["count_slowly"].id, now=NOON)
    change("UPDATE jobs SET name = 'Sweep', args = '{\"keep_days\": 7}' WHERE key = 'cleanup_old_runs'")
    before = everything()
    seed(now=NOON + timedelta(days=1))
    assert everything() == before
    after = table(org)
    assert "count_slowly" not in after
    assert after["cleanup_old_runs"].args == {"keep_days": 7}
    assert after["perform_system_health_check"].status_note == "calm"


def test_a_seed_fills_in_what_is_missing(app: APIFlask) -> None:
    seed()
    change("DELETE FROM jobs WHERE key = 'count_slowly'")
    seed()
    assert set(table(workspace())) == {job.task for job in plugins.demo_jobs()}


def test_a_later_seed_names_the_admin_who_is_there(app: APIFlask) -> None:
    assert seed("boss@example.com", PASSWORD) == Seeded("boss@example.com", PASSWORD)
    assert seed() == Seeded("boss@example.com", None)
    assert rows("SELECT email FROM users") == [("boss@example.com",)]


def test_a_seed_leaves_other_orgs_alone(org: OrgOf) -> None:
    job = factories.job(org, key="cleanup_old_runs")
    seed(now=utc_now())
    assert [view.id for view in table(org).values()] == [job.id]
    assert one("SELECT count(*) FROM memberships WHERE org_id = :id", id=org.id) == 0


# The trail


def trail_line(now: datetime) -> tuple[bool, str]:
    (found,) = [check for check in health.doctor(now=now) if check.name == "audit"]
    assert found.ok or "python -m console" in found.advice
    return found.ok, found.text


@pytest.mark.usefixtures("_well")
def test_doctor_says_whether_the_trail_is_sealed_and_whole(org: OrgOf) -> None:
    factories.job(org, now=NOON)
    assert trail_line(NOON) == (True, "the trail of 1 org is sealed")
    assert trail_line(NOON + timedelta(minutes=5)) == (False, "entries wait 5 min for their seal")
    sealing.seal(NOON)
    assert trail_line(NOON + timedelta(minutes=5)) == (True, "the trail of 1 org is sealed, last 5 min ago")
    factories.past_the_triggers("UPDATE audit_entries SET reason = 'x'")
    assert trail_line(NOON)[0], "nobody has looked yet"
    verifying.verify(org.admin, now=NOON)
    ok, text = trail_line(NOON)
    assert not ok
    assert text.startswith(f"the trail of {org.admin.org_name} is broken: Entry ")


def test_the_daily_task_tells_its_progress_and_fails_with_the_first_bad_entry(
    org: OrgOf, worker: RunWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in ((verifying, "SLICE"), (recomputing, "BATCH")):
        monkeypatch.setattr(module, name, 1)
    job = factories.job(org, "verify_audit_trail")
    factories.live_worker()
    good = factories.run(org, job)
    worker.work(burst=True)
    assert one("SELECT state FROM runs WHERE id = :id", id=good.id) == "succeeded"
    ((progress, result),) = rows("SELECT progress, result FROM runs WHERE id = :id", id=good.id)
    assert progress["done"] == progress["total"] > 1
    assert str(progress["total"]) in str(result)
    number = one("SELECT min(number) FROM audit_entries WHERE org_id = :id", id=org.id)
    factories.past_the_triggers("DELETE FROM audit_entries WHERE number = :number", number=number)
    bad = factories.run(org, job)
    worker.work(burst=True)
    ((state, reason),) = rows("SELECT state, reason FROM runs WHERE id = :id", id=bad.id)
    assert state == "failed"
    assert f"Entry {number} was sealed, and is gone." in reason
