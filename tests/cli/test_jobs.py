"""`job`: the job table at the shell."""

import json
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from apiflask import APIFlask

from console.core.actor import Actor
from console.core.states import RunState
from console.services import runs
from console.services.run_views import RunView
from console.worker.execute import execute
from tests import factories
from tests.factories import OrgOf, one, rows

from .conftest import Console


def test_an_empty_table_says_so(console: Console, org: OrgOf) -> None:
    done = console("job", "list")
    assert (done.code, done.out, done.err) == (0, "There are no such jobs.\n", "")
    assert json.loads(console("job", "list", "--json").out) == []


def test_jobs_are_listed_nearest_first(console: Console, org: OrgOf) -> None:
    factories.job(org, key="by_hand", name="By hand")
    at = {"type": "once", "at": "2099-01-01T00:00:00+00:00"}
    factories.job(org, key="soon", name="Soon", schedule=at)
    lines = console("job", "list").out.splitlines()
    assert [line.split()[0] for line in lines] == ["KEY", "soon", "by_hand"]
    listed = json.loads(console("job", "list", "--json", "--kind", "manual").out)
    assert [job["key"] for job in listed] == ["by_hand"]


def test_a_job_is_shown_by_any_spelling(console: Console, org: OrgOf) -> None:
    job = factories.job(org, key="nightly_sweep")
    for name in ("nightly_sweep", "nightly-sweep", str(job.id)):
        assert json.loads(console("job", "show", name, "--json").out)["id"] == str(job.id)
    assert "nightly_sweep" in console("job", "show", "nightly_sweep").out


def test_a_job_is_shown_with_its_arguments_recipient_and_note(console: Console, org: OrgOf) -> None:
    factories.job(org, "mark", key="sweep", args={"path": "/dev/null"}, recipient="mara@example.com")
    console("job", "pause", "sweep", "--note", "rain\x1b[1m")
    shown = dict(line.split(maxsplit=1) for line in console("job", "show", "sweep").out.splitlines())
    assert json.loads(shown["args"]) == {"path": "/dev/null"}
    assert shown["recipient"] == "mara@example.com"
    assert shown["status_note"] == "rain?[1m"
    assert "args" not in json.loads(console("job", "show", "sweep", "--json").out)


def test_an_unknown_job_gets_suggestions(console: Console, org: OrgOf) -> None:
    factories.job(org, key="nightly_sweep")
    assert console("job", "show", "nightly_sweeps").failed(1, "[UNKNOWN_TASK]", "nightly_sweep?")


def test_run_makes_one_run(console: Console, org: OrgOf) -> None:
    factories.job(org, key="sweep")
    done = console("job", "run", "sweep", "--json")
    assert done.code == 0, done
    run = json.loads(done.out)
    assert (run["state"], run["trigger"]) == ("queued", "cli")
    assert one("SELECT id::text FROM runs") == run["id"]


def test_run_takes_arguments_and_a_dry_run(console: Console, org: OrgOf) -> None:
    factories.job(org, "mark", key="mark", args={"path": "/dev/zero"})
    args = '{"path": "/dev/null"}'
    run = json.loads(console("job", "run", "mark", "--args", args, "--json").out)
    assert run["args"] == {"path": "/dev/null"}
    assert json.loads(console("job", "run", "succeed", "--dry-run", "--json").out)["dry_run"] is True
    done = console("job", "run", "mark", "--args", '{"pth": 1}')
    assert done.failed(1, "args.path: Field required", "args.pth: Extra inputs are not permitted")


