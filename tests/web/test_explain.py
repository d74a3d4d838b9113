"""The page that says why: the same words as API and shell, any minute, and a way to it from everywhere."""

import json
import re
from datetime import datetime, timedelta
from html import unescape
from urllib.parse import quote

import pytest

from console.core.clock import utc_now
from console.services import edits, explain, jobs, runs
from tests import factories
from tests.factories import NOON, OrgOf
from tests.services.test_policies import one_pass
from tests.web.conftest import Visitor, change, part, words

DAILY = {"type": "daily", "hour": 13, "minute": 0}
LINK = re.compile(r'<small>\s*<a href="([^"]+)">')


def paused(org: OrgOf) -> factories.JobView:
    job = factories.job(
        org, name="Sweep the stage", key="sweep", schedule=DAILY, timezone="Europe/Berlin", now=NOON
    )
    edits.set_paused(org.admin, job.id, True, note="<b>the hall is closed</b>", now=NOON)
    return job


@pytest.mark.usefixtures("_still")
def test_the_page_the_api_and_the_shell_say_the_same_words(operator: Visitor, org: OrgOf) -> None:
    job = paused(org)
    headers = {"Authorization": f"Bearer {factories.token(org)}"}
    at = "2031-01-05T12:00:00+00:00"
    instants = (None, datetime.fromisoformat(at))
    told = [explain.explain(org.admin, job.id, instant, now=utc_now()) for instant in instants]
    page = operator.get(f"/jobs/{job.id}/explain?at={quote(at)}")
    called = [
        operator.client.get(f"/api/v1/scheduler/jobs/{job.id}/explain{query}", headers=headers)
        for query in ("", f"?at={quote(at)}")
    ]
    shape = {"at", "verdict", "summary", "evidence", "as_of"}
    assert page.status_code == 200
    for found, section, answer in zip(told, ("now", "then"), called, strict=True):
        shown = words(part(page, section))
        assert shown.count(found.word) == 1 and " ".join(found.summary.split()) in shown
        assert answer.status_code == 200 and set(answer.json) == shape
        assert (answer.json["verdict"], answer.json["summary"]) == (found.verdict.value, found.summary)
        pairs = [(item["reason_code"], item["text"], item["source"]) for item in answer.json["evidence"]]
        assert pairs == [(item.reason_code, item.text, item.source) for item in found.evidence]
        texts = [" ".join(text.split()).rstrip(".").casefold() for _, text, _ in pairs]
        assert [shown.casefold().count(text) for text in texts] == [1] * len(texts), "each once"
        places = [shown.casefold().index(text) for text in texts if text not in found.summary.casefold()]
        assert places and places == sorted(places), "in their order"
        assert all(item["url"] is None or item["url"].startswith("/") for item in answer.json["evidence"])
    assert told[0].evidence[0].reason_code == "PAUSED"
    assert "&lt;b&gt;the hall is closed" in page.text and "<b>the hall" not in page.text


def test_each_piece_of_evidence_leads_to_a_page_that_is_there(operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org, schedule=DAILY, now=utc_now())
    run = factories.run(org, job)
    page = operator.get(f"/jobs/{job.id}/explain?at={quote(run.requested_at.isoformat())}")
    found = {unescape(url) for url in LINK.findall(page.text)}
    assert any(url.startswith(f"/runs/{run.id}") for url in found)
    assert any(f"/jobs/{job.id}/revisions" in url for url in found)
    assert [operator.get(url).status_code for url in found] == [200] * len(found)


def test_evidence_that_the_sentence_has_said_leaves_no_empty_line(operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org, schedule=DAILY, now=utc_now())
    factories.live_worker()
    factories.live_scheduler()
    shown = part(operator.get(f"/jobs/{job.id}/explain"), "now")
    assert "Nothing stands in the way. It is due next on" in words(shown)
    assert "As said above. schedule of r1" in words(shown)


