"""Chains: what may be linked, and what follows the end of a run."""

import threading
from collections.abc import Callable
from datetime import timedelta
from graphlib import TopologicalSorter
from itertools import pairwise
from uuid import UUID

import pytest
from apiflask import APIFlask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from console.core.chain import Link, circle, longest, steps
from console.core.errors import Forbidden, Invalid, NotFound, Refused
from console.core.reasons import Reason
from console.core.states import ApprovalState, Condition, Role, RunState, Trigger
from console.db import stops
from console.db.session import db, transaction
from console.services import (
    approvals,
    approving,
    chain_cuts,
    chain_places,
    chain_views,
    chains,
    deletions,
    dispatch,
    edits,
    execution,
    holding,
    jobs,
    losing,
    resolving,
    runs,
)
from console.services.claims import Claim
from console.services.outcomes import Outcome
from console.services.run_views import RunFilter, RunView
from console.services.views import JobFilter, JobView
from tests import factories
from tests.factories import NOON, OrgOf, one, rows
from tests.processes import eventually
from tests.web.conftest import change

SUCCEEDED = Outcome(RunState.SUCCEEDED)
FAILED = Outcome(RunState.FAILED, Reason.EXCEPTION, "boom")
STOPPED = Outcome(RunState.STOPPED, Reason.STOPPED_BY_OPERATOR, "Ada stopped it.")
UNKNOWN = Outcome(RunState.UNKNOWN, Reason.OUTCOME_UNKNOWN, "It was cut off.")


@pytest.fixture
def org(app: APIFlask) -> OrgOf:
    factories.live_worker(now=NOON)
    return factories.org()


def named(org: OrgOf, *names: str, **fields: object) -> list[JobView]:
    return [factories.job(org, name=name, key=name.lower(), now=NOON, **fields) for name in names]


def link(org: OrgOf, first: JobView, *, success: list[JobView] = [], failure: list[JobView] = []) -> None:  # noqa: B006
    chains.put(
        org.admin,
        first.id,
        on_success=[job.key for job in success],
        on_failure=[str(job.id) for job in failure],
        now=NOON,
    )


def start(run: RunView) -> Claim:
    claim = execution.claim(run.id, worker="w", offered=[run.task], now=NOON)
    assert claim is not None
    return claim


def end(org: OrgOf, job: JobView, outcome: Outcome = SUCCEEDED) -> RunView:
    """A run of the job that was asked for by hand, and ended so."""
    run = factories.run(org, job, now=NOON)
    assert execution.finish(start(run), outcome, now=NOON) is outcome.state
    return runs.get(org.admin, run.id, now=NOON)


def together(do: Callable[[], None], count: int) -> None:
    threads = [threading.Thread(target=do) for _ in range(count)]
    [thread.start() for thread in threads]
    [thread.join(60) for thread in threads]


def chained(of: JobView) -> list[tuple[str, str | None]]:
    return [
        tuple(row)
        for row in rows(
            "SELECT state, reason_code FROM runs WHERE job_id = :id AND trigger = 'chain' ORDER BY id",
            id=of.id,
        )
    ]


def test_success_is_followed_once_in_the_name_of_whoever_began(org: OrgOf, redis: object) -> None:
    first, then, else_ = named(org, "First", "Then", "Else")
    link(org, first, success=[then], failure=[else_])
    ada = factories.person(org, email="ada@example.com")
    run = factories.run(org, first, actor=ada, now=NOON)
    claim = start(run)
    assert execution.finish(claim, SUCCEEDED, now=NOON) is RunState.SUCCEEDED
    assert execution.finish(claim, SUCCEEDED, now=NOON) is None
    assert chained(then) == [("queued", None)] and chained(else_) == []
    (found,) = runs.page(org.admin, RunFilter(job_id=then.id), cursor=None, limit=5, now=NOON).runs
    assert (found.trigger, found.cause_id, found.executed_by) == (Trigger.CHAIN, run.id, "chain (First)")
    assert found.queued_at is not None, "whoever ended the first pushes the next"
    assert one("SELECT recipient FROM runs WHERE id = :id", id=found.id) == "ada@example.com"
    assert one("SELECT requester_id FROM runs WHERE id = :id", id=found.id) == ada.id
    shown = jobs.get(org.admin, then.id, now=NOON)
    assert shown.active_run and shown.active_run.id == found.id