def test_a_dry_run_that_is_waited_for_prints_what_would_change(
    app: APIFlask, console: Console, org: OrgOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait = runs.wait

    def work_and_wait(actor: Actor, run_id: UUID, **how: Any) -> RunView:
        """A worker comes by just before the shell looks."""
        execute(app, run_id, worker="worker-1")
        return wait(actor, run_id, **how)

    monkeypatch.setattr(runs, "wait", work_and_wait)
    done = console("job", "run", "rearrange", "--dry-run", "--wait", "20")
    assert done.code == 0, done
    assert [line.split() for line in done.out.partition("moved it\n")[2].splitlines()] == [
        ["WHAT", "BEFORE", "AFTER"],
        ["chair", "left", "right"],
        ["lamp", "-", "on"],
        "Nothing was changed: this was a dry run.".split(),
    ]
    real = console("job", "run", "rearrange", "--wait", "20")
    assert "lamp" in real.out and "Nothing was changed" not in real.out
    factories.job(org, "talk", key="talk", args={"path": "/dev/null"})
    assert console("job", "run", "talk", "--dry-run").failed(1, "dry_run: this task has no dry run")


def test_a_refused_run_ends_with_1_and_the_reason(console: Console, org: OrgOf) -> None:
    assert console("job", "run", "needs_recipient").failed(1, "[MISSING_RECIPIENT]")
    assert console("job", "run", "sucede").failed(1, "[UNKNOWN_TASK]", "succeed")
    assert one("SELECT count(*) FROM runs") == 0


def test_who_waits_in_vain_is_told_how_it_stands_and_where_to_look(console: Console, org: OrgOf) -> None:
    done = console("job", "run", "succeed", "--wait", "0.2")
    run = one("SELECT id::text FROM runs")
    assert done.failed(1, "not ended within 0.2 s", "its state is queued", f"/runs/{run}")
    assert "queued" in done.out


def test_a_run_that_waits_for_its_next_attempt_has_not_ended(
    console: Console, org: OrgOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = factories.job(org, key="sweep")
    retrying = replace(factories.run(org, job), state=RunState.RETRYING)
    monkeypatch.setattr(runs, "wait", lambda *args, **kwargs: retrying)
    assert console("job", "run", "sweep", "--wait", "3").failed(1, "within 3 s", "its state is retrying")


def test_a_job_is_paused_resumed_and_deleted(console: Console, org: OrgOf) -> None:
    factories.job(org, key="sweep")
    assert "paused" in console("job", "pause", "sweep", "--note", "rain").out
    assert one("SELECT status FROM jobs") == "paused"
    assert "scheduled" in console("job", "resume", "sweep").out
    assert one("SELECT status FROM jobs") == "scheduled"
    assert "deleted" in console("job", "delete", "sweep").out
    assert one("SELECT deleted_at IS NOT NULL FROM jobs")
    assert console("job", "delete", "sweep").failed(1)


def test_a_status_by_hand_needs_a_note_for_sent_and_says_what_can_be_had(
    console: Console, org: OrgOf
) -> None:
    once = {"type": "once", "at": "2099-01-31T09:15:00+00:00"}
    factories.job(org, "needs_recipient", key="hamlet", recipient="ana@example.com", schedule=once)
    assert console("job", "status", "hamlet", "sent").failed(1, "note: say why it counts as sent")
    assert console("job", "status", "hamlet", "failed").failed(1, "can become paused, sent, skipped")
    assert console("job", "status", "hamlet", "gone").failed(2, "'gone' is not one of")
    assert one("SELECT revision FROM jobs") == 1
    assert "is sent." in console("job", "status", "hamlet", "sent", "--note", "told on the phone").out
    assert one("SELECT status || ': ' || status_note FROM jobs") == "sent: told on the phone"
    assert "is scheduled." in console("job", "status", "hamlet", "scheduled").out


def test_an_unknown_org_is_named(console: Console, org: OrgOf) -> None:
    assert console("job", "list", "--org", "nowhere").failed(1, "nowhere")


def test_a_run_that_needs_a_second_person_is_asked_for_and_the_shell_says_where(
    console: Console, org: OrgOf
) -> None:
    factories.job(org, "tests.tasks.critical", key="trap_door")
    done = console("job", "run", "trap-door", "--note", "before the show")
    asked = one("SELECT id::text FROM approvals")
    assert done.failed(1, "error [APPROVAL_REQUIRED]", f"/approvals/{asked}")
    again = console("job", "run", "trap-door", "--json")
    assert again.code == 1
    assert json.loads(again.out)["approval"]["id"] == asked
    assert rows("SELECT requested_by, reason, state FROM approvals") == [(None, "before the show", "pending")]
    assert one("SELECT count(*) FROM runs") == 0
