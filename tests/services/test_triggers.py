"""Every accepted trigger has exactly one run; every refusal says why."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from apiflask import APIFlask
from redis import Redis

from console.core.clock import utc_now
from console.core.errors import Forbidden, Invalid, NotFound, Refused, UnknownTask
from console.core.reasons import Reason
from console.core.states import Role, RunState, Trigger
from console.services import jobs, preflights, runs, triggers
from console.services.run_requests import Request
from tests import factories
from tests.factories import OrgOf, one, rows

CLICK = Request(Trigger.MANUAL)


def test_a_click_makes_one_queued_run_that_is_pushed_and_shown(org: OrgOf, redis: Redis) -> None:
    operator = factories.person(org)
    job = factories.job(org)
    run = triggers.send_now(operator, job.id, CLICK, now=utc_now())
    assert (run.state, run.trigger, run.executed_by) == (RunState.QUEUED, Trigger.MANUAL, operator.name)
    assert run.queued_at is not None
    assert redis.lrange("rq:queue:default", 0, -1) == [str(run.id).encode()]
    row = jobs.get(operator, job.id, now=utc_now())
    assert row.active_run is not None and row.active_run.id == run.id
    assert rows("SELECT tag, actor_name FROM audit_entries WHERE object_id = :id", id=str(run.id)) == [
        ("run:requested", operator.name)
    ]


def test_a_hundred_parallel_clicks_with_one_key_make_one_run_and_equal_answers(
    app: APIFlask, org: OrgOf, redis: Redis
) -> None:
    job = factories.job(org)

    def click(_: int) -> str:
        with app.app_context():
            request = Request(Trigger.MANUAL, key="one-click")
            return str(triggers.send_now(org.admin, job.id, request, now=utc_now()).id)

    with ThreadPoolExecutor(16) as pool:
        answers = set(pool.map(click, range(100)))
    assert len(answers) == 1
    assert one("SELECT count(*) FROM runs") == 1
    assert redis.llen("rq:queue:default") == 1


def test_clicks_without_a_key_are_each_their_own(org: OrgOf) -> None:
    job = factories.job(org)
    first, second = (triggers.send_now(org.admin, job.id, CLICK, now=utc_now()) for _ in range(2))
    assert first.id != second.id


def test_a_key_that_served_another_job_is_refused_and_nothing_is_made(org: OrgOf) -> None:
    one_job, other = factories.job(org), factories.job(org)
    request = Request(Trigger.API, key="k")
    triggers.send_now(org.admin, one_job.id, request, now=utc_now())
    with pytest.raises(Invalid) as caught:
        triggers.send_now(org.admin, other.id, request, now=utc_now())
    assert "Idempotency-Key" in caught.value.fields
    assert one("SELECT count(*) FROM runs") == 1


@pytest.mark.parametrize("key", ["", "   ", "x" * 201, "a\nb"])
def test_a_key_that_cannot_be_one_is_refused(org: OrgOf, key: str) -> None:
    job = factories.job(org)
    with pytest.raises(Invalid):
        triggers.send_now(org.admin, job.id, Request(Trigger.API, key=key), now=utc_now())
    assert one("SELECT count(*) FROM runs") == 0


@pytest.mark.parametrize("name", ["on-another-queue", "On another queue", "tests.tasks.on_another_queue"])
def test_a_task_without_a_job_runs_by_any_spelling_and_then_has_a_row(org: OrgOf, name: str) -> None:
    run = triggers.manual_trigger(org.admin, name, CLICK, now=utc_now())
    assert run.task == "tests.tasks.on_another_queue"
    again = triggers.manual_trigger(org.admin, name, CLICK, now=utc_now())
    assert again.job_id == run.job_id
    assert [row.key for row in rows("SELECT key FROM jobs")] == ["on_another_queue"]


def test_an_unknown_name_gets_suggestions_and_makes_nothing(org: OrgOf) -> None:
    with pytest.raises(UnknownTask) as caught:
        triggers.manual_trigger(org.admin, "send-test-emial-to-self", CLICK, now=utc_now())
    assert caught.value.suggestions[0] == "send_test_email_to_self"
    assert one("SELECT count(*) FROM runs") + one("SELECT count(*) FROM jobs") == 0


def test_a_viewer_may_not_run_and_nothing_is_made(org: OrgOf) -> None:
    job = factories.job(org)
    with pytest.raises(Forbidden):
        triggers.send_now(factories.person(org, Role.VIEWER), job.id, CLICK, now=utc_now())
    assert one("SELECT count(*) FROM runs") == 0


def test_the_job_of_another_org_is_not_found(org: OrgOf) -> None:
    stranger = factories.person(factories.org())
    job = factories.job(org)
    run = factories.run(org, job)
    with pytest.raises(NotFound):
        triggers.send_now(stranger, job.id, CLICK, now=utc_now())
    with pytest.raises(NotFound):
        runs.get(stranger, run.id, now=utc_now())
    with pytest.raises(NotFound):
        jobs.get(stranger, job.id, now=utc_now())
    assert runs.log(stranger, run.id) == []
    assert one("SELECT count(*) FROM runs") == 1


def test_a_task_that_no_live_worker_offers_is_refused_with_its_reason(org: OrgOf) -> None:
    job, now = factories.job(org), utc_now()
    factories.live_worker(now=now, tasks=["tests.tasks.explode"])
    with pytest.raises(Refused) as caught:
        triggers.send_now(org.admin, job.id, CLICK, now=now)
    assert caught.value.reason is Reason.NOT_REGISTERED
    view = jobs.get(org.admin, job.id, now=now)
    assert (view.is_registered, view.button_reason) == (False, Reason.NOT_REGISTERED)
    assert one("SELECT count(*) FROM runs") == 0


def test_without_any_worker_the_click_still_makes_its_run(org: OrgOf) -> None:
    job = factories.job(org)
    assert triggers.send_now(org.admin, job.id, CLICK, now=utc_now()).state is RunState.QUEUED


def test_a_missing_recipient_is_refused_before_and_at_the_click(org: OrgOf) -> None:
    job = factories.job(org, "tests.tasks.needs_recipient")
    assert preflights.preflight(org.admin, job.id, now=utc_now()).refusal is Reason.MISSING_RECIPIENT
    with pytest.raises(Refused) as caught:
        triggers.send_now(org.admin, job.id, CLICK, now=utc_now())
    assert caught.value.reason is Reason.MISSING_RECIPIENT
    operator = factories.person(org)
    assert preflights.preflight(operator, job.id, now=utc_now()).refusal is None
    assert triggers.send_now(operator, job.id, CLICK, now=utc_now()).state is RunState.QUEUED


def test_a_critical_task_waits_for_a_second_person(org: OrgOf) -> None:
    job = factories.job(org, "tests.tasks.critical")
    with pytest.raises(Refused) as caught:
        triggers.send_now(org.admin, job.id, CLICK, now=utc_now())
    assert caught.value.reason is Reason.APPROVAL_REQUIRED


def test_arguments_that_the_task_does_not_take_are_refused_by_name(org: OrgOf) -> None:
    job = factories.job(org, "tests.tasks.log_much")
    request = Request(Trigger.API, args={"size": "big", "colour": "red"})
    with pytest.raises(Invalid) as caught:
        triggers.send_now(org.admin, job.id, request, now=utc_now())
    assert set(caught.value.fields) == {"args.size", "args.colour"}


def test_a_run_keeps_the_arguments_that_it_was_given(org: OrgOf) -> None:
    job = factories.job(org, "tests.tasks.log_much", args={"size": 5})
    run = triggers.send_now(org.admin, job.id, Request(Trigger.API, args={"size": 7}), now=utc_now())
    assert run.args == {"size": 7}
    assert one("SELECT args FROM jobs") == {"size": 5}


def test_an_unknown_job_is_not_found(org: OrgOf) -> None:
    with pytest.raises(NotFound):
        triggers.send_now(org.admin, uuid4(), CLICK, now=utc_now())
