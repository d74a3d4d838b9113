"""The reports as they are mailed: by a button, by a schedule, or not at all and then with the reason."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from apiflask import APIFlask

from console import plugins
from console.core.clock import utc_now
from console.core.errors import Invalid, Refused
from console.core.registry import registry
from console.core.settings import Settings
from console.core.states import Role, RunState, Trigger
from console.plugins.reports import post
from console.services import (
    demo,
    dispatch,
    job_names,
    jobs,
    mail,
    orgs,
    people,
    preflights,
    pushing,
    runs,
    triggers,
)
from console.services.run_requests import Request
from console.services.run_views import RunView
from console.services.views import JobFilter, JobView
from console.worker import RunWorker
from tests import factories
from tests.conftest import Servers
from tests.factories import NOON, OrgOf, one, rows
from tests.plugins.conftest import catching, demo_job, execute, lines, note_of, refusing
from tests.plugins.history import past_run
from tests.processes import eventually, process
from tests.web.conftest import change

HOUR = timedelta(hours=1)
HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
REPORTS = ("morning_intelligence_report", "inventory_health_check", "weekly_summary_report")
MORNING = REPORTS[0]


@dataclass(frozen=True)
class Arrived:
    """A mail as its reader's program takes it apart."""

    mail: EmailMessage
    text: str
    html: str

    @property
    def subject(self) -> str:
        return str(self.mail["Subject"])


def arrived(run_id: UUID | None = None) -> Arrived:
    """The only mail that the catcher took, or took of this run."""
    taken = rows("SELECT run_id, raw FROM caught_mails")
    (row,) = [row for row in taken if run_id in (None, row.run_id)]
    found = message_from_bytes(row.raw, policy=policy.default)
    plain, html = found.iter_parts()
    text, source = (part.get_content().replace("\r\n", "\n") for part in (plain, html))
    return Arrived(found, text, source)


def lively(of: OrgOf, name: str = "Sync Fern & Co") -> JobView:
    """A job with five runs of the last hours: three that went well, a late one and a failed one."""
    now = utc_now()
    job = factories.job(of, name=name, schedule={"type": "interval", "every_seconds": 21600}, now=now)
    for hours in (2, 3, 4):
        past_run(of, job, RunState.SUCCEEDED, now - hours * HOUR)
    past_run(of, job, RunState.SUCCEEDED, now - 5 * HOUR, late=timedelta(minutes=4))
    past_run(of, job, RunState.FAILED, now - 6 * HOUR, code="EXCEPTION", reason="502 from source")
    return job


def again(of: OrgOf, run: RunView) -> RunView:
    return runs.get(of.admin, run.id, now=utc_now())


# A mail


@pytest.mark.parametrize("task", REPORTS)
def test_a_report_arrives_as_text_and_as_html(org: OrgOf, worker: RunWorker, catcher: int, task: str) -> None:
    ann = factories.person(org, Role.ADMIN)
    lively(org)
    run = execute(org, worker, task)
    assert (run.state, run.reason) == (RunState.SUCCEEDED, None)
    found = arrived()
    assert found.mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in found.mail.iter_parts()] == ["text/plain", "text/html"]
    assert (found.mail["To"], found.subject) == (ann.email, run.result["subject"])
    assert found.text.splitlines()[0] == found.subject
    assert f"<title>{found.subject}</title>" in found.html
    for text in (found.text, found.html):
        assert "Asia/Ho_Chi_Minh (UTC+07:00)" in text and "As of" in text
    assert run.result["message_id"] == found.mail["Message-ID"] == f"<{run.id}@north.example>"
    assert run.result["recipients"] == [ann.email]
    assert one("SELECT run_id FROM caught_mails") == run.id
    gist = found.subject.split(": ", 1)[1]
    assert note_of(org, run) == run.result["summary"] == f"{gist}; mailed to 1"
    assert [change["subject"] for change in run.changes] == [f"mail to {ann.email}"]


