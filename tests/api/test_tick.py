"""One pass on request: what the caller gets, who may, and what the heartbeat says of it."""

from datetime import datetime, timedelta

import pytest
import time_machine
from apiflask import APIFlask

from console.core.clock import utc_now
from console.core.states import Beating
from tests.factories import one, rows

from .conftest import Org, make_job
from .test_status import beat

HOURLY = {"type": "interval", "every_seconds": 3600}


def later(hours: float = 1.01) -> datetime:
    return utc_now() + timedelta(hours=hours)


def test_a_tick_makes_the_pass_for_every_org_and_answers_in_totals(
    app: APIFlask, org: Org, other_org: Org
) -> None:
    ours, theirs = make_job(app, org, schedule=HOURLY), make_job(app, other_org, schedule=HOURLY)
    with time_machine.travel(later(), tick=False):
        beat(app, Beating.WORKER)
        answer = org.operator.post("/scheduler/tick")
    assert answer.status_code == 200, answer.text
    told = answer.json
    assert set(told) == {
        "due", "queued", "held", "skipped", "retried", "released", "settled", "left", "heartbeat", "as_of",
    }  # fmt: skip
    assert (told["due"], told["queued"], told["skipped"], told["left"]) == (2, 2, 0, False)
    assert {row.job_id for row in rows("SELECT job_id FROM runs WHERE trigger = 'tick'")} == {ours, theirs}
    assert str(theirs) not in answer.text and "Elsewhere" not in answer.text
    heartbeat = told["heartbeat"]
    assert (heartbeat["status"], heartbeat["age_seconds"]) == ("green", 0)
    assert heartbeat["last_seen"] == told["as_of"]
    assert heartbeat["components"]["external_cron"]["status"] == "green"
    assert heartbeat["components"]["external_cron"]["processes"][0]["name"] == "token operator"
    (run,) = org.viewer.get("/runs?trigger=tick").json["runs"]
    assert (run["job_id"], run["executed_by"], run["state"]) == (str(ours), "external cron", "queued")


def test_a_viewer_is_refused_and_nothing_is_decided(app: APIFlask, org: Org) -> None:
    make_job(app, org, schedule=HOURLY)
    with time_machine.travel(later(), tick=False):
        answer = org.viewer.post("/scheduler/tick")
    assert (answer.status_code, answer.json["reason_code"]) == (403, "FORBIDDEN")
    assert (one("SELECT count(*) FROM runs"), one("SELECT count(*) FROM heartbeats")) == (0, 0)


@pytest.mark.parametrize(
    ("minutes", "light", "whole"), [(14, "green", "green"), (16, "yellow", "yellow"), (61, "red", "red")]
)
def test_without_a_scheduler_the_heartbeat_is_the_crons(
    app: APIFlask, org: Org, other_org: Org, minutes: int, light: str, whole: str
) -> None:
    now = utc_now()
    with time_machine.travel(now, tick=False):
        assert org.operator.post("/scheduler/tick").status_code == 200
    with time_machine.travel(now + timedelta(minutes=minutes), tick=False):
        beat(app, Beating.WORKER)
        heartbeat = other_org.viewer.get("/scheduler/heartbeat").json
        cron = heartbeat["components"]["external_cron"]
        assert (cron["status"], heartbeat["status"]) == (light, whole)
        assert cron["last_seen"] == heartbeat["last_seen"] or light == "red"
        assert cron["age_seconds"] == minutes * 60
        assert heartbeat["components"]["scheduler"]["status"] == "red"
        assert [process["name"] for process in cron["processes"]] == ["a cron of another org"]
        beat(app, Beating.SCHEDULER)
        both = org.viewer.get("/scheduler/heartbeat").json
        assert (both["status"], both["components"]["external_cron"]["status"]) == ("green", light)
        assert both["age_seconds"] < minutes * 60 or light == "green"
