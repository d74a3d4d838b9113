"""What the tests of explanations ask, and how an answer is compared."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from apiflask import APIFlask

from console.core.explaining import Explanation, Verdict
from console.core.states import RunState
from console.services import explain, runs
from console.services.run_views import RunFilter, RunView
from console.services.views import JobView
from console.worker import execute
from tests import factories
from tests.factories import NOON, OrgOf

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
DAILY = {"type": "daily", "hour": 13, "minute": 0}
SLOT = NOON + HOUR
"""The first slot of a daily job that is made at noon."""
SATURDAY = datetime(2030, 1, 5, 12, 0, tzinfo=UTC)


def ask(of: OrgOf, job: JobView, at: datetime | None = None, *, now: datetime) -> Explanation:
    return explain.explain(of.admin, job.id, at, now=now)


def codes(found: Explanation) -> list[str]:
    """The reason codes of the evidence in their order, each where it comes first."""
    return list(dict.fromkeys(str(item.reason_code) for item in found.evidence if item.reason_code))


def said(found: Explanation) -> str:
    return " ".join([found.summary, *(item.text for item in found.evidence)])


def expect(
    found: Explanation,
    verdict: Verdict,
    reasons: list[str],
    *words: str,
    source: str,
    revision: int | None = 1,
) -> None:
    """The verdict; all codes in their order; the words in the answer, the first in its summary.

    `source` is where the decisive piece is recorded (of a run, a task or an id only the begin is given);
    `revision` is the one that was in force, None before the job was made.
    """
    assert (found.verdict, codes(found)) == (verdict, reasons), said(found)
    for word in words:
        assert word in said(found)
    assert words[0] in found.summary
    assert found.evidence[0].source.startswith(source), found.evidence[0]
    in_force = re.findall(r"\br(\d+) (?:is|was) in force", " ".join(item.text for item in found.evidence))
    assert [int(number) for number in in_force] == ([] if revision is None else [revision]), said(found)
    assert all(item.text.endswith((".", "?", "!", "…")) and item.source for item in found.evidence), said(
        found
    )


def daily(of: OrgOf, task: str = "tests.tasks.succeed", **fields: Any) -> JobView:
    given = {"schedule": DAILY, "timezone": "UTC", "name": "Sweep the stage", "now": NOON, **fields}
    return factories.job(of, task, **given)


def alive(at: datetime) -> None:
    """A scheduler and a worker for everything are heard at that instant."""
    factories.live_scheduler(now=at)
    factories.live_worker(now=at)


def only_run(of: OrgOf, job: JobView, now: datetime) -> RunView:
    (run,) = runs.page(of.admin, RunFilter(job_id=job.id), cursor=None, limit=5, now=now).runs
    return run


def executed(app: APIFlask, run: RunView, at: datetime) -> RunState | None:
    """The run's task is really called, at that instant."""
    return execute(app, run.id, worker="worker-1", clock=lambda: at)
