"""`explain`: why, at the shell."""

import json

import pytest
import time_machine

from console.core.clock import utc_now
from console.services import edits, explain, jobs
from tests import factories
from tests.factories import NOON, OrgOf

from .conftest import Console

DAILY = {"type": "daily", "hour": 13, "minute": 0}


def test_it_says_the_verdict_its_sentence_and_the_evidence(console: Console, org: OrgOf) -> None:
    job = factories.job(org, key="sweep", schedule=DAILY, timezone="Europe/Berlin", now=NOON)
    edits.set_paused(org.admin, job.id, True, note="closed\x1b[1m", now=NOON)
    done = console("explain", "sweep", "--at", "2030-01-05T13:00")
    assert done.code == 0, done
    lines = done.out.splitlines()
    assert lines[0].startswith("Blocked: It would not run then: the job was paused by tests")
    assert "Wed 2 Jan 2030 13:00 Europe/Berlin (12:00 UTC): “closed" in lines[0]
    assert lines[1] == "- PAUSED (said above) [revision r2]"
    assert lines[-1] == "Times are on the job's clocks (Europe/Berlin), and in brackets on the org's (UTC)."
    assert "\x1b" not in done.out
    same = console("explain", "sweep", "--at", "2030-01-05T13:00:00+01:00", "--json")
    shape = json.loads(same.out)
    assert f"{shape['verdict'].capitalize()}: {shape['summary']}".replace("\x1b", "?") == lines[0]
    first = shape["evidence"][0]
    assert (first["reason_code"], first["url"]) == ("PAUSED", f"/jobs/{job.id}")
    with time_machine.travel(utc_now(), tick=False):
        texts = [item.text for item in explain.explain(org.admin, job.id, None, now=utc_now()).evidence]
        now = console("explain", str(job.id)).out
    assert now.startswith("Blocked: ") and now.count("he job was paused by tests on") == 1
    assert all(text.replace("\x1b", "?") in now for text in texts[1:])


@pytest.mark.parametrize("at", ["noon", "2030-01-05", "2030-03-31T02:30"])
def test_a_minute_that_is_none_is_wrong_usage(console: Console, org: OrgOf, at: str) -> None:
    factories.job(org, key="sweep", timezone="Europe/Berlin")
    assert console("explain", "sweep", "--at", at).failed(2, "--at")


def test_an_unknown_name_gets_suggestions_and_a_deleted_job_is_found_by_its_id(
    console: Console, org: OrgOf
) -> None:
    job = factories.job(org, key="sweep")
    assert console("explain", "sweeep").failed(1, "[UNKNOWN_TASK]", "sweep")
    jobs.delete(org.admin, job.id, now=utc_now())
    said = console("explain", str(job.id)).out
    assert "the job was deleted by tests" in said and "- DELETED (said above) [deletions]" in said
    assert "r1 was in force" in said and "on the org's" not in said
