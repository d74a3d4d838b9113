"""Each kind of rule finds what it waits for, says it once, and in one message when there is much of it."""

import hmac
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from hashlib import sha256

import pytest
from apiflask import APIFlask
from sqlalchemy import event, text

from console.core.alerts import AlertOn, AlertScope
from console.core.states import Beating, RunState, Trigger
from console.db.session import db
from console.services import (
    alert_history,
    alert_rules,
    alert_sending,
    alerts,
    dispatch,
    edits,
    heartbeats,
    outbox,
    resolving,
)
from console.services.alert_fields import RuleGiven
from console.services.alert_history import DeliveryFilter
from tests import factories
from tests.factories import NOON, OrgOf, one, rows
from tests.receiver import Receiver, receiving
from tests.services.alerting import (
    MINUTE,
    SECRET,
    delivery,
    ended,
    look_and_send,
    mail_channel,
    private_addresses,
    rule,
    subjects,
    webhook,
)
from tests.smtp import Smtp, Stage

SECOND = timedelta(seconds=1)


@pytest.fixture
def receiver(app: APIFlask) -> Iterator[Receiver]:
    """A receiver on this machine, which alerts may call."""
    with receiving() as told, private_addresses():
        yield told


def test_a_failure_is_mailed_with_its_reason_and_links(app: APIFlask, smtp: Smtp) -> None:
    org = factories.org("Northside", "Europe/Berlin")
    job = factories.job(org, name="Nightly report")
    rule(org, AlertOn.FAILED, mail_channel(org))
    run = ended(org, job, RunState.FAILED, at=NOON + MINUTE)
    assert look_and_send(NOON + MINUTE + SECOND) == (2, 1)
    (row,) = rows("SELECT state, attempts, answer, event_count FROM alert_deliveries")
    assert tuple(row) == ("sent", 1, "taken by the mail server", 1)
    (mail,) = smtp.messages
    assert (mail["To"], mail["Subject"]) == ("ops@northside.example", "Callboard: Nightly report failed")
    text = mail.get_content()
    for words in (
        "Nightly report failed: Wed 2 Jan 2030 13:01:00 (Europe/Berlin)",
        "EXCEPTION: ValueError: no such stage",
        "What to do: Read the error, mend the cause, then run it again.",
        f"/runs/{run.id}",
        f"/jobs/{job.id}/explain?at=2030-01-02T12%3A01%3A00",
    ):
        assert words in text
    assert text.count("no such stage") == 1, "an error that is the reason is said once"
    assert look_and_send(NOON + 30 * MINUTE) == (0, 0)


def test_what_is_sent_holds_no_secret_that_an_error_repeats(
    org: OrgOf, receiver: Receiver, smtp: Smtp
) -> None:
    """It leaves the house, for a chat that more people read than the console."""
    job = factories.job(org)
    rule(org, AlertOn.FAILED, webhook(org, receiver), mail_channel(org))
    run = ended(org, job, RunState.FAILED, at=NOON)
    said = "login failed: {'user': 'me', 'password': 'hunter2'}"
    db.session.execute(
        text("UPDATE runs SET reason = :said, error = CAST(:error AS jsonb) WHERE id = :id"),
        {"said": said, "error": json.dumps({"message": said}), "id": run.id},
    )
    db.session.commit()
    look_and_send(NOON + SECOND)
    sent = [receiver.posts[0].body.decode(), smtp.messages[0].get_content()]
    assert all("login failed" in one_of and "hunter2" not in one_of for one_of in sent)
    assert one("SELECT count(*) FROM alert_deliveries AS t WHERE t::text LIKE '%hunter2%'") == 0


