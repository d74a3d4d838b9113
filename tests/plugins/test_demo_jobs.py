"""Every job of the demonstration workspace, executed by a real worker, does what it says."""

import re
from datetime import timedelta
from email import message_from_bytes
from typing import Any
from uuid import UUID

import pytest

from console import plugins
from console.core.actor import Actor
from console.core.clock import utc_now
from console.core.errors import Invalid, NotFound, Refused
from console.core.registry import registry
from console.core.settings import Settings
from console.core.states import Role, RunState, Trigger
from console.services import approving, execution, jobs, mail, outbox, runs, triggers
from console.services.approvals import ApprovalRequested
from console.services.outcomes import Outcome
from console.services.run_requests import Request
from console.services.views import JobView
from console.worker import RunWorker
from tests import factories
from tests.factories import OrgOf, one, rows
from tests.plugins.conftest import SENDER, demo_job, execute, lines, note_of, refusing
from tests.web.conftest import catch, change


def all_alive() -> None:
    """A scheduler and a watcher that stay fresh however long a busy machine takes over the jobs before."""
    later = utc_now() + timedelta(minutes=30)
    factories.live_scheduler(now=later)
    factories.live_watcher(now=later)


def test_every_job_of_the_workspace_succeeds(org: OrgOf, worker: RunWorker, catcher: int) -> None:
    all_alive()
    ann = factories.person(org, Role.ADMIN)
    quick: dict[str, dict[str, Any]] = {"count_slowly": {"to": 2, "pause_seconds": 0}}
    wanted = plugins.demo_jobs()
    made = [started(org, demo_job(org, job.task, **quick.get(job.task, {})), actor=ann) for job in wanted]
    worker.work(burst=True)
    ended = [runs.get(org.admin, run_id, now=utc_now()) for run_id in made]
    assert {run.task_title: (run.state, run.reason) for run in ended} == {
        registry.resolve(job.task).title: (RunState.SUCCEEDED, None) for job in wanted
    }


def started(org: OrgOf, job: JobView, actor: Actor) -> UUID:
    """The id of a run of the job; one that needs a second person has found one."""
    try:
        return factories.run(org, job, actor=actor).id
    except ApprovalRequested as error:
        second = factories.person(org, Role.ADMIN)
        run_id = approving.approve(second, error.approval.id, now=utc_now()).run_id
        assert run_id is not None
        return run_id


# Empty the outbox


def test_an_approved_run_empties_the_outbox_of_its_org_and_of_no_other(org: OrgOf, worker: RunWorker) -> None:
    other = factories.org()
    for of in (org, org, other):
        catch(of)
    run_id = started(org, demo_job(org, "empty_outbox"), factories.person(org))
    worker.work(burst=True)
    run = runs.get(org.admin, run_id, now=utc_now())
    assert (run.state, run.result) == (RunState.SUCCEEDED, {"summary": "2 mails deleted", "mails": 2})
    assert run.changes[0] == {"subject": "caught mails", "before": "2", "after": "0", "url": "/outbox"}
    assert rows("SELECT org_id FROM caught_mails") == [(other.id,)]


# Count slowly


def test_counting_shows_each_number_in_log_and_progress(org: OrgOf, worker: RunWorker) -> None:
    run = execute(org, worker, "count_slowly", to=3, pause_seconds=0.01)
    assert run.state is RunState.SUCCEEDED
    assert run.result == {"summary": "counted to 3", "counted": 3}
    assert lines(org, run) == ["1", "2", "3"]
    assert run.progress == {"done": 3, "total": 3, "note": "at 3"}
    assert note_of(org, run) == "counted to 3"


# The health check


def test_the_health_check_passes_while_all_is_there(org: OrgOf, worker: RunWorker) -> None:
    all_alive()
    run = execute(org, worker, "perform_system_health_check")
    assert run.state is RunState.SUCCEEDED
    assert set(run.result["checks"]) == {
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
    }
    assert run.progress == {"done": 10, "total": 10, "note": "audit"}
    assert all(line.startswith("ok") for line in lines(org, run))
    assert note_of(org, run) == "10 checks passed"