def test_the_morning_report_says_what_the_database_says(org: OrgOf, worker: RunWorker, catcher: int) -> None:
    factories.person(org, Role.ADMIN)
    job = lively(org)
    lively(factories.org())
    factories.job(org, name="At rest", schedule={"type": "interval", "every_seconds": 60}, paused=True)
    run = execute(org, worker, MORNING)
    found = arrived()
    assert found.subject == "Morning report: 5 runs, 1 failed, 1 late"
    assert run.result["states"] == {"succeeded": 4, "failed": 1} and run.result["success_rate"] == 0.8
    local = one("SELECT requested_at FROM runs WHERE id = :id", id=run.id).astimezone(HANOI)
    for text in (found.text, found.html):
        for word in (
            "4 succeeded, 1 failed",
            "80 %",
            "4 of 5 executed",
            "502 from source",
            "EXCEPTION",
            "4 min",
            f"{local:%a} {local.day} {local:%b} {local:%H:%M}, the 24 hours before",
            "Coming in the next 24 hours".upper() if text is found.text else "Coming in the next 24 hours",
            "Morning intelligence report",
            "At rest",
        ):
            assert word in text, word
    assert "- Sync Fern & Co: every 6 h" in found.text
    shown = jobs.get(org.admin, job.id, now=utc_now())
    assert shown.next_run_at is not None
    assert f"{shown.next_run_at.astimezone(HANOI):%H:%M}" in found.text


def test_the_weekly_summary_says_what_the_database_says(org: OrgOf, worker: RunWorker, catcher: int) -> None:
    factories.person(org, Role.ADMIN)
    job = lively(org)
    for days in (8, 9):
        past_run(org, job, RunState.FAILED, utc_now() - timedelta(days=days))
    run = execute(org, worker, "weekly_summary_report")
    found = arrived()
    assert found.subject == "Weekly summary: 5 runs, 1 failed, 1 late, success rate 80 %"
    assert (run.result["before"]["runs"], run.result["before"]["success_rate"]) == (2, 0)
    assert run.result["changes"] == {"tests": 2}
    for text in (found.text, found.html):
        for word in ("was 2 (+3)", "was 0 %", "1 of 5 (20 %)", "4 min after its slot"):
            assert word in text, word
    assert found.text.count("Success rate:") == 1 + 8 + 1
    assert "there is less to compare with" in found.text


def test_the_inventory_check_counts_what_it_found(org: OrgOf, worker: RunWorker, catcher: int) -> None:
    factories.person(org, Role.ADMIN)
    factories.live_scheduler(now=utc_now() + HOUR)  # fresh however long the worker takes
    job = factories.job(org, name="Lost", schedule={"type": "interval", "every_seconds": 3600})
    change("UPDATE jobs SET task = 'shop.gone', applied_revision = revision WHERE id = :id", id=job.id)
    run = execute(org, worker, "inventory_health_check")
    found = arrived()
    assert found.subject == "Inventory check: 1 problem, 11 ok"
    assert (run.result["ok"], run.result["warnings"], run.result["problems"]) == (11, 0, 1)
    assert run.result["findings"]["Jobs with an unknown task"] == ("1 job whose task nobody has registered.")
    for text in (found.text, found.html):
        for word in ("Lost", "shop.gone", "Name the task&#39;s module in CONSOLE_TASKS, or delete the job."):
            assert word.replace("&#39;", "'" if text is found.text else "&#39;") in text


def test_no_mail_template_leaves_text_unescaped(app: APIFlask) -> None:
    source, name, _ = app.jinja_env.loader.get_source(app.jinja_env, "reports/mail.htm")  # type: ignore[union-attr]
    assert not re.search(r"\|\s*safe\b|autoescape\s+false", source)
    assert app.jinja_env.autoescape(name) is True  # type: ignore[operator]


def test_what_a_job_is_called_can_not_become_html(org: OrgOf, worker: RunWorker, catcher: int) -> None:
    factories.person(org, Role.ADMIN)
    job = lively(org, name="<script>alert(1)</script>")
    change("UPDATE runs SET reason = '<img src=x onerror=alert(1)>' WHERE job_id = :id", id=job.id)
    execute(org, worker, MORNING)
    found = arrived()
    assert "<script" not in found.html and "<img" not in found.html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in found.html
    assert "<script>alert(1)</script>" in found.text


