"""Of all who decide on one request at the same moment one does, and the run is there or not as they said."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations

import pytest
from apiflask import APIFlask
from sqlalchemy import text

from console.core.actor import Actor
from console.core.clock import utc_now
from console.core.errors import ConsoleError, Refused
from console.core.reasons import Reason
from console.core.states import ApprovalState, Role
from console.db.session import db
from console.services import approvals, approving, people, watching
from console.services.approval_views import ApprovalView
from tests import factories
from tests.factories import OrgOf, one, rows
from tests.processes import eventually

Decision = Callable[[], object]
WAITING = text(
    "SELECT count(DISTINCT pid) FROM pg_locks JOIN pg_stat_activity USING (pid) "
    "WHERE NOT granted AND datname = current_database()"
)


@pytest.fixture
def ann(org: OrgOf) -> Actor:
    """She asks."""
    return factories.person(org, email="ann@example.com")


@pytest.fixture
def asked(org: OrgOf, ann: Actor) -> ApprovalView:
    return factories.approval(org, factories.job(org), actor=ann)


@contextmanager
def job_held(asked: ApprovalView) -> Iterator[Callable[[], int]]:
    """Holds the job's row, for which each decision waits that has read the request; yields their number."""

    def waiting() -> int:
        db.session.execute(text("SELECT pg_stat_clear_snapshot()"))
        return db.session.execute(WAITING).scalar_one()

    db.session.rollback()
    db.session.execute(text("SELECT 1 FROM jobs WHERE id = :id FOR UPDATE"), {"id": asked.job_id})
    try:
        yield waiting
    finally:
        db.session.rollback()


def all_at_once(app: APIFlask, asked: ApprovalView, decisions: Sequence[Decision]) -> list[object]:
    """What each decision answered, or its error; all have read it as pending before the first may write.

    They get their turn in the order in which they stand here.
    """

    def decide(decision: Decision) -> object:
        with app.app_context():
            try:
                return decision()
            except ConsoleError as error:
                return error

    answers: list[Future[object]] = []
    with ThreadPoolExecutor(len(decisions)) as pool:
        with job_held(asked) as waiting:
            for decision in decisions:
                answers.append(pool.submit(decide, decision))
                eventually(lambda: waiting() == len(answers))
        return [answer.result() for answer in answers]


def approval_by(judge: Actor, asked: ApprovalView, now: datetime | None = None) -> Decision:
    return lambda: approving.approve(judge, asked.id, now=now or utc_now())


def ends() -> list[str]:
    """How the trail says that requests ended."""
    tags = "('approval:approved', 'approval:rejected', 'approval:withdrawn', 'approval:expired')"
    return [row.tag for row in rows(f"SELECT tag FROM audit_entries WHERE tag IN {tags}")]  # noqa: S608


def test_of_four_who_approve_at_once_one_does_and_the_others_hear_who(
    app: APIFlask, org: OrgOf, asked: ApprovalView
) -> None:
    judges = [factories.person(org, Role.ADMIN) for _ in range(4)]

    answers = all_at_once(app, asked, [approval_by(judge, asked) for judge in judges])

    (won,) = [answer for answer in answers if isinstance(answer, ApprovalView)]
    lost = [answer for answer in answers if isinstance(answer, ConsoleError)]
    assert [error.status for error in lost] == [409, 409, 409]
    assert all(f"{won.decider} has approved it at" in error.detail for error in lost)
    assert rows("SELECT id, approved_by FROM runs") == [(won.run_id, won.decider)]
    assert ends() == ["approval:approved"]
    seen = approvals.get(judges[0], asked.id, now=utc_now())
    assert (seen.state, seen.decider, seen.run_id) == (ApprovalState.APPROVED, won.decider, won.run_id)