def test_the_failure_branch_runs_after_the_last_retry_alone(org: OrgOf) -> None:
    first = factories.job(org, "tests.tasks.flaky", name="First", args={"attempt": 9}, now=NOON)
    then, else_ = named(org, "Then", "Else")
    link(org, first, success=[then], failure=[else_])
    run = factories.run(org, first, now=NOON)
    for attempt in range(3):
        assert chained(else_) == []
        again = start(run)
        assert again.attempt == attempt + 1
        execution.finish(again, FAILED, now=NOON)
        dispatch.retry_due(now=NOON + timedelta(days=1))
    assert (chained(then), chained(else_)) == ([], [("queued", None)])


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        (STOPPED, "The chain ended here: it was stopped, so nothing of Then follows."),
        (Outcome(RunState.SKIPPED, Reason.MISSING_RECIPIENT), "The chain ended here: it was skipped"),
        (FAILED, "The chain ended here: it failed, and Then would follow success alone."),
        (UNKNOWN, "The chain waits here: nobody knows yet how it ended."),
    ],
)
def test_any_other_end_is_the_end_of_the_chain_and_is_said(org: OrgOf, outcome: Outcome, word: str) -> None:
    first, then = named(org, "First", "Then")
    link(org, first, success=[then])
    run = end(org, first, outcome)
    assert chained(then) == []
    place = chain_places.place(org.admin, run)
    said = f"The chain ended here: {place.ended}" if place.ended else f"The chain waits here: {place.waits}"
    assert said.startswith(word)


def test_a_dry_run_is_followed_by_nothing(org: OrgOf) -> None:
    first, then = named(org, "First", "Then")
    link(org, first, success=[then])
    run = factories.run(org, first, dry_run=True, now=NOON)
    assert execution.finish(start(run), SUCCEEDED, now=NOON) is RunState.SUCCEEDED
    assert chained(then) == []
    assert "dry run" in (chain_places.place(org.admin, runs.get(org.admin, run.id, now=NOON)).ended or "")


@pytest.mark.parametrize("succeeded", [True, False])
def test_a_run_whose_end_was_unknown_goes_on_when_a_person_settles_it(org: OrgOf, succeeded: bool) -> None:
    first, then, else_ = named(org, "First", "Then", "Else")
    link(org, first, success=[then], failure=[else_])
    run = end(org, first, UNKNOWN)
    resolving.resolve(org.admin, run.id, succeeded=succeeded, note=None, now=NOON)
    with pytest.raises(Refused):
        resolving.resolve(org.admin, run.id, succeeded=True, note=None, now=NOON)
    queued = [("queued", None)]
    assert (chained(then), chained(else_)) == ((queued, []) if succeeded else ([], queued))
    assert one("SELECT count(*) FROM runs WHERE cause_id IS NOT NULL AND enqueued_at IS NOT NULL") == 1


def test_a_lost_worker_lets_the_failure_branch_run(org: OrgOf) -> None:
    first = factories.job(org, "tests.tasks.mark_idempotent", args={"path": "/dev/null"}, now=NOON)
    (else_,) = named(org, "Else")
    link(org, first, failure=[else_])
    run = factories.run(org, first, now=NOON)
    for _ in range(3):
        losing.lose(start(run), detail="gone", now=NOON)
    assert one("SELECT state FROM runs WHERE id = :id", id=run.id) == "failed"
    assert chained(else_) == [("queued", None)]