def test_a_webhook_is_posted_json_that_its_secret_signs(org: OrgOf, receiver: Receiver) -> None:
    job = factories.job(org, key="nightly", name="Nightly")
    made = rule(org, AlertOn.FAILED, webhook(org, receiver))
    run = ended(org, job, RunState.FAILED, at=NOON)
    look_and_send(NOON + SECOND)
    (post,) = receiver.posts
    assert post.path == "/hooks/secret-path?key=secret-query"
    stamp, given = (part.partition("=")[2] for part in post.headers["x-callboard-signature"].split(","))
    signed = hmac.new(SECRET.encode(), f"{stamp}.".encode() + post.body, sha256).hexdigest()
    assert (int(stamp), given) == (int((NOON + SECOND).timestamp()), signed)
    said = post.json
    assert (said["event"], said["count"], said["rule"]["id"]) == ("failed", 1, str(made.id))
    assert said["id"] == post.headers["x-callboard-delivery"] == str(delivery().id)
    (finding,) = said["findings"]
    assert finding["job"] == {"id": str(job.id), "key": "nightly", "name": "Nightly"}
    assert (finding["run"]["id"], finding["reason_code"]) == (str(run.id), "EXCEPTION")


def test_failures_within_the_throttle_wait_and_go_out_as_one(org: OrgOf, smtp: Smtp) -> None:
    jobs = [factories.job(org, name=f"Job {number}") for number in range(4)]
    made = rule(org, AlertOn.FAILED, mail_channel(org), throttle=15)
    ended(org, jobs[0], RunState.FAILED, at=NOON)
    look_and_send(NOON + SECOND)
    for number in range(100):
        ended(org, jobs[number % 4], RunState.FAILED, at=NOON + MINUTE + number * SECOND)
    assert look_and_send(NOON + 14 * MINUTE) == (100, 0)
    waiting = alert_rules.get(org.admin, made.id).waiting
    assert (waiting.count, waiting.until) == (100, NOON + SECOND + 15 * MINUTE)
    assert look_and_send(NOON + 16 * MINUTE) == (1, 1)
    assert look_and_send(NOON + 60 * MINUTE) == (0, 0)
    assert [mail["Subject"] for mail in smtp.messages] == [
        "Callboard: Job 0 failed",
        "Callboard: 100 failures of 4 or more jobs",
    ]
    assert "… and 80 more: " in smtp.messages[1].get_content()
    assert one("SELECT count(*) FROM alert_events WHERE batch_id IS NULL") == 0


def test_what_was_found_is_said_though_the_rule_was_switched_off_meanwhile(org: OrgOf, smtp: Smtp) -> None:
    job = factories.job(org)
    made = rule(org, AlertOn.FAILED, mail_channel(org), throttle=15)
    ended(org, job, RunState.FAILED, at=NOON)
    look_and_send(NOON)
    ended(org, job, RunState.FAILED, at=NOON + MINUTE)
    alerts.look(NOON + MINUTE)
    alert_rules.change(org.admin, made.id, RuleGiven(enabled=False), now=NOON + 2 * MINUTE)
    ended(org, job, RunState.FAILED, at=NOON + 3 * MINUTE)
    look_and_send(NOON + 20 * MINUTE)
    alert_rules.change(org.admin, made.id, RuleGiven(enabled=True), now=NOON + 21 * MINUTE)
    look_and_send(NOON + 60 * MINUTE)
    assert [row[0] for row in rows("SELECT event_count FROM alert_deliveries ORDER BY created_at")] == [1, 1]


def test_a_row_of_failures_is_said_once_and_again_after_a_success(org: OrgOf, smtp: Smtp) -> None:
    job = factories.job(org, name="Sync")
    rule(org, AlertOn.FAILED_IN_A_ROW, mail_channel(org), count=3, throttle=0)
    F, S = RunState.FAILED, RunState.SUCCEEDED
    for minute, state in enumerate([F, F, S, F, F, F, F, S, F, F]):
        ended(org, job, state, at=NOON + minute * MINUTE)
        if minute % 2:  # as a watcher that sees two ends at once
            look_and_send(NOON + minute * MINUTE)
    assert subjects() == ["Callboard: Sync failed 3 times in a row"]
    ended(org, job, F, at=NOON + 10 * MINUTE)
    look_and_send(NOON + 10 * MINUTE)
    assert len(subjects()) == 2