def test_an_approval_a_rejection_and_a_withdrawal_at_once_leave_one_decision(
    app: APIFlask, org: OrgOf, ann: Actor, asked: ApprovalView
) -> None:
    judges = [factories.person(org, Role.ADMIN) for _ in range(2)]

    answers = all_at_once(
        app,
        asked,
        [
            approval_by(judges[0], asked),
            lambda: approving.reject(judges[1], asked.id, note="not today", now=utc_now()),
            lambda: approving.reject(ann, asked.id, now=utc_now()),
        ],
    )

    (won,) = [answer for answer in answers if isinstance(answer, ApprovalView)]
    lost = [answer for answer in answers if isinstance(answer, ConsoleError)]
    assert [error.status for error in lost] == [409, 409]
    assert all(f"{won.decider} has {won.word} it at" in error.detail for error in lost)
    assert one("SELECT count(*) FROM runs") == (1 if won.word == "approved" else 0)
    assert ends() == [f"approval:{won.word}"]


def test_who_asked_does_not_slip_in_beside_others_with_a_role_they_were_just_given(
    app: APIFlask, org: OrgOf, asked: ApprovalView, ann: Actor
) -> None:
    """The second account is the same person: promoted, and by an admin's token of their own."""
    boss = factories.person(org, Role.ADMIN)
    assert ann.id is not None
    people.change(boss, ann.id, people.PersonChange(role=Role.ADMIN), now=utc_now())
    promoted = replace(ann, role=Role.ADMIN)
    secret = factories.token(org, Role.ADMIN, promoted)
    token = people.token_actor(secret, now=utc_now(), address=None, request_id=None)
    assert token is not None and token.role is Role.ADMIN

    answers = all_at_once(app, asked, [approval_by(promoted, asked), approval_by(token, asked)])

    assert [error.status for error in answers if isinstance(error, ConsoleError)] == [403, 403]
    assert (one("SELECT state FROM approvals"), one("SELECT count(*) FROM runs"), ends()) == (
        "pending",
        0,
        [],
    )
    assert approvals.get(token, asked.id, now=utc_now()).why_not == "you asked for it yourself"
    assert approving.approve(boss, asked.id, now=utc_now()).run_id is not None


@pytest.mark.parametrize("order", [*permutations(["click", "late click", "watcher"])])
def test_what_expires_while_the_click_waits_has_a_run_or_has_expired_and_all_hear_the_same(
    app: APIFlask, org: OrgOf, asked: ApprovalView, order: Sequence[str]
) -> None:
    """The click came in time; the watcher and somebody who is too late stand beside it at the same door."""
    judges = [factories.person(org, Role.ADMIN) for _ in range(2)]
    in_time, too_late = asked.expires_at - timedelta(seconds=1), asked.expires_at
    decisions: dict[str, Decision] = {
        "click": approval_by(judges[0], asked, in_time),
        "late click": approval_by(judges[1], asked, too_late),
        "watcher": lambda: approving.expire_one(asked.id, now=too_late),
    }

    answers = dict(zip(order, all_at_once(app, asked, [decisions[who] for who in order]), strict=True))

    click, late = answers["click"], answers["late click"]
    assert isinstance(late, Refused) and late.status == 409
    if order[0] == "click":
        assert isinstance(click, ApprovalView) and click.run_id is not None
        assert "has approved it at" in late.detail and answers["watcher"] == 0
    else:
        for refused in (click, late):
            assert isinstance(refused, Refused) and refused.reason is Reason.APPROVAL_REQUIRED
            assert "It expired at" in refused.detail and "nothing was started" in refused.detail
    left = "approved" if order[0] == "click" else "expired"
    assert one("SELECT state FROM approvals") == left
    assert one("SELECT count(*) FROM runs") == (1 if left == "approved" else 0)
    assert ends() == [f"approval:{left}"]


def test_what_the_watcher_has_ended_is_not_approved_by_a_click_that_came_in_time(
    org: OrgOf, asked: ApprovalView
) -> None:
    assert watching.watch(now=asked.expires_at) >= 1
    in_time = asked.expires_at - timedelta(seconds=1)

    with pytest.raises(Refused, match=r"It expired at .*; nothing was started") as refused:
        approving.approve(factories.person(org, Role.ADMIN), asked.id, now=in_time)

    assert refused.value.reason is Reason.APPROVAL_REQUIRED
    assert (one("SELECT state FROM approvals"), one("SELECT count(*) FROM runs")) == ("expired", 0)
    assert ends() == ["approval:expired"]
