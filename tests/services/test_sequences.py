"""Several jobs in sequence: asked for at once, and each let go when the one before it has succeeded."""

from collections.abc import Sequence
from uuid import uuid4

import pytest
from apiflask import APIFlask

from console.core.errors import Forbidden, Invalid, NotFound, Refused
from console.core.reasons import Reason
from console.core.settings import Settings
from console.core.states import Condition, Hold, Role, RunState, Trigger
from console.db.session import transaction
from console.services import (
    chain_places,
    chains,
    edits,
    execution,
    holding,
    jobs,
    resolving,
    run_control,
    runs,
    sequences,
    stopping,
)
from console.services.outcomes import Outcome
from console.services.run_views import RunView
from console.services.stopping import Stop
from console.services.views import JobView
from console.services.wakeups import Bell
from tests import factories
from tests.factories import NOON, OrgOf, one, rows
from tests.processes import eventually
from tests.web.conftest import change

SUCCEEDED = Outcome(RunState.SUCCEEDED)
FAILED = Outcome(RunState.FAILED, Reason.EXCEPTION, "boom")
UNKNOWN = Outcome(RunState.UNKNOWN, Reason.OUTCOME_UNKNOWN, "It was cut off.")


@pytest.fixture
def org(app: APIFlask) -> OrgOf:
    factories.live_worker(now=NOON)
    return factories.org()


@pytest.fixture
def row(org: OrgOf) -> list[JobView]:
    """Four jobs, made in another order than that in which they are to run."""
    made = {name: factories.job(org, name=name, now=NOON) for name in ("D", "B", "A", "C")}
    return [made[name] for name in "ABCD"]


def start(org: OrgOf, row: Sequence[JobView], key: str | None = None) -> Sequence[RunView]:
    ids = [job.id for job in row]
    return sequences.start(org.admin, ids, key=key, trigger=Trigger.MANUAL, now=NOON).runs


def end(org: OrgOf, run: RunView, outcome: Outcome = SUCCEEDED) -> None:
    claim = execution.claim(run.id, worker="w", offered=[run.task], now=NOON)
    assert claim is not None
    execution.finish(claim, outcome, now=NOON)


def states(org: OrgOf, made: Sequence[RunView]) -> list[str]:
    found = [runs.get(org.admin, run.id, now=NOON) for run in made]
    return [f"{run.state}{':' + run.held_by if run.held_by else ''}" for run in found]


def test_each_begins_when_the_one_before_it_has_succeeded(org: OrgOf, row: list[JobView]) -> None:
    made = start(org, row)
    assert [run.job_name for run in made] == list("ABCD")
    assert [run.held_by for run in made] == [None, Hold.SEQUENCE, Hold.SEQUENCE, Hold.SEQUENCE]
    assert made[0].queued_at is not None
    shown = jobs.get(org.admin, row[1].id, now=NOON).active_run
    assert shown and shown.waits_for == "waits for the run before it in its sequence"
    assert holding.release(now=NOON) == []
    end(org, made[0])
    assert [ticket.run_id for ticket in holding.release(now=NOON)] == [made[1].id]
    assert states(org, made) == ["succeeded", "queued", "queued:sequence", "queued:sequence"]
    place = chain_places.place(org.admin, runs.get(org.admin, made[1].id, now=NOON)).sequence
    assert place and (place.number, place.count) == (2, 4)
    assert place.before and place.after and (place.before.job_name, place.after.job_name) == ("A", "C")
    assert len(rows("SELECT 1 FROM audit_entries WHERE tag = 'run:requested'")) == 4


def test_the_end_of_one_wakes_the_scheduler(settings: Settings, org: OrgOf, row: list[JobView]) -> None:
    made = start(org, row[:2])
    alone = factories.run(org, row[3], now=NOON)
    with Bell(settings.database_url) as bell:
        end(org, alone)
        assert bell.drain() == 0
        end(org, made[0])
        assert eventually(bell.drain) == 1