def test_recovery_is_the_first_success_after_an_alerted_failure(org: OrgOf, smtp: Smtp) -> None:
    job, other = factories.job(org, name="Sync"), factories.job(org, name="Other")
    channel = mail_channel(org)
    rule(org, AlertOn.FAILED, channel)
    rule(org, AlertOn.RECOVERED, channel, throttle=0)
    ended(org, other, RunState.SUCCEEDED, at=NOON)
    ended(org, job, RunState.FAILED, at=NOON)
    look_and_send(NOON + SECOND)
    for minute in (1, 2):
        ended(org, job, RunState.SUCCEEDED, at=NOON + minute * MINUTE)
        look_and_send(NOON + minute * MINUTE + SECOND)
    assert subjects() == ["Callboard: Sync failed", "Callboard: Sync recovered"]
    assert "It had been amiss since Wed 2 Jan 2030 12:00:00 (UTC)." in smtp.messages[1].get_content()


def test_a_slot_that_nobody_decides_is_late_and_so_is_the_run_that_nobody_starts(
    org: OrgOf, smtp: Smtp
) -> None:
    job = factories.job(org, name="Daily", schedule={"type": "daily", "hour": 12, "minute": 5}, now=NOON)
    factories.job(
        org, name="Paused", key="paused", schedule={"type": "interval", "every_seconds": 60}, now=NOON
    )
    edits.set_paused(org.admin, one("SELECT id FROM jobs WHERE key = 'paused'"), True, note=None, now=NOON)
    rule(org, AlertOn.LATE, mail_channel(org), minutes=10, throttle=0)
    assert look_and_send(NOON + 14 * MINUTE) == (0, 0)
    assert look_and_send(NOON + 15 * MINUTE) == (2, 1)
    dispatch.dispatch(scheduler="scheduler-1", now=NOON + 16 * MINUTE)  # the same slot, as a run
    assert look_and_send(NOON + 30 * MINUTE) == (0, 0)
    factories.run(org, factories.job(org, name="By hand"), now=NOON + 30 * MINUTE)
    look_and_send(NOON + 40 * MINUTE)
    assert subjects() == ["Callboard: Daily is late", "Callboard: By hand is late"]
    assert "It was due Wed 2 Jan 2030 12:05:00 (UTC) and has not begun." in smtp.messages[0].get_content()
    assert one("SELECT count(*) FROM alert_events WHERE job_id = :id", id=job.id) == 1


def test_a_missed_slot_and_an_unknown_outcome_are_said(org: OrgOf, smtp: Smtp) -> None:
    schedule = {"type": "daily", "hour": 12, "minute": 5}
    factories.job(org, name="Daily", schedule=schedule, catch_up="none", now=NOON)
    channel = mail_channel(org)
    rule(org, AlertOn.MISSED, channel)
    rule(org, AlertOn.UNKNOWN, channel)
    dispatch.dispatch(scheduler="scheduler-1", now=NOON + 60 * MINUTE)
    payment = factories.job(org, name="Pay")
    run = ended(org, payment, RunState.UNKNOWN, at=NOON + 60 * MINUTE)
    look_and_send(NOON + 61 * MINUTE)
    assert sorted(subjects()) == ["Callboard: Daily was missed", "Callboard: Pay ended unknown"]
    texts = " ".join(mail.get_content() for mail in smtp.messages)
    assert "OUTSIDE_CATCHUP_WINDOW: " in texts
    assert "OUTCOME_UNKNOWN: The worker died in the middle." in texts
    resolving.resolve(org.admin, run.id, succeeded=False, note=None, now=NOON + 62 * MINUTE)
    rule(org, AlertOn.FAILED, channel, now=NOON + 60 * MINUTE)
    look_and_send(NOON + 63 * MINUTE)
    assert len(subjects()) == 2  # a person's own word on it is no news


@pytest.mark.parametrize(("scope", "heard"), [("job", ["Mine"]), ("category", ["Mine", "Kin"])])
def test_a_rule_watches_its_job_or_its_category_alone(
    org: OrgOf, smtp: Smtp, scope: str, heard: list[str]
) -> None:
    mine, kin = (factories.job(org, name=name) for name in ("Mine", "Kin"))
    far = factories.job(org, "console.plugins.examples.tasks.count_slowly", name="Far")
    fields = {"job": {"job_id": mine.id}, "category": {"category": mine.category}}[scope]
    assert far.category != mine.category
    rule(org, AlertOn.FAILED, mail_channel(org), scope=AlertScope(scope), throttle=0, **fields)
    for minute, job in enumerate((mine, kin, far)):
        ended(org, job, RunState.FAILED, at=NOON + minute * MINUTE)
        look_and_send(NOON + minute * MINUTE)
    assert subjects() == [f"Callboard: {name} failed" for name in heard]


