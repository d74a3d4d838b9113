"""Send now on a message: the dialog shows it as it will go, and what stands in the way with the way out."""

import re
from datetime import timedelta

import pytest
from apiflask import APIFlask

from console.core.clock import utc_now
from console.core.states import JobStatus
from console.services import edits
from console.services.changes import Change
from tests import factories
from tests.factories import OrgOf, one, rows
from tests.plugins.messages.letters import ANA, event, executed, message
from tests.smtp import Smtp
from tests.web.conftest import Visitor, catch, change, part, words


def confirm_of(text: str) -> str:
    found = re.search(r'<button[^>]*id="confirm"[^>]*>([^<]*)', text)
    assert found is not None
    return found[0]


def test_the_dialog_shows_the_message_as_it_will_go_and_what_the_rules_would_say(
    operator: Visitor, org: OrgOf
) -> None:
    job = message(org, event(org, venue="Foyer", load_in_at=utc_now()), at=utc_now() + timedelta(days=3))
    shown = operator.get(f"/fragments/jobs/{job.id}/send-now")
    assert f"To {ANA}" in words(shown) and "Subject Reminder: Hamlet," in words(shown)
    assert "Where: Foyer" in words(shown) and "<iframe" in shown.text
    assert "By itself the rules have nothing against it" in words(shown)
    assert "once it is sent, it does not go out then again" in words(shown)
    assert operator.actor.email not in words(shown) and "disabled" not in confirm_of(shown.text)
    change(
        "INSERT INTO message_settings (org_id, enabled, weekend_rule, changed_by) "
        "VALUES (:org, false, 'none', 'x')",
        org=org.id,
    )
    skipped = operator.get(f"/jobs/{job.id}/send-now")
    word = "it would now be skipped: DISABLED_GLOBAL Automatic sending is switched off. Send now passes over"
    assert word in words(skipped) and "disabled" not in confirm_of(skipped.text)
    assert operator.post(f"/jobs/{job.id}/send-now").status_code == 303
    assert rows("SELECT state, recipient FROM runs") == [("queued", ANA)]


def test_a_missing_recipient_disables_the_button_and_leads_to_where_it_is_filled_in(
    operator: Visitor, org: OrgOf
) -> None:
    about = event(org, contact_email=None)
    job = message(org, about, recipient=None)
    page = operator.get(f"/jobs/{job.id}/send-now")
    assert "MISSING_RECIPIENT It would be refused." in words(page)
    assert "“Hamlet” has no contact address; the event's page takes one. Fill in a recipient" in words(page)
    assert "To nobody" in words(page) and " disabled" in confirm_of(page.text)
    assert f"/events/{about}/edit" in part(page, "mend")
    assert f"/events/{about}/edit" in part(operator.get(f"/jobs/{job.id}"), "job-mend")
    answer = operator.post(f"/jobs/{job.id}/send-now", {"override": "1"}, htmx=True)
    assert answer.status_code == 409 and "MISSING_RECIPIENT" in words(answer)
    assert one("SELECT count(*) FROM runs") == 0


@pytest.mark.parametrize("htmx", [False, True])
def test_what_was_sent_goes_out_again_only_when_the_box_is_ticked(
    operator: Visitor, org: OrgOf, htmx: bool
) -> None:
    job = message(org, event(org))
    edits.edit(org.admin, job.id, Change(status=JobStatus.SENT, note="by phone"), now=utc_now())
    page = operator.get(f"/jobs/{job.id}/send-now")
    assert "ALREADY_SENT It would be refused. This message was already sent (marked as sent by" in words(page)
    box = re.search(r'<input[^>]*id="override"[^>]*>', page.text)
    assert box and "required" in box[0] and "checked" not in box[0] and "autofocus" in box[0]
    assert "Send again" in confirm_of(page.text) and "disabled" not in confirm_of(page.text)
    refused = operator.post(f"/jobs/{job.id}/send-now", {"idempotency_key": "k"}, htmx=htmx)
    assert refused.status_code == 409
    assert (
        "ALREADY_SENT" in words(refused) and 'value="k"' in refused.text and 'id="override"' in refused.text
    )
    assert one("SELECT count(*) FROM runs") == 0
    sent = {"idempotency_key": "k", "override": "1"}
    assert operator.post(f"/jobs/{job.id}/send-now", sent, htmx=htmx).status_code == (200 if htmx else 303)
    assert one("SELECT count(*) FROM runs WHERE state = 'queued'") == 1
    assert one("SELECT count(*) FROM audit_entries WHERE tag = 'run:refused'") == 1


