"""Figures over runs equal what one counts by hand, day by day in the org's zone."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import quantiles
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from apiflask import APIFlask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from console.core.states import RunState, Trigger
from console.db.session import db
from console.services import run_figures, runs
from console.services.report_views import EXECUTED, Period
from console.services.run_views import RunFilter
from console.services.views import JobView
from tests import factories
from tests.factories import OrgOf

BERLIN = ZoneInfo("Europe/Berlin")
# The clocks go back on 2030-10-27, and that day has 25 hours.
SINCE = datetime(2030, 10, 25, 0, 0, tzinfo=BERLIN)
UNTIL = datetime(2030, 10, 28, 12, 0, tzinfo=BERLIN)
INSERT = text(
    """
    INSERT INTO runs (org_id, job_id, task, queue, trigger, state, revision, requested_by, requested_at,
        slot, started_at, finished_at, attempt, dry_run)
    VALUES (:org, :job, 'tests.tasks.succeed', 'default', :trigger, :state, 1, 'tests', :at,
        :slot, :started, :finished, 1, :dry)
    """
)


@dataclass(frozen=True)
class Past:
    """A run of the past: seconds after the period's begin, what became of it, and how long it took."""

    after: int
    state: RunState
    late: int | None
    took: int
    dry_run: bool = False

    @property
    def at(self) -> datetime:
        return SINCE.astimezone(UTC) + timedelta(seconds=self.after)

    @property
    def slot(self) -> datetime | None:
        return None if self.late is None else self.at - timedelta(seconds=self.late)

    def is_on(self, day: datetime) -> bool:
        is_there = self.at < UNTIL and not self.dry_run
        return is_there and self.at.astimezone(BERLIN).date() == day.astimezone(BERLIN).date()


SPAN = int((UNTIL - SINCE).total_seconds())
PASTS = st.builds(
    Past,
    st.integers(-3600, SPAN + 3600),
    st.sampled_from(
        [RunState.SUCCEEDED, RunState.FAILED, RunState.STOPPED, RunState.SKIPPED, RunState.UNKNOWN]
    ),
    st.none() | st.integers(0, 600),
    st.integers(0, 900),
    st.booleans(),
)


def write(org: OrgOf, job: JobView, pasts: Sequence[Past], trigger: Trigger = Trigger.SCHEDULE) -> None:
    for past in pasts:
        is_executed = past.state in EXECUTED
        started = past.at if is_executed else None
        values = {
            "org": org.id,
            "job": job.id,
            "trigger": trigger,
            "state": past.state,
            "at": past.at,
            "slot": past.at - timedelta(seconds=past.late, milliseconds=len(pasts))
            if past.late is not None
            else None,
            "started": started,
            "finished": past.at + timedelta(seconds=past.took),
            "dry": past.dry_run,
        }
        # Two runs of one job can't have the same slot.
        values["slot"] = None if _is_taken(job, values["slot"]) else values["slot"]
        db.session.execute(INSERT, values)
    db.session.commit()


def _is_taken(job: JobView, slot: object) -> bool:
    query = text("SELECT 1 FROM runs WHERE job_id = :job AND slot = :slot")
    return db.session.execute(query, {"job": job.id, "slot": slot}).first() is not None


@pytest.fixture
def berlin(app: APIFlask) -> OrgOf:
    return factories.org(timezone="Europe/Berlin")


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(pasts=st.lists(PASTS, max_size=25))
def test_each_day_counts_what_was_asked_for_on_it(app: APIFlask, pasts: list[Past]) -> None:
    org = factories.org(timezone="Europe/Berlin")
    write(org, factories.job(org), pasts)
    period = Period(SINCE.astimezone(UTC), UNTIL.astimezone(UTC))

    found = run_figures.figures(org.admin, RunFilter(), period, now=UNTIL)

    assert [day.period.since.astimezone(BERLIN).isoformat()[:16] for day in found.days] == [
        "2030-10-25T00:00",
        "2030-10-26T00:00",
        "2030-10-27T00:00",
        "2030-10-28T00:00",
    ]
    for day in found.days:
        meant = [past for past in pasts if past.is_on(day.period.since)]
        assert day.states == Counter(past.state for past in meant)
        durations = [past.took for past in meant if past.state in EXECUTED]
        assert (day.duration is None) == (not durations)
        if day.duration:
            assert day.duration.count == len(durations)
            assert [day.duration.p50, day.duration.p95] == pytest.approx(percentiles(durations))
    everything = Counter(past.state for past in pasts if not past.dry_run and SINCE <= past.at < UNTIL)
    assert found.states == everything


def percentiles(values: Sequence[int]) -> list[float]:
    if len(values) == 1:
        return [float(values[0]), float(values[0])]
    cuts = quantiles(values, n=100, method="inclusive")
    return [cuts[49], cuts[94]]


