"""Who lives, who is silent, who is lost, and what each is at."""

from datetime import timedelta

import pytest

from console.core.clock import utc_now
from console.core.states import Beating
from console.services import heartbeats
from console.services.heartbeats import Beat
from tests import factories
from tests.factories import OrgOf
from tests.web.conftest import Visitor, words


def beat(kind: Beating, name: str, age: float, **fields: object) -> None:
    at = utc_now() - timedelta(seconds=age)
    heartbeats.beat(Beat(kind, name, "host-7", 4711, at, **fields), now=at)  # type: ignore[arg-type]


def test_without_any_it_says_how_to_start_them(operator: Visitor) -> None:
    shown = words(operator.get("/workers"))
    assert "No scheduler was heard in the last day" in shown and "python -m console scheduler" in shown
    assert "No worker is alive" in shown and "python -m console worker" in shown


@pytest.mark.parametrize(
    ("kind", "age", "badge"),
    [
        (Beating.WORKER, 1, "Alive"),
        (Beating.WORKER, 16, "Silent"),
        (Beating.WORKER, 61, "Lost"),
        (Beating.SCHEDULER, 1, "Alive"),
        (Beating.SCHEDULER, 31, "Silent"),
        (Beating.SCHEDULER, 121, "Lost"),
    ],
)
def test_a_heartbeat_is_alive_silent_or_lost(
    operator: Visitor, kind: Beating, age: float, badge: str
) -> None:
    beat(kind, "the-one", age)
    shown = words(operator.get("/workers"))
    assert f"{badge} heard" in shown
    assert "host-7 · process 4711" in shown


def test_a_worker_that_left_in_good_order_is_gone_and_a_scheduler_says_that_it_stopped(
    operator: Visitor,
) -> None:
    for kind in (Beating.WORKER, Beating.SCHEDULER):
        beat(kind, f"the-{kind}", 1)
        heartbeats.stopped(kind, f"the-{kind}", now=utc_now())
    shown = words(operator.get("/workers"))
    assert "the-worker" not in shown
    assert "the-scheduler" in shown and "Stopped" in shown


def test_a_worker_shows_its_queues_its_tasks_and_what_it_is_at(operator: Visitor, org: OrgOf) -> None:
    run = factories.run(org, factories.job(org, name="Sweep the stage"))
    offered = ["tests.tasks.succeed", "gone.task"]
    beat(Beating.WORKER, "the-one", 1, queues=["default", "messages"], tasks=offered, run_id=run.id)
    answer = operator.get("/workers")
    shown = words(answer)
    assert f'<a href="/runs/{run.id}">Sweep the stage</a>' in answer.text
    assert "default, messages" in shown and "2 tasks" in shown
    assert "tests.tasks.succeed" in shown and "gone.task" in shown


def test_the_run_of_another_org_has_no_name_here(stranger: Visitor, org: OrgOf) -> None:
    run = factories.run(org, factories.job(org, name="Confidential"))
    beat(Beating.WORKER, "the-one", 1, run_id=run.id)
    answer = stranger.get("/workers")
    assert "a run of another org" in words(answer)
    assert "Confidential" not in answer.text and str(run.id) not in answer.text


def test_names_are_text(operator: Visitor) -> None:
    beat(Beating.WORKER, "<b>w</b>", 1, queues=["<i>q</i>"], tasks=["<u>t</u>"])
    answer = operator.get("/workers")
    assert not any(tag in answer.text for tag in ("<b>w", "<i>q", "<u>t"))