def test_one_of_which_nobody_knows_leads_to_its_run_and_may_be_sent_again(
    operator: Visitor, org: OrgOf
) -> None:
    job = message(org, event(org))
    operator.post(f"/jobs/{job.id}/send-now")
    run_id = one("SELECT id FROM runs")
    change("UPDATE runs SET state = 'unknown'")
    change(
        "UPDATE jobs SET last_run_state = 'unknown', last_run_id = active_run_id, active_run_id = NULL, "
        "status = 'failed', next_run_at = NULL"
    )
    page = operator.get(f"/jobs/{job.id}/send-now")
    assert "OUTCOME_UNKNOWN It would be refused. Nobody knows whether its last run sent it" in words(page)
    assert f'href="/runs/{run_id}"' in part(page, "mend")
    assert "Send again: it goes out whether or not it went before" in words(page)
    assert operator.post(f"/jobs/{job.id}/send-now").status_code == 409
    assert operator.post(f"/jobs/{job.id}/send-now", {"override": "1"}).status_code == 303


def test_while_a_run_is_on_its_way_a_second_one_is_refused_and_can_be_followed(
    operator: Visitor, org: OrgOf
) -> None:
    job = message(org, event(org))
    operator.post(f"/jobs/{job.id}/send-now")
    page = operator.get(f"/jobs/{job.id}/send-now")
    assert "OVERLAP It would be refused. A run of this message is on its way already" in words(page)
    run_id = one("SELECT id FROM runs")
    assert f'href="/runs/{run_id}"' in part(page, "mend")
    assert 'id="override"' not in page.text and " disabled" in confirm_of(page.text)
    assert operator.post(f"/jobs/{job.id}/send-now", {"override": "1"}).status_code == 409


def test_no_live_worker_leads_to_the_workers(operator: Visitor, org: OrgOf) -> None:
    job = message(org, event(org))
    factories.live_worker(tasks=["tests.tasks.succeed"])
    page = operator.get(f"/jobs/{job.id}/send-now")
    assert "NOT_REGISTERED It would be refused." in words(page) and 'href="/workers"' in part(page, "mend")


def test_the_run_shows_the_message_as_it_was_sent_and_the_job_shows_what_it_is_about(
    app: APIFlask, operator: Visitor, org: OrgOf, smtp: Smtp
) -> None:
    about = event(org, "<Hamlet>")
    job = message(org, about)
    page = operator.get(f"/jobs/{job.id}")
    assert "<dt>Type of message</dt><dd>Reminder</dd>" in page.text
    assert f"Recipient{ANA}" in words(page)
    assert f"/events/{about}" in part(page, "job-subject")
    run = executed(app, org, factories.run(org, job))
    mail_id = catch(org, "Reminder", run_id=run.id)
    change("UPDATE events SET name = 'Woyzeck'")
    shown = operator.get(f"/runs/{run.id}")
    box = part(shown, "run-message")
    assert f"To {ANA} Subject Reminder: <Hamlet>," in words(box) and "a short reminder of <Hamlet>:" in words(
        box
    )
    assert str(smtp.messages[0]["Message-ID"]) in words(box) and "built-in template" in words(box)
    assert f'href="/outbox/{mail_id}"' in box and "&lt;Hamlet&gt;" in box and "<Hamlet>" not in box
    assert '"template_version"' not in shown.text
    dry = message(org, about)
    operator_dry = executed(app, org, factories.run(org, dry, dry_run=True))
    shown = operator.get(f"/runs/{operator_dry.id}")
    assert "Would have been sent" in words(part(shown, "run-message")) and "Message-ID" not in words(shown)


def test_a_result_that_only_looks_like_a_message_is_shown_as_it_is(operator: Visitor, org: OrgOf) -> None:
    run = factories.run(org, factories.job(org))
    for result in ('{"message": "said"}', '{"message": {"recipient": 7, "subject": "x", "text": "y"}}'):
        change(
            "UPDATE runs SET state = 'succeeded', finished_at = now(), result = CAST(:it AS jsonb)", it=result
        )
        page = operator.get(f"/runs/{run.id}")
        assert page.status_code == 200 and "&#34;message&#34;" in page.text
