"""Two people edit one schedule: nobody loses an edit, and there is a button for each way out."""

import re
from dataclasses import replace

import pytest
from apiflask import APIFlask
from werkzeug.test import TestResponse

from console.core.clock import utc_now
from console.core.states import ActorKind, Role
from console.services import edits
from console.services.changes import Change
from console.services.views import JobView
from tests import factories
from tests.factories import OrgOf, rows
from tests.web.conftest import Visitor, visit, words
from tests.web.editing import DAILY, form_in, opened, send, state


@pytest.fixture
def anna(app: APIFlask, org: OrgOf) -> Visitor:
    return visit(app, factories.person(org, Role.OPERATOR, "anna@example.com"))


def conflict(
    anna: Visitor,
    operator: Visitor,
    job: JobView,
    theirs: dict[str, str],
    mine: dict[str, str],
    region: str = "",
) -> TestResponse:
    """Both open the editor; Anna saves first."""
    hers, yours = opened(anna, job, region), opened(operator, job, region)
    assert send(anna, job, hers | theirs).status_code == 303
    return send(operator, job, yours | mine, htmx=bool(region))


def table(answer: TestResponse) -> list[list[str]]:
    """The cells of the three versions, row by row."""
    body = answer.text.split('class="versions"')[1].split("<tbody>")[1].split("</tbody>")[0]
    found = [re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL) for row in body.split("</tr>")[:-1]]
    return [[words(cell) for cell in cells] for cells in found]


@pytest.mark.usefixtures("_still")
@pytest.mark.parametrize("region", ["", "row"])
def test_a_stale_save_shows_all_three_versions_and_changes_nothing(
    anna: Visitor, operator: Visitor, org: OrgOf, region: str
) -> None:
    job = factories.job(org, name="Report", schedule=DAILY)
    theirs = {"time": "08:00", "reason": "traffic"}
    answer = conflict(anna, operator, job, theirs, {"time": "09:15", "overlap": "allow_all"}, region)
    assert answer.status_code == 409
    assert ("<html" in answer.text) is not bool(region)
    said = words(answer)
    assert "anna@example.com saved r2 of Report while you were editing r1" in said
    assert "Saved on a page now" in said and "traffic" in said
    assert table(answer) == [
        ["Schedule clashes", "daily at 07:00", "daily at 08:00", "daily at 09:15"],
        ["When one is still running", "the next is skipped", "as before", "the next starts beside it"],
    ]
    assert "Keep theirs" in said and "Save mine over theirs" in said and "Save both" not in said
    assert state(job)[0] == {"type": "daily", "hour": 8, "minute": 0} and state(job)[5] == 2


def settle(visitor: Visitor, job: JobView, answer: TestResponse, way: str) -> TestResponse:
    return send(visitor, job, form_in(answer).values | {"settle": way})


def test_what_does_not_clash_can_be_saved_together(anna: Visitor, operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org, schedule=DAILY)
    answer = conflict(anna, operator, job, {"time": "08:00"}, {"timezone": "Asia/Tokyo", "reason": "tour"})
    assert "clashes" not in words(answer).replace("What clashes", "") and "Save both" in words(answer)
    assert settle(operator, job, answer, "both").status_code == 303
    assert state(job)[:2] == ({"type": "daily", "hour": 8, "minute": 0}, "Asia/Tokyo")
    assert state(job)[5] == 3
    assert rows("SELECT actor, reason FROM job_revisions WHERE revision = 3") == [
        (operator.actor.name, "tour")
    ]


def test_mine_can_be_saved_over_theirs(anna: Visitor, operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org, schedule=DAILY)
    answer = conflict(anna, operator, job, {"time": "08:00", "overlap": "allow_all"}, {"time": "09:15"})
    assert settle(operator, job, answer, "mine").status_code == 303
    assert state(job)[0] == {"type": "daily", "hour": 9, "minute": 15}
    assert state(job)[3] == "skip" and state(job)[5] == 3


def test_theirs_is_kept_by_leaving(anna: Visitor, operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org, schedule=DAILY)
    answer = conflict(anna, operator, job, {"time": "08:00"}, {"time": "09:15"})
    leave = re.search(rf'id="ed-{job.id}-theirs"\s+href="([^"]+)"', answer.text)
    assert leave is not None and operator.get(leave[1]).status_code == 200
    assert state(job)[5] == 2


def test_a_third_save_meanwhile_is_shown_against_the_same_ancestor(
    anna: Visitor, operator: Visitor, org: OrgOf
) -> None:
    job = factories.job(org, schedule=DAILY)
    answer = conflict(anna, operator, job, {"time": "08:00"}, {"timezone": "Asia/Tokyo"})
    edits.edit(org.admin, job.id, Change(overlap="allow_all"), now=utc_now())
    again = settle(operator, job, answer, "both")
    assert again.status_code == 409
    assert "saved r3" in words(again) and "editing r1" in words(again)
    assert [row[0] for row in table(again)] == ["Schedule", "Zone", "When one is still running"]
    assert settle(operator, job, again, "both").status_code == 303
    assert state(job)[:4] == (
        {"type": "daily", "hour": 8, "minute": 0},
        "Asia/Tokyo",
        "scheduled",
        "allow_all",
    )
    assert state(job)[5] == 4


def test_a_save_that_is_sent_twice_is_no_conflict(operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org, schedule=DAILY)
    fields = opened(operator, job) | {"time": "09:15"}
    for _ in range(2):
        answer = send(operator, job, fields)
        assert answer.status_code == 303
    assert "Nothing to change: r2 says this already." in words(operator.get(answer.location))
    assert state(job)[5] == 2


def test_who_changed_what_from_where_is_said_in_a_conflict_with_a_shell(
    operator: Visitor, org: OrgOf
) -> None:
    job = factories.job(org, schedule=DAILY)
    mine = opened(operator, job) | {"time": "09:15"}
    change_ = Change(enabled=False, note="broken")
    edits.edit(replace(org.admin, kind=ActorKind.CLI, name="root@stage"), job.id, change_, now=utc_now())  # type: ignore[arg-type]
    answer = send(operator, job, mine)
    assert "root@stage saved r2" in words(answer) and "from the command line" in words(answer)
    assert table(answer)[0] == ["Schedule", "daily at 07:00", "as before", "daily at 09:15"]
    assert ["Switch", "on", "off", "as before"] in table(answer)
