"""Why a message goes out or does not: each rule is named with its inputs.

The clock is passed in; each situation is really brought about.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from apiflask import APIFlask

from console.core.explaining import Verdict
from console.core.states import JobStatus
from console.db.session import db
from console.plugins.messages import events
from console.plugins.messages import settings as message_settings
from console.plugins.messages.event_shape import EventChange
from console.plugins.messages.settings import SettingsChange, TypeChange
from console.services import edits
from console.services.changes import Change
from console.services.views import JobView
from tests import factories
from tests.factories import NOON, OrgOf
from tests.plugins.messages.letters import ANA, INIT, REMINDER, event, message
from tests.services.explain.asking import (
    DAY,
    HOUR,
    SATURDAY,
    SECOND,
    SLOT,
    alive,
    ask,
    codes,
    executed,
    expect,
    said,
)
from tests.services.test_policies import one_pass


def due(of: OrgOf, about: UUID | None, kind: Any = REMINDER, **fields: Any) -> JobView:
    return message(of, about, kind, at=SATURDAY, now=NOON, **fields)


def test_each_rule_of_messages_is_named_with_its_inputs_and_where_to_change_them(org: OrgOf) -> None:
    """Before its time and at it, in the order in which the rules are asked; each is then taken away."""
    admin = org.admin
    about = event(org, load_in_at=datetime(2030, 2, 1, 9, 30, tzinfo=UTC), starts_at=SATURDAY + 30 * DAY)
    sent = due(org, about, INIT, recipient=ANA.upper())
    edits.edit(admin, sent.id, Change(status=JobStatus.SENT, note="by phone"), now=NOON)
    off = SettingsChange(enabled=False, weekend_rule="previous_friday")
    message_settings.save(admin, off, now=NOON)
    message_settings.save_type(admin, INIT, TypeChange(enabled=False), now=NOON)
    db.session.commit()
    steps: list[tuple[str, str, str, Any]] = [
        ("DISABLED_GLOBAL", "automatic sending is switched off", "message_settings.show",
         lambda: message_settings.save(admin, SettingsChange(enabled=True), now=NOON)),
        ("DISABLED_TYPE", "of the type Init is off", "message_settings.show",
         lambda: message_settings.save_type(admin, INIT, TypeChange(enabled=True), now=NOON)),
        ("HAS_LOAD_IN_TIME", "the load-in time of “Hamlet” is known: Fri 1 Feb 2030 09:30", "events.edit",
         lambda: events.edit(admin, about, EventChange(load_in_at=None), now=NOON)),
        ("WEEKEND", "it is Saturday in UTC, and by the weekend rule", "message_settings.show",
         lambda: message_settings.save(admin, SettingsChange(weekend_rule="none"), now=NOON)),
        ("DUPLICATE", f"{ANA} already got the message of the type Init", "jobs.show", lambda: None),
    ]  # fmt: skip
    alive(SATURDAY)
    for code, words, where, away in steps:
        job = due(org, about, INIT)
        found = ask(org, job, now=SATURDAY - SECOND)
        expect(found, Verdict.BLOCKED, [code], words, source="rules of Send message")
        assert found.evidence[0].link and found.evidence[0].link.endpoint == where
        one_pass(SATURDAY)
        then = ask(org, job, SATURDAY, now=SATURDAY + SECOND)
        assert (then.verdict, codes(then)) == (Verdict.SKIPPED, [code]) and words in said(then)
        away()


def test_a_message_without_a_recipient_leads_to_its_event(org: OrgOf) -> None:
    about = event(org, contact_email=None)
    job = due(org, about, recipient=None)
    alive(SATURDAY)
    found = ask(org, job, now=SATURDAY - SECOND)
    expect(
        found,
        Verdict.BLOCKED,
        ["MISSING_RECIPIENT"],
        "“Hamlet” has no contact address",
        source="what Send message requires",
    )
    assert found.evidence[0].link and found.evidence[0].link.endpoint == "events.edit"
    one_pass(SATURDAY)
    then = ask(org, job, SATURDAY, now=SATURDAY)
    assert (then.verdict, codes(then)) == (Verdict.SKIPPED, ["MISSING_RECIPIENT"])


def test_a_message_that_was_marked_or_paused_says_by_whom(org: OrgOf) -> None:
    about = event(org)
    alive(SATURDAY)
    marked = due(org, about)
    edits.edit(org.admin, marked.id, Change(status=JobStatus.SENT, note="by phone"), now=NOON + HOUR)
    found = ask(org, marked, now=SATURDAY - SECOND)
    expect(
        found,
        Verdict.BLOCKED,
        ["ALREADY_SENT"],
        "this message was already sent (marked as sent by tests)",
        source="revision r2",
        revision=2,
    )
    then = ask(org, marked, SATURDAY, now=SATURDAY + HOUR)
    expect(
        then,
        Verdict.NOT_DUE,
        [],
        "It was over: tests marked it as sent in r2",
        source="revision r2",
        revision=2,
    )
    paused = due(org, about, recipient="lee@northside.example")
    edits.set_paused(org.admin, paused.id, True, note="wait for the cast", now=NOON)
    one_pass(SATURDAY)
    then = ask(org, paused, SATURDAY, now=SATURDAY + HOUR)
    expect(
        then,
        Verdict.BLOCKED,
        ["PAUSED"],
        "It was paused when its time came, and waits to be resumed",
        "“wait for the cast”",
        source="revision r2",
        revision=2,
    )


def test_a_message_that_went_out_before_its_time_is_over_at_it(app: APIFlask, org: OrgOf) -> None:
    job = factories.job(org, now=NOON, schedule={"type": "once", "at": SATURDAY.isoformat()})
    executed(app, factories.run(org, job, now=SLOT), SLOT)
    ahead = ask(org, job, SATURDAY, now=SLOT + HOUR)
    expect(
        ahead,
        Verdict.NOT_DUE,
        [],
        "It will not be due then: it is sent, and nothing is to come",
        source="revision r1",
    )
    then = ask(org, job, SATURDAY, now=SATURDAY + HOUR)
    expect(
        then,
        Verdict.NOT_DUE,
        [],
        "It was over before: its run ended on Wed 2 Jan 2030 13:00, and it runs once",
        source="run ",
    )