@pytest.mark.parametrize(("outcome", "word"), [(FAILED, "failed"), (UNKNOWN, "unknown")])
def test_an_end_without_success_gives_up_the_rest_at_once(
    org: OrgOf, row: list[JobView], outcome: Outcome, word: str
) -> None:
    made = start(org, row)
    end(org, made[0])
    holding.release(now=NOON)
    end(org, made[1], outcome)
    assert holding.release(now=NOON) == []
    assert states(org, made) == ["succeeded", word, "skipped", "skipped"]
    for run in made[2:]:
        found = runs.get(org.admin, run.id, now=NOON)
        assert (found.reason_code, found.reason) == (
            Reason.BLOCKED,
            f"The run before it in its sequence (B) ended as {word}.",
        )
    shown = jobs.get(org.admin, row[3].id, now=NOON)
    assert shown.active_run is None and shown.last_run and shown.last_run.state is RunState.SKIPPED


def test_to_stop_one_gives_up_what_comes_behind_it_and_nothing_before(org: OrgOf, row: list[JobView]) -> None:
    made = start(org, row)
    with transaction():
        stopping.request_stop([Stop(made[2].id, Reason.STOPPED_BY_OPERATOR, "Ada.")], now=NOON)
    holding.release(now=NOON)
    assert states(org, made) == ["queued", "queued:sequence", "stopped", "skipped"]
    end(org, made[0])
    assert [ticket.run_id for ticket in holding.release(now=NOON)] == [made[1].id]


def test_a_pause_stops_nothing_that_was_asked_for_and_a_deletion_does(org: OrgOf, row: list[JobView]) -> None:
    made = start(org, row)
    edits.set_paused(org.admin, row[1].id, True, note=None, now=NOON)
    jobs.delete(org.admin, row[2].id, now=NOON)
    end(org, made[0])
    assert [ticket.run_id for ticket in holding.release(now=NOON)] == [made[1].id]
    holding.release(now=NOON)
    assert states(org, made) == ["succeeded", "queued", "skipped", "skipped"]


def test_the_dialog_names_what_follows_each_in_its_chain_and_what_would_run_twice(
    org: OrgOf, row: list[JobView]
) -> None:
    a, b, c, d = row
    chains.add(org.admin, a.id, Condition.SUCCESS, str(b.id), now=NOON)
    chains.add(org.admin, a.id, Condition.FAILURE, str(d.id), now=NOON)
    seen = sequences.foresee(org.admin, [a.id, b.id, c.id], now=NOON)
    assert [[job.name for job in step.links.on_success] for step in seen] == [["B"], [], []]
    assert [job.name for job in seen[0].links.on_failure] == ["D"]
    assert [step.twice for step in seen] == [["B"], [], []]


def test_what_a_sequence_left_is_offered_until_it_is_made_up_for(org: OrgOf, row: list[JobView]) -> None:
    def left(run: RunView) -> list[str]:
        found = chain_places.place(org.admin, runs.get(org.admin, run.id, now=NOON))
        return [item.name for item in found.rest]

    made = start(org, row)
    end(org, made[0])
    holding.release(now=NOON)
    assert left(made[1]) == [], "nothing is left while it goes on"
    end(org, made[1], FAILED)
    holding.release(now=NOON)
    assert left(made[1]) == left(made[3]) == ["B", "C", "D"]
    assert left(made[0]) == [], "its own part is done"

    clock = factories.run(org, row[2], now=NOON)
    change("UPDATE runs SET trigger = 'schedule' WHERE id = :id", id=clock.id)
    assert left(made[1]) == ["B", "C", "D"], "what comes by the clock takes nobody's place"
    again = run_control.retry(org.admin, made[1].id, None, key="again", note="", now=NOON)
    assert left(made[1]) == [], "the retry may still fail"
    end(org, again)
    assert left(made[1]) == ["C", "D"]
    end(org, clock)

    rest = start(org, row[2:])
    assert left(made[1]) == []
    end(org, rest[0], FAILED)
    holding.release(now=NOON)
    assert left(made[1]) == left(rest[0]) == ["C", "D"]
    jobs.delete(org.admin, row[3].id, now=NOON)
    assert left(made[1]) == ["C"], "one that is gone can't be run"


