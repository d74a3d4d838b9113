"""One click makes one run; a refusal says why and makes none."""

import re
from html import unescape
from uuid import uuid4

import pytest
from redis import Redis

from tests import factories
from tests.factories import OrgOf, one, rows
from tests.web.conftest import CSRF, Visitor, change, part, words

KEY = re.compile(r'name="idempotency_key" value="([^"]+)"')


def key_in(text: str) -> str:
    found = KEY.search(text)
    assert found is not None
    return found[1]


def test_without_javascript_a_page_asks_and_the_click_leads_to_the_run(
    operator: Visitor, org: OrgOf, redis: Redis
) -> None:
    job = factories.job(org, name="Sweep the stage")
    page = operator.get(f"/jobs/{job.id}/send-now")
    assert page.status_code == 200
    assert "Run now: Sweep the stage?" in words(page) and "Last run never" in words(page)
    token = CSRF.search(page.text.split('id="send-now"')[1])
    assert token is not None
    fields = {"csrf_token": unescape(token[1]), "idempotency_key": key_in(page.text)}
    answer = operator.client.post(f"/jobs/{job.id}/send-now", data=fields)
    run_id = one("SELECT id FROM runs WHERE state = 'queued' AND trigger = 'manual'")
    assert (answer.status_code, answer.location) == (303, f"/runs/{run_id}")
    assert redis.lrange("rq:queue:default", 0, -1) == [str(run_id).encode()]
    trail = rows("SELECT actor_name, request_id FROM audit_entries WHERE object_id = :id", id=str(run_id))
    assert trail == [(operator.actor.name, answer.headers["X-Request-ID"])]
    followed = operator.get(answer.location)
    assert "Sweep the stage: requested. This page follows the run." in words(followed)
    assert '<meta http-equiv="refresh"' in followed.text
    assert "requested. This page" not in words(operator.get(answer.location))
    row = part(operator.get("/"), f"job-{job.id}")
    assert "Queued" in words(row) and "waiting for a worker" in words(row)


def test_a_confirmation_makes_nothing_and_each_has_a_key_of_its_own(operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org)
    path = f"/jobs/{job.id}/send-now"
    keys = {key_in(operator.get(page).text) for page in (path, path, f"/fragments{path}")}
    assert len(keys) == 3
    assert one("SELECT count(*) FROM runs") == 0


def test_the_dialog_says_when_no_live_worker_would_take_the_run(operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org)
    said = "It is accepted and waits: no live worker serves queue default."
    assert said in words(operator.get(f"/jobs/{job.id}/send-now"))
    factories.live_worker()
    assert "It is accepted and waits" not in words(operator.get(f"/jobs/{job.id}/send-now"))


def test_two_clicks_with_one_key_make_one_run_and_get_one_answer(operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org)
    answers = [operator.post(f"/jobs/{job.id}/send-now", {"idempotency_key": "click"}) for _ in range(2)]
    run_id = one("SELECT id FROM runs")
    assert {(answer.status_code, answer.location) for answer in answers} == {(303, f"/runs/{run_id}")}
    assert one("SELECT count(*) FROM audit_entries WHERE tag = 'run:requested'") == 1


def test_with_htmx_the_answer_is_the_changed_row_and_a_notice(operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org, name="Sweep the stage")
    answer = operator.post(f"/jobs/{job.id}/send-now", {"idempotency_key": "click"}, htmx=True)
    run_id = one("SELECT id FROM runs")
    assert answer.status_code == 200
    assert answer.headers["HX-Retarget"] == f"#job-{job.id}"
    assert answer.headers["HX-Reswap"] == "outerHTML"
    assert answer.headers["HX-Trigger-After-Settle"] == "jobs-changed"
    assert answer.text.lstrip().startswith(f'<tbody id="job-{job.id}"') and "<html" not in answer.text
    assert "Queued" in words(part(answer, f"job-{job.id}"))
    notice = part(answer, "notices")
    assert 'hx-swap-oob="innerHTML"' in notice and f'href="/runs/{run_id}"' in notice
    again = operator.post(f"/jobs/{job.id}/send-now", {"idempotency_key": "click"}, htmx=True)
    assert again.status_code == 200 and f'href="/runs/{run_id}"' in again.text
    assert one("SELECT count(*) FROM runs") == 1


def test_from_the_jobs_own_page_the_answer_is_the_job(operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org)
    assert "region=job" in operator.get(f"/jobs/{job.id}").text
    asked = operator.get(f"/fragments/jobs/{job.id}/send-now?region=job")
    assert 'name="region" value="job"' in asked.text
    answer = operator.post(f"/jobs/{job.id}/send-now", {"idempotency_key": "k", "region": "job"}, htmx=True)
    assert answer.headers["HX-Retarget"] == "#job"
    assert answer.text.lstrip().startswith('<section id="job"')
    assert "Follow the run" in words(part(answer, "job"))