def test_the_health_check_fails_and_names_what_is_down(org: OrgOf, worker: RunWorker) -> None:
    all_alive()
    factories.live_scheduler(now=utc_now() - timedelta(hours=1))
    run = execute(org, worker, "perform_system_health_check")
    assert (run.state, run.reason_code) == (RunState.FAILED, "EXCEPTION")
    assert run.reason is not None
    said = re.fullmatch(r"scheduler: heard (\d+) s ago", run.reason)
    assert said is not None and 3600 <= int(said[1]) < 7200
    assert [line for line in lines(org, run) if "python -m console scheduler" in line]
    assert len(lines(org, run)) == 10
    assert note_of(org, run) == run.reason


def test_the_health_check_names_all_that_is_wrong(org: OrgOf, worker: RunWorker, settings: Settings) -> None:
    mail.configure("", settings.from_email)
    try:
        run = execute(org, worker, "perform_system_health_check")
    finally:
        mail.configure(settings.smtp_url, settings.from_email)
    assert run.reason == "scheduler: was never heard; watcher: none is alive; mail: no server is set"


# Cleanup


def fill(of: OrgOf, count: int, days: int) -> JobView:
    """A job with so many runs that ended so many days ago; it shows the last of them."""
    job = factories.job(of)
    made = factories.run(of, job, now=utc_now() - timedelta(days=days))
    claim = execution.claim(made.id, worker="w", offered=[job.task], now=made.requested_at)
    assert claim is not None
    execution.finish(claim, Outcome(RunState.SUCCEEDED), now=made.requested_at)
    columns = "org_id, job_id, task, queue, trigger, state, revision, requested_by, requested_at, finished_at"
    change(
        f"INSERT INTO runs ({columns}) SELECT {columns} FROM runs, generate_series(2, :count) "  # noqa: S608
        "WHERE runs.id = :id",
        count=count,
        id=made.id,
    )
    return job


def of_job(job: JobView) -> int:
    return int(one("SELECT count(*) FROM runs WHERE job_id = :id", id=job.id))


def test_the_cleanup_deletes_old_runs_of_its_org_in_batches_and_keeps_the_last_of_each_job(
    org: OrgOf, worker: RunWorker
) -> None:
    theirs = fill(factories.org(), 3, days=40)
    many, few, young = fill(org, 2300, days=40), fill(org, 2, days=31), fill(org, 4, days=29)
    run = execute(org, worker, "cleanup_old_runs")
    assert run.state is RunState.SUCCEEDED
    assert (run.result["runs"], run.result["summary"]) == (2300, "2300 runs deleted")
    assert run.progress == {"done": 2300, "total": None, "note": "2300 runs deleted"}
    assert [of_job(job) for job in (many, few, young, theirs)] == [1, 1, 4, 3]
    last = jobs.get(org.admin, many.id, now=utc_now()).last_run
    assert last is not None and runs.get(org.admin, last.id, now=utc_now()).state is RunState.SUCCEEDED
    assert lines(org, run)[0].startswith("Deleted 2300 runs")
    assert note_of(org, run) == "2300 runs deleted"


def test_the_cleanup_keeps_as_many_days_as_it_is_told(org: OrgOf, worker: RunWorker) -> None:
    job = fill(org, 3, days=10)
    assert execute(org, worker, "cleanup_old_runs", keep_days=11).result["runs"] == 0
    assert of_job(job) == 3


@pytest.mark.parametrize("days", [0, -1, 3651, 10**12])
def test_the_cleanup_takes_no_number_of_days_that_makes_no_sense(org: OrgOf, days: int) -> None:
    job = factories.job(org, "cleanup_old_runs")
    request = Request(Trigger.MANUAL, args={"keep_days": days})
    with pytest.raises(Invalid) as caught:
        triggers.send_now(org.admin, job.id, request, now=utc_now())
    assert set(caught.value.fields) == {"args.keep_days"}
    assert one("SELECT count(*) FROM runs") == 0


# The test mail


