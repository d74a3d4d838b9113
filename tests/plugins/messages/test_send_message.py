"""One message: as it was shown it goes out, and whatever keeps it from going has a code and a sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from apiflask import APIFlask
from sqlalchemy import event as listening

from console.core.clock import utc_now
from console.core.errors import Invalid, Refused
from console.core.reasons import Reason
from console.core.states import JobStatus, MessageType, RunState, Trigger
from console.db.session import db
from console.plugins.messages import templates
from console.plugins.messages.templating import Words
from console.services import dispatch, edits, jobs, preflights, runs, triggers
from console.services.changes import Change
from console.services.run_requests import Request
from console.services.run_views import RunView
from console.services.views import JobView
from tests import factories
from tests.factories import NOON, OrgOf, one, rows
from tests.plugins.messages.letters import ANA, FREE, INIT, REMINDER, event, executed, message, read
from tests.smtp import DROP, Smtp, Stage
from tests.web.conftest import change

CLICK = Request(Trigger.MANUAL)
AGAIN = Request(Trigger.MANUAL, override=True)
SATURDAY = datetime(2030, 1, 5, 12, 0, tzinfo=UTC)


def click(of: OrgOf, job: JobView, request: Request = CLICK, *, now: datetime | None = None) -> RunView:
    return triggers.send_now(of.admin, job.id, request, now=now or utc_now())


def refused(of: OrgOf, job: JobView, request: Request = CLICK) -> tuple[Reason | None, str]:
    with pytest.raises(Refused) as caught:
        click(of, job, request)
    return caught.value.reason, caught.value.detail


# Sending -------------------------------------------------------------------------------------------


def test_a_message_goes_out_as_it_was_shown_and_its_run_keeps_it_as_sent(
    app: APIFlask, org: OrgOf, smtp: Smtp
) -> None:
    job = message(org, event(org, venue="Main Stage", contact_name="Ana"))
    assert (job.message_type, job.verb, job.done_word) == (REMINDER, "Send now", "sent")
    shown = preflights.preflight(factories.person(org), job.id, now=utc_now())
    assert shown.refusal is None and shown.rules is None
    assert shown.message and shown.message.recipient == ANA
    run = executed(app, org, click(org, job))
    assert run.state is RunState.SUCCEEDED
    (mail,) = smtp.messages
    assert (mail["To"], mail["Subject"]) == (ANA, shown.message.subject)
    assert org.admin.org_name in str(mail["From"])
    body, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert body and body.get_content().splitlines() == shown.message.text.splitlines()
    assert html and html.get_content().splitlines() == (shown.message.html or "").splitlines()
    assert run.result == {
        "summary": f"sent to {ANA}",
        "message": {
            "message_id": mail["Message-ID"],
            "recipient": ANA,
            "subject": shown.message.subject,
            "text": shown.message.text,
            "html": shown.message.html,
            "template_version": 0,
        },
    }
    assert run.sent and str(run.id) in (run.sent.message_id or "")
    after = read(org, job)
    assert (after.status, after.next_run_at, after.closed_by) == (JobStatus.SENT, None, None)
    words = Words("Another {{ event_name }}", "Text")
    templates.save(org.admin, REMINDER, words, seen=0, now=utc_now())
    change("UPDATE events SET name = 'Woyzeck'")
    kept = runs.get(org.admin, run.id, now=utc_now()).sent
    assert kept and kept.text == shown.message.text


def test_it_is_written_when_it_goes_out_and_not_when_it_was_asked_for(
    app: APIFlask, org: OrgOf, smtp: Smtp
) -> None:
    run = click(org, message(org, event(org)))
    words = Words("New {{ event_name }}", "Text for {{ recipient }}", "<p>{{ event_name }}</p>")
    templates.save(org.admin, REMINDER, words, seen=0, now=utc_now())
    change("UPDATE events SET name = '<Peer> & Gynt'")
    executed(app, org, run)
    (mail,) = smtp.messages
    assert mail["Subject"] == "New <Peer> & Gynt"
    assert "&lt;Peer&gt; &amp; Gynt" in mail.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert one("SELECT result -> 'message' ->> 'template_version' FROM runs") == "1"


def test_a_free_message_has_its_own_words_with_or_without_an_event(
    app: APIFlask, org: OrgOf, smtp: Smtp
) -> None:
    for about in (event(org), None):
        job = message(org, about, FREE, html="<p>{{ org_name }}</p>")
        run = executed(app, org, click(org, job))
        assert run.sent and run.sent.template_version is None and run.sent.text == f"Dear {ANA}"
    assert [mail["Subject"] for mail in smtp.messages] == ["About Hamlet", "About"]


def test_a_dry_run_writes_all_of_it_and_sends_nothing(app: APIFlask, org: OrgOf, smtp: Smtp) -> None:
    job = message(org, event(org))
    run = executed(app, org, click(org, job, Request(Trigger.MANUAL, dry_run=True)))
    assert run.state is RunState.SUCCEEDED and smtp.messages == []
    assert run.changes == [
        {"subject": f"mail to {ANA}", "before": None, "after": run.sent.subject, "url": None}  # type: ignore[union-attr]
    ]
    assert run.sent and run.sent.message_id is None and run.result["summary"] == f"would be sent to {ANA}"
    assert [line.message for line in runs.log(org.admin, run.id)] == [
        f"Sending “{run.sent.subject}” to {ANA}."
    ]
    assert read(org, job).status is JobStatus.SCHEDULED
    assert executed(app, org, click(org, job)).state is RunState.SUCCEEDED


def test_a_refusal_for_now_is_tried_again_and_one_for_good_is_not(
    app: APIFlask, org: OrgOf, smtp: Smtp
) -> None:
    smtp.answers.queue(Stage.RCPT, "451 4.3.2 busy", "550 5.1.1 no such mailbox")
    job = message(org, event(org))
    run = executed(app, org, click(org, job))
    assert (run.state, run.reason_code) == (RunState.RETRYING, "SEND_FAILED")
    assert "451 4.3.2 busy" in (run.reason or "") and read(org, job).status is JobStatus.RETRYING
    assert refused(org, job)[0] is Reason.OVERLAP
    other = executed(app, org, click(org, message(org, event(org))))
    assert (other.state, other.reason_code, other.attempt) == (RunState.FAILED, "SEND_FAILED", 1)
    assert "550 5.1.1 no such mailbox" in (other.reason or "")
    assert smtp.messages == []


def test_one_of_which_nobody_knows_is_not_sent_at_its_time_nor_by_a_simple_click(
    app: APIFlask, org: OrgOf, smtp: Smtp
) -> None:
    smtp.answers.queue(Stage.MESSAGE, DROP)
    job = message(org, event(org))
    run = executed(app, org, click(org, job))
    assert (run.state, run.reason_code) == (RunState.UNKNOWN, "OUTCOME_UNKNOWN")
    after = read(org, job)
    assert (after.status, after.next_run_at) == (JobStatus.FAILED, None)
    assert dispatch.dispatch(scheduler="s", now=utc_now() + timedelta(days=2)).due == 0
    assert refused(org, job)[0] is Reason.OUTCOME_UNKNOWN
    assert executed(app, org, click(org, job, AGAIN)).state is RunState.SUCCEEDED
    assert len({mail["Message-ID"] for mail in smtp.messages}) == 2


def test_what_was_sent_goes_out_again_only_when_that_is_said(app: APIFlask, org: OrgOf, smtp: Smtp) -> None:
    job = message(org, event(org))
    executed(app, org, click(org, job))
    reason, sentence = refused(org, job)
    assert reason is Reason.ALREADY_SENT and "Choose “send again”" in sentence
    before = preflights.preflight(org.admin, job.id, now=utc_now())
    assert before.may_override and before.message and before.message.recipient == ANA
    assert executed(app, org, click(org, job, AGAIN)).state is RunState.SUCCEEDED
    assert len(smtp.messages) == 2
    marked = message(org, event(org))
    edits.edit(org.admin, marked.id, Change(status=JobStatus.SENT, note="by phone"), now=utc_now())
    assert refused(org, marked) == (
        Reason.ALREADY_SENT,
        f"This message was already sent (marked as sent by {org.admin.name}). "
        "Choose “send again” if it should go out twice.",
    )


def test_a_message_without_a_time_is_one_message_too(app: APIFlask, org: OrgOf, smtp: Smtp) -> None:
    words = {"message_type": "FREE", "subject": "Hello", "text": "You"}
    job = factories.job(org, "send_message", args=words, recipient=ANA)
    run = click(org, job)
    assert refused(org, job)[0] is Reason.OVERLAP
    executed(app, org, run)
    assert refused(org, job)[0] is Reason.ALREADY_SENT
    executed(app, org, click(org, job, AGAIN))
    assert len(smtp.messages) == 2


def test_a_template_that_no_longer_works_is_said_before_and_stops_a_run_for_good(
    app: APIFlask, org: OrgOf, smtp: Smtp
) -> None:
    job = message(org, event(org))
    run = click(org, job)
    change(
        "INSERT INTO message_templates (org_id, message_type, version, subject, body, actor) "
        "VALUES (:org, 'REMINDER', 1, 'x', 'a' || chr(10) || '{{ former }}', 'x')",
        org=org.id,
    )
    ended = executed(app, org, run)
    assert (ended.state, ended.reason_code, ended.attempt) == (RunState.FAILED, "EXCEPTION", 1)
    assert "text: line 2: there is no variable “former”" in (ended.reason or "")
    assert preflights.preflight(org.admin, job.id, now=utc_now()).message is None
    reason, sentence = refused(org, job)
    assert reason is Reason.EXCEPTION and "The message can't be made: text: line 2" in sentence
    assert smtp.messages == []


def test_without_a_recipient_it_is_blocked_with_the_events_name_until_one_is_filled_in(org: OrgOf) -> None:
    job = message(org, event(org, contact_email=None), recipient=None)
    assert (job.status, job.status_reason) == (JobStatus.BLOCKED, "MISSING_RECIPIENT")
    before = preflights.preflight(factories.person(org), job.id, now=utc_now())
    assert before.refusal is Reason.MISSING_RECIPIENT and not before.may_override
    assert before.message and before.message.recipient == ""
    assert "“Hamlet” has no contact address" in (before.text or "") and "Fill in" in (before.text or "")
    for request in (CLICK, AGAIN):
        assert refused(org, job, request)[0] is Reason.MISSING_RECIPIENT
    edits.edit(org.admin, job.id, Change(recipient=ANA), now=utc_now())
    assert read(org, job).status is JobStatus.SCHEDULED
    assert click(org, job).state is RunState.QUEUED
    assert one("SELECT recipient FROM runs") == ANA
    assert refused(org, message(org, None, FREE, None))[1].startswith("This message has no recipient.")


# Rules ---------------------------------------------------------------------------------------------


def settings(of: OrgOf, *, enabled: bool = True, weekend: str = "none") -> None:
    change(
        "INSERT INTO message_settings (org_id, enabled, weekend_rule, changed_by) "
        "VALUES (:org, :on, :rule, 'x') "
        "ON CONFLICT (org_id) DO UPDATE SET enabled = :on, weekend_rule = :rule",
        org=of.id,
        on=enabled,
        rule=weekend,
    )


def switch(of: OrgOf, message_type: MessageType, enabled: bool) -> None:
    change(
        "INSERT INTO message_types (org_id, message_type, enabled, lead_days, send_time, changed_by) "
        "VALUES (:org, :type, :on, -1, '10:00', 'x') "
        "ON CONFLICT (org_id, message_type) DO UPDATE SET enabled = :on",
        org=of.id,
        type=message_type.value,
        on=enabled,
    )


def decided(of: OrgOf, job: JobView, at: datetime) -> tuple[str, str | None, str | None]:
    """What the scheduler makes of the message when it comes due at that instant."""
    dispatch.dispatch(scheduler="s", now=at)
    ((state, code, sentence),) = rows(
        "SELECT state, reason_code, reason FROM runs WHERE job_id = :id AND slot IS NOT NULL", id=job.id
    )
    return state, code, sentence


def due(of: OrgOf, event_id: UUID | None, kind: MessageType = REMINDER, **fields: Any) -> JobView:
    """A message that comes due on Saturday at noon."""
    return message(of, event_id, kind, at=SATURDAY, now=NOON, **fields)


def test_with_nothing_against_it_it_goes_out_at_its_time(app: APIFlask, org: OrgOf, smtp: Smtp) -> None:
    job = due(org, event(org, load_in_at=NOON))
    assert decided(org, job, SATURDAY) == ("queued", None, None)
    run_id = one("SELECT id FROM runs")
    assert executed(app, org, runs.get(org.admin, run_id, now=SATURDAY)).state is RunState.SUCCEEDED
    assert len(smtp.messages) == 1


def test_every_rule_skips_with_its_code_and_a_sentence_and_a_click_passes_over_it(org: OrgOf) -> None:
    """In the order in which they are asked: each is taken away once it has spoken."""
    about = event(org, load_in_at=datetime(2030, 2, 1, 9, 30, tzinfo=UTC), starts_at=SATURDAY + timedelta(30))
    sent = due(org, about, INIT, recipient=ANA.upper())
    edits.edit(org.admin, sent.id, Change(status=JobStatus.SENT, note="by phone"), now=NOON)
    settings(org, enabled=False, weekend="previous_friday")
    switch(org, INIT, False)
    said = {}
    for away in (
        lambda: settings(org, enabled=True, weekend="previous_friday"),
        lambda: switch(org, INIT, True),
        lambda: change("UPDATE events SET load_in_at = NULL"),
        lambda: settings(org, enabled=True),
        lambda: change("UPDATE jobs SET status = 'failed' WHERE id = :id", id=sent.id),
    ):
        job = due(org, about, INIT)
        word = preflights.preflight(org.admin, job.id, now=SATURDAY)
        state, code, sentence = decided(org, job, SATURDAY)
        assert word.rules and (word.rules.reason, word.rules.sentence) == (code, sentence)
        assert state == "skipped" and read(org, job).status is JobStatus.SKIPPED
        assert word.refusal is None and click(org, job, now=SATURDAY).state is RunState.QUEUED
        said[code] = sentence
        away()
    assert said == {
        "DISABLED_GLOBAL": "Automatic sending is switched off.",
        "DISABLED_TYPE": "Automatic sending of messages of the type Init is off.",
        "HAS_LOAD_IN_TIME": "The load-in time of “Hamlet” is known: Fri 1 Feb 2030 09:30.",
        "WEEKEND": "It is Saturday in UTC, and by the weekend rule nothing goes out at weekends.",
        "DUPLICATE": f"{ANA} already got the message of the type Init about “Hamlet”.",
    }
    assert decided(org, due(org, about, INIT), SATURDAY)[0] == "queued"


def test_the_weekend_is_the_events_own(org: OrgOf) -> None:
    settings(org, weekend="next_monday")
    friday_there = message(org, event(org, timezone="America/Los_Angeles"), at=SATURDAY, now=NOON)
    late = SATURDAY.replace(hour=5)
    change("UPDATE jobs SET next_run_at = :at WHERE id = :id", at=late, id=friday_there.id)
    assert decided(org, friday_there, late)[0] == "queued"


def test_a_rule_says_a_time_of_an_event_elsewhere_on_both_clocks(org: OrgOf) -> None:
    known = datetime(2030, 2, 1, 9, 30, tzinfo=UTC)
    away = due(org, event(org, timezone="Asia/Tokyo", load_in_at=known), INIT)
    said = "The load-in time of “Hamlet” is known: Fri 1 Feb 2030 18:30 Asia/Tokyo (09:30 UTC)."
    word = preflights.preflight(org.admin, away.id, now=SATURDAY)
    assert word.rules and word.rules.sentence == said
    assert decided(org, away, SATURDAY) == ("skipped", "HAS_LOAD_IN_TIME", said)


def test_only_the_same_message_about_the_same_event_to_the_same_address_is_a_duplicate(org: OrgOf) -> None:
    about, other_event = event(org), event(org)
    elsewhere = factories.org()
    for of, kind, whom, which in (
        (org, INIT, ANA, about),
        (org, REMINDER, "lee@northside.example", about),
        (org, REMINDER, ANA, other_event),
        (elsewhere, REMINDER, ANA, event(elsewhere)),
    ):
        job = message(of, which, kind, whom)
        edits.edit(of.admin, job.id, Change(status=JobStatus.SENT, note="x"), now=utc_now())
    dry = message(org, about)
    run = click(org, dry, Request(Trigger.MANUAL, dry_run=True))
    change("UPDATE runs SET state = 'succeeded' WHERE id = :id", id=run.id)
    word = preflights.preflight(org.admin, message(org, about).id, now=utc_now())
    assert (word.refusal, word.rules) == (None, None)


def test_what_was_sent_counts_also_when_its_job_was_deleted_or_moved_since(org: OrgOf) -> None:
    about = event(org)
    sent = message(org, about)
    run = click(org, sent)
    change("UPDATE runs SET state = 'succeeded' WHERE id = :id", id=run.id)
    assert read(org, sent).status is JobStatus.SCHEDULED
    other = message(org, about)
    assert rules_word(org, other) == "DUPLICATE"
    jobs.delete(org.admin, sent.id, now=utc_now())
    assert rules_word(org, other) == "DUPLICATE"
    assert rules_word(org, message(org, about, FREE)) is None


def rules_word(of: OrgOf, job: JobView) -> Reason | None:
    """What the rules would say now if it came due."""
    word = preflights.preflight(of.admin, job.id, now=utc_now()).rules
    return word.reason if word else None


def test_a_message_about_a_deleted_event_goes_nowhere(app: APIFlask, org: OrgOf, smtp: Smtp) -> None:
    about = event(org)
    by_hand, by_itself = message(org, about), due(org, about)
    run = click(org, by_hand)
    change("UPDATE events SET deleted_at = now()")
    assert decided(org, by_itself, SATURDAY)[:2] == ("skipped", "DELETED")
    ended = executed(app, org, run)
    assert (ended.state, ended.reason_code, ended.attempt) == (RunState.FAILED, "DELETED", 1)
    assert refused(org, by_hand)[0] is Reason.DELETED
    stranger = factories.org()
    assert refused(stranger, message(stranger, about))[0] is Reason.DELETED
    assert smtp.messages == []


@contextmanager
def counted() -> Iterator[list[str]]:
    seen: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    listening.listen(db.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        listening.remove(db.engine, "before_cursor_execute", note)


def test_many_that_come_due_at_once_cost_one_statement_each(org: OrgOf) -> None:
    about = event(org)

    def price(count: int) -> int:
        for _ in range(count):
            due(org, about)
        with counted() as seen:
            assert dispatch.dispatch(scheduler="s", now=SATURDAY).due == count
        return len([line for line in seen if not line.startswith(("SAVEPOINT", "RELEASE"))])

    assert price(12) - price(2) == 10


# Arguments -----------------------------------------------------------------------------------------


def test_with_other_arguments_it_is_about_what_they_say(org: OrgOf) -> None:
    other = event(org, "Woyzeck")
    job = message(org, event(org))
    args = {"message_type": "INIT", "event_id": str(other)}
    edits.edit(org.admin, job.id, Change(args=args), now=utc_now())
    assert (read(org, job).message_type, read(org, job).subject_id) == (INIT, other)


@pytest.mark.parametrize(
    ("args", "field", "said"),
    [
        ({}, "args.message_type", "Field required"),
        ({"message_type": "OTHER"}, "args.message_type", "'INIT'"),
        ({"message_type": "INIT"}, "args", "is about an event: give event_id"),
        ({"message_type": "FREE", "subject": "x"}, "args", "give subject and text"),
        (
            {"message_type": "FREE", "subject": "x", "text": "{{ nam }}"},
            "args.text",
            "line 1: there is no variable",
        ),
        ({"message_type": "FREE", "subject": " ", "text": "x"}, "args.subject", "is missing"),
        (
            {"message_type": "INIT", "event_id": str(uuid4()), "text": "x"},
            "args",
            "the words of INIT stand in its template",
        ),
        ({"message_type": "INIT", "event_id": "7"}, "args.event_id", "UUID"),
    ],
)
def test_arguments_that_make_no_message_are_refused_by_name(
    org: OrgOf, args: dict[str, str], field: str, said: str
) -> None:
    with pytest.raises(Invalid) as caught:
        factories.job(org, "send_message", args=args)
    assert said in "; ".join(caught.value.fields[field])
    assert one("SELECT count(*) FROM jobs") == 0