def test_what_may_not_follow_is_recorded_with_its_reason(org: OrgOf) -> None:
    first, paused, gone, busy, lacking = named(org, "First", "Paused", "Gone", "Busy", "Fine")
    unknown = factories.job(org, "tests.tasks.explode", key="unknown", now=NOON)
    link(org, first, success=[paused, gone, busy, unknown, lacking])
    edits.set_paused(org.admin, paused.id, True, note=None, now=NOON)
    jobs.delete(org.admin, gone.id, now=NOON)
    factories.run(org, busy, now=NOON)
    factories.live_worker(now=NOON, tasks=["tests.tasks.succeed"])
    ended = end(org, first)
    assert chained(paused) == [("skipped", "PAUSED")]
    assert chained(gone) == [("skipped", "DELETED")]
    assert chained(busy) == [("skipped", "OVERLAP")]
    assert chained(unknown) == [("skipped", "NOT_REGISTERED")]
    assert chained(lacking) == [("queued", None)]
    place = chain_places.place(org.admin, ended)
    first_of = place.followed_by[0]
    assert (first_of.job_name, first_of.state) == ("Paused", RunState.SKIPPED)
    assert first_of.reason_code is Reason.PAUSED
    trail = "SELECT new ->> 'reason_code' FROM audit_entries WHERE tag = 'run:refused'"
    assert sorted(row[0] for row in rows(trail)) == ["DELETED", "NOT_REGISTERED", "OVERLAP", "PAUSED"]
    shown = jobs.get(org.admin, busy.id, now=NOON)
    assert shown.last_run and shown.last_run.reason_code is Reason.OVERLAP


@pytest.mark.parametrize(("overlap", "hold"), [("buffer_one", "buffer_one"), ("allow_all", None)])
def test_the_overlap_policy_of_the_next_job_holds(org: OrgOf, overlap: str, hold: str | None) -> None:
    first, then = named(org, "First", "Then", overlap=overlap)
    link(org, first, success=[then])
    running = start(factories.run(org, then, now=NOON))
    end(org, first)
    waiting = "SELECT held_by FROM runs WHERE job_id = :id AND trigger = 'chain'"
    assert one(waiting, id=then.id) == hold
    assert holding.release(now=NOON) == []
    execution.finish(running, SUCCEEDED, now=NOON)
    assert len(holding.release(now=NOON)) == (1 if hold else 0)
    assert one(waiting, id=then.id) is None


def test_a_run_in_its_way_gives_way_where_the_policy_says_so(org: OrgOf) -> None:
    first, then = named(org, "First", "Then", overlap="cancel_other")
    link(org, first, success=[then])
    run = factories.run(org, then, now=NOON)
    end(org, first)
    assert len(holding.release(now=NOON)) == 1
    assert runs.get(org.admin, run.id, now=NOON).state is RunState.STOPPED


def test_a_job_that_needs_a_second_person_is_asked_for(org: OrgOf) -> None:
    first, then = named(org, "First", "Then")
    link(org, first, success=[then])
    change("UPDATE jobs SET needs_approval = true WHERE id = :id", id=then.id)
    ended = end(org, first)
    assert chained(then) == []
    ((state, cause),) = rows("SELECT state, cause_id FROM approvals WHERE job_id = :id", id=then.id)
    assert (state, cause) == ("pending", ended.id)
    (awaited,) = chain_places.place(org.admin, ended).awaited
    assert (awaited.job_name, awaited.state) == ("Then", ApprovalState.PENDING)


def test_what_follows_by_itself_does_not_come_while_its_job_is_paused_whoever_agrees_to_it(
    org: OrgOf,
) -> None:
    first, then = named(org, "First", "Then")
    link(org, first, success=[then])
    change("UPDATE jobs SET needs_approval = true WHERE id = :id", id=then.id)
    end(org, first)
    bob = factories.person(org, Role.ADMIN)
    edits.set_paused(bob, then.id, True, note=None, now=NOON)
    (waiting,) = approvals.of_job(bob, then.id, now=NOON)
    _, against = approving.foresee(bob, waiting.id, now=NOON)
    assert against and against.startswith("It follows another run by itself, and its job is paused. Resume")
    with pytest.raises(Refused, match=r"its job is paused\..* Nothing was started\.") as refused:
        approving.approve(bob, waiting.id, now=NOON)
    assert refused.value.reason is Reason.PAUSED and chained(then) == []
    assert rows("SELECT state FROM approvals") == [("pending",)]

    edits.set_paused(bob, then.id, False, note=None, now=NOON)
    assert approving.foresee(bob, waiting.id, now=NOON)[1] is None
    approving.approve(bob, waiting.id, now=NOON)
    assert chained(then) == [("queued", None)]


def test_a_gate_that_breaks_takes_no_end_along(org: OrgOf, monkeypatch: pytest.MonkeyPatch) -> None:
    first, then = named(org, "First", "Then")
    link(org, first, success=[then])

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr("console.services.triggers.ask_or_wait", broken)
    assert end(org, first).state is RunState.SUCCEEDED
    assert chained(then) == [("skipped", "EXCEPTION")]


