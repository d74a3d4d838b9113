"""The pages of alerts: forms that lose nothing, the button that tests, and the history."""

import re
from collections.abc import Iterator
from html import unescape

import pytest
from apiflask import APIFlask

from console.core.alerts import AlertOn
from console.core.states import Role, RunState
from console.services import alert_rules
from tests import factories
from tests.factories import NOON, OrgOf, one, rows
from tests.receiver import Receiver, receiving
from tests.services.alerting import (
    MINUTE,
    ended,
    look_and_send,
    mail_channel,
    private_addresses,
    rule,
    webhook,
)
from tests.smtp import Smtp
from tests.web.conftest import Visitor, part, visit, words

POLL = re.compile(r'hx-get="(/fragments/alerts/recent[^"]*)"')


@pytest.fixture
def admin(app: APIFlask, org: OrgOf) -> Visitor:
    return visit(app, factories.person(org, Role.ADMIN))


@pytest.fixture
def receiver(app: APIFlask) -> Iterator[Receiver]:
    with receiving() as told, private_addresses():
        yield told


def test_the_empty_page_teaches_and_leads_to_the_first_channel(admin: Visitor, viewer: Visitor) -> None:
    shown = admin.get("/settings/alerts")
    assert "No rules yet" in words(shown) and "Make the first channel" in words(shown)
    seen = viewer.get("/settings/alerts")
    assert "Make the first channel" not in words(seen)
    assert "needs the role admin" in words(seen)
    assert viewer.post("/settings/alerts/channels", {"name": "x", "kind": "mail"}).status_code == 403


def test_a_channel_is_made_and_its_mistakes_stand_beside_their_fields(
    admin: Visitor, receiver: Receiver
) -> None:
    form = admin.get("/settings/alerts/channels/new?kind=webhook")
    assert 'value="whsec_' in form.text
    typed = {"name": "Hook", "kind": "webhook", "url": "nonsense", "secret": "short", "recipients": "x"}
    wrong = admin.post("/settings/alerts/channels", typed)
    assert wrong.status_code == 422
    assert "Must be a whole address" in words(wrong) or "Must have 16 to 200" in words(wrong)
    assert 'value="nonsense"' in wrong.text and 'value="Hook"' in wrong.text
    assert one("SELECT count(*) FROM alert_channels") == 0
    made = admin.post("/settings/alerts/channels", {**typed, "url": receiver.url, "secret": "s" * 20})
    assert (made.status_code, made.location) == (303, "/settings/alerts")
    shown = admin.get("/settings/alerts")
    assert "Channel Hook is made." in words(shown)
    assert "secret-path" not in shown.text
    channel_id = one("SELECT id FROM alert_channels")
    held = admin.get(f"/settings/alerts/channels/{channel_id}").text
    assert "secret-path" not in held and "ssss" not in held


def test_the_form_says_which_addresses_are_taken_here(admin: Visitor) -> None:
    shown = words(admin.get("/settings/alerts/channels/new?kind=webhook"))
    assert "in the public internet: private addresses are refused." in shown and "gotify" not in shown
    with private_addresses():
        shown = words(admin.get("/settings/alerts/channels/new?kind=webhook"))
    assert "or, since CONSOLE_ALLOW_PRIVATE_WEBHOOKS is on, in a private network." in shown
    assert "refused" not in shown and "gotify" in shown


def test_a_test_shows_the_answer_with_and_without_script(
    admin: Visitor, org: OrgOf, receiver: Receiver
) -> None:
    channel = webhook(org, receiver)
    path = f"/settings/alerts/channels/{channel.id}/test"
    assert "Nothing yet" in words(part(admin.get("/settings/alerts"), "recent"))
    before = unescape(POLL.findall(admin.get("/settings/alerts").text)[-1])
    tested = admin.post(path, htmx=True)
    assert words(tested) == "Test sent: 200 OK."
    assert tested.headers["HX-Trigger-After-Settle"] == "alerts-changed", "the list below reads itself again"
    assert "Sent" in words(admin.get(before)) and "200 OK" in words(admin.get(before))
    receiver.answers.append(500)
    assert admin.post(path).status_code == 303
    shown = words(admin.get("/settings/alerts"))
    assert "The test did not arrive: The receiver answered 500 Internal Server Error" in shown
    assert [row[0] for row in rows("SELECT state FROM alert_deliveries ORDER BY id")] == ["sent", "failed"]


