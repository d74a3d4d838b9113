"""A critical run takes two people: one who asks, and another one who agrees, once and in time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from apiflask import APIFlask
from redis import Redis
from sqlalchemy import event as listening

from console.core.actor import Actor
from console.core.clock import utc_now
from console.core.errors import ConsoleError, Forbidden, Invalid, NotFound, Refused
from console.core.reasons import Reason
from console.core.states import ActorKind, ApprovalState, Role, RunState, Trigger
from console.db.session import db
from console.services import (
    approvals,
    approvers,
    approving,
    bulk_sends,
    edits,
    guarding,
    jobs,
    people,
    preflights,
    runs,
    triggers,
    watching,
)
from console.services.approval_views import ApprovalView
from console.services.approvals import ApprovalRequested
from console.services.changes import Change
from console.services.run_requests import Request
from console.services.views import JobFilter
from tests import factories
from tests.factories import OrgOf, one, rows
from tests.web.conftest import change

CLICK = Request(Trigger.MANUAL)
DAY = timedelta(hours=24)


@pytest.fixture
def ann(org: OrgOf) -> Actor:
    """She asks."""
    return factories.person(org, email="ann@example.com")


@pytest.fixture
def bob(org: OrgOf) -> Actor:
    """He may decide."""
    return factories.person(org, Role.ADMIN, "bob@example.com")


def ask(actor: Actor, job_id: UUID, request: Request = CLICK, now: datetime | None = None) -> ApprovalView:
    with pytest.raises(ApprovalRequested) as caught:
        triggers.send_now(actor, job_id, request, now=now or utc_now())
    assert (caught.value.reason, caught.value.status) == (Reason.APPROVAL_REQUIRED, 409)
    return caught.value.approval


def id_of(actor: Actor) -> UUID:
    assert actor.id is not None
    return actor.id


def trail() -> list[Any]:
    """What the trail says of approvals and their runs, oldest first."""
    return [
        tuple(row)
        for row in rows(
            "SELECT tag, actor_name, reason FROM audit_entries "
            "WHERE tag LIKE 'approval:%' OR tag LIKE 'run:%' ORDER BY number"
        )
    ]


def refused(call: Callable[[], object], kind: type[ConsoleError] = Refused) -> ConsoleError:
    with pytest.raises(kind) as caught:
        call()
    return caught.value


def test_a_click_asks_and_anothers_word_makes_one_run_with_both_names(
    org: OrgOf, ann: Actor, bob: Actor, redis: Redis
) -> None:
    job = factories.job(org, "tests.tasks.critical")
    asked = ask(ann, job.id, replace(CLICK, note="the stage is wet"))
    assert (asked.state, asked.requester, asked.reason) == (
        ApprovalState.PENDING,
        ann.name,
        "the stage is wet",
    )
    assert asked.expires_at - asked.requested_at == DAY
    assert (asked.is_own, asked.why_not) == (True, "you asked for it yourself")
    assert one("SELECT count(*) FROM runs") == 0

    seen = approvals.get(bob, asked.id, now=utc_now())
    assert (seen.is_own, seen.why_not) == (False, None)
    done = approving.approve(bob, asked.id, note="go on", now=utc_now())
    assert (done.state, done.decider, done.note) == (ApprovalState.APPROVED, bob.name, "go on")
    assert done.run_id is not None
    run = runs.get(ann, done.run_id, now=utc_now())
    assert (run.state, run.executed_by, run.approved_by) == (RunState.QUEUED, ann.name, bob.name)
    assert (run.approval_id, run.trigger) == (asked.id, Trigger.MANUAL)
    assert rows("SELECT requester_id, recipient FROM runs") == [(ann.id, ann.email)]
    assert redis.lrange("rq:queue:default", 0, -1) == [str(run.id).encode()]
    assert trail() == [
        ("approval:requested", ann.name, "the stage is wet"),
        ("run:requested", ann.name, "the stage is wet"),
        ("approval:approved", bob.name, "go on"),
    ]


def test_nobody_approves_what_they_asked_for_by_whatever_way_they_come(org: OrgOf, bob: Actor) -> None:
    carl = factories.person(org, Role.ADMIN, "carl@example.com")
    job = factories.job(org, "tests.tasks.critical")
    token = people.token_actor(
        factories.token(org, Role.ADMIN, carl), now=utc_now(), address=None, request_id=None
    )
    shell = people.cli_actor(None, login="carl")
    assert token is not None
    asked = ask(carl, job.id)
    by_token = ask(token, job.id, Request(Trigger.API, key="by token"))
    assert by_token.id == asked.id  # the same person asks for the same
    for one_of_his in (carl, token):
        error = refused(lambda actor=one_of_his: approving.approve(actor, asked.id, now=utc_now()), Forbidden)
        assert "You asked for it yourself" in error.detail
    error = refused(lambda: approving.approve(shell, asked.id, now=utc_now()), Forbidden)
    assert "only an identified person" in error.detail
    assert rows("SELECT state FROM approvals") == [("pending",)]
    assert one("SELECT count(*) FROM runs") == 0

    other = ask(token, factories.job(org, "tests.tasks.critical", key="other").id)
    assert (other.requester, approvals.get(carl, other.id, now=utc_now()).is_own) == (token.name, True)
    refused(lambda: approving.approve(carl, other.id, now=utc_now()), Forbidden)
    assert approving.approve(bob, other.id, now=utc_now()).state is ApprovalState.APPROVED


def test_who_asked_as_an_operator_is_not_let_in_as_an_admin_afterwards(
    org: OrgOf, ann: Actor, bob: Actor
) -> None:
    asked = ask(ann, factories.job(org, "tests.tasks.critical").id)
    people.change(bob, id_of(ann), people.PersonChange(role=Role.ADMIN), now=utc_now())
    promoted = replace(ann, role=Role.ADMIN)
    error = refused(lambda: approving.approve(promoted, asked.id, now=utc_now()), Forbidden)
    assert "You asked for it yourself" in error.detail
    assert approvals.get(promoted, asked.id, now=utc_now()).why_not == "you asked for it yourself"
    assert approvals.waiting(promoted, now=utc_now()).to_decide == 0
    assert approvals.waiting(bob, now=utc_now()).to_decide == 1
    assert (one("SELECT state FROM approvals"), one("SELECT count(*) FROM runs")) == ("pending", 0)
    # And back: nobody grows out of what they asked for, in whatever role they are when they come.
    people.change(bob, id_of(ann), people.PersonChange(role=Role.OPERATOR), now=utc_now())
    refused(lambda: approving.approve(ann, asked.id, now=utc_now()), Forbidden)
    assert approving.approve(bob, asked.id, now=utc_now()).run_id is not None


def test_a_token_without_an_owner_and_an_operator_decide_nothing(org: OrgOf, ann: Actor, bob: Actor) -> None:
    asked = ask(ann, factories.job(org, "tests.tasks.critical").id)
    token = people.token_actor(
        factories.token(org, Role.ADMIN, bob), now=utc_now(), address=None, request_id=None
    )
    assert token is not None
    change("UPDATE api_tokens SET owner_id = NULL")
    error = refused(lambda: approving.approve(token, asked.id, now=utc_now()), Forbidden)
    assert "only an identified person may decide" in error.detail
    operator = factories.person(org)
    for act in (approving.approve, approving.reject):
        error = refused(lambda act=act: act(operator, asked.id, note="no", now=utc_now()), Forbidden)
        assert "needs the role admin" in error.detail
    assert approvals.get(operator, asked.id, now=utc_now()).why_not == "needs the role admin"
    stranger = factories.person(factories.org(), Role.ADMIN)
    refused(lambda: approving.approve(stranger, asked.id, now=utc_now()), NotFound)
    refused(lambda: approvals.get(stranger, asked.id, now=utc_now()), NotFound)
    assert rows("SELECT state FROM approvals") == [("pending",)]


def test_a_token_whose_owner_is_known_decides_for_its_owner(org: OrgOf, ann: Actor, bob: Actor) -> None:
    asked = ask(ann, factories.job(org, "tests.tasks.critical").id)
    token = people.token_actor(
        factories.token(org, Role.ADMIN, bob), now=utc_now(), address=None, request_id=None
    )
    assert token is not None
    assert approving.approve(token, asked.id, now=utc_now()).decider == token.name
    assert one("SELECT decided_by FROM approvals") == bob.id


def test_what_expires_during_the_click_makes_no_run(org: OrgOf, ann: Actor, bob: Actor) -> None:
    now = utc_now()
    job = factories.job(org, "tests.tasks.critical")
    asked = ask(ann, job.id, now=now)
    error = refused(lambda: approving.approve(bob, asked.id, now=asked.expires_at))
    assert (error.status, error.reason) == (409, Reason.APPROVAL_REQUIRED)
    assert "It expired at" in error.detail and "nothing was started" in error.detail
    assert one("SELECT count(*) FROM runs") == 0
    assert rows("SELECT state, decided_at = expires_at FROM approvals") == [("expired", True)]
    assert trail()[-1] == ("approval:expired", "watcher", None)
    again = refused(lambda: approving.approve(bob, asked.id, now=asked.expires_at + DAY))
    assert "It expired at" in again.detail
    # One moment before it would have been in time, and whoever asks again gets a request of its own.
    fresh = ask(ann, job.id, now=asked.expires_at)
    assert fresh.id != asked.id
    assert approving.approve(bob, fresh.id, now=fresh.expires_at - timedelta(seconds=1)).run_id


def test_the_watcher_ends_what_nobody_decided_and_what_lost_its_job(
    org: OrgOf, ann: Actor, bob: Actor
) -> None:
    now = utc_now()
    late = ask(ann, factories.job(org, "tests.tasks.critical", key="late").id, now=now - DAY)
    gone_job = factories.job(org, "tests.tasks.critical", key="gone")
    gone = ask(ann, gone_job.id, now=now)
    kept = ask(ann, factories.job(org, "tests.tasks.critical", key="kept").id, now=now)
    jobs.delete(bob, gone_job.id, now=now)
    read = {
        item.id: item.state
        for item in approvals.page(bob, ApprovalState, cursor=None, limit=9, now=now).approvals
    }
    assert read[late.id] is ApprovalState.EXPIRED  # before anybody has marked it
    assert [
        item.id for item in approvals.page(bob, approvals.PENDING, cursor=None, limit=9, now=now).approvals
    ] == [
        gone.id,
        kept.id,
    ]
    assert watching.watch(now=now) >= 2
    assert dict(map(tuple, rows("SELECT id, state FROM approvals"))) == {
        late.id: "expired",
        gone.id: "expired",
        kept.id: "pending",
    }
    assert one("SELECT count(*) FROM audit_entries WHERE tag = 'approval:expired'") == 2
    assert approving.expire(now) == 0


def test_a_job_that_was_edited_or_deleted_meanwhile_is_not_run(org: OrgOf, ann: Actor, bob: Actor) -> None:
    job = factories.job(org, "tests.tasks.critical")
    asked = ask(ann, job.id)
    edits.edit(bob, job.id, Change(name="Something else"), now=utc_now())
    error = refused(lambda: approving.approve(bob, asked.id, now=utc_now()))
    assert (error.status, error.reason) == (409, Reason.STALE_REVISION)
    assert "asked for of r1, and the job is at r2" in error.detail
    assert rows("SELECT state FROM approvals") == [("pending",)]
    assert ask(ann, job.id).id != asked.id  # what can't be approved does not stand in the way
    assert approving.reject(bob, asked.id, note="ask again", now=utc_now()).state is ApprovalState.REJECTED

    doomed = factories.job(org, "tests.tasks.critical", key="doomed")
    left = ask(ann, doomed.id)
    jobs.delete(bob, doomed.id, now=utc_now())
    error = refused(lambda: approving.approve(bob, left.id, now=utc_now()))
    assert (error.status, error.reason) == (409, Reason.DELETED)
    assert one("SELECT state FROM approvals WHERE id = :id", id=left.id) == "expired"
    assert one("SELECT count(*) FROM runs") == 0


def test_what_is_refused_when_it_is_approved_stays_pending(org: OrgOf, ann: Actor, bob: Actor) -> None:
    job = factories.job(org, "tests.tasks.critical")
    asked = ask(ann, job.id)
    factories.live_worker(tasks=["tests.tasks.succeed"])
    error = refused(lambda: approving.approve(bob, asked.id, now=utc_now()))
    assert (error.status, error.reason) == (409, Reason.NOT_REGISTERED)
    assert approving.foresee(bob, asked.id, now=utc_now())[1] is not None
    assert rows("SELECT state, decided_by, run_id FROM approvals") == [("pending", None, None)]
    assert one("SELECT count(*) FROM audit_entries WHERE tag = 'approval:approved'") == 0
    told = rows("SELECT actor_name, object_id, new FROM audit_entries WHERE tag = 'run:refused'")
    assert [tuple(row) for row in told] == [(bob.name, str(asked.id), {"reason_code": "NOT_REGISTERED"})]
    factories.live_worker()
    assert approving.foresee(bob, asked.id, now=utc_now())[1] is None
    people.set_active(bob, ann.email or "", False, now=utc_now())
    error = refused(lambda: approving.approve(bob, asked.id, now=utc_now()))
    assert error.reason is Reason.FORBIDDEN and "may not run jobs any more" in error.detail
    assert one("SELECT count(*) FROM runs") == 0


def test_a_hundred_parallel_clicks_make_one_request_and_after_its_word_one_run(
    app: APIFlask, org: OrgOf, ann: Actor, bob: Actor
) -> None:
    job = factories.job(org, "tests.tasks.critical")

    def click(number: int) -> UUID:
        key = "one-click" if number % 2 else f"click {number}"
        with app.app_context():
            return ask(ann, job.id, Request(Trigger.MANUAL, key=key)).id

    with ThreadPoolExecutor(16) as pool:
        answers = set(pool.map(click, range(100)))
    assert len(answers) == one("SELECT count(*) FROM approvals") == 1
    assert one("SELECT count(*) FROM audit_entries WHERE tag = 'approval:requested'") == 1
    done = approving.approve(bob, answers.pop(), now=utc_now())
    for key in ("one-click", "click 2"):
        assert (
            triggers.send_now(ann, job.id, Request(Trigger.MANUAL, key=key), now=utc_now()).id == done.run_id
        )
    assert one("SELECT count(*) FROM runs") == 1


def test_a_key_answers_its_request_whatever_became_of_it_and_no_other(
    org: OrgOf, ann: Actor, bob: Actor
) -> None:
    job, other = (factories.job(org, "tests.tasks.critical", key=key) for key in ("first", "second"))
    wish = Request(Trigger.API, key="k")
    asked = ask(ann, job.id, wish)
    approving.reject(bob, asked.id, note="not today", now=utc_now())
    again = ask(ann, job.id, wish)
    assert (again.id, again.state) == (asked.id, ApprovalState.REJECTED)
    error = refused(lambda: triggers.send_now(ann, other.id, wish, now=utc_now()), Invalid)
    assert "Idempotency-Key" in error.fields
    for changed in ({"start_at": utc_now() + timedelta(hours=1)}, {"cause_id": uuid4()}):
        with pytest.raises(Invalid, match="Idempotency-Key"):
            triggers.send_now(ann, job.id, replace(wish, **changed), now=utc_now())
    assert one("SELECT count(*) FROM approvals") == 1


def test_whoever_asks_for_the_same_is_shown_what_waits_and_other_arguments_wait_beside_it(
    org: OrgOf, ann: Actor, bob: Actor
) -> None:
    job = factories.job(org, "tests.tasks.log_much", args={})
    guarding.set_guard(bob, job.id, True, now=utc_now())
    asked = ask(ann, job.id)
    same = ask(bob, job.id, replace(CLICK, key="his", note="me too"))
    assert (same.id, same.why_not) == (asked.id, None)  # and may decide on it
    assert trail()[-1] == ("run:refused", bob.name, "me too")
    other = ask(ann, job.id, Request(Trigger.API, args={"size": 7}))
    assert other.id != asked.id and other.args == {"size": 7}
    done = approving.approve(bob, other.id, now=utc_now())
    assert one("SELECT args FROM runs WHERE id = :id", id=done.run_id) == {"size": 7}


def test_an_admin_guards_a_job_and_lets_it_go_again_with_reasons_on_the_trail(
    org: OrgOf, ann: Actor, bob: Actor
) -> None:
    job = factories.job(org)
    refused(lambda: guarding.set_guard(ann, job.id, True, now=utc_now()), Forbidden)
    assert guarding.set_guard(bob, job.id, True, note="it is loud", now=utc_now()).needs_approval
    guarding.set_guard(bob, job.id, True, note="again", now=utc_now())
    asked = ask(ann, job.id)
    dry = triggers.send_now(ann, job.id, replace(CLICK, dry_run=True), now=utc_now())
    assert dry.dry_run
    assert not guarding.set_guard(bob, job.id, False, now=utc_now()).needs_approval
    assert triggers.send_now(ann, job.id, CLICK, now=utc_now()).approved_by is None
    assert approvals.get(ann, asked.id, now=utc_now()).is_pending
    tags = "SELECT tag, reason FROM audit_entries WHERE tag LIKE 'job:%guarded' ORDER BY number"
    assert rows(tags) == [("job:guarded", "it is loud"), ("job:unguarded", None)]


def test_a_rejection_says_why_and_whoever_asked_may_withdraw(org: OrgOf, ann: Actor, bob: Actor) -> None:
    job = factories.job(org, "tests.tasks.critical")
    asked = ask(ann, job.id)
    error = refused(lambda: approving.reject(bob, asked.id, note="  ", now=utc_now()), Invalid)
    assert error.fields == {"note": ["say why, for whoever asked"]}
    error = refused(lambda: approving.reject(bob, asked.id, note="x" * 501, now=utc_now()), Invalid)
    assert error.fields == {"note": ["at most 500 characters"]}
    done = approving.reject(bob, asked.id, note="not on a Friday", now=utc_now())
    assert (done.state, done.note, done.run_id) == (ApprovalState.REJECTED, "not on a Friday", None)
    late = refused(lambda: approving.approve(bob, asked.id, now=utc_now()))
    assert late.status == 409 and f"{bob.name} has rejected it" in late.detail
    assert [entry[0] for entry in trail()].count("approval:rejected") == 1
    assert one("SELECT count(*) FROM runs") == 0


def test_what_is_taken_back_is_withdrawn_in_every_word_and_nowhere_rejected(org: OrgOf, bob: Actor) -> None:
    carl = factories.person(org, Role.ADMIN, "carl@example.com")
    job = factories.job(org, "tests.tasks.critical")
    token = people.token_actor(
        factories.token(org, Role.OPERATOR, carl), now=utc_now(), address=None, request_id=None
    )
    assert token is not None
    for key, his_own in (("by himself", carl), ("by his token", token)):
        asked = ask(carl, job.id, Request(Trigger.MANUAL, key=key))
        mine = approving.reject(his_own, asked.id, now=utc_now())
        assert (mine.decider, mine.note) == (his_own.name, "withdrawn by the requester")
        assert (mine.state, mine.word, mine.said) == (ApprovalState.REJECTED, "withdrawn", None)
        late = refused(lambda asked=asked: approving.approve(bob, asked.id, now=utc_now()))
        assert f"{his_own.name} has withdrawn it at" in late.detail
        with pytest.raises(ApprovalRequested) as again:
            triggers.send_now(carl, job.id, Request(Trigger.MANUAL, key=key), now=utc_now())
        assert f"was withdrawn by {his_own.name}" in again.value.detail
    told = "SELECT tag, old ->> 'state', new ->> 'state' FROM audit_entries WHERE object_kind = 'approval'"
    ends = [tuple(row) for row in rows(told) if row.tag != "approval:requested"]
    assert ends == [("approval:withdrawn", "pending", "withdrawn")] * 2
    assert one("SELECT count(*) FROM runs") == 0


def test_what_would_be_refused_anyway_asks_nobody(org: OrgOf, bob: Actor) -> None:
    job = factories.job(org, "tests.tasks.needs_recipient")
    guarding.set_guard(bob, job.id, True, now=utc_now())
    nobody = replace(org.admin, kind=ActorKind.CLI)
    error = refused(lambda: triggers.send_now(nobody, job.id, CLICK, now=utc_now()))
    assert error.reason is Reason.MISSING_RECIPIENT
    assert preflights.preflight(bob, job.id, now=utc_now()).refusal is None
    assert one("SELECT count(*) FROM approvals") == 0


def test_the_mail_of_an_approved_run_goes_to_whoever_asked(org: OrgOf, ann: Actor, bob: Actor) -> None:
    job = factories.job(org, "send_test_email_to_self")
    guarding.set_guard(bob, job.id, True, now=utc_now())
    asked = ask(ann, job.id)
    assert asked.shown.recipient == ann.email
    approving.approve(bob, asked.id, now=utc_now())
    assert one("SELECT recipient FROM runs") == ann.email


def test_a_run_at_a_time_to_come_is_asked_for_until_then_and_starts_then(
    org: OrgOf, ann: Actor, bob: Actor
) -> None:
    now = utc_now()
    job = factories.job(org, "tests.tasks.critical")
    asked = ask(ann, job.id, replace(CLICK, start_at=now + timedelta(hours=2)), now=now)
    assert asked.expires_at == asked.start_at
    done = approving.approve(bob, asked.id, now=now)
    assert rows("SELECT held_by, start_after, approved_by FROM runs WHERE id = :id", id=done.run_id) == [
        ("later", asked.start_at, bob.name)
    ]


def test_a_time_that_has_just_come_leaves_the_second_person_theirs(
    org: OrgOf, ann: Actor, bob: Actor
) -> None:
    now = utc_now()
    job = factories.job(org, "tests.tasks.critical")
    asked = ask(ann, job.id, replace(CLICK, start_at=now - timedelta(seconds=20)), now=now)
    assert asked.state is ApprovalState.PENDING
    done = approving.approve(bob, asked.id, now=now + timedelta(minutes=5))
    assert rows("SELECT state, held_by FROM runs WHERE id = :id", id=done.run_id) == [("queued", None)]


def test_a_bulk_send_lists_what_waits_for_a_second_person(org: OrgOf, ann: Actor) -> None:
    plain, guarded = factories.job(org), factories.job(org, "tests.tasks.critical")
    done = bulk_sends.send_selected(ann, [plain.id, guarded.id], "bulk", now=utc_now())
    assert (done.changed, [(left.job_id, left.reason) for left in done.named]) == (
        1,
        [(guarded.id, Reason.APPROVAL_REQUIRED)],
    )
    assert rows("SELECT job_id, state FROM approvals") == [(guarded.id, "pending")]


def test_a_task_without_a_job_is_asked_for_by_its_name(org: OrgOf, ann: Actor, bob: Actor) -> None:
    wish = Request(Trigger.API, key="by-name")
    for _ in range(2):
        with pytest.raises(ApprovalRequested) as caught:
            triggers.manual_trigger(ann, "critical", wish, now=utc_now())
    done = approving.approve(bob, caught.value.approval.id, now=utc_now())
    assert triggers.manual_trigger(ann, "critical", wish, now=utc_now()).id == done.run_id
    assert one("SELECT count(*) FROM jobs") == one("SELECT count(*) FROM runs") == 1


def test_pending_requests_come_soonest_to_expire_first_page_by_page(org: OrgOf, ann: Actor) -> None:
    now = utc_now()
    keys = [f"job_{number}" for number in range(5)]
    for ago, key in enumerate(keys):
        ask(ann, factories.job(org, "tests.tasks.critical", key=key).id, now=now - timedelta(hours=ago))
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = approvals.page(ann, approvals.PENDING, cursor=cursor, limit=2, now=now)
        found += [item.job_key for item in page.approvals]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == keys[::-1]


def test_where_nobody_but_the_requester_could_approve_everybody_is_told(org: OrgOf, bob: Actor) -> None:
    """Not forbidden: the second person may come while it waits."""
    job = factories.job(org, "tests.tasks.critical")
    with pytest.raises(ApprovalRequested) as caught:
        triggers.send_now(bob, job.id, CLICK, now=utc_now())
    assert caught.value.approval.is_stuck and caught.value.detail.endswith(approvers.ALONE)
    assert approvers.is_alone(bob)

    ann = factories.person(org)  # an operator is no second person for him, and he is one for her
    assert approvals.get(ann, caught.value.approval.id, now=utc_now()).is_stuck
    assert not approvers.is_alone(ann)
    stranger = factories.person(factories.org(), Role.ADMIN)
    assert approvers.is_alone(stranger)

    carl = factories.person(org, Role.ADMIN, "carl@example.com")
    seen = approvals.get(bob, caught.value.approval.id, now=utc_now())
    assert not seen.is_stuck and not approvers.is_alone(bob)
    people.set_active(org.admin, "carl@example.com", False, now=utc_now())
    assert approvals.get(bob, seen.id, now=utc_now()).is_stuck and approvers.is_alone(bob)
    people.set_active(org.admin, "carl@example.com", True, now=utc_now())
    done = approving.approve(carl, seen.id, now=utc_now())
    assert done.run_id is not None and not done.is_stuck
    assert one("SELECT count(*) FROM approvals") == 1


def test_a_page_of_jobs_says_what_each_waits_with_by_one_look(org: OrgOf, ann: Actor) -> None:
    now = utc_now()
    waiting = [factories.job(org, "tests.tasks.critical", key=f"waiting_{number}") for number in range(3)]
    free = factories.job(org)
    asked = [ask(ann, job.id, now=now - timedelta(hours=hour)) for hour, job in enumerate(waiting)]
    later = ask(ann, waiting[0].id, replace(CLICK, start_at=now + timedelta(hours=1)), now=now)
    ask(
        ann, factories.job(org, "tests.tasks.critical").id, now=now - DAY
    )  # expired, and nobody has marked it
    looks: list[str] = []

    def note(*given: Any) -> None:
        looks.extend([given[2]] if "FROM approvals" in given[2] else [])

    listening.listen(db.engine, "before_cursor_execute", note)
    try:
        page = jobs.page(ann, JobFilter(), cursor=None, limit=50, now=now)
    finally:
        listening.remove(db.engine, "before_cursor_execute", note)

    found = {job.id: job.pending for job in page.jobs}
    assert len(looks) == 1 and len(found) == 5
    shown = {job_id: (pending.id, pending.number) for job_id, pending in found.items() if pending}
    assert shown == {
        waiting[0].id: (later.id, 2),  # what expires first
        waiting[1].id: (asked[1].id, 1),
        waiting[2].id: (asked[2].id, 1),
    }
    assert found[free.id] is None