def test_dry_runs_other_orgs_and_what_was_before_the_rule_alert_nobody(org: OrgOf, smtp: Smtp) -> None:
    job, other = factories.job(org), factories.org()
    ended(org, job, RunState.FAILED, at=NOON - MINUTE)
    rule(org, AlertOn.FAILED, mail_channel(org))
    ended(other, factories.job(other), RunState.FAILED, at=NOON + MINUTE)
    dry = ended(org, job, RunState.FAILED, at=NOON + MINUTE)
    db.session.execute(text("UPDATE runs SET dry_run = true WHERE id = :id"), {"id": dry.id})
    db.session.commit()
    assert look_and_send(NOON + 2 * MINUTE) == (0, 0)


def test_a_run_that_was_committed_late_is_found_all_the_same(org: OrgOf, smtp: Smtp) -> None:
    job = factories.job(org)
    rule(org, AlertOn.FAILED, mail_channel(org), throttle=0)
    alerts.look(NOON + 9 * MINUTE)
    ended(org, job, RunState.FAILED, at=NOON + MINUTE)  # its worker's clock, or its commit, was behind
    look_and_send(NOON + 9 * MINUTE)
    assert len(subjects()) == 1


def test_the_schedulers_fall_and_return_are_said(org: OrgOf, smtp: Smtp) -> None:
    rule(org, AlertOn.SCHEDULER_RED, mail_channel(org), throttle=0)
    factories.live_scheduler(now=NOON)
    assert look_and_send(NOON + 119 * SECOND) == (0, 0)
    for seconds in (121, 180):
        look_and_send(NOON + seconds * SECOND)
    factories.live_scheduler(now=NOON + 200 * SECOND)
    look_and_send(NOON + 201 * SECOND)
    assert subjects() == ["Callboard: The scheduler is silent", "Callboard: The scheduler is alive again"]
    assert "SCHEDULER_DOWN" in smtp.messages[0].get_content()
    heartbeats.stopped(Beating.SCHEDULER, "scheduler-1", now=NOON + 210 * SECOND)
    assert look_and_send(NOON + 220 * SECOND) == (0, 0)  # a restart
    look_and_send(NOON + 400 * SECOND)  # from which it did not come back
    assert len(subjects()) == 3


def test_a_lost_worker_is_said_by_name_and_one_that_left_is_not(org: OrgOf, smtp: Smtp) -> None:
    rule(org, AlertOn.WORKER_RED, mail_channel(org), throttle=0)
    for name in ("worker-1", "worker-2", "worker-3"):
        factories.live_worker(name, now=NOON)
    heartbeats.stopped(Beating.WORKER, "worker-3", now=NOON)
    factories.live_worker("worker-2", now=NOON + 60 * SECOND)
    look_and_send(NOON + 61 * SECOND)
    look_and_send(NOON + 125 * SECOND)
    factories.live_worker("worker-1", now=NOON + 130 * SECOND)
    look_and_send(NOON + 131 * SECOND)
    assert subjects() == [
        "Callboard: Worker worker-1 is silent",
        "Callboard: Every worker is silent (2 changes of workers)",
        "Callboard: Every worker is alive again (2 changes of workers)",
    ]


def test_two_watchers_at_once_say_each_thing_once(app: APIFlask, org: OrgOf, smtp: Smtp) -> None:
    jobs = [factories.job(org) for _ in range(5)]
    rule(org, AlertOn.FAILED, mail_channel(org), throttle=0)

    def watch(number: int) -> None:
        with app.app_context():
            look_and_send(NOON + number * MINUTE)

    with ThreadPoolExecutor(4) as pool:
        for minute in range(6):
            for job in jobs:
                ended(org, job, RunState.FAILED, at=NOON + minute * MINUTE)
            list(pool.map(watch, [minute] * 4))
        list(pool.map(watch, [7] * 2))
    assert one("SELECT count(*) FROM alert_events") == 30
    assert one("SELECT sum(event_count) FROM alert_deliveries") == 30
    assert len(smtp.messages) == one("SELECT count(*) FROM alert_deliveries WHERE state = 'sent'")


