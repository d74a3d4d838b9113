"""Whoever can't run a guarded job alone can't make it come due alone either."""

from datetime import timedelta
from typing import Any

import pytest
from apiflask import APIFlask

from console.core.clock import utc_now
from console.core.errors import Refused
from console.core.reasons import Reason
from console.core.states import Role
from console.services import bulk_edits, edits, guarding, job_creation, jobs
from console.services.changes import Change
from console.services.job_creation import NewJob
from tests import factories
from tests.factories import OrgOf, one, rows
from tests.web.conftest import Client, visit

HOURLY = {"type": "interval", "every_seconds": 3600}


@pytest.fixture
def guarded(org: OrgOf) -> Any:
    """An hourly job that needs a second person."""
    job = factories.job(org, "tests.tasks.mark", args={"path": "/nowhere"}, schedule=HOURLY)
    admin = factories.person(org, Role.ADMIN)
    return guarding.set_guard(admin, job.id, True, note="two must agree", now=utc_now())


@pytest.mark.parametrize(
    "change",
    [
        Change(schedule={"type": "interval", "every_seconds": 1}),
        Change(timezone="Europe/Berlin"),
        Change(args={"path": "/elsewhere"}),
        Change(recipient="me@x.example"),
    ],
)
def test_an_operator_changes_neither_when_nor_what_and_an_admin_does(
    org: OrgOf, guarded: Any, change: Change
) -> None:
    operator = factories.person(org)

    with pytest.raises(Refused, match="needs a second person") as refused:
        edits.edit(operator, guarded.id, change, now=utc_now())

    assert refused.value.reason is Reason.APPROVAL_REQUIRED
    assert one("SELECT revision FROM jobs") == 1
    assert rows("SELECT 1 FROM audit_entries WHERE tag = 'job:changed' AND org_id = :org", org=org.id) == []
    edits.edit(factories.person(org, Role.ADMIN), guarded.id, change, now=utc_now())
    assert one("SELECT revision FROM jobs") == 2


def test_an_operator_may_pause_and_rename_it_and_not_resume_it(org: OrgOf, guarded: Any) -> None:
    operator = factories.person(org)
    edits.edit(operator, guarded.id, Change(name="Another name"), now=utc_now())
    edits.set_paused(operator, guarded.id, True, note="for now", now=utc_now())
    with pytest.raises(Refused):
        edits.set_paused(operator, guarded.id, False, note=None, now=utc_now())
    assert one("SELECT status FROM jobs") == "paused"


def test_a_bulk_edit_leaves_it_and_says_why(org: OrgOf, guarded: Any) -> None:
    other = factories.job(org, schedule=HOURLY)
    zone = bulk_edits.Wish(bulk_edits.Action.SET_ZONE, timezone="Europe/Berlin")
    done = bulk_edits.change_selected(factories.person(org), [guarded.id, other.id], zone, now=utc_now())
    assert [left.reason for left in done.named] == [Reason.APPROVAL_REQUIRED]
    assert done.changed == 1
    assert jobs.get(org.admin, other.id, now=utc_now()).timezone == "Europe/Berlin"
    assert jobs.get(org.admin, guarded.id, now=utc_now()).timezone == "UTC"


def test_an_operator_makes_no_job_of_a_critical_task_that_comes_due_by_itself(org: OrgOf) -> None:
    operator = factories.person(org)
    at = (utc_now() + timedelta(hours=1)).isoformat()
    new = NewJob(task="tests.tasks.critical", schedule={"type": "once", "at": at})
    with pytest.raises(Refused):
        job_creation.create(operator, new, now=utc_now())
    assert rows("SELECT 1 FROM jobs") == []
    job_creation.create(operator, NewJob(task="tests.tasks.critical", key="by_hand"), now=utc_now())
    assert job_creation.create(factories.person(org, Role.ADMIN), new, now=utc_now()).next_run_at is not None


def test_the_page_says_why(app: APIFlask, org: OrgOf, guarded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "test_client_class", Client)
    operator = visit(app, factories.person(org))
    edits.set_paused(org.admin, guarded.id, True, note=None, now=utc_now())
    answer = operator.post(f"/jobs/{guarded.id}/resume", {})
    assert answer.status_code == 409
    assert "APPROVAL_REQUIRED" in answer.text and "only an admin may change when it runs" in answer.text