def test_twenty_ends_of_one_run_make_one_follower(app: APIFlask, org: OrgOf) -> None:
    first, then = named(org, "First", "Then")
    link(org, first, success=[then])
    claim = start(factories.run(org, first, now=NOON))
    ends: list[RunState | None] = []

    def finish() -> None:
        with app.app_context():
            ends.append(execution.finish(claim, SUCCEEDED, now=NOON))

    together(finish, 20)
    assert sorted(ends, key=str) == [None] * 19 + [RunState.SUCCEEDED]
    assert chained(then) == [("queued", None)]


def test_ends_and_bulk_locks_of_the_same_jobs_wait_in_no_circle(app: APIFlask, org: OrgOf) -> None:
    """The job that follows was made first, so that its id comes before that of the one that ends."""
    then, first = named(org, "Then", "First")
    link(org, first, success=[then])
    change("UPDATE jobs SET overlap = 'allow_all'")
    claims = iter([start(factories.run(org, first, now=NOON)) for _ in range(10)])
    failed: list[BaseException] = []

    def lock() -> None:
        with app.app_context():
            for _ in range(20):
                try:
                    with transaction():
                        stops.lock_jobs([then.id, first.id])
                except BaseException as error:
                    failed.append(error)

    def finish() -> None:
        with app.app_context():
            try:
                for claim in claims:
                    execution.finish(claim, SUCCEEDED, now=NOON)
            except BaseException as error:
                failed.append(error)

    threads = [threading.Thread(target=target) for target in (lock, lock, finish, finish)]
    [thread.start() for thread in threads]
    [thread.join(60) for thread in threads]
    assert failed == []
    assert chained(then) == [("queued", None)] * 10


def test_links_are_set_kept_in_order_and_on_the_trail(org: OrgOf) -> None:
    first, second, _ = named(org, "First", "Second", "Third")
    link(org, first, success=[second])
    made = one("SELECT id FROM job_links")
    after = chains.put(
        org.admin, first.id, on_success=["Third", "second"], on_failure=["third", "Third"], now=NOON
    )
    assert [job.name for job in after.on_success] == ["Second", "Third"]
    assert [job.name for job in after.on_failure] == ["Third"]
    assert made in [row[0] for row in rows("SELECT id FROM job_links")], "what stays is not made anew"
    old, new = rows(
        "SELECT old, new FROM audit_entries WHERE tag = 'job:chain_changed' ORDER BY number DESC"
    )[0]
    assert old == {"on_success": ["second"], "on_failure": []}
    assert new == {"on_success": ["second", "third"], "on_failure": ["third"]}
    count = one("SELECT count(*) FROM audit_entries")
    chains.remove(org.admin, first.id, Condition.SUCCESS, UUID(int=1), now=NOON)
    assert one("SELECT count(*) FROM audit_entries") == count, "nothing was changed"
    chains.remove(org.admin, first.id, Condition.SUCCESS, second.id, now=NOON)
    assert chains.get(org.admin, first.id).keys == {"on_success": ["third"], "on_failure": ["third"]}


def test_a_circle_is_refused_and_spelled_out(org: OrgOf) -> None:
    first, second, third = named(org, "First", "Second", "Third")
    link(org, first, success=[second])
    link(org, second, failure=[third])
    with pytest.raises(Invalid) as refusal:
        chains.add(org.admin, third.id, Condition.SUCCESS, "first", now=NOON)
    (text,) = refusal.value.fields["job"]
    assert text == "this would close a circle: Third → First → Second → Third"
    with pytest.raises(Invalid, match="First → First"):
        link(org, first, success=[first])
    assert one("SELECT count(*) FROM job_links") == 2


