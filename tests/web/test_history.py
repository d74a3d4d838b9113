"""The history of a job: who changed what, when, from where and why, and the way back."""

import re

import pytest
from werkzeug.test import TestResponse

from console.core.clock import utc_now
from console.services import edits
from console.services.changes import Change
from console.services.views import JobView
from tests import factories
from tests.factories import OrgOf, rows
from tests.web.conftest import Visitor, change, words
from tests.web.editing import DAILY, counted, opened, send, state


def test_the_history_says_who_changed_what_when_from_where_and_why(operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org, schedule=DAILY, timezone="Asia/Ho_Chi_Minh")
    send(operator, job, opened(operator, job) | {"time": "09:15", "reason": "crew comes later"})
    at = {"type": "once", "at": "2099-05-04T12:00:00+00:00"}
    edits.edit(org.admin, job.id, Change(schedule=at, timezone="UTC"), now=utc_now())
    page = operator.get(f"/jobs/{job.id}")
    first, second, third = (revision(page, number) for number in (1, 2, 3))
    assert "Made: daily at 07:00, Asia/Ho_Chi_Minh" in first and "by the console itself" in first
    assert f"{operator.actor.name} on a page" in second and "crew comes later" in second
    assert "Schedule: daily at 07:00 → became daily at 09:15" in second
    assert "daily at 09:15 → became once on Mon 4 May 2099 at 12:00" in third
    assert "Zone: Asia/Ho_Chi_Minh → became UTC" in third
    assert "newest" in third and "newest" not in second
    assert "Restore r2" in second and "Undo r3" in third and "Restore" not in third
    change("UPDATE jobs SET applied_revision = 2")
    assert "in force" in revision(operator.get(f"/jobs/{job.id}"), 2)


def revision(page: TestResponse, number: int) -> str:
    """What the history says of one revision."""
    return words("<li " + page.text.split(f'<li id="r{number}"')[1].split('<li id="r')[0].split("</ol>")[0])


def press(visitor: Visitor, job: JobView, path: str, revision: int, *, htmx: bool = False) -> TestResponse:
    fields = {"revision": str(revision), "region": "job"}
    return visitor.post(f"/jobs/{job.id}/{path}", fields, htmx=htmx)


def test_an_edit_is_undone_and_an_old_one_restored_each_as_a_revision_of_its_own(
    operator: Visitor, org: OrgOf
) -> None:
    job = factories.job(org, name="Report", schedule=DAILY)
    send(operator, job, opened(operator, job) | {"time": "09:15"})
    undone = press(operator, job, "undo", 2)
    assert (undone.status_code, undone.location) == (303, f"/jobs/{job.id}")
    assert "Report: Undone, as r3. Next run:" in words(operator.get(undone.location))
    assert state(job)[0] == DAILY and state(job)[5] == 3
    restored = press(operator, job, "revisions/2/restore", 3, htmx=True)
    assert restored.status_code == 200 and restored.headers["HX-Retarget"] == "#notices"
    assert restored.headers["HX-Trigger-After-Settle"] == "jobs-changed"
    assert "Restored r2 as r4. Next run:" in words(restored) and "/undo" in restored.text
    assert state(job)[0] == {"type": "daily", "hour": 9, "minute": 15} and state(job)[5] == 4
    assert rows("SELECT reason FROM job_revisions ORDER BY revision")[2:] == [
        ("restored r1",),
        ("restored r2",),
    ]


@pytest.mark.parametrize("path", ["undo", "revisions/1/restore"])
def test_a_stale_undo_is_refused_and_changes_nothing(operator: Visitor, org: OrgOf, path: str) -> None:
    job = factories.job(org, schedule=DAILY)
    for hour in (8, 9):
        shape = {"type": "daily", "hour": hour, "minute": 0}
        edits.edit(org.admin, job.id, Change(schedule=shape), now=utc_now())
    before = state(job), counted()
    for htmx in (False, True):
        answer = press(operator, job, path, 2, htmx=htmx)
        assert answer.status_code == 409
        assert "STALE_REVISION" in words(answer) and "saved r3 after r2" in words(answer)
    assert (state(job), counted()) == before


@pytest.mark.parametrize(("path", "status"), [("undo", 409), ("revisions/9/restore", 404)])
def test_what_is_not_there_cannot_be_brought_back(
    operator: Visitor, org: OrgOf, path: str, status: int
) -> None:
    job = factories.job(org, schedule=DAILY)
    assert press(operator, job, path, 1).status_code == status
    assert state(job)[5] == 1


def test_a_long_history_goes_on_by_a_link(operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org, schedule=DAILY)
    for minute in range(1, 60):
        shape = {"type": "daily", "hour": 7, "minute": minute}
        edits.edit(org.admin, job.id, Change(schedule=shape), now=utc_now())
    seen: list[str] = []
    page = operator.get(f"/jobs/{job.id}")
    older = re.search(r'id="older-revisions"\s+href="([^"]+)"', page.text)
    while older:
        seen += re.findall(r'<li id="(r\d+)"', page.text)
        page = operator.get(older[1])
        assert page.status_code == 200
        older = re.search(r'rel="next"\s+href="([^"]+)"', page.text)
    seen += re.findall(r'<li id="(r\d+)"', page.text)
    assert seen == [f"r{number}" for number in range(60, 0, -1)]
    assert operator.get(f"/jobs/{job.id}/revisions?before=x").status_code == 422
    assert operator.get(f"/jobs/{job.id}/revisions?nonsense=1").status_code == 422


def test_reasons_and_names_in_the_history_are_text_and_never_markup(operator: Visitor, org: OrgOf) -> None:
    evil = "<script>alert(1)</script>"
    job = factories.job(org, name=evil, schedule=DAILY)
    answer = send(operator, job, opened(operator, job, "row") | {"time": "08:00", "reason": evil}, htmx=True)
    for text in (
        answer.text,
        operator.get(f"/jobs/{job.id}").text,
        operator.get(f"/jobs/{job.id}/schedule").text,
    ):
        assert "<script>alert" not in text
