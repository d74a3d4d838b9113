"""Send now on a message by a program: the same refusals, the same way past them, and the message as sent."""

from apiflask import APIFlask
from werkzeug.test import TestResponse

from console.core.clock import utc_now
from console.worker.execute import execute
from tests.factories import OrgOf, one
from tests.plugins.messages.letters import ANA, event, message
from tests.smtp import Smtp

from .conftest import Org, assert_problem
from .test_triggers import send


def refused(response: TestResponse) -> str:
    code: str = assert_problem(response, 409)["reason_code"]
    return code


def test_a_message_is_sent_once_and_again_only_by_override(app: APIFlask, org: Org, smtp: Smtp) -> None:
    of = OrgOf(org.actor.org_id, org.actor)
    job = message(of, event(of))
    first = send(org.operator, job.id)
    assert first.status_code == 202, first.text
    assert refused(send(org.operator, job.id, json={"override": True})) == "OVERLAP"
    execute(app, one("SELECT id FROM runs"), worker="tester", clock=utc_now)
    run = org.viewer.get(f"/runs/{first.json['id']}").json
    assert run["state"] == "succeeded"
    sent = run["result"]["message"]
    assert (sent["recipient"], sent["message_id"]) == (ANA, smtp.messages[0]["Message-ID"])
    again = send(org.operator, job.id)
    assert refused(again) == "ALREADY_SENT"
    assert "Choose “send again”" in again.json["detail"]
    assert send(org.operator, job.id, json={"override": True}).status_code == 202
    assert one("SELECT count(*) FROM runs") == 2


def test_a_missing_recipient_is_refused_whatever_is_asked(org: Org) -> None:
    of = OrgOf(org.actor.org_id, org.actor)
    job = message(of, event(of), recipient=None)
    assert refused(send(org.operator, job.id, json={"override": True})) == "MISSING_RECIPIENT"
    assert one("SELECT count(*) FROM runs") == 0