def test_links_stay_within_the_org_and_their_bounds(org: OrgOf) -> None:
    (first,) = named(org, "First")
    foreign = factories.job(factories.org(), name="Foreign", key="foreign", now=NOON)
    for name, word in (
        ("foreign", "no job"),
        (str(foreign.id), "no job"),
        ("firsd", "did you mean first"),
        (" ", "choose"),
    ):
        with pytest.raises(Invalid, match=word):
            chains.add(org.admin, first.id, Condition.SUCCESS, name, now=NOON)
    with pytest.raises(NotFound):
        chains.get(org.admin, foreign.id)
    with pytest.raises(Forbidden):
        chains.add(factories.person(org, Role.VIEWER), first.id, Condition.SUCCESS, "first", now=NOON)
    many = [factories.job(org, now=NOON) for _ in range(21)]
    with pytest.raises(Invalid, match="at most 20"):
        link(org, first, success=many)
    link(org, first, success=many[:20])


def test_a_chain_has_fifty_jobs_at_most(org: OrgOf) -> None:
    row = [factories.job(org, now=NOON) for _ in range(51)]
    for one_, next_ in pairwise(row[:50]):
        link(org, one_, success=[next_])
    with pytest.raises(Invalid, match="51 jobs in a row"):
        link(org, row[49], success=[row[50]])


def test_two_edits_at_once_close_no_circle(app: APIFlask, org: OrgOf) -> None:
    first, second = named(org, "First", "Second")
    refused: list[str] = []

    def edit(one_: JobView, next_: JobView) -> None:
        with app.app_context():
            try:
                link(org, one_, success=[next_])
            except Invalid as error:
                refused.append(error.detail)

    for _ in range(5):
        pairs = [(first, second), (second, first)]
        threads = [threading.Thread(target=edit, args=pair) for pair in pairs]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert one("SELECT count(*) FROM job_links") == 1
        change("DELETE FROM job_links")
    assert len(refused) == 5


def test_whoever_links_jobs_locks_both_in_the_one_order_of_jobs(app: APIFlask, org: OrgOf) -> None:
    """A bulk edit that holds the one which follows gets the other too: neither waits for the other's end."""
    then, first = named(org, "Then", "First")

    def edit() -> None:
        with app.app_context():
            link(org, first, success=[then])

    editing = threading.Thread(target=edit)
    with db.engine.connect() as bulk, bulk.begin():
        lock = text("SELECT id FROM jobs WHERE id = :id FOR UPDATE NOWAIT")
        bulk.execute(lock, {"id": then.id})
        editing.start()
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        eventually(lambda: bulk.execute(waiting).scalar())
        bulk.execute(lock, {"id": first.id})
    editing.join(60)
    assert rows("SELECT from_job_id, to_job_id FROM job_links") == [(first.id, then.id)]


IDS = [UUID(int=number) for number in range(7)]
PAIRS = st.tuples(st.integers(0, 6), st.integers(0, 6), st.sampled_from(Condition))


@given(st.lists(PAIRS, max_size=40))
def test_no_order_of_links_makes_a_circle(wanted: list[tuple[int, int, Condition]]) -> None:
    """Each link is let in unless it closes a circle; what stands then can always be put in one order."""
    stands: list[Link] = []
    for a, b, condition in wanted:
        link_ = Link(IDS[a], IDS[b], condition)
        way = circle(link_, stands)
        if way:
            assert way[0] == way[-1] == IDS[a]
            known = {(item.from_id, item.to_id) for item in [*stands, link_]}
            assert all(pair in known for pair in pairwise(way))
        else:
            stands.append(link_)
    sorter = TopologicalSorter({id_: [item.from_id for item in stands if item.to_id == id_] for id_ in IDS})
    order = list(sorter.static_order())  # raises CycleError for a circle
    for id_ in IDS:
        places = steps(id_, stands)
        assert max(places.values()) == longest(id_, stands) < len(order)
        assert all(places[i.to_id] > places[i.from_id] for i in stands if i.from_id in places)
    for a, b, condition in wanted:
        if Link(IDS[a], IDS[b], condition) not in stands:
            assert circle(Link(IDS[a], IDS[b], condition), stands)


