"""Many runs retried at once: what is foreseen of each, what is done, and that twice is once."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from apiflask import APIFlask
from sqlalchemy import event as listening

from console.core.errors import Forbidden, Invalid
from console.core.reasons import Reason
from console.core.states import Role, RunState, Trigger
from console.db.session import db
from console.services import (
    bulk_retries,
    execution,
    guarding,
    jobs,
    queue_pauses,
    run_control,
    runs,
    sequences,
)
from console.services.execution import Outcome
from console.services.run_views import RunFilter, RunView
from console.services.views import JobView
from tests import factories
from tests.factories import NOON, OrgOf, one, rows
from tests.web.conftest import change

FAILED = Outcome(RunState.FAILED, Reason.EXCEPTION, "boom", may_retry=False)


@pytest.fixture
def org(app: APIFlask) -> OrgOf:
    factories.live_worker(now=NOON)
    return factories.org()


def end(org: OrgOf, run: RunView, outcome: Outcome = FAILED) -> RunView:
    claim = execution.claim(run.id, worker="w", offered=[run.task], now=NOON)
    assert claim is not None
    execution.finish(claim, outcome, now=NOON)
    return runs.get(org.admin, run.id, now=NOON)


def failed(org: OrgOf, task: str = "succeed", **fields: Any) -> RunView:
    job = factories.job(org, f"tests.tasks.{task}", now=NOON, **fields)
    return end(org, factories.run(org, job, now=NOON))


def guarded(org: OrgOf, **fields: Any) -> RunView:
    run = failed(org, **fields)
    guarding.set_guard(org.admin, run.job_id, True, now=NOON)
    return run


def message(org: OrgOf, name: str) -> JobView:
    at = (NOON + timedelta(days=1)).isoformat()
    return factories.job(org, "tests.tasks.post", name=name, schedule={"type": "once", "at": at}, now=NOON)


def test_each_is_foreseen_with_its_reason_then_done_with_its_own_entry_and_twice_is_once(org: OrgOf) -> None:
    ada = factories.person(org, email="ada@example.com")
    plain = failed(org, "mark", name="Plain", args={"path": "/nowhere"})
    second = guarded(org, name="Guarded")
    gone = failed(org, name="Gone")
    jobs.delete(org.admin, gone.job_id, now=NOON)
    going = factories.run(org, factories.job(org, name="Going"), now=NOON)
    unfit = failed(org, "mark", name="Unfit", args={"path": "/nowhere"})
    change("UPDATE runs SET args = '{}' WHERE id = :id", id=unfit.id)
    unknown = end(org, factories.run(org, message(org, "Doubtful"), now=NOON), Outcome(RunState.UNKNOWN))
    foreign = failed(factories.org(), name="Foreign")
    every = [run.id for run in (plain, second, gone, going, unfit, unknown, foreign, plain)]

    seen = bulk_retries.foresee(ada, every, now=NOON)
    assert [(item.run.job_name, item.is_left, item.reason, item.is_asked) for item in seen] == [
        ("Plain", False, None, False),
        ("Guarded", False, None, True),
        ("Gone", True, Reason.DELETED, False),
        ("Going", True, Reason.OVERLAP, False),
        ("Unfit", True, None, False),
        ("Doubtful", True, Reason.OUTCOME_UNKNOWN, False),
    ]
    assert "path" in (seen[4].text or "") and one("SELECT count(*) FROM runs") == 7

    first = bulk_retries.retry_selected(ada, every, "k", note="disk is back", now=NOON)
    again = bulk_retries.retry_selected(ada, every, "k", note="disk is back", now=NOON)
    for done in (first, again):
        assert (done.made, done.asked) == (1, 1)
        assert {(item.name, item.reason) for item in done.left} == {
            ("Gone", Reason.DELETED),
            ("Going", Reason.OVERLAP),
            ("Unfit", None),
            ("Doubtful", Reason.OUTCOME_UNKNOWN),
            (str(foreign.id), None),
        }
    made = rows("SELECT cause_id, trigger, state, args, requested_by FROM runs WHERE cause_id IS NOT NULL")
    assert made == [(plain.id, "retry", "queued", {"path": "/nowhere"}, "ada@example.com")]
    assert rows("SELECT job_id, state FROM approvals") == [(second.job_id, "pending")]
    entries = rows("SELECT actor_name, reason FROM audit_entries WHERE tag = 'run:retried'")
    assert entries == [("ada@example.com", "disk is back")]
    retried = bulk_retries.foresee(ada, [plain.id], now=NOON)[0]
    assert (retried.is_left, retried.retried) == (False, RunState.QUEUED)


def test_one_message_goes_out_once_however_many_of_its_runs_are_chosen(org: OrgOf) -> None:
    job = message(org, "Hamlet")
    both = [end(org, factories.run(org, job, now=NOON)).id for _ in range(2)]
    seen = bulk_retries.foresee(org.admin, both, now=NOON)
    assert [(item.is_left, item.reason) for item in seen] == [(False, None), (True, Reason.OVERLAP)]
    done = bulk_retries.retry_selected(org.admin, both, "k", now=NOON)
    assert (done.made, [item.reason for item in done.left]) == (1, [Reason.OVERLAP])
    recurring = failed(org, name="Sweep")
    again = end(org, factories.run(org, jobs.get(org.admin, recurring.job_id, now=NOON), now=NOON))
    assert bulk_retries.retry_selected(org.admin, [recurring.id, again.id], "k", now=NOON).made == 2


def test_what_waits_and_what_a_sequence_leaves_behind_is_said_beforehand(org: OrgOf) -> None:
    row = [factories.job(org, name=name, now=NOON).id for name in ("A", "B", "C")]
    first = sequences.start(org.admin, row, trigger=Trigger.MANUAL, now=NOON).runs[0]
    end(org, first)
    change(
        "UPDATE runs SET state = 'skipped', held_by = NULL WHERE sequence_id IS NOT NULL AND id <> :id",
        id=first.id,
    )
    queue_pauses.pause(org.admin, "default", "the disk is full", now=NOON)
    (item,) = bulk_retries.foresee(org.admin, [first.id], now=NOON)
    assert list(item.rest) == ["B", "C"]
    assert item.waits and "the disk is full" in item.waits


def test_a_retry_passes_over_the_rules_and_says_so_beforehand(org: OrgOf) -> None:
    run = failed(org, "weekdays_only")
    saturday = NOON + timedelta(days=3)
    factories.live_worker(now=saturday)
    (item,) = bulk_retries.foresee(org.admin, [run.id], now=saturday)
    assert not item.is_left and item.passed and item.passed.reason is Reason.WEEKEND
    assert bulk_retries.retry_selected(org.admin, [run.id], "k", now=saturday).made == 1


def test_who_may_and_how_many(org: OrgOf) -> None:
    run = failed(org)
    viewer = factories.person(org, Role.VIEWER)
    for call in (
        lambda: bulk_retries.foresee(viewer, [run.id], now=NOON),
        lambda: bulk_retries.retry_selected(viewer, [run.id], "k", now=NOON),
        lambda: bulk_retries.matching(viewer, RunFilter(), now=NOON),
    ):
        with pytest.raises(Forbidden):
            call()
    for wrong in ([], [UUID(factories.UNKNOWN_ID)]):
        with pytest.raises(Invalid) as refused:
            bulk_retries.foresee(org.admin, wrong, now=NOON)
        assert list(refused.value.fields) == ["selected"]
    columns = (
        "org_id, job_id, task, queue, priority, trigger, state, revision, args, requested_by, requested_at"
    )
    change(f"INSERT INTO runs ({columns}) SELECT {columns} FROM runs, generate_series(1, 200)")  # noqa: S608
    wanted = RunFilter(state=RunState.FAILED)
    with pytest.raises(Invalid, match="at most 200 runs at once"):
        bulk_retries.matching(org.admin, wanted, now=NOON)
    change("DELETE FROM runs WHERE id = :id", id=run.id)
    ids = bulk_retries.matching(org.admin, wanted, now=NOON)
    assert len(ids) == 200
    assert len(bulk_retries.foresee(org.admin, ids, now=NOON)) == 200
    with pytest.raises(Invalid, match="select 1 to 200 runs"):
        bulk_retries.retry_selected(org.admin, [*ids, run.id], "k", now=NOON)


def test_what_sends_nothing_is_in_no_other_retrys_way_and_the_forecast_says_so(org: OrgOf) -> None:
    """A request for a second person, and a dry run, are no message that goes out."""
    for name, is_guarded, expected in (("Dry", False, (1, 0, 1)), ("Guarded", True, (0, 2, 0))):
        job = message(org, name)
        both = [end(org, factories.run(org, job, now=NOON)).id for _ in range(2)]
        guarding.set_guard(org.admin, job.id, is_guarded, now=NOON)
        change("UPDATE runs SET dry_run = NOT :guarded WHERE id = :id", id=both[0], guarded=is_guarded)
        seen = bulk_retries.foresee(org.admin, both, now=NOON)
        asked, left = sum(item.is_asked for item in seen), [item for item in seen if item.is_left]
        assert (2 - asked - len(left), asked, len(left)) == expected, name
        assert [item.text for item in left] == [bulk_retries.NO_DRY_RUN] * len(left)
        done = bulk_retries.retry_selected(org.admin, both, name, now=NOON)
        assert (done.made, done.asked, len(done.left)) == expected, name


def test_of_many_runs_each_costs_half_the_statements_of_one_that_is_retried_alone(org: OrgOf) -> None:
    def cost(work: Callable[[], object]) -> int:
        seen: list[str] = []

        def note(*arguments: Any) -> None:
            seen.append(arguments[2])

        listening.listen(db.engine, "before_cursor_execute", note)
        work()
        listening.remove(db.engine, "before_cursor_execute", note)
        return len(seen)

    one_, few, many = ([failed(org).id for _ in range(count)] for count in (1, 2, 8))
    alone = cost(lambda: run_control.accept_retry(org.admin, one_[0], None, key="alone", now=NOON))
    of_few = cost(lambda: bulk_retries.retry_selected(org.admin, few, "few", now=NOON))
    of_many = cost(lambda: bulk_retries.retry_selected(org.admin, many, "many", now=NOON))

    assert one("SELECT count(*) FROM runs WHERE trigger = 'retry'") == 11
    assert one("SELECT count(*) FROM audit_entries WHERE tag = 'run:retried'") == 11
    assert (of_many - of_few) / 6 <= alone * 0.6
