"""Dry run, arguments and a time to come in the dialog of the button, with JavaScript and without."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from zoneinfo import ZoneInfo

import pytest
from apiflask import APIFlask
from pydantic import Field

from console import Params, Result, Run, task
from console.core.clock import utc_now
from console.core.task import Change
from console.services import runs
from console.services.run_views import RunView
from console.worker.execute import execute
from tests import factories
from tests.factories import OrgOf, one, rows
from tests.web.conftest import Visitor, change, part, words
from tests.web.test_send_now import key_in

SAIGON = "Asia/Ho_Chi_Minh"


class Paint(Params):
    colour: str = Field(default="red", max_length=10)
    coats: int = Field(default=1, ge=1, le=5)


@task(title="Paint the door", category="Dialogs", params=Paint, dry_run=True)
def paint_the_door(run: Run) -> Result:
    """Paints the door."""
    run.log("dipping the brush")
    run.changed("the door", "bare", f"{run.args.colour}, {run.args.coats} times", "/workers")
    run.recorder.changed(Change("a doorknob", None, "brass", "javascript:alert(1)"))
    return Result("painted")


PATH = f"{paint_the_door.__module__}.paint_the_door"


def executed(app: APIFlask, of: OrgOf, run_id: object) -> RunView:
    with app.app_context():
        execute(app, one("SELECT id FROM runs WHERE id = :id", id=run_id), worker="worker-1")
    return runs.get(of.admin, one("SELECT id FROM runs WHERE id = :id", id=run_id), now=utc_now())


def hidden(text: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', text)
    assert found is not None
    return unescape(found[1])


@pytest.fixture(autouse=True)
def _live(app: APIFlask) -> None:
    factories.live_worker()


def test_without_javascript_a_dry_run_leads_to_its_page_and_from_there_to_the_real_run(
    app: APIFlask, operator: Visitor, org: OrgOf
) -> None:
    job = factories.job(org, PATH, name="Door", args={"colour": "blue"})
    before = rows("SELECT j::text FROM jobs AS j")
    page = operator.get(f"/jobs/{job.id}/send-now")
    assert re.search(r'name="args.colour"', page.text) and 'value="blue"' in page.text
    key = key_in(page.text)
    typed = {"args": "1", "args.colour": "green", "args.coats": "2"}
    answer = operator.post(f"/jobs/{job.id}/send-now", {"idempotency_key": key, "dry_run": "1", **typed})
    ((run_id, is_dry, args),) = rows("SELECT id, dry_run, args FROM runs")
    assert (answer.status_code, answer.location) == (303, f"/runs/{run_id}")
    assert (is_dry, args) == (True, {"colour": "green", "coats": 2})
    run = executed(app, org, run_id)
    assert run.changes[0]["after"] == "green, 2 times"
    assert rows("SELECT j::text FROM jobs AS j") == before
    shown = operator.get(f"/runs/{run_id}")
    assert "Would change" in words(shown) and "the door bare green, 2 times" in words(shown)
    assert "Nothing was changed: this was a dry run." in words(shown)
    form = shown.text.split('class="for-real"')[1]
    fields = {name: hidden(form, name) for name in ("idempotency_key", "region", "args_of")}
    real = operator.post(f"/jobs/{job.id}/send-now", fields)
    assert real.status_code == 303 and real.location != answer.location
    assert rows("SELECT args FROM runs WHERE NOT dry_run") == [({"colour": "green", "coats": 2},)]
    operator.post(f"/jobs/{job.id}/send-now", fields)  # a double click
    assert one("SELECT count(*) FROM runs") == 2
    done = operator.get(real.location.removesuffix("/"))
    executed(app, org, one("SELECT id FROM runs WHERE NOT dry_run"))
    done = operator.get(real.location)
    assert "Changed What Before After the door" in words(done) and "Run for real" not in words(done)
    assert '<a href="/workers">the door</a>' in done.text and "javascript:" not in done.text


def test_with_htmx_the_dialog_follows_the_dry_run_to_its_table(
    app: APIFlask, operator: Visitor, org: OrgOf
) -> None:
    job = factories.job(org, PATH, name="Door")
    fields = {"idempotency_key": "k", "dry_run": "1", "region": "job"}
    answer = operator.post(f"/jobs/{job.id}/send-now", fields, htmx=True)
    again = operator.post(f"/jobs/{job.id}/send-now", fields, htmx=True)
    run_id = one("SELECT id FROM runs")
    assert answer.status_code == again.status_code == 200 and "HX-Retarget" not in answer.headers
    assert answer.text.lstrip().startswith('<section id="rehearsal"') and "Queued" in words(answer)
    poll = unescape(re.findall(r'hx-get="([^"]+)"', answer.text)[0])
    assert poll.startswith(f"/fragments/runs/{run_id}/rehearsal?version=") and poll.endswith("&region=job")
    assert operator.get(poll).status_code == 204
    executed(app, org, run_id)
    over = operator.get(poll)
    assert "data-poll" not in over.text and "the door bare red, 1 times" in words(over)
    assert 'name="region" value="job"' in over.text and 'id="for-real"' in over.text
    assert f"args_of={run_id}" in part(over, "back-to-form")
    back = operator.get(f"/fragments/jobs/{job.id}/send-now?args_of={run_id}")
    assert back.status_code == 200 and 'id="args-coats"' in back.text
    real = {"idempotency_key": "r", "region": "job", "args_of": str(run_id)}
    done = operator.post(f"/jobs/{job.id}/send-now", real, htmx=True)
    assert done.headers["HX-Retarget"] == "#job" and one("SELECT count(*) FROM runs WHERE NOT dry_run") == 1


def test_one_that_fails_says_so_and_offers_no_real_run(app: APIFlask, operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org, PATH)
    run = factories.run(org, job, dry_run=True)
    change("UPDATE runs SET args = '{\"coats\": 9}'")
    executed(app, org, run.id)
    for path in (f"/fragments/runs/{run.id}/rehearsal", f"/runs/{run.id}"):
        shown = operator.get(path)
        assert "it did not come to its end" in words(shown) and 'id="for-real"' not in shown.text


@pytest.mark.parametrize("htmx", [False, True])
def test_wrong_arguments_are_said_beside_their_fields_and_stay_typed(
    operator: Visitor, org: OrgOf, htmx: bool
) -> None:
    job = factories.job(org, PATH)
    typed = {"args": "1", "args.colour": "a very long colour", "args.coats": "9", "note": "because"}
    for dry in ({}, {"dry_run": "1"}):
        answer = operator.post(
            f"/jobs/{job.id}/send-now", {"idempotency_key": "k", **typed, **dry}, htmx=htmx
        )
        assert answer.status_code == 422 and key_in(answer.text) == "k"
        assert "at most 10 characters" in words(part(answer, "args-colour-error"))
        assert "less than or equal to 5" in words(part(answer, "args-coats-error"))
        assert 'value="a very long colour"' in answer.text and 'value="because"' in answer.text
        assert re.search(r'<details id="send-args" open>', answer.text)
        assert re.search(r'id="args-colour"[^>]*aria-invalid="true"[^>]*autofocus', answer.text)
        assert answer.text.count("autofocus") == 1
    assert one("SELECT count(*) FROM runs") == 0


def test_a_job_whose_arguments_lack_something_opens_with_them(operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org, "tests.tasks.mark", args={"path": "/tmp/x"})  # noqa: S108
    change("UPDATE jobs SET args = '{}'")
    page = operator.get(f"/jobs/{job.id}/send-now")
    assert re.search(r'<details id="send-args" open>', page.text) and "(needed)" in page.text


def test_a_time_to_come_is_on_the_clocks_of_the_job_and_the_reason_goes_on_the_trail(
    operator: Visitor, org: OrgOf
) -> None:
    job = factories.job(org, PATH, timezone=SAIGON)
    wall = (utc_now().astimezone(ZoneInfo(SAIGON)) + timedelta(days=2)).replace(second=0, microsecond=0)
    typed = {"start_at": f"{wall:%Y-%m-%dT%H:%M}", "note": "when it is dry"}
    dry = operator.post(f"/jobs/{job.id}/send-now", {"dry_run": "1", **typed}, htmx=True)
    assert dry.status_code == 200 and rows("SELECT held_by FROM runs") == [(None,)]
    answer = operator.post(f"/jobs/{job.id}/send-now", typed, htmx=True)
    assert answer.status_code == 200 and "starts" in words(part(answer, "notices"))
    held = rows("SELECT held_by, start_after FROM runs WHERE NOT dry_run")
    assert held == [("later", wall.astimezone(UTC))]
    reasons = rows("SELECT DISTINCT reason FROM audit_entries WHERE tag = 'run:requested'")
    assert reasons == [("when it is dry",)]


@pytest.mark.parametrize(
    ("typed", "word"),
    [
        ("2020-01-01T10:00", "ies in the past"),
        ("tomorrow", "hoose a date and a time"),
        ("2031-03-30T02:30", "doesn't exist"),
        ("2031-10-26T02:30", "Choose which of the two"),
    ],
)
def test_a_time_that_cant_be_meant_is_said_beside_it_and_stays_typed(
    operator: Visitor, org: OrgOf, typed: str, word: str
) -> None:
    job = factories.job(org, PATH, timezone="Europe/Berlin")
    answer = operator.post(f"/jobs/{job.id}/send-now", {"start_at": typed}, htmx=True)
    assert answer.status_code == 422 and word in words(part(answer, "start-at-error"))
    assert f'value="{typed}"' in answer.text and re.search(r'<details id="send-later" open>', answer.text)
    assert one("SELECT count(*) FROM runs") == 0


def test_a_task_without_a_dry_run_says_so_on_the_button_and_to_who_forces_it(
    operator: Visitor, org: OrgOf
) -> None:
    job = factories.job(org, "tests.tasks.explode")
    page = operator.get(f"/jobs/{job.id}/send-now")
    button = re.search(r'<button[^>]*id="dry-run"[^>]*>', page.text)
    assert button and "disabled" in button[0] and "this task has no dry run" in words(page)
    answer = operator.post(f"/jobs/{job.id}/send-now", {"dry_run": "1"}, htmx=True)
    assert answer.status_code == 422 and "dry_run: this task has no dry run" in words(answer)
    assert one("SELECT count(*) FROM runs") == 0


def test_a_viewer_sees_what_would_change_and_why_they_may_not_do_it(
    app: APIFlask, viewer: Visitor, org: OrgOf
) -> None:
    job = factories.job(org, PATH)
    run = factories.run(org, job, dry_run=True)
    executed(app, org, run.id)
    page = viewer.get(f"/runs/{run.id}")
    button = re.search(r'<button[^>]*id="for-real"[^>]*>', page.text)
    assert button and "disabled" in button[0] and "needs the role operator" in words(page)
    assert viewer.post(f"/jobs/{job.id}/send-now", {"args_of": str(run.id)}).status_code == 403


def test_arguments_of_another_jobs_run_are_not_to_be_had(operator: Visitor, org: OrgOf) -> None:
    theirs = factories.org()
    for of in (org, theirs):
        run = factories.run(of, factories.job(of, PATH), dry_run=True)
        job = factories.job(org, PATH)
        for htmx in (False, True):
            answer = operator.post(f"/jobs/{job.id}/send-now", {"args_of": str(run.id)}, htmx=htmx)
            assert answer.status_code == 404
    assert one("SELECT count(*) FROM runs WHERE NOT dry_run") == 0


def test_a_link_that_was_stored_past_the_product_is_none(operator: Visitor, org: OrgOf) -> None:
    run = factories.run(org, factories.job(org, PATH))
    changes = '[{"subject": "x", "before": "1", "after": "2", "url": "javascript:alert(1)"}]'
    change(
        "UPDATE runs SET state = 'succeeded', finished_at = :at, changes = CAST(:changes AS jsonb)",
        at=datetime.now(UTC),
        changes=changes,
    )
    page = operator.get(f"/runs/{run.id}")
    assert "x 1 2" in words(page) and "javascript:" not in page.text