def test_the_chain_around_a_job_shows_its_newest_pass(org: OrgOf) -> None:
    first, second, third, other = named(org, "First", "Second", "Third", "Other")
    link(org, first, success=[second], failure=[other])
    link(org, second, success=[third])
    ended = end(org, first)
    seen = chain_views.around(org.admin, second.id, now=NOON)
    assert [(node.name, node.column) for node in seen.nodes] == [("Second", 1), ("First", 0), ("Third", 2)]
    assert {node.name: node.run.state.value if node.run else None for node in seen.nodes} == {
        "First": "succeeded",
        "Second": "queued",
        "Third": None,
    }
    assert seen.is_live and seen.node(first.id).run and seen.node(first.id).run.id == ended.id
    assert [node.name for _, node in chain_views.around(org.admin, first.id, now=NOON).after(first.id)] == [
        "Second",
        "Other",
    ]
    assert (seen.node(third.id).word, seen.node(second.id).word) == ("not yet", "queued")
    followed = runs.get(org.admin, one("SELECT id FROM runs WHERE job_id = :id", id=second.id), now=NOON)
    assert execution.finish(start(followed), UNKNOWN, now=NOON) is RunState.UNKNOWN
    seen = chain_views.around(org.admin, first.id, now=NOON)
    assert {node.word for node in seen.nodes if not node.run} == {"not yet"}, "it may go on once settled"
    resolving.resolve(org.admin, followed.id, succeeded=False, note=None, now=NOON)
    # A run that is kept for later has no part in what has happened so far.
    factories.run(org, third, now=NOON, start_at=NOON + timedelta(hours=2))
    seen = chain_views.around(org.admin, first.id, now=NOON)
    assert {node.name: node.word for node in seen.nodes} == {
        "First": "succeeded",
        "Second": "failed",
        "Third": "not in this pass",
        "Other": "not in this pass",
    }


def test_a_deleted_job_keeps_its_links_leaves_skipped_runs_and_comes_back_with_them(org: OrgOf) -> None:
    first, second, third, _ = named(org, "First", "Second", "Third", "Fourth")
    link(org, first, success=[second])
    link(org, second, success=[third])
    wanted = JobFilter(with_settled=True)
    assert deletions.foresee(org.admin, wanted).cuts.count == 0, "all of the chain goes"
    only_second = chain_cuts.by_job(org.admin, [second.id])[second.id]
    assert [cut.text for cut in only_second] == [
        "Second runs after success of First: it will be skipped.",
        "Third runs after success of Second: nothing will start it so.",
    ]
    jobs.delete(org.admin, second.id, now=NOON)
    end(org, first)
    assert chained(second) == [("skipped", "DELETED")] and chained(third) == []
    text = one("SELECT reason FROM runs WHERE job_id = :id AND trigger = 'chain'", id=second.id)
    assert "undo the deletion, or take the job out of the chain" in text

    seen = chain_views.around(org.admin, first.id, now=NOON)
    assert [(node.name, node.is_deleted, node.can_return) for node in seen.nodes] == [
        ("First", False, False),
        ("Second", True, True),
        ("Third", False, False),
    ]
    later = NOON + deletions.UNDONE_WITHIN + timedelta(minutes=1)
    assert [node.can_return for node in chain_views.around(org.admin, first.id, now=later).nodes] == [
        False
    ] * 3
    alone = chain_views.around(org.admin, third.id, now=later)
    assert [node.name for node in alone.nodes] == ["Third", "Second", "First"]

    chains.put(org.admin, first.id, on_success=["fourth"], on_failure=[], now=NOON)
    links = chains.get(org.admin, first.id)
    assert [job.name for job in links.on_success] == ["Fourth"]
    assert [job.name for _, job in links.deleted] == ["Second"], "an undo brings it back"
    deletion = one("SELECT deletion_id FROM jobs WHERE id = :id", id=second.id)
    deletions.undo(org.admin, deletion, now=NOON)
    change("UPDATE runs SET state = 'succeeded' WHERE state = 'queued'")
    end(org, first)
    assert chained(second)[1:] == [("queued", None)]


def test_the_link_to_a_deleted_job_is_taken_out_by_whoever_names_it(org: OrgOf) -> None:
    first, second = named(org, "First", "Second")
    link(org, first, success=[second])
    jobs.delete(org.admin, second.id, now=NOON)
    chains.remove(org.admin, first.id, Condition.SUCCESS, second.id, now=NOON)
    assert rows("SELECT 1 FROM job_links") == []
    old, new = rows(
        "SELECT old, new FROM audit_entries WHERE tag = 'job:chain_changed' ORDER BY number DESC"
    )[0]
    assert (old["on_success"], new["on_success"]) == (["second"], [])
    end(org, first)
    assert chained(second) == []
