"""Ids of another org in a body or a query: nothing happens to what they name, and nothing is said of it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from apiflask import APIFlask
from werkzeug.test import TestResponse

from console.core.states import Role
from tests import factories
from tests.factories import OrgOf, one, rows
from tests.web.conftest import Visitor, visit, words
from tests.web.test_roles import OWN, PUBLIC, all_things  # noqa: F401

SECRETS = ("Confidential", "confidential", "Sweep the stage")
MARK = re.compile(r'name="mark"\s+value="([^"]+)"')
AT = "2199-01-01T00:00:00Z"
JOBS = ["$own_job_id", "$job_id"]
ABOUT_THEIRS = {
    "task": "send_message",
    "args": {"message_type": "INIT", "event_id": "$event_id"},
    "recipient": "a@example.com",
}
RUNS = ["$own_run_id", "$run_id"]


@dataclass(frozen=True)
class Ask:
    """A call by a stranger: with a thing of their own beside the foreign one where it takes several.

    `$` begins the name of a thing; a body's empty name is a file of this `type`. What follows a dialog posts
    the mark that the endpoint `after` gave.
    """

    endpoint: str
    body: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    after: str = ""
    args: Mapping[str, str] = field(default_factory=dict)


def both(confirm: str, do: str, body: Mapping[str, Any], asked: int, done: int) -> list[Ask]:
    """The dialog, and then the deed with the mark that the dialog gave."""
    return [Ask(confirm, body, asked), Ask(do, body, done, after=confirm)]


PAGES = [
    *both("table_bulk.confirm", "table_bulk.change", {"selected": JOBS, "action": "pause"}, 200, 303),
    *both("table_bulk.confirm", "table_bulk.change", {"selected": JOBS, "action": "resume"}, 200, 303),
    *both("table_bulk.confirm", "table_bulk.change", {"selected": JOBS, "action": "reschedule"}, 200, 303),
    *both("table_bulk.confirm", "table_bulk.change", {"selected": JOBS, "action": "send"}, 200, 303),
    Ask("table_bulk.confirm", {"selected": JOBS, "action": "sequence"}),
    *both("bulk.confirm", "bulk.change", {"selected": JOBS, "action": "disable"}, 200, 303),
    *both("bulk.confirm", "bulk.change", {"selected": JOBS, "action": "enable"}, 200, 303),
    *both(
        "bulk.confirm",
        "bulk.change",
        {"selected": JOBS, "action": "set_zone", "timezone": "Asia/Tokyo"},
        200,
        303,
    ),
    Ask("sequences.confirm", {"job": JOBS}),
    Ask("sequences.start", {"job": JOBS}, 404),
    Ask("run_retries.confirm", {"selected": RUNS}),
    Ask("run_retries.retry", {"selected": RUNS}, 303),
    Ask("chains.change", {"condition": "success", "job": "$job_id"}, 422, args={"job_id": "$own_job_id"}),
    Ask("chains.change", {"remove": "success:$job_id"}, 303, args={"job_id": "$own_job_id"}),
    Ask("alert_forms.create_rule", {"name": "x", "event": "failed", "scope": "job", "job": "$job_id"}, 422),
    Ask(
        "alert_forms.create_rule",
        {"name": "x", "event": "failed", "scope": "all", "throttle_minutes": "5", "channels": "$channel_id"},
        422,
    ),
    Ask("account.switch", {"org": "$org_id"}, 404),
    Ask("tasks.make_job", {"task": "$job_id"}, 404),
    Ask("wizard.preview", {"event": "$event_id", "type": "INIT"}),
    Ask("wizard.send", {"event": "$event_id", "type": "INIT"}, 422),
    Ask(
        "templates.preview",
        {"event": "$event_id", "subject": "{{ event_name }}", "text": "b"},
        404,
        args={"message_type": "INIT"},
    ),
    *both("imports.plan", "imports.apply", {"text": "$file_of_schedules"}, 422, 422),
    *both("message_imports.plan", "message_imports.apply", {"text": "id,status\n$job_id,paused\n"}, 422, 422),
    *both(
        "message_imports.plan", "message_imports.apply", {"text": "key,status\nsecond_job,paused\n"}, 422, 422
    ),
    *both(
        "event_imports.plan",
        "event_imports.apply",
        {"text": f"id,name,starts_at\n$event_id,x,{AT}\n"},
        422,
        422,
    ),
    Ask("deletions.delete", {"event": "$event_id", "number": "1"}, 422),
    Ask("deletions.delete", {"event": "$event_id", "number": "0"}, 422),
    *both("table_bulk.confirm", "table_bulk.change", {"selected": JOBS, "action": "delete"}, 200, 303),
]
"""Forms; what takes its own things away comes last."""
CALLS = [
    Ask("api.run_in_sequence", {"jobs": JOBS}, 404),
    Ask("api.change_schedules", {"action": "disable", "ids": JOBS}),
    Ask("api.undo_delete", {"undo_token": "$deletion_id"}, 404),
    Ask("api.import_jobs", {"": "id,status\n$job_id,paused\n", "type": "text/csv"}, 422),
    Ask("api.import_jobs", {"": "key,status\nsecond_job,paused\n", "type": "text/csv"}, 422),
    Ask("api.import_events", {"": f"id,name,starts_at\n$event_id,x,{AT}\n", "type": "text/csv"}, 422),
    Ask("api.import_schedules", {"": "$file_of_schedules", "type": "application/yaml"}, 422),
    Ask("api.put_chain", {"on_success": ["$job_id"]}, 422, args={"job_id": "$own_job_id"}),
    Ask("api.put_chain", {"on_failure": ["second_job"]}, 422, args={"job_id": "$own_job_id"}),
    Ask("api.create_alert_rule", {"name": "x", "event": "failed", "channels": ["$channel_id"]}, 422),
    Ask(
        "api.create_alert_rule",
        {"name": "x", "event": "failed", "scope": "job", "job": "$job_id", "channels": ["$own_channel_id"]},
        404,
    ),
    Ask("api.trigger_task", {"task_name": "$job_id"}, 404),
    Ask("api.trigger_task", {"task_name": "second_job"}, 404),
    Ask("api.create_job", ABOUT_THEIRS, 201),
    Ask("api.put_schedule", {"type": "manual"}, 404, args={"name": "second_job"}),
]
QUESTIONS = [
    ("/", {"event": "$event_id"}),
    ("/runs", {"job": "$job_id"}),
    ("/audit", {"kind": "job", "object": "$job_id"}),
    ("/settings/alerts/history", {"rule": "$rule_id"}),
    ("/settings/alerts/history", {"channel": "$channel_id"}),
    ("/settings/alerts/rules/new", {"job": "$job_id"}),
    ("/deletions/new", {"event": "$event_id"}),
    ("/messages/new", {"event": "$event_id"}),
    ("/api/v1/runs", {"job": "$job_id"}),
    ("/api/v1/scheduler/jobs", {"event": "$event_id"}),
    ("/api/v1/audit", {"object_id": "$job_id"}),
    ("/api/v1/alerts/deliveries", {"rule": "$rule_id"}),
]
WITHOUT = set(
    """
    api.add_person api.create_alert_channel api.create_event api.create_token
    api.pause_queue api.put_message_settings api.put_message_type
    api.resume_queue api.tick
    alert_forms.create_channel audit.verify browsers.revoke_all events.create
    message_settings.save message_settings.save_type people.add queues.pause queues.resume
    settings.save_org templates.restore templates.save tokens.create
    """.split()
)
"""Calls that change something, and name nothing by an id in path or body."""


class Stranger:
    """An admin of another org, with a job and a run of their own."""

    def __init__(self, app: APIFlask, things: Mapping[str, Any]) -> None:
        self.app, self.org = app, factories.org()
        admin = factories.person(self.org, Role.ADMIN)
        self.visitor: Visitor = visit(app, admin)
        self.token = factories.token(self.org, Role.ADMIN, admin)
        job = factories.job(self.org, name="My own", key="my_own")
        run = factories.run(self.org, job)
        then = f"then: {{on_success: [second_job, {things['job_key']}]}}"
        file = f"version: 1\nschedules:\n- key: my_own\n  {then}\n"
        factories.event(self.org, "My own event")
        channel, _, _ = factories.alert(self.org, "My own")
        own = {"own_job_id": job.id, "own_run_id": run.id, "own_channel_id": channel.id}
        self.things = {**things, **own, "file_of_schedules": file}
        self.marks: dict[str, str] = {}

    def filled(self, value: Any) -> Any:
        """The value with the ids of things in it."""
        if isinstance(value, Mapping):
            return {name: self.filled(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.filled(item) for item in value]
        if not isinstance(value, str):
            return value
        return re.sub(r"\$(\w+)", lambda found: str(self.things[found[1]]), value)

    def path(self, ask: Ask) -> tuple[str, str]:
        """The method and the address of the call."""
        (rule,) = (
            rule
            for rule in self.app.url_map.iter_rules(ask.endpoint)
            if {"POST", "PUT"} & (rule.methods or set())
        )
        _, path = rule.build(self.filled(ask.args)) or ("", "")
        return next(iter({"POST", "PUT"} & (rule.methods or set()))), path

    def post(self, ask: Ask) -> TestResponse:
        method, path = self.path(ask)
        body = self.filled(ask.body)
        if not path.startswith("/api/"):
            mark = {"mark": self.marks[ask.after]} if ask.after in self.marks else {}
            answer = self.visitor.post(path, {**body, **mark})
            found = MARK.search(answer.text)
            self.marks = {ask.endpoint: found[1]} if found else {}
            return answer
        sent: dict[str, Any] = {"headers": {"Authorization": f"Bearer {self.token}"}, "json": body}
        if "" in body:
            sent |= {"data": body[""], "content_type": body["type"], "json": None}
        return self.app.test_client().open(path, method=method, **sent)

    def get(self, path: str, query: Mapping[str, str]) -> TestResponse:
        given, sent = self.filled(query), {"Authorization": f"Bearer {self.token}"}
        if path.startswith("/api/"):
            return self.app.test_client().get(path, query_string=given, headers=sent)
        return self.visitor.get(path, query_string=given)


OF_ORGS = """
SELECT string_agg(format(
    'SELECT %L AS what, md5(string_agg(t::text, E''\\n'' ORDER BY t::text)) FROM %I t WHERE org_id = %L',
    table_name, table_name, CAST(:org AS text)), ' UNION ALL ')
FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
WHERE table_schema = 'public' AND column_name = 'org_id' AND table_type = 'BASE TABLE'
"""


def held(org: OrgOf) -> list[Any]:
    """All that the database holds of the org, its trail too."""
    return [tuple(row) for row in rows(one(OF_ORGS, org=org.id) + " ORDER BY 1")]


@pytest.fixture
def stranger(app: APIFlask, org: OrgOf, all_things: dict[str, Any]) -> Stranger:  # noqa: F811
    key = one("SELECT key FROM jobs WHERE id = :id", id=all_things["job_id"])
    return Stranger(app, {**all_things, "org_id": org.id, "job_key": key})


def test_every_call_that_changes_something_is_asked_with_foreign_ids_or_names_none(app: APIFlask) -> None:
    changing = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if {"POST", "PUT", "PATCH"} & (rule.methods or set())
        and not any(name.endswith("_id") for name in rule.arguments)
    }
    asked = {ask.endpoint for ask in (*PAGES, *CALLS)}
    assert changing - asked - WITHOUT - PUBLIC - OWN == set(), "add it to PAGES or CALLS, or to WITHOUT"
    assert WITHOUT - changing == set(), "gone, or asked by an id in its path"


@pytest.mark.parametrize("asks", [PAGES, CALLS], ids=["pages", "calls"])
def test_what_a_stranger_names_in_a_body_is_not_there(
    org: OrgOf, stranger: Stranger, asks: Sequence[Ask]
) -> None:
    before, wrong = held(org), []
    for ask in asks:
        answer = stranger.post(ask)
        told = [secret for secret in SECRETS if secret in answer.text]
        if answer.status_code != ask.status or told:
            wrong.append(f"{ask} {answer.status_code} {told} {words(answer)[-300:]}")
        elif held(org) != before:
            wrong.append(f"{ask} changed something")
            before = held(org)
    assert not wrong, "\n".join(["", *wrong])


def test_what_a_stranger_names_in_a_query_is_not_told(stranger: Stranger) -> None:
    wrong = []
    for path, query in QUESTIONS:
        answer = stranger.get(path, query)
        told = [secret for secret in SECRETS if secret in answer.text]
        if answer.status_code not in (200, 404, 422) or told:
            wrong.append(f"{path} {query} {answer.status_code} {told}")
    assert not wrong, "\n".join(["", *wrong])


def test_a_message_about_a_foreign_event_is_not_sent_and_tells_nothing_of_it(
    org: OrgOf, stranger: Stranger
) -> None:
    """Its id may be in its arguments, which are checked for their shape."""
    factories.live_worker()
    before = held(org)
    made = stranger.post(Ask("api.create_job", ABOUT_THEIRS)).json
    assert made
    for page in ("", "/send-now", "/explain"):
        answer = stranger.visitor.get(f"/jobs/{made['id']}{page}")
        assert answer.status_code == 200
        assert not [secret for secret in SECRETS if secret in answer.text]
    sent = stranger.visitor.post(f"/jobs/{made['id']}/send-now", {"idempotency_key": "once"})
    assert (sent.status_code, "The event that it is about was deleted." in words(sent)) == (409, True)
    assert one("SELECT count(*) FROM runs WHERE job_id = :id", id=made["id"]) == 0
    assert held(org) == before