def test_a_rule_is_made_for_a_job_from_its_page(admin: Visitor, org: OrgOf) -> None:
    channel, job = mail_channel(org), factories.job(org, key="nightly", name="Nightly")
    link = f"/settings/alerts?job={job.id}"
    assert link in admin.get(f"/jobs/{job.id}").text
    assert "No rule watches Nightly" in words(admin.get(link))
    form = admin.get(f"/settings/alerts/rules/new?job={job.id}")
    assert 'value="nightly"' in form.text and "checked" in part(form, "rule-form")
    typed = {
        "name": "Nightly is late", "event": "late", "scope": "job", "job": "nihgtly", "minutes": "x",
        "count": "3", "throttle_minutes": "5", "enabled": "1", "channels": str(channel.id),
    }  # fmt: skip
    wrong = admin.post("/settings/alerts/rules", typed)
    assert wrong.status_code == 422
    assert 'value="nihgtly"' in wrong.text and 'aria-invalid="true"' in wrong.text
    assert f'value="{channel.id}" checked' in " ".join(wrong.text.split())
    wrong = admin.post("/settings/alerts/rules", {**typed, "job": "nightly"})
    assert "Must be a whole number" in words(wrong)
    assert (
        admin.post("/settings/alerts/rules", {**typed, "job": "nightly", "minutes": "5"}).status_code == 303
    )
    made = alert_rules.listing(org.admin, job_id=job.id)[0]
    assert (made.event, made.minutes, made.job_key, made.throttle_minutes) == ("late", 5, "nightly", 5)
    assert "Nightly is late" in words(admin.get(link))
    other = factories.job(org, name="Other")
    assert "No rule watches Other" in words(admin.get(f"/settings/alerts?job={other.id}"))


def test_a_rule_is_changed_and_deleted_and_a_needed_channel_stays(admin: Visitor, org: OrgOf) -> None:
    channel = mail_channel(org)
    made = rule(org, AlertOn.FAILED, channel)
    typed = {"name": "Off", "event": "scheduler_red", "scope": "job", "throttle_minutes": "0"}
    saved = admin.post(f"/settings/alerts/rules/{made.id}", {**typed, "channels": str(channel.id)})
    assert saved.status_code == 303
    held = alert_rules.get(org.admin, made.id)
    assert (held.name, held.enabled, held.scope, held.throttle_minutes) == ("Off", False, "all", 0)
    needed = admin.post(f"/settings/alerts/channels/{channel.id}/deletion")
    assert needed.status_code == 409 and "Off would say it nowhere" in words(needed)
    assert admin.post(f"/settings/alerts/rules/{made.id}/deletion").status_code == 303
    assert admin.post(f"/settings/alerts/channels/{channel.id}/deletion").status_code == 303
    assert one("SELECT count(*) FROM alert_rules") == one("SELECT count(*) FROM alert_channels") == 0


def test_the_history_says_what_was_sent_to_whom_and_pages(
    admin: Visitor, org: OrgOf, smtp: Smtp, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = factories.job(org, name="Nightly")
    made = rule(org, AlertOn.FAILED, mail_channel(org), throttle=0)
    for minute in range(3):
        ended(org, job, RunState.FAILED, at=NOON + minute * MINUTE)
        look_and_send(NOON + minute * MINUTE)
    monkeypatch.setattr("console.web.alerts.PAGE", 2)
    shown = admin.get(f"/settings/alerts/history?state=sent&rule={made.id}")
    assert words(shown).count("Callboard: Nightly failed") == 2
    assert "ops@northside.example" in words(shown)
    older = part(shown, "next-page").partition('href="')[2].partition('"')[0].replace("&amp;", "&")
    assert words(admin.get(older)).count("Callboard: Nightly failed") == 1
    assert "No such messages" in words(admin.get("/settings/alerts/history?state=failed"))
    delivery_id = one("SELECT id FROM alert_deliveries ORDER BY created_at LIMIT 1")
    message = words(admin.get(f"/settings/alerts/history/{delivery_id}"))
    assert "EXCEPTION: ValueError: no such stage" in message
    waiting = rule(org, AlertOn.FAILED, mail_channel(org, "B"), name="B", throttle=60)
    for minute in (3, 4, 5):
        ended(org, job, RunState.FAILED, at=NOON + minute * MINUTE)
        look_and_send(NOON + minute * MINUTE)
    assert "2 more wait" in part(admin.get("/settings/alerts"), f"rule-{waiting.id}")


def test_the_page_says_when_no_watcher_is_alive(app: APIFlask, operator: Visitor) -> None:
    assert "No watcher" in words(operator.get("/fragments/pulse"))
    assert "python -m console watcher" in words(operator.get("/workers"))
    factories.live_watcher()
    assert "No watcher" not in words(operator.get("/fragments/pulse"))
    assert "watcher-1" in words(operator.get("/workers"))
