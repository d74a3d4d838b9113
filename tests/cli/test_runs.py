"""`run`: what ran, how it ended, and what it wrote."""

import json
from uuid import UUID, uuid4

from apiflask import APIFlask

from console.worker.execute import execute
from tests import factories
from tests.factories import OrgOf, one

from .conftest import Console


def talked(app: APIFlask, org: OrgOf, key: str = "sweep") -> UUID:
    """A run that has succeeded and left two lines."""
    run = factories.run(org, factories.job(org, "talk", key=key, args={"path": "/dev/null"}))
    execute(app, run.id, worker="tester")
    return run.id


def test_an_empty_list_says_so(console: Console, org: OrgOf) -> None:
    assert console("run", "list").out == "There are no such runs.\n"
    assert json.loads(console("run", "list", "--json").out) == []


def test_runs_are_listed_newest_first_and_narrowed(app: APIFlask, console: Console, org: OrgOf) -> None:
    ended = str(talked(app, org))
    waiting = str(factories.run(org, factories.job(org, key="later")).id)

    def ids(*options: str) -> list[str]:
        return [run["id"] for run in json.loads(console("run", "list", "--json", *options).out)]

    assert ids() == [waiting, ended]
    assert ids("--limit", "1") == [waiting]
    assert ids("--state", "succeeded") == [ended]
    assert ids("--job", "SWEEP") == [ended]
    assert ids("--job", one("SELECT id::text FROM jobs WHERE key = 'later'")) == [waiting]
    lines = console("run", "list").out.splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [
        [waiting, "later", "queued"],
        [ended, "sweep", "succeeded"],
    ]


def test_an_unknown_job_gets_suggestions(app: APIFlask, console: Console, org: OrgOf) -> None:
    talked(app, org)
    assert console("run", "list", "--job", "sweeep").failed(1, "[UNKNOWN_TASK]", "Did you mean sweep")


def test_a_deleted_jobs_runs_are_found_by_its_id(app: APIFlask, console: Console, org: OrgOf) -> None:
    ended = str(talked(app, org))
    job = one("SELECT id::text FROM jobs")
    console("job", "delete", "sweep")
    assert [run["id"] for run in json.loads(console("run", "list", "--json", "--job", job).out)] == [ended]


def test_a_run_is_shown(app: APIFlask, console: Console, org: OrgOf) -> None:
    ended = str(talked(app, org))
    assert json.loads(console("run", "show", ended, "--json").out)["state"] == "succeeded"
    assert "said it" in console("run", "show", ended).out
    assert console("run", "show", str(uuid4())).failed(1, "no such run")


def test_a_log_is_printed_from_its_first_line(app: APIFlask, console: Console, org: OrgOf) -> None:
    ended = str(talked(app, org))
    assert console("run", "log", ended).out == "first\nsecond\n"
    assert [line["message"] for line in json.loads(console("run", "log", ended, "--json").out)] == [
        "first",
        "second",
    ]
    assert console("run", "log", str(uuid4())).failed(1, "no such run")


def test_a_long_log_is_printed_whole(app: APIFlask, console: Console, org: OrgOf) -> None:
    args = {"size": 12_030, "lines": 1203}
    run = factories.run(org, factories.job(org, "log_much", key="long", args=args))
    execute(app, run.id, worker="tester")
    assert console("run", "log", str(run.id)).out == "x" * 10 + ("\n" + "x" * 10) * 1202 + "\n"


def test_another_orgs_run_is_not_found(app: APIFlask, console: Console, org: OrgOf) -> None:
    other = factories.org()
    ended = str(talked(app, other))
    assert json.loads(console("run", "list", "--json").out) == []
    assert console("run", "show", ended).failed(1, "no such run")
    assert console("run", "log", ended).failed(1, "no such run")