def test_the_button_rests_while_the_run_is_on_its_way(operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org)
    operator.post(f"/jobs/{job.id}/send-now")
    button = re.search(rf'<button[^>]*id="job-{job.id}-send"[^>]*>', operator.get("/").text)
    assert button is not None and "disabled" in button[0]
    assert "is on its way already; this makes another one" in words(operator.get(f"/jobs/{job.id}/send-now"))


@pytest.mark.parametrize("htmx", [False, True])
@pytest.mark.parametrize(
    ("task", "reason", "sentence"),
    [
        ("succeed", "NOT_REGISTERED", "No live worker offers tests.tasks.succeed. Start a worker"),
    ],
)
def test_a_refusal_has_its_reason_a_sentence_and_what_to_do_and_makes_no_run(
    operator: Visitor, org: OrgOf, htmx: bool, task: str, reason: str, sentence: str
) -> None:
    job = factories.job(org, f"tests.tasks.{task}")
    factories.live_worker(tasks=["tests.tasks.critical"])
    warned = operator.get(f"/jobs/{job.id}/send-now")
    assert f"{reason} It would be refused." in words(warned) and sentence in words(warned)
    assert re.search(r'id="confirm"[^>]*disabled', warned.text)
    answer = operator.post(f"/jobs/{job.id}/send-now", {"idempotency_key": "mine"}, htmx=htmx)
    assert answer.status_code == 409
    assert f"{reason} {sentence}" in words(answer)
    assert key_in(answer.text) == "mine"
    assert ("<html" in answer.text) is not htmx
    assert 'role="alert"' in answer.text
    assert one("SELECT count(*) FROM runs") == 0
    assert one("SELECT count(*) FROM audit_entries WHERE tag = 'run:requested'") == 0


def test_a_key_of_another_job_is_refused_and_the_form_has_a_new_one(operator: Visitor, org: OrgOf) -> None:
    first, second = factories.job(org), factories.job(org)
    operator.post(f"/jobs/{first.id}/send-now", {"idempotency_key": "taken"})
    answer = operator.post(f"/jobs/{second.id}/send-now", {"idempotency_key": "taken"})
    assert answer.status_code == 422
    assert "Idempotency-Key: was used for another request" in words(answer)
    assert key_in(answer.text) != "taken"
    assert one("SELECT count(*) FROM runs") == 1


def test_a_job_that_is_not_there_is_not_found_and_nothing_is_made(operator: Visitor) -> None:
    for htmx in (False, True):
        assert operator.post(f"/jobs/{uuid4()}/send-now", htmx=htmx).status_code == 404
    assert one("SELECT count(*) FROM runs") == 0


def test_the_mail_goes_to_the_one_who_presses_and_the_page_says_to_whom(
    operator: Visitor, org: OrgOf
) -> None:
    job = factories.job(org, "send_test_email_to_self")
    page = operator.get(f"/jobs/{job.id}/send-now")
    assert "Send now: Send test email?" in words(page)
    assert f"<dt>To</dt><dd>{operator.actor.email}</dd>" in page.text.replace("\n", "").replace("    ", "")
    operator.post(f"/jobs/{job.id}/send-now")
    assert one("SELECT recipient FROM runs") == operator.actor.email


def test_sending_now_leaves_the_schedule_as_it_is(operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org, schedule={"type": "interval", "every_seconds": 3600})
    before = rows("SELECT next_run_at, revision, status FROM jobs")
    assert "stays as it is" in words(operator.get(f"/jobs/{job.id}/send-now"))
    operator.post(f"/jobs/{job.id}/send-now")
    assert rows("SELECT next_run_at, revision, status FROM jobs") == before


def test_a_paused_job_can_be_run_by_hand(operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org)
    change("UPDATE jobs SET status = 'paused' WHERE id = :id", id=job.id)
    assert operator.post(f"/jobs/{job.id}/send-now").status_code == 303
    assert one("SELECT status FROM jobs") == "paused"


@pytest.mark.parametrize("htmx", [False, True])
def test_without_redis_a_click_makes_its_run_and_the_page_says_that_it_waits(
    operator: Visitor, org: OrgOf, no_redis: None, htmx: bool
) -> None:
    factories.live_scheduler()
    job = factories.job(org)
    answer = operator.post(f"/jobs/{job.id}/send-now", htmx=htmx)
    assert answer.status_code == (200 if htmx else 303)
    assert rows("SELECT state, enqueued_at FROM runs") == [("queued", None)]
    page = operator.get("/")
    assert "Redis can't be reached: runs wait in Postgres and are queued when it is back." in words(page)
    assert "waiting for the queue" in words(part(page, f"job-{job.id}"))