def test_lateness_is_from_the_slot_to_the_start(berlin: OrgOf) -> None:
    job = factories.job(berlin)
    write(berlin, job, [Past(60, RunState.SUCCEEDED, late, 1) for late in (0, 10, 20, 30, 40)])

    found = run_figures.figures(berlin.admin, RunFilter(), Period(SINCE, UNTIL), now=UNTIL)

    lateness = found.days[0].lateness
    assert lateness is not None and lateness.count == 5
    assert lateness.p50 == pytest.approx(20, abs=0.1)
    assert lateness.p95 == pytest.approx(38, abs=0.1)
    assert found.days[1].lateness is None


def test_the_slowest_and_the_flakiest_jobs_come_first_once_there_are_three_runs(berlin: OrgOf) -> None:
    slow, flaky, steady, rare = (
        factories.job(berlin, name=name) for name in ("Slow", "Flaky", "Steady", "Rare")
    )
    write(berlin, slow, [Past(n, RunState.SUCCEEDED, None, 500 + n) for n in range(5)])
    turns = (RunState.SUCCEEDED, RunState.FAILED, RunState.SUCCEEDED, RunState.FAILED)
    write(berlin, flaky, [Past(n * 10, state, None, 3) for n, state in enumerate(turns)])
    write(berlin, steady, [Past(n, RunState.SUCCEEDED, None, 1) for n in range(9)])
    write(berlin, rare, [Past(1, RunState.FAILED, None, 9000), Past(2, RunState.FAILED, None, 9000)])

    found = run_figures.figures(berlin.admin, RunFilter(), Period(SINCE, UNTIL), now=UNTIL)

    assert [item.name for item in found.slowest] == ["Slow", "Flaky", "Steady"]
    assert found.slowest[0].duration.p50 == 502
    (only,) = found.flakiest
    assert (only.name, only.executed, only.troubled, only.turns, only.share) == ("Flaky", 4, 2, 3, 0.5)


def test_jobs_whose_runs_were_all_stopped_in_the_queue_took_no_time(berlin: OrgOf) -> None:
    queued, ran = factories.job(berlin, name="Queued"), factories.job(berlin, name="Ran")
    write(berlin, queued, [Past(n, RunState.STOPPED, None, 1) for n in range(3)])
    write(berlin, ran, [Past(n, RunState.SUCCEEDED, None, 2) for n in range(3)])
    db.session.execute(text("UPDATE runs SET started_at = NULL WHERE job_id = :job"), {"job": queued.id})
    db.session.commit()

    found = run_figures.figures(berlin.admin, RunFilter(), Period(SINCE, UNTIL), now=UNTIL)

    assert found.days[0].states == {RunState.STOPPED: 3, RunState.SUCCEEDED: 3}
    assert [(item.name, item.duration.p95) for item in found.slowest] == [("Ran", 2.0)]
    assert found.flakiest == []


def test_only_the_runs_that_are_meant_are_counted_and_no_other_orgs(berlin: OrgOf) -> None:
    first = factories.job(berlin, name="Sweep", key="sweep")
    second = factories.job(berlin, name="Polish", key="polish", task="tests.tasks.explode")
    other = factories.org(timezone="Europe/Berlin")
    write(berlin, first, [Past(1, RunState.SUCCEEDED, None, 1), Past(2, RunState.FAILED, None, 1)])
    write(berlin, second, [Past(3, RunState.FAILED, None, 1)], Trigger.MANUAL)
    write(other, factories.job(other), [Past(4, RunState.UNKNOWN, None, 1)])

    def counted(**wanted: object) -> int:
        found = run_figures.figures(
            berlin.admin,
            RunFilter(**wanted),
            Period(SINCE, UNTIL),
            now=UNTIL,  # type: ignore[arg-type]
        )
        return found.runs

    assert counted() == 3
    assert counted(job_id=first.id) == 2
    assert counted(task="tests.tasks.explode") == 1
    assert counted(q="SWEEP") == 2
    assert counted(q="nothing like it") == 0
    assert counted(trigger=Trigger.MANUAL) == 1
    assert counted(state=RunState.FAILED) == 3, "the state is no part of what a rate is made of"


@pytest.mark.parametrize("few", [1000, 0])
def test_the_list_has_the_same_runs_whether_few_or_many_jobs_are_meant(
    berlin: OrgOf, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.services.run_filters.FEW_JOBS", few)
    jobs = [factories.job(berlin, key=f"sweep_{n}") for n in range(3)]
    for number, job in enumerate(jobs):
        write(berlin, job, [Past(n * 7 + number, RunState.SUCCEEDED, None, 1) for n in range(4)])
    write(berlin, factories.job(berlin, key="polish"), [Past(1, RunState.SUCCEEDED, None, 1)])

    found: list[UUID] = []
    cursor = None
    while True:
        page = runs.page(berlin.admin, RunFilter(q="sweep"), cursor=cursor, limit=5, now=UNTIL)
        found += [run.id for run in page.runs]
        cursor = page.next_cursor
        if cursor is None:
            break

    expected = factories.rows(
        "SELECT runs.id FROM runs JOIN jobs ON jobs.id = job_id WHERE key LIKE 'sweep%' "
        "AND runs.org_id = :org ORDER BY requested_at DESC, runs.id DESC",
        org=berlin.id,
    )
    assert len(found) == 12
    assert found == [row[0] for row in expected]