def test_a_minute_is_meant_on_the_clocks_of_the_jobs_zone(operator: Visitor, org: OrgOf) -> None:
    job = paused(org)
    page = operator.get(f"/jobs/{job.id}/explain?at=2030-01-05T13:00")
    assert 'value="2030-01-05T13:00"' in page.text and "in Europe/Berlin" in words(page)
    then = words(part(page, "then"))
    assert "Sat 5 Jan 2030 13:00 Europe/Berlin (12:00 UTC)" in then, "the job's clocks first, then the org's"
    assert "saved by tests on Wed 2 Jan 2030 13:00 Europe/Berlin (12:00 UTC)" in then
    said = "Times are on the job's clocks (Europe/Berlin), and in brackets on the org's (UTC)."
    assert said in words(part(page, "clocks"))
    second = operator.get(f"/jobs/{job.id}/explain?at=2030-10-27T02:30&fold=1")
    assert '<option value="1" selected>the second time, UTC+01:00</option>' in second.text
    before, after = (
        re.search(rf'id="slot-{way}"[^>]*href="([^"]+)"', page.text) for way in ("before", "after")
    )
    assert before and after and "2030-01-04T12" in before[1] and "2030-01-06T12" in after[1]


@pytest.mark.parametrize(
    ("at", "why"),
    [
        ("yesterday", "Choose a date and a time, such as 2030-01-31T09:15"),
        ("2030-02-30T10:00", "There is no such date"),
        ("2030-03-31T02:30", "02:30 doesn't exist on 31 March 2030 in Europe/Berlin"),
        ("9999-12-31T23:59", "Must lie in the years 1970 to 2200"),
        ("2030-01-31T09:15:00", None),
        ("", None),
    ],
)
def test_what_is_no_minute_is_said_beside_the_field_and_kept(
    operator: Visitor, org: OrgOf, at: str, why: str | None
) -> None:
    page = operator.get(f"/jobs/{paused(org).id}/explain?at={quote(at)}")
    assert page.status_code == (422 if why else 200)
    if why:
        assert why in words(part(page, "at-error")) and f'value="{at}"' in page.text
        assert 'aria-invalid="true"' in page.text
    assert "If it came due now" in words(page), "the present is explained all the same"


def test_where_job_and_org_have_one_zone_it_is_not_said_with_each_time(operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org, schedule=DAILY, timezone="UTC", now=NOON)
    page = operator.get(f"/jobs/{job.id}/explain?at=2030-01-05T13:00")
    assert "Sat 5 Jan 2030 13:00 UTC" in words(part(page, "then")) and 'id="clocks"' not in page.text
    assert "saved by tests on Wed 2 Jan 2030 12:00." in words(part(page, "then"))


def test_what_to_do_is_said_of_what_stands_in_the_way_now(operator: Visitor, org: OrgOf) -> None:
    page = operator.get(f"/jobs/{paused(org).id}/explain?at=2030-01-05T13:00")
    assert "What to do: Resume the job, or run it now." in words(part(page, "now"))
    assert "What to do" not in words(part(page, "then")), "of another minute nothing is to be done"


def test_a_name_that_the_page_does_not_know_is_refused(operator: Visitor, org: OrgOf) -> None:
    assert operator.get(f"/jobs/{paused(org).id}/explain?when=now").status_code == 422


def test_a_deleted_job_is_explained_by_its_address(operator: Visitor, org: OrgOf) -> None:
    job = paused(org)
    jobs.delete(org.admin, job.id, now=NOON)
    page = operator.get(f"/jobs/{job.id}/explain")
    assert page.status_code == 200 and "the job was deleted by tests" in words(page)
    found = {unescape(url) for url in LINK.findall(page.text)}
    assert [operator.get(url).status_code for url in found] == [200] * len(found)


