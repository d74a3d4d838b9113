"""New messages by hand: what is foreseen is what is made, all of it or nothing, and once for each form."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from apiflask import APIFlask

from console.core.clock import utc_now
from console.core.errors import Forbidden, Invalid, NotFound, Refused
from console.core.reasons import Reason
from console.core.states import JobStatus, MessageType, Role
from console.plugins.messages import events, wizard
from console.plugins.messages.templating import Words
from console.plugins.messages.views import EventView
from console.plugins.messages.wishes import Wish
from console.services import jobs, runs
from tests import factories
from tests.factories import OrgOf, one, rows
from tests.plugins.messages.letters import ANA, FREE, INIT, REMINDER, executed, message
from tests.smtp import Smtp
from tests.web.conftest import change

LEE = "lee@northside.example"
DOORS = Words("Doors of {{ event_name }}", "Dear {{ recipient }}, come to {{ venue }}.")
BY_HAND = "SELECT * FROM jobs WHERE message_type = 'FREE' ORDER BY recipient"


def hamlet(of: OrgOf, **fields: Any) -> EventView:
    given = {"venue": "Main Stage", "timezone": "Europe/Berlin", "crew": [LEE], **fields}
    return factories.event(of, "Hamlet", **given)


def wish(event: EventView, kind: MessageType = FREE, at: datetime | None = None, **fields: Any) -> Wish:
    made = Wish(event.id, kind, (ANA, LEE), at, DOORS if kind is FREE else None)
    return replace(made, **fields)


def in_days(number: int) -> datetime:
    return utc_now().replace(microsecond=0) + timedelta(days=number)


def test_a_wish_becomes_one_job_for_each_recipient_with_a_revision_and_the_trail(org: OrgOf) -> None:
    event, at = hamlet(org), in_days(3)
    operator = factories.person(org)
    made = wizard.make(operator, wish(event, at=at, recipients=(ANA, LEE, ANA.upper())), "f1", now=utc_now())
    assert (made.event.id, made.count, made.is_again) == (event.id, 2, False)
    first, second = rows(BY_HAND)
    assert {first.recipient.lower(), second.recipient} == {ANA, LEE}
    for job in (first, second):
        assert (job.name, job.subject_id, job.timezone) == ("Hamlet · Free", event.id, "Europe/Berlin")
        assert (job.next_run_at, job.status, job.catch_up_window_seconds) == (at, "scheduled", 900)
        assert job.args["subject"] == DOORS.subject and "html" not in job.args
        assert job.subject.startswith("Main Stage, ") and job.key.startswith("hamlet_free_")
    trail = rows("SELECT actor_name, reason FROM audit_entries WHERE object_id = :id", id=str(first.id))
    assert trail == [(operator.name, "written by hand")]


def test_what_is_foreseen_is_what_goes_out(app: APIFlask, org: OrgOf, smtp: Smtp) -> None:
    factories.live_worker(now=in_days(1))
    event = hamlet(org)
    wanted = wish(event, recipients=(LEE,))
    seen = wizard.foresee(org.admin, wanted, now=utc_now())
    assert seen.letter is not None and list(seen.warnings) == []
    wizard.make(org.admin, wanted, "f1", now=utc_now())
    run_id = one("SELECT id FROM runs")
    run = executed(app, org, runs.get(org.admin, run_id, now=utc_now()))
    sent = run.result["message"]  # type: ignore[index]
    assert (sent["recipient"], sent["subject"], sent["text"]) == (
        LEE,
        seen.letter.rendered.subject,
        seen.letter.rendered.text,
    )
    assert len(smtp.messages) == 1
    (job,) = rows(BY_HAND)
    assert (job.status, job.next_run_at) == ("sent", None)


def test_now_passes_over_the_rules_and_leaves_the_clock_nothing_to_do(org: OrgOf) -> None:
    event, now = hamlet(org, load_in_at=in_days(29)), utc_now()
    factories.live_worker(now=now)
    seen = wizard.foresee(org.admin, wish(event, INIT), now=now)
    assert [(item.reason, "passes over this rule" in item.text) for item in seen.warnings] == [
        (Reason.HAS_LOAD_IN_TIME, True)
    ]
    later = wizard.foresee(org.admin, wish(event, INIT, at=in_days(2)), now=now)
    assert "would be skipped then" in later.warnings[0].text
    wizard.make(org.admin, wish(event, INIT), "f1", now=now)
    made = rows("SELECT jobs.next_run_at, runs.state, runs.trigger, runs.recipient FROM runs "
                "JOIN jobs ON jobs.id = runs.job_id ORDER BY runs.recipient")  # fmt: skip
    assert made == [(None, "queued", "manual", ANA), (None, "queued", "manual", LEE)]


def test_without_a_live_worker_nothing_is_made_now_and_the_preview_says_so_before(org: OrgOf) -> None:
    event, now = hamlet(org), utc_now()
    factories.live_worker(now=now, tasks=[])
    seen = wizard.foresee(org.admin, wish(event), now=now)
    assert [item.reason for item in seen.warnings] == [Reason.NOT_REGISTERED]
    with pytest.raises(Refused) as caught:
        wizard.make(org.admin, wish(event), "f1", now=now)
    assert caught.value.reason is Reason.NOT_REGISTERED
    assert rows(BY_HAND) == [] and rows("SELECT id FROM runs") == []


def test_whom_it_reached_or_is_to_reach_already_is_said_and_allowed(org: OrgOf) -> None:
    event = hamlet(org, contact_email=None, crew=[])
    sent = message(org, event.id, recipient=ANA.upper())
    change("UPDATE jobs SET status = 'sent', next_run_at = NULL WHERE id = :id", id=sent.id)
    message(org, event.id, recipient=LEE)
    seen = wizard.foresee(org.admin, wish(event, REMINDER, at=in_days(2)), now=utc_now())
    already, planned = seen.warnings
    assert (already.reason, planned.reason) == (Reason.DUPLICATE, Reason.DUPLICATE)
    assert f"{ANA.upper()} already got" in already.text and "skipped then" in already.text
    assert "is there already for" in planned.text and LEE in planned.text and ANA not in planned.text
    assert list(wizard.foresee(org.admin, wish(event, at=in_days(2)), now=utc_now()).warnings) == []
    late = wizard.foresee(org.admin, wish(event, REMINDER, at=in_days(40)), now=utc_now())
    assert "will have begun by then" in late.warnings[0].text
    made = wizard.make(org.admin, wish(event, REMINDER, at=in_days(2)), "f1", now=utc_now())
    assert made.count == 2
    assert one("SELECT count(*) FROM jobs WHERE message_type = 'REMINDER' AND recipient IS NOT NULL") == 4


def test_a_form_that_is_sent_by_many_hands_at_once_makes_its_messages_once(app: APIFlask, org: OrgOf) -> None:
    event, at = hamlet(org), in_days(3)

    def press(_: int) -> bool:
        with app.app_context():
            return wizard.make(org.admin, wish(event, at=at), "f1", now=utc_now()).is_again

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(press, range(16))) == [False] + [True] * 15
    assert len(rows(BY_HAND)) == 2
    changed = replace(DOORS, text="Other words")
    assert not wizard.make(org.admin, wish(event, at=at, words=changed), "f1", now=utc_now()).is_again
    assert not wizard.make(org.admin, wish(event, at=at), "f2", now=utc_now()).is_again
    assert len(rows(BY_HAND)) == 6


@pytest.mark.parametrize(
    ("fields", "field", "text"),
    [
        ({"recipients": ()}, "recipients", "choose at least one"),
        ({"recipients": (ANA, "lee at home")}, "recipients", "“lee at home” is not a mail address"),
        ({"recipients": tuple(f"n{n}@x.example" for n in range(201))}, "recipients", "up to 200 at once"),
        ({"words": replace(DOORS, text="{{ venu }}")}, "text", "did you mean venue?"),
        ({"words": replace(DOORS, subject="")}, "subject", "is missing"),
        ({"words": replace(DOORS, text="{% if contact_name %}x{% endif %}")}, "text", "nothing is left"),
        ({"at": datetime.fromisoformat("2020-01-01T10:00Z")}, "send_at", "lies in the past"),
    ],
)
def test_what_cannot_be_used_is_named_and_nothing_is_made(
    org: OrgOf, fields: dict[str, Any], field: str, text: str
) -> None:
    event = hamlet(org)
    with pytest.raises(Invalid) as caught:
        wizard.make(org.admin, wish(event, at=in_days(3), **fields) if "at" not in fields else
                    wish(event, **fields), "f1", now=utc_now())  # fmt: skip
    assert text in caught.value.fields[field][0]
    assert rows(BY_HAND) == []


def test_neither_a_viewer_nor_another_org_makes_any_and_a_minute_ago_means_now_by_the_clock(
    org: OrgOf,
) -> None:
    event, now = hamlet(org), utc_now()
    with pytest.raises(Forbidden):
        wizard.make(factories.person(org, Role.VIEWER), wish(event, at=in_days(3)), "f1", now=now)
    with pytest.raises(NotFound):
        wizard.make(factories.org().admin, wish(event, at=in_days(3)), "f1", now=now)
    with pytest.raises(NotFound):
        wizard.foresee(factories.org().admin, wish(event, at=in_days(3)), now=now)
    assert rows(BY_HAND) == []
    wizard.make(org.admin, wish(event, at=now - timedelta(minutes=1)), "f1", now=now)
    assert {job.next_run_at for job in rows(BY_HAND)} == {now}


def test_a_deleted_event_takes_its_written_messages_along(org: OrgOf) -> None:
    event = hamlet(org)
    wizard.make(org.admin, wish(event, at=in_days(3)), "f1", now=utc_now())
    events.delete(org.admin, event.id, now=utc_now())
    assert {job.deleted_at is None for job in rows(BY_HAND)} == {False}
    (job_id,) = {job.id for job in rows(BY_HAND)[:1]}
    with pytest.raises(NotFound):
        jobs.get(org.admin, job_id, now=utc_now())
    assert JobStatus.SENT not in {job.status for job in rows(BY_HAND)}
