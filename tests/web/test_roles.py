"""Every route, every role and a foreign org, by one table: what each needs, and nothing less opens it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from console.core.actor import Actor
from console.core.clock import utc_now
from console.core.permissions import LEAST, Permission, allows
from console.core.states import Role
from console.services import people
from tests import factories
from tests.factories import PASSWORD, OrgOf, one, rows
from tests.web.conftest import Things, csrf_of, visit, words

P = Permission
PUBLIC = {
    "static",
    "sessions.sign_in",
    "probes.healthz",
    "probes.readyz",
    "probes.metrics",
    "openapi.spec",
    "api.docs",
}
"""Open to everybody, so that no role opens them."""

OWN = {"sessions.sign_out", "account.show", "account.change_password", "account.switch"}
"""What everybody does with their own session and account, whatever their role."""

NEEDS: Mapping[Permission, str] = {
    P.READ: """
        jobs.index jobs.show jobs.job jobs.table job_files.export deletions.index revisions.index
        runs.index runs.show runs.run runs.table run_figures.index run_figures.figures run_log.file
        run_log.lines rehearsals.show rehearsals.poll chains.chain chains.place explain.show
        schedules.index schedules.listing schedules.timeline imports.export tasks.index tasks.listing
        workers.index workers.fleet outbox.index outbox.show outbox.table pulse.pulse help.index
        approvals.index approvals.show approvals.approval approvals.table approvals.waiting
        events.index events.show events.event events.table message_settings.show templates.index
        templates.show settings.index settings.org settings.roles people.index browsers.index
        browsers.revoke_all alerts.index alerts.recent alerts.history alerts.message
        alert_forms.channel alert_forms.new_channel alert_forms.new_rule alert_forms.rule chains.options
        approvals.confirm_approve approvals.confirm_approve_fragment approvals.confirm_reject
        approvals.confirm_reject_fragment templates.preview
        api.list_jobs api.read_job api.export_jobs api.list_slots api.list_revisions api.read_chain
        api.explain_job api.list_runs api.read_run api.read_run_log api.list_queues api.read_status
        api.read_heartbeat api.list_schedules api.read_schedule api.export_schedules api.list_approvals
        api.read_approval api.list_events api.read_event api.read_message_settings api.read_message_type
        api.list_people api.list_alert_channels api.read_alert_channel api.list_alert_rules
        api.read_alert_rule api.list_alert_deliveries
    """,
    P.READ_AUDIT: """
        audit.index audit.table audit.export audit.verify api.list_audit api.export_audit api.verify_audit
    """,
    P.RUN_JOBS: """
        jobs.confirm jobs.confirm_fragment jobs.send_now sequences.confirm sequences.start
        api.send_now api.trigger_task api.run_in_sequence
    """,
    P.EDIT_JOBS: """
        jobs.pause jobs.resume details.show details.fragment details.save
        editor.show editor.fragment editor.preview editor.save revisions.restore
        revisions.undo row_edits.time row_edits.time_fragment row_edits.save_time row_edits.status
        row_edits.status_fragment row_edits.save_status table_bulk.confirm table_bulk.change bulk.confirm
        bulk.change schedules.switch imports.index imports.plan imports.apply tasks.make_job
        message_imports.index message_imports.plan message_imports.apply wizard.show wizard.preview
        wizard.send api.create_job api.change_job api.import_jobs api.restore_revision api.put_schedule
        api.change_schedules api.import_schedules
    """,
    P.DELETE_JOBS: """
        deletions.confirm deletions.confirm_fragment deletions.count deletions.delete deletions.undo
        api.delete_job api.delete_jobs api.undo_delete
    """,
    P.CONTROL_RUNS: """
        run_control.confirm_stop run_control.confirm_stop_fragment run_control.stop
        run_control.confirm_retry run_control.confirm_retry_fragment run_control.retry
        run_retries.confirm run_retries.retry api.stop_run api.retry_run
    """,
    P.RESOLVE_RUNS: "runs.resolve api.resolve_run",
    P.PAUSE_QUEUES: """
        queues.confirm queues.confirm_fragment queues.pause queues.resume api.pause_queue api.resume_queue
    """,
    P.EDIT_CHAINS: "chains.edit chains.edit_fragment chains.change api.put_chain",
    P.EDIT_EVENTS: """
        events.new events.create events.edit events.save events.confirm events.confirm_fragment events.delete
        event_imports.index event_imports.plan event_imports.apply
        api.create_event api.change_event api.delete_event api.import_events
    """,
    P.EDIT_MESSAGES: """
        message_settings.save message_settings.save_type templates.save templates.restore
        api.put_message_settings api.put_message_type
    """,
    P.TICK: "api.tick",
    P.DECIDE_APPROVALS: """
        approvals.approve approvals.reject api.approve_request api.reject_request
    """,
    P.GUARD_JOBS: "guarding.guard api.guard_job",
    P.MANAGE_PEOPLE: """
        people.new people.add people.show people.change people.access people.password
        api.add_person api.change_person
    """,
    P.MANAGE_TOKENS: """
        tokens.index tokens.create tokens.revoke api.list_tokens api.create_token api.revoke_token
    """,
    P.MANAGE_SESSIONS: "browsers.revoke api.list_sessions api.end_session",
    P.EDIT_ORG: "settings.save_org",
    P.EDIT_ALERTS: """
        alert_forms.create_channel alert_forms.create_rule alert_forms.save_channel alert_forms.save_rule
        alerts.delete_channel alerts.delete_rule alerts.test
        api.create_alert_channel api.change_alert_channel api.delete_alert_channel api.test_alert_channel
        api.create_alert_rule api.change_alert_rule api.delete_alert_rule
    """,
}
TABLE = {endpoint: permission for permission, names in NEEDS.items() for endpoint in names.split()}

AT = "2199-01-01T00:00:00Z"
BODIES: Mapping[str, Mapping[str, Any]] = {
    "browsers.revoke_all": {"whose": "mine"},
    "runs.resolve": {"outcome": "succeeded"},
    "schedules.switch": {"revision": "1"},
    "templates.save": {"seen": "1", "subject": "a", "text": "b"},
    "templates.restore": {"seen": "1", "version": "1"},
    "api.add_person": {"email": "new@example.com", "role": "viewer"},
    "api.create_token": {"name": "new", "role": "viewer"},
    "api.create_alert_channel": {"name": "new", "kind": "mail", "recipients": ["a@example.com"]},
    "api.create_alert_rule": {"name": "new", "event": "failed", "channels": ["$channel_id"]},
    "api.create_event": {"name": "new", "starts_at": AT},
    "api.change_event": {"name": "other"},
    "api.create_job": {"task": "tests.tasks.succeed"},
    "api.change_job": {"name": "other"},
    "api.change_schedules": {"action": "disable", "ids": ["$job_id"]},
    "api.put_schedule": {"type": "manual"},
    "api.import_schedules": {"": "version: 1\nschedules: []\n", "type": "application/yaml"},
    "api.import_events": {"": "name,starts_at\n", "type": "text/csv"},
    "api.import_jobs": {"": "id\n", "type": "text/csv"},
    "api.guard_job": {"needs_approval": True},
    "api.resolve_run": {"outcome": "succeeded"},
    "api.run_in_sequence": {"jobs": ["$job_id", "$second_id"]},
    "api.trigger_task": {"task_name": "tests.tasks.succeed"},
    "api.undo_delete": {"undo_token": "$deletion_id"},
}
"""What a call has to carry, for a body is read before anybody asks for a role; `$` begins the name of a thing
whose id is meant, an empty name is a file of this `type`."""
QUERIES: Mapping[str, str] = {"api.delete_jobs": "confirm=true"}


@dataclass
class Stage:
    """An org with one of each thing, and who asks: a browser and a token of each role."""

    app: APIFlask
    things: Mapping[str, Any]
    people: Mapping[Role, Actor]
    browsers: dict[Role, FlaskClient] = field(default_factory=dict)
    tokens: dict[Role, str] = field(default_factory=dict)
    csrf: dict[Role, str] = field(default_factory=dict)

    def enter(self, role: Role, token: str) -> None:
        self.browsers[role] = visit(self.app, self.people[role]).client
        self.tokens[role] = token
        self.csrf[role] = csrf_of(self.browsers[role])

    def ask(self, rule: Rule, method: str, role: Role) -> TestResponse:
        things = self.things | {"name": "second_job"} if "schedule" in rule.endpoint else self.things
        _, path = rule.build({name: things[name] for name in rule.arguments}) or ("", "")
        body = self.filled(BODIES.get(rule.endpoint, {}))
        if not rule.rule.startswith("/api/"):
            form = {"csrf_token": self.csrf[role], **body} if method == "POST" else None
            return self.browsers[role].open(path, method=method, data=form)
        sent: dict[str, Any] = {"headers": {"Authorization": f"Bearer {self.tokens[role]}"}}
        if "" in body:
            sent |= {"data": body[""], "content_type": body["type"]}
        elif method not in ("GET", "DELETE"):
            sent |= {"json": body}
        query = QUERIES.get(rule.endpoint)
        return self.app.test_client().open(path, method=method, query_string=query, **sent)

    def filled(self, value: Any) -> Any:
        """The value with the ids of things in it."""
        if isinstance(value, Mapping):
            return {name: self.filled(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.filled(item) for item in value]
        return str(self.things[value[1:]]) if isinstance(value, str) and value.startswith("$") else value


def calls(app: APIFlask) -> Iterator[tuple[Rule, str]]:
    """Every route and method that needs somebody; what takes things away comes last."""
    rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint not in PUBLIC | OWN]
    for rule in sorted(rules, key=lambda rule: ("delet" in rule.endpoint, rule.endpoint, rule.rule)):
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield rule, method


def stage_of(app: APIFlask, org: OrgOf, things: Mapping[str, Any]) -> Stage:
    made = Stage(app, things, {role: factories.person(org, role) for role in Role})
    for role in Role:
        made.enter(role, factories.token(org, role, made.people[Role.ADMIN]))
    return made


@pytest.fixture
def all_things(org: OrgOf, things: Things) -> dict[str, Any]:
    """The ids of one of each thing; of what has no page here yet, one of nothing."""
    other = factories.person(org, Role.VIEWER)
    people.sign_in(other.email or "", PASSWORD, now=utc_now(), address=None, user_agent=None)
    found: dict[str, Any] = vars(things) | {
        "person_id": other.id,
        "session_id": one("SELECT id FROM login_sessions WHERE user_id = :id", id=other.id),
        "token_id": people.create_token(org.admin, "spare", Role.VIEWER, now=utc_now()).token.id,
        "second_id": factories.job(org, key="second_job").id,
        "queue": "default",
    }
    return defaultdict(uuid4, found)


ALL = """
SELECT string_agg(format(
    'SELECT %L AS what, md5(string_agg(t::text, E''\\n'' ORDER BY t::text)) AS held FROM %I t',
    tablename, tablename), ' UNION ALL ')
FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'audit_%'
  AND tablename NOT IN ('alembic_version', 'login_sessions', 'api_tokens', 'heartbeats')
"""
LEFT_ALONE = """
SELECT md5(string_agg(concat(id, org_id, revoked_at), ',' ORDER BY id)) FROM login_sessions
UNION ALL SELECT md5(string_agg(concat(id, role, revoked_at), ',' ORDER BY id)) FROM api_tokens
UNION ALL SELECT count(*)::text FROM audit_entries WHERE tag <> 'access:refused'
"""


def said(answer: TestResponse) -> str:
    return words(answer)[-200:]


def held() -> tuple[Any, ...]:
    """All that the database holds, but for when somebody was seen, and that something was refused.

    In one order: that of the catalogue changes with a vacuum, that of the parts of a union with the plan.
    """
    return tuple(sorted(map(str, (*rows(one(ALL)), *rows(LEFT_ALONE)))))


def test_every_route_has_its_permission_in_the_table(app: APIFlask) -> None:
    there = {rule.endpoint for rule in app.url_map.iter_rules()}
    known = set(TABLE) | PUBLIC | OWN
    assert there - known == set(), "say in NEEDS which permission it needs"
    assert known - there <= PUBLIC, "gone, and still in NEEDS"
    assert set(LEAST) == set(Permission) == set(NEEDS)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_below_its_role_every_route_is_forbidden_and_changes_nothing(
    app: APIFlask, org: OrgOf, all_things: dict[str, Any], role: Role
) -> None:
    stage = stage_of(app, org, all_things)
    stage.app.test_client().get("/api/v1/runs", headers={"Authorization": f"Bearer {stage.tokens[role]}"})
    wrong, before, refused = [], held(), 0
    for rule, method in calls(app):
        if allows(role, TABLE[rule.endpoint]):
            continue
        answer = stage.ask(rule, method, role)
        refused += 1
        if answer.status_code != 403 or "FORBIDDEN" not in answer.text:
            wrong.append(f"{rule.endpoint}: {method} {answer.status_code} {said(answer)}")
        elif method != "GET" and held() != before:
            wrong.append(f"{rule.endpoint}: {method} was forbidden and changed something")
            before = held()
    assert not wrong, "\n".join(["", *wrong])
    assert held() == before
    assert refused > (20 if role is Role.OPERATOR else 80)


@pytest.mark.parametrize("role", Role)
def test_with_its_role_no_route_is_forbidden(
    app: APIFlask, org: OrgOf, all_things: dict[str, Any], role: Role
) -> None:
    known = set(all_things)
    stage = stage_of(app, org, all_things)
    wrong = []
    for rule, method in calls(app):
        if not allows(role, TABLE[rule.endpoint]):
            continue
        answer = stage.ask(rule, method, role)
        is_missed = method == "GET" and answer.status_code == 404 and set(rule.arguments) <= known
        is_closed = answer.status_code in (401, 403, 405) or "FORBIDDEN" in answer.text
        if is_missed or is_closed or answer.status_code >= 500:
            wrong.append(f"{rule.endpoint}: {method} {answer.status_code} {said(answer)}")
    assert not wrong, "\n".join(["", *wrong])


def test_to_an_admin_of_another_org_none_of_it_is_there(
    app: APIFlask, org: OrgOf, all_things: dict[str, Any]
) -> None:
    stage = stage_of(app, factories.org(), all_things)
    wrong, before = [], held()
    for rule, method in calls(app):
        if not any(name.endswith("_id") for name in rule.arguments):
            continue
        answer = stage.ask(rule, method, Role.ADMIN)
        if answer.status_code != 404 or "Confidential" in answer.text:
            wrong.append(f"{rule.endpoint}: {method} {answer.status_code} {said(answer)}")
    assert not wrong, "\n".join(["", *wrong])
    assert held() == before