def test_the_mail_loads_nothing_and_runs_nothing(org: OrgOf, worker: RunWorker, catcher: int) -> None:
    factories.person(org, Role.ADMIN)
    lively(org)
    execute(org, worker, MORNING)
    html = arrived().html
    for word in ("<img", "<link", "<script", "@import", "url(", "src="):
        assert word not in html


def test_links_lead_to_the_console_only_when_its_address_is_known(
    org: OrgOf, monkeypatch: pytest.MonkeyPatch, settings: Settings, app: Any, worker: RunWorker, catcher: int
) -> None:
    factories.person(org, Role.ADMIN)
    job = lively(org)
    assert post.base_url() is None
    execute(org, worker, MORNING)
    assert "href" not in arrived().html and "http" not in arrived().text
    change("DELETE FROM caught_mails")
    known = settings.model_copy(update={"base_url": "https://console.north.example"})
    monkeypatch.setitem(app.extensions, "console_settings", known)
    worker._horse.dismiss()
    run = factories.run(org, job_names.find(org.admin, MORNING, now=utc_now()))
    worker.work(burst=True)
    assert again(org, run).state is RunState.SUCCEEDED
    failed = one("SELECT id FROM runs WHERE state = 'failed'")
    found = arrived()
    for address in (f"jobs/{job.id}", f"runs/{failed}"):
        assert f'href="https://console.north.example/{address}"' in found.html
        assert f"https://console.north.example/{address}\n" in found.text


# To whom


def test_without_a_recipient_it_goes_to_the_active_admins_of_the_org(
    org: OrgOf, worker: RunWorker, catcher: int
) -> None:
    admins = [factories.person(org, Role.ADMIN, f"{name}@example.com") for name in ("zoe", "ann", "old")]
    factories.person(org, Role.OPERATOR)
    factories.person(factories.org(), Role.ADMIN)
    people.set_active(org.admin, "old@example.com", False, now=utc_now())
    run = execute(org, worker, MORNING, factories.person(org))
    assert run.result["recipients"] == ["ann@example.com", "zoe@example.com"]
    assert one("SELECT recipients FROM caught_mails") == ["ann@example.com", "zoe@example.com"]
    assert run.result["summary"].endswith("; mailed to 2") and len(admins) == 3


def test_a_given_recipient_gets_it_once(org: OrgOf, worker: RunWorker, catcher: int) -> None:
    factories.person(org, Role.ADMIN)
    given = ["ops@example.com", "OPS@example.com", "grüße@exämple.com"]
    run = execute(org, worker, MORNING, recipients=given)
    assert run.state is RunState.SUCCEEDED
    assert one("SELECT recipients FROM caught_mails") == ["OPS@example.com", "grüße@exämple.com"]


@pytest.mark.parametrize("task", REPORTS)
def test_without_anybody_to_get_it_the_button_and_the_schedule_refuse(org: OrgOf, task: str) -> None:
    job = demo_job(org, task)
    sentence = "No recipient is given, and the workspace has no active admin to whom it could go."
    assert preflights.preflight(org.admin, job.id, now=utc_now()).refusal == "MISSING_RECIPIENT"
    with pytest.raises(Refused, match=sentence) as caught:
        triggers.send_now(org.admin, job.id, Request(Trigger.MANUAL), now=utc_now())
    assert caught.value.reason == "MISSING_RECIPIENT"
    assert one("SELECT count(*) FROM runs") == 0
    slot = job.next_run_at
    assert slot is not None
    dispatch.dispatch(scheduler="s", now=slot)
    assert rows("SELECT state, reason_code, reason, slot FROM runs") == [
        ("skipped", "MISSING_RECIPIENT", sentence, slot)
    ]