def test_the_test_mail_arrives_in_the_outbox_of_the_org_and_of_no_other(
    org: OrgOf, worker: RunWorker, catcher: int
) -> None:
    stranger = factories.org()
    ann = factories.person(org)
    run = execute(org, worker, "send_test_email_to_self", ann)
    assert run.state is RunState.SUCCEEDED
    message_id = f"<{run.id}@north.example>"
    assert run.result == {"summary": f"sent to {ann.email}", "recipient": ann.email, "message_id": message_id}
    kept = rows("SELECT org_id, run_id, raw FROM caught_mails")
    assert [(row.org_id, row.run_id) for row in kept] == [(org.id, run.id)]
    raw = message_from_bytes(kept[0].raw)
    assert (raw["Message-ID"], raw["From"], raw["To"]) == (message_id, SENDER, ann.email)
    (shown,) = outbox.page(ann, cursor=None, limit=10, now=utc_now()).mails
    assert (shown.recipients, shown.subject, shown.sender) == ((ann.email,), "Callboard test mail", SENDER)
    assert str(run.id) in shown.text
    assert outbox.get(ann, shown.id) == shown
    assert outbox.page(stranger.admin, cursor=None, limit=10, now=utc_now()).mails == []
    with pytest.raises(NotFound):
        outbox.get(stranger.admin, shown.id)
    assert lines(org, run)[-1] == f"The mail server took it as {message_id}."
    assert note_of(org, run) == f"sent to {ann.email}"


def test_two_orgs_each_see_their_own_mail(org: OrgOf, worker: RunWorker, catcher: int) -> None:
    both = [org, factories.org()]
    made = [execute(of, worker, "send_test_email_to_self", factories.person(of)) for of in both]
    for of, run in zip(both, made, strict=True):
        (shown,) = outbox.page(of.admin, cursor=None, limit=10, now=utc_now()).mails
        assert shown.run_id == run.id


@pytest.mark.parametrize("address", ["bob@example.com", "grüße@exämple.com"])
def test_the_test_mail_goes_to_the_recipient_that_it_is_given(
    org: OrgOf, worker: RunWorker, catcher: int, address: str
) -> None:
    run = execute(org, worker, "send_test_email_to_self", recipient=address)
    assert (run.state, run.reason) == (RunState.SUCCEEDED, None)
    assert run.result["recipient"] == address
    assert one("SELECT recipients FROM caught_mails") == [address]


@pytest.mark.parametrize(
    "address", ["a@example.com\r\nBcc: b@example.com", "no address", "", "a" * 250 + "@x.de"]
)
def test_a_recipient_that_is_no_address_sends_nothing_and_says_so(
    org: OrgOf, worker: RunWorker, catcher: int, address: str
) -> None:
    job = factories.job(org, "send_test_email_to_self")
    request = Request(Trigger.MANUAL, args={"recipient": address})
    with pytest.raises((Invalid, Refused)):
        triggers.send_now(org.admin, job.id, request, now=utc_now())
    assert one("SELECT count(*) FROM runs") == one("SELECT count(*) FROM caught_mails") == 0


@pytest.mark.parametrize(
    ("handler", "answer"),
    [
        ("Refuse", "550 5.1.1 <ann@example.com>: no such mailbox here"),
        ("RefuseLate", "554 5.7.1 this message looks like a test"),
    ],
)
def test_a_refusal_fails_the_run_with_the_servers_own_words(
    org: OrgOf, worker: RunWorker, port: int, handler: str, answer: str
) -> None:
    ann = factories.person(org, email="ann@example.com")
    with refusing(handler, port):
        run = execute(org, worker, "send_test_email_to_self", ann)
    assert (run.state, run.reason_code) == (RunState.FAILED, "SEND_FAILED")
    assert run.reason is not None and answer in run.reason
    assert one("SELECT count(*) FROM caught_mails") == 0
    assert (note_of(org, run) or "").endswith(answer[-20:])


def test_a_server_that_is_not_there_fails_the_run_and_says_so(
    org: OrgOf, worker: RunWorker, port: int
) -> None:
    run = execute(org, worker, "send_test_email_to_self", factories.person(org))
    assert (run.state, run.reason_code) == (RunState.FAILED, "SEND_FAILED")
    assert run.reason is not None and "refused" in run.reason


def test_without_anybody_to_send_to_nothing_is_made(org: OrgOf) -> None:
    job = factories.job(org, "send_test_email_to_self")
    with pytest.raises(Refused) as caught:
        triggers.send_now(org.admin, job.id, Request(Trigger.MANUAL), now=utc_now())
    assert caught.value.reason == "MISSING_RECIPIENT"
    assert one("SELECT count(*) FROM runs") == 0