def test_recent_slots_lead_to_their_answers_and_to_their_runs(operator: Visitor, org: OrgOf) -> None:
    two_days = timedelta(days=2)
    job = factories.job(org, schedule={"type": "interval", "every_seconds": 86400}, now=utc_now() - two_days)
    assert "No slot of this job was decided yet" in words(
        part(operator.get(f"/jobs/{job.id}/explain"), "recent")
    )
    one_pass(utc_now())
    shown = explain.page(org.admin, job.id, None, now=utc_now())
    assert [item.state.value for item in shown.recent] == ["queued", "missed"]
    recent = part(operator.get(f"/jobs/{job.id}/explain"), "recent")
    links = [unescape(url) for url in re.findall(r'href="([^"]+)"', recent)]
    assert len(links) == 4 and [operator.get(url).status_code for url in links] == [200] * 4
    assert "OUTSIDE_CATCHUP_WINDOW" in words(part(operator.get(links[2]), "then"))


# From everywhere -----------------------------------------------------------------------------------


def test_badge_disabled_button_refusal_and_run_lead_to_it(operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org, "tests.tasks.succeed", name="Sweep", schedule=DAILY, now=utc_now())
    address = f'href="/jobs/{job.id}/explain"'
    for place in ("/", f"/jobs/{job.id}"):
        text = operator.get(place).text
        assert address in text and 'aria-label="Why? Sweep"' in text
    run = factories.run(org, job)
    factories.live_worker(tasks=[])
    row = part(operator.get("/"), f"job-{job.id}-why")
    assert address in row and "No live worker offers this task." in words(row)
    assert address in part(operator.get("/tasks"), "task-tests-tasks-succeed-why")
    change("UPDATE runs SET state = 'failed', finished_at = now() WHERE id = :id", id=run.id)
    change("UPDATE jobs SET active_run_id = NULL WHERE id = :id", id=job.id)
    for path in (f"/jobs/{job.id}/send-now", f"/runs/{run.id}/retry"):
        refused = operator.post(path, htmx=True)
        assert refused.status_code == 409, path
        assert address in refused.text and "Why? See all that stands in the way" in words(refused)


def test_a_run_leads_to_its_minute_and_names_its_slow_hop(operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org, schedule=DAILY, now=utc_now())
    made = [factories.run(org, job) for _ in range(7)]
    change(
        "UPDATE runs SET state = 'succeeded', attempt = 1, enqueued_at = requested_at, "
        "started_at = requested_at + interval '0.1 s', finished_at = requested_at + interval '0.5 s'"
    )
    change(
        "UPDATE runs SET started_at = requested_at + interval '4 s', "
        "finished_at = requested_at + interval '4.4 s', slot = requested_at WHERE id = :id",
        id=made[-1].id,
    )
    timeline = words(part(operator.get(f"/runs/{made[-1].id}"), "run"))
    assert "started" in timeline and timeline.count(" slow ") == 1 and "+4.0 s slow" in timeline
    assert "slow" not in words(part(operator.get(f"/runs/{made[-2].id}"), "run"))
    page = operator.get(f"/runs/{made[-1].id}")
    for name in ("run-explain", "run-why"):  # beside when it was asked for, and beside its badge
        link = re.search(rf'id="{name}"\s*href="([^"]+)"', page.text)
        assert link and "Its slot of" in words(part(operator.get(unescape(link[1])), "then"))
    found = runs.get(org.admin, made[-1].id, now=utc_now())
    assert [hop.is_slow for hop in found.hops] == [False, False, True, False, False]
    token = factories.token(org)
    headers = {"Authorization": f"Bearer {token}"}
    hops = operator.client.get(f"/api/v1/runs/{made[-1].id}", headers=headers).json["hops"]
    assert [(hop["name"], hop["is_slow"]) for hop in hops if hop["is_slow"]] == [("started", True)]
    listed = operator.client.get("/api/v1/runs", headers=headers).json["runs"]
    assert {hop["is_slow"] for run in listed for hop in run["hops"]} == {None}, "a list compares nothing"
    assert json.dumps(hops[2]["seconds"]) == "4.0"