def test_who_stops_being_an_admin_before_the_worker_has_it_gets_nothing(
    org: OrgOf, worker: RunWorker, catcher: int
) -> None:
    factories.person(org, Role.ADMIN)
    run = factories.run(org, demo_job(org, MORNING))
    change("UPDATE users SET is_active = false")
    worker.work(burst=True)
    ended = again(org, run)
    assert (ended.state, ended.reason_code) == (RunState.SKIPPED, "MISSING_RECIPIENT")
    assert one("SELECT count(*) FROM caught_mails") == 0


@pytest.mark.parametrize(
    ("task", "args", "field"),
    [
        (MORNING, {"hours": 0}, "args.hours"),
        (MORNING, {"hours": 169}, "args.hours"),
        (MORNING, {"ahead_hours": 0}, "args.ahead_hours"),
        ("weekly_summary_report", {"days": 32}, "args.days"),
        ("inventory_health_check", {"unused_days": -1}, "args.unused_days"),
        (MORNING, {"recipients": ["no address"]}, "args.recipients.0"),
        (MORNING, {"recipients": ["a@example.com", "b,c@example.com"]}, "args.recipients.1"),
        (MORNING, {"recipients": ["a@example.com\r\nBcc: b@example.com"]}, "args.recipients.0"),
        (MORNING, {"recipients": ["Ann <a@example.com>"]}, "args.recipients.0"),
        (MORNING, {"recipients": ["a@example.com"] * 51}, "args.recipients"),
        (MORNING, {"days": 1}, "args.days"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_by_name(
    org: OrgOf, task: str, args: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as caught:
        demo_job(org, task, **args)
    assert set(caught.value.fields) == {field}


# A dry run


@pytest.mark.parametrize("task", REPORTS)
def test_a_dry_run_says_what_it_would_mail_and_mails_nothing(
    org: OrgOf, worker: RunWorker, port: int, task: str
) -> None:
    ann = factories.person(org, Role.ADMIN)
    lively(org)
    job = demo_job(org, task)
    before = rows("SELECT j::text FROM jobs j WHERE id <> :id ORDER BY id", id=job.id)
    run = factories.run(org, job, dry_run=True)
    worker.work(burst=True)
    ended = again(org, run)
    assert (ended.state, ended.reason) == (RunState.SUCCEEDED, None)
    assert ended.result["summary"].endswith("; would be mailed to 1") and "message_id" not in ended.result
    (wanted,) = ended.changes
    assert (wanted["subject"], wanted["before"], wanted["after"]) == (
        f"mail to {ann.email}",
        None,
        ended.result["subject"],
    )
    said = "\n".join(lines(org, ended))
    assert f"A real run would mail this to {ann.email}." in said and ended.result["subject"] in said
    assert one("SELECT count(*) FROM caught_mails") == 0
    assert rows("SELECT j::text FROM jobs j WHERE id <> :id ORDER BY id", id=job.id) == before
    assert jobs.get(org.admin, job.id, now=utc_now()).last_run is None


# A server that does not take it


def test_a_server_that_refuses_for_good_fails_the_run_at_once_with_its_own_words(
    org: OrgOf, worker: RunWorker, port: int
) -> None:
    factories.person(org, Role.ADMIN, "ann@example.com")
    answer = "550 5.1.1 <ann@example.com>: no such mailbox here"
    with refusing("Refuse", port):
        run = execute(org, worker, MORNING)
    assert (run.state, run.reason_code, run.attempt) == (RunState.FAILED, "SEND_FAILED", 1)
    assert run.reason is not None and run.reason.endswith(answer)
    assert one("SELECT count(*) FROM caught_mails") == 0


def test_a_retry_that_succeeds_mails_the_same_period_once(
    org: OrgOf, worker: RunWorker, port: int, servers: Servers
) -> None:
    factories.person(org, Role.ADMIN)
    lively(org)
    run = execute(org, worker, MORNING)
    assert (run.state, run.reason_code) == (RunState.RETRYING, "SEND_FAILED")
    with catching(port, servers):
        pushing.push_tickets(dispatch.retry_due(now=utc_now() + HOUR), now=utc_now())
        worker.work(burst=True)
    ended = again(org, run)
    assert (ended.state, ended.attempt) == (RunState.SUCCEEDED, 2)
    assert ended.result["period"]["to"] == run.requested_at.isoformat()
    assert arrived().subject == "Morning report: 5 runs, 1 failed, 1 late"


def test_one_who_is_refused_does_not_keep_it_from_the_others(
    org: OrgOf, worker: RunWorker, port: int
) -> None:
    with refusing("RefuseSome", port):
        run = execute(org, worker, MORNING, recipients=["gone@example.com", "ann@example.com"])
    assert run.state is RunState.SUCCEEDED
    assert run.result["summary"] == "no runs; mailed to 1, refused for 1"
    assert run.result["refused"] == {"gone@example.com": "550 5.1.1 <gone@example.com>: no such mailbox here"}
    assert [line for line in lines(org, run) if line.startswith("The mail server refused gone@")]


# As a task


@pytest.mark.parametrize("task", REPORTS)
def test_it_is_declared_as_what_it_is(task: str) -> None:
    declared = registry.resolve(task)
    assert (declared.category, declared.queue, declared.verb) == ("Reports", "reports", "Send now")
    assert (declared.idempotent, declared.dry_run) == (False, True)
    assert "reports" in registry.queues()


def test_the_seed_makes_the_three_in_the_zone_of_their_readers(app: object) -> None:
    demo.seed(plugins.demo_jobs(), timezone="Europe/Berlin", email=None, password=None, now=NOON)
    org = orgs.find_org(demo.ORG_SLUG)
    actor = people.cli_actor(demo.ORG_SLUG, login="root")
    page = jobs.page(actor, JobFilter(category="Reports"), cursor=None, limit=10, now=NOON)
    assert {job.key: (job.timezone, job.schedule_text, job.next_run_at) for job in page.jobs} == {
        MORNING: (HANOI.key, "daily at 09:15", datetime(2030, 1, 3, 9, 15, tzinfo=HANOI)),
        "inventory_health_check": (HANOI.key, "every 6 h", NOON + 6 * HOUR),
        "weekly_summary_report": (HANOI.key, "Mondays at 08:00", datetime(2030, 1, 7, 8, 0, tzinfo=HANOI)),
    }
    assert all(job.button_reason is None and job.verb == "Send now" for job in page.jobs)
    assert org.timezone == "Europe/Berlin"


def test_a_slot_of_the_seed_ends_in_the_outbox_by_a_real_scheduler_and_worker(
    app: object, catcher: int, servers: Servers
) -> None:
    seeded = demo.seed(plugins.demo_jobs(), timezone="UTC", email=None, password=None, now=utc_now())
    environment = {**servers.environment, "SMTP_URL": f"smtp://127.0.0.1:{catcher}"}
    due = utc_now().replace(microsecond=0)
    with process(environment, "worker", "--name", "w"), process(environment, "scheduler"):
        change("UPDATE jobs SET next_run_at = :due WHERE key = :key", due=due, key=MORNING)
        state = "SELECT state FROM runs WHERE slot = :due"
        eventually(lambda: rows(state, due=due) == [("succeeded",)])
    (run,) = rows("SELECT id, job_id, trigger, result FROM runs WHERE slot = :due", due=due)
    assert (run.trigger, run.result["recipients"]) == ("schedule", [seeded.email])
    assert run.result["period"]["to"] == due.isoformat()
    # At a quarter past nine in Hanoi the job's own slot comes due beside this one, and is mailed too.
    mailed = rows("SELECT recipients FROM caught_mails WHERE run_id = :id", id=run.id)
    assert mailed == [([seeded.email],)]
    assert arrived(run.id).subject == run.result["subject"]
    following = one("SELECT next_run_at FROM jobs WHERE id = :id", id=run.job_id).astimezone(HANOI)
    assert (following.hour, following.minute) == (9, 15) and following > due


# Below


def test_a_mail_without_html_stays_plain() -> None:
    plain = mail._compose(mail.Message("r", ("a@example.com",), "s", "t"))
    assert plain.get_content_type() == "text/plain"
