"""Makes what tests begin with, through the product's own services."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from sqlalchemy import text

from console.core.actor import Actor
from console.core.alerts import AlertOn, ChannelKind
from console.core.clock import utc_now
from console.core.registry import registry
from console.core.states import ActorKind, Beating, Role, Trigger
from console.db.session import db
from console.plugins.messages import events
from console.plugins.messages.views import EventView
from console.services import (
    alert_channels,
    alert_rules,
    alert_sending,
    guarding,
    heartbeats,
    job_creation,
    orgs,
    people,
    triggers,
)
from console.services.alert_channels import ChannelView
from console.services.alert_fields import RuleGiven
from console.services.alert_history import DeliveryView
from console.services.alert_rules import RuleView
from console.services.alert_ways import ChannelGiven
from console.services.approval_views import ApprovalView
from console.services.approvals import ApprovalRequested
from console.services.heartbeats import Beat
from console.services.job_creation import NewJob
from console.services.run_requests import Request
from console.services.run_views import RunView
from console.services.views import JobView

NOON = datetime(2030, 1, 2, 12, 0, tzinfo=UTC)
PASSWORD = "a long enough password"
UNKNOWN_ID = "0c8d5a3e-9f6b-4e27-8d41-5b7a90c2e6f3"
"""Of nothing; a random one could not stand in the name of a test, which parallel workers have to agree on."""
_numbers = count(1)


@dataclass(frozen=True)
class OrgOf:
    """An org with its set-up actor, who may do all."""

    id: UUID
    admin: Actor


def org(name: str | None = None, timezone: str = "UTC") -> OrgOf:
    number = next(_numbers)
    org_id = orgs.create_org(name or f"Org {number}", f"org-{number}", timezone)
    return OrgOf(
        org_id, Actor(ActorKind.SYSTEM, org_id, name or f"Org {number}", timezone, Role.ADMIN, "tests")
    )


def person(of: OrgOf, role: Role = Role.OPERATOR, email: str | None = None) -> Actor:
    """A user with the password `PASSWORD`, as an actor."""
    address = email or f"{role}-{next(_numbers)}@example.com"
    made, _ = people.create_user(of.admin, address, role, password=PASSWORD, now=utc_now())
    return replace(of.admin, kind=ActorKind.PERSON, role=role, id=made.id, email=made.email, name=made.email)


def token(of: OrgOf, role: Role = Role.OPERATOR, owner: Actor | None = None) -> str:
    """The secret of a new token; its owner is an admin of the org."""
    owner = owner or person(of, Role.ADMIN)
    return people.create_token(owner, f"token {next(_numbers)}", role, now=utc_now()).secret


def job(
    of: OrgOf, task: str = "tests.tasks.succeed", *, now: datetime | None = None, **fields: Any
) -> JobView:
    """A job, manual unless `schedule` says otherwise."""
    key = fields.pop("key", f"job_{next(_numbers)}")
    return job_creation.create(of.admin, NewJob(task=task, key=key, **fields), now=now or utc_now())


def run(
    of: OrgOf, of_job: JobView, *, actor: Actor | None = None, now: datetime | None = None, **fields: Any
) -> RunView:
    """A queued run of the job, asked for by hand."""
    request = Request(trigger=fields.pop("trigger", Trigger.MANUAL), **fields)
    return triggers.send_now(actor or of.admin, of_job.id, request, now=now or utc_now())


def approval(
    of: OrgOf, of_job: JobView, *, actor: Actor | None = None, now: datetime | None = None, **fields: Any
) -> ApprovalView:
    """A pending request to run the job, which needs a second person for it and not afterwards."""
    at = now or utc_now()
    guarding.set_guard(of.admin, of_job.id, True, now=at)
    try:
        run(of, of_job, actor=actor, now=at, **fields)
    except ApprovalRequested as error:
        return error.approval
    finally:
        guarding.set_guard(of.admin, of_job.id, False, now=at)
    raise AssertionError("a guarded job ran at once")


def event(
    of: OrgOf, name: str = "Hamlet", *, actor: Actor | None = None, now: datetime | None = None, **fields: Any
) -> EventView:
    """An event 30 days from `now` with a contact and nothing else known, unless fields say otherwise."""
    at = now or utc_now()
    given = {"starts_at": at + timedelta(days=30), "contact_email": "ana@northside.example", **fields}
    return events.create(actor or of.admin, events.NewEvent(name, **given), now=at)


def live_worker(
    name: str = "worker-1",
    *,
    now: datetime | None = None,
    queues: list[str] | None = None,
    tasks: list[str] | None = None,
) -> None:
    """A heartbeat of a worker that serves all queues and offers all tasks, unless told otherwise."""
    at = now or utc_now()
    beat = Beat(
        Beating.WORKER,
        name,
        "host",
        1,
        at,
        registry.queues() if queues is None else queues,
        registry.paths() if tasks is None else tasks,
    )
    heartbeats.beat(beat, now=at)


def live_watcher(*, now: datetime | None = None) -> None:
    at = now or utc_now()
    heartbeats.beat(Beat(Beating.WATCHER, "watcher-1", "host", 1, at), now=at)


def live_scheduler(*, now: datetime | None = None) -> None:
    at = now or utc_now()
    heartbeats.beat(Beat(Beating.SCHEDULER, "scheduler-1", "host", 1, at), now=at)


def alert(of: OrgOf, name: str = "Confidential") -> tuple[ChannelView, RuleView, DeliveryView]:
    """A channel, a rule that uses it, and a test of it that nobody takes."""
    now = utc_now()
    given = ChannelGiven(name=f"{name} channel", kind=ChannelKind.MAIL, recipients=["ops@x.example"])
    channel = alert_channels.create(of.admin, given, now=now)
    wanted = RuleGiven(name=f"{name} rule", event=AlertOn.FAILED, channels=[channel.id])
    rule = alert_rules.create(of.admin, wanted, now=now)
    return channel, rule, alert_sending.test(of.admin, channel.id, now=now)


def rows(sql: str, **values: Any) -> list[Any]:
    """What the database holds, past the product."""
    db.session.rollback()
    found = list(db.session.execute(text(sql), values))
    db.session.rollback()
    return found


def one(sql: str, **values: Any) -> Any:
    """The only value of the only row."""
    (row,) = rows(sql, **values)
    return row[0]


def past_the_triggers(*statements: str, **values: Any) -> None:
    """Changes the audit trail as nobody may but who owns the server; in a transaction of its own."""
    db.session.rollback()
    db.session.execute(text("SET LOCAL session_replication_role = replica"))
    for statement in statements:
        named = {name: value for name, value in values.items() if f":{name}" in statement}
        db.session.execute(text(statement), named)
    db.session.commit()


TRAIL = ("audit_heads", "audit_chain", "audit_entries")


def empty_trail() -> None:
    """No entry is left of the tests before, whose orgs are gone."""
    past_the_triggers(*(f"DELETE FROM {name}" for name in TRAIL))  # noqa: S608