def test_while_nobody_knows_how_one_ended_the_rest_is_not_offered(org: OrgOf, row: list[JobView]) -> None:
    made = start(org, row)
    end(org, made[0], UNKNOWN)
    holding.release(now=NOON)
    place = chain_places.place(org.admin, runs.get(org.admin, made[1].id, now=NOON))
    assert place.rest == [] and states(org, made)[1:] == ["skipped"] * 3
    resolving.resolve(org.admin, made[0].id, succeeded=True, note=None, now=NOON)
    place = chain_places.place(org.admin, runs.get(org.admin, made[1].id, now=NOON))
    assert [item.name for item in place.rest] == ["B", "C", "D"]


def test_one_that_may_not_run_keeps_all_from_being_made(org: OrgOf, row: list[JobView]) -> None:
    guarded = factories.job(org, name="Guarded", now=NOON)
    change("UPDATE jobs SET needs_approval = true WHERE id = :id", id=guarded.id)
    lost = factories.job(org, "tests.tasks.explode", name="Lost", now=NOON)
    factories.live_worker(now=NOON, tasks=["tests.tasks.succeed"])
    wanted = [row[0], guarded, lost]
    seen = sequences.foresee(org.admin, [job.id for job in wanted], now=NOON)
    assert [(step.name, step.reason) for step in seen] == [
        ("A", None),
        ("Guarded", Reason.APPROVAL_REQUIRED),
        ("Lost", Reason.NOT_REGISTERED),
    ]
    with pytest.raises(Refused) as refusal:
        start(org, wanted)
    assert refusal.value.reason is Reason.APPROVAL_REQUIRED
    assert [text.partition(":")[0] for text in refusal.value.fields["jobs"]] == ["Guarded", "Lost"]
    assert rows("SELECT 1 FROM runs") == rows("SELECT 1 FROM approvals") == []
    assert one("SELECT count(*) FROM audit_entries WHERE tag = 'run:refused'") == 1


def test_the_same_key_is_the_same_sequence(org: OrgOf, row: list[JobView]) -> None:
    made = start(org, row, "once")
    again = start(org, row, "once")
    assert [run.id for run in again] == [run.id for run in made]
    assert one("SELECT count(*) FROM runs") == 4
    with pytest.raises(Invalid, match="Idempotency-Key"):
        start(org, row[:3], "once")
    with pytest.raises(Invalid, match="Idempotency-Key"):
        start(org, [*row, factories.job(org, now=NOON)], "once")
    assert one("SELECT count(*) FROM runs") == 4


def test_what_makes_no_sequence_is_refused(org: OrgOf, row: list[JobView]) -> None:
    for wanted in ([row[0]], [row[0], row[0]], row * 20):
        with pytest.raises(Invalid, match="jobs:"):
            start(org, wanted)
    foreign = factories.job(factories.org(), now=NOON)
    for job_id in (foreign.id, uuid4()):
        with pytest.raises(NotFound):
            sequences.start(org.admin, [row[0].id, job_id], trigger=Trigger.API, now=NOON)
    with pytest.raises(Forbidden):
        viewer = factories.person(org, Role.VIEWER)
        sequences.start(viewer, [job.id for job in row], trigger=Trigger.API, now=NOON)
    assert rows("SELECT 1 FROM runs") == []


def test_one_message_in_two_sequences_whose_turn_comes_together_goes_out_once(
    org: OrgOf, row: list[JobView]
) -> None:
    letter = factories.job(
        org, "tests.tasks.post", schedule={"type": "once", "at": "2031-01-01T00:00:00Z"}, now=NOON
    )
    first, second = start(org, [row[0], letter]), start(org, [row[1], letter, row[2]])
    end(org, first[0])
    end(org, second[0])
    holding.release(now=NOON)
    assert states(org, [first[1], second[1]]) == ["queued", "skipped"]
    found = runs.get(org.admin, second[1].id, now=NOON)
    assert (found.reason_code, found.reason) == (
        Reason.OVERLAP,
        "Another run of this message was on its way when the time had come.",
    )
    end(org, first[1])
    holding.release(now=NOON)
    assert states(org, second)[2] == "skipped"
    assert one("SELECT count(*) FROM runs WHERE job_id = :id AND attempt > 0", id=letter.id) == 1