def test_a_message_that_is_not_taken_is_tried_again_and_then_given_up(org: OrgOf, receiver: Receiver) -> None:
    rule(org, AlertOn.FAILED, webhook(org, receiver))
    ended(org, factories.job(org), RunState.FAILED, at=NOON)
    receiver.answers.extend([503, 404, 500, 500, 500, 500])
    now, attempts = NOON, []
    look_and_send(now)
    while delivery().state == "pending":
        attempts.append(delivery().answer)
        now = delivery().next_at
        assert alert_sending.send(now - SECOND) == 0
        assert alert_sending.send(now) == 1
    assert attempts[0] == "The receiver answered 503 Service Unavailable: {}"
    assert (delivery().state, delivery().attempts, len(receiver.posts)) == ("failed", 6, 6)
    assert len({post.headers["x-callboard-delivery"] for post in receiver.posts}) == 1
    assert alert_history.failed_since(since=NOON) == 1
    (shown,) = alert_history.page(org.admin, DeliveryFilter(), cursor=None, limit=10, now=now).deliveries
    assert (shown.state, shown.target) == ("failed", f"http://127.0.0.1:{receiver.port}/…")


def test_what_a_dead_sender_left_goes_out_by_the_next(org: OrgOf, receiver: Receiver) -> None:
    rule(org, AlertOn.FAILED, webhook(org, receiver))
    ended(org, factories.job(org), RunState.FAILED, at=NOON)
    alerts.look(NOON)
    assert len(alert_sending._take(NOON)) == 1  # and here it dies
    assert alert_sending.send(NOON + MINUTE) == 0
    assert alert_sending.send(NOON + 3 * MINUTE) == 1
    assert (delivery().state, delivery().attempts) == ("sent", 2)


def test_a_mail_that_was_not_taken_goes_out_again_under_the_same_id(org: OrgOf, smtp: Smtp) -> None:
    rule(org, AlertOn.FAILED, mail_channel(org))
    ended(org, factories.job(org), RunState.FAILED, at=NOON)
    smtp.answers.queue(Stage.MESSAGE, "451 4.3.2 busy")
    look_and_send(NOON)
    assert (delivery().state, delivery().answer) == (
        "pending",
        "The mail server can't take the message now: 451 4.3.2 busy",
    )
    alert_sending.send(NOON + MINUTE)
    assert (delivery().state, len(set(smtp.attempts)), len(smtp.attempts)) == ("sent", 1, 2)


def test_without_rules_a_look_asks_one_question(org: OrgOf) -> None:
    asked: list[str] = []
    listener = lambda *args: asked.append(args[2])  # noqa: E731
    event.listen(db.engine, "before_cursor_execute", listener)
    try:
        assert look_and_send(NOON) == (0, 0)
    finally:
        event.remove(db.engine, "before_cursor_execute", listener)
    assert len(asked) == 3


def test_a_chain_of_triggers_counts_as_runs_do(org: OrgOf, smtp: Smtp) -> None:
    rule(org, AlertOn.FAILED, mail_channel(org))
    ended(org, factories.job(org), RunState.FAILED, at=NOON, trigger=Trigger.RETRY)
    assert look_and_send(NOON) == (2, 1)


def test_a_caught_alert_stands_in_the_outbox_of_its_org(org: OrgOf, smtp: Smtp) -> None:
    other = factories.org()
    rule(other, AlertOn.FAILED, mail_channel(other))
    ended(other, factories.job(other), RunState.FAILED, at=NOON)
    look_and_send(NOON)
    (mail,) = smtp.messages
    outbox.record(mail.as_bytes(), "callboard@localhost", ("ops@northside.example",), NOON)
    assert one("SELECT org_id FROM caught_mails") == other.id
