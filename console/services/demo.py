"""The demonstration workspace: an org, its first admin, and real jobs that run and do what they say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from console.core.actor import Actor
from console.core.errors import UnknownTask
from console.core.states import ActorKind, Role
from console.db.jobs import Job
from console.db.people import Org, User
from console.db.session import db, reading, transaction
from console.services import job_creation, orgs, people
from console.services.job_creation import NewJob

ORG_NAME = "Northside"
ORG_SLUG = "northside"
DEFAULT_EMAIL = "admin@northside.example"


@dataclass(frozen=True)
class Seeded:
    """The first admin; `password` is None when the admin was there already."""

    email: str
    password: str | None


def seed(
    wanted: Sequence[NewJob],
    *,
    fill: Callable[[Actor, datetime], None] | None = None,
    timezone: str,
    email: str | None,
    password: str | None,
    now: datetime,
) -> Seeded:
    """Makes what is missing of the workspace and leaves alone what is there.

    `fill` is what plugins add, in the same transaction as the jobs.
    """
    actor = _org_actor(timezone)
    admin = _admin(actor, (email or DEFAULT_EMAIL).strip().lower(), password, now)
    with transaction():
        for new in wanted:
            _job(actor, new, now)
        if fill is not None:
            fill(actor, now)
    return admin


def _org_actor(timezone: str) -> Actor:
    with reading():
        org = db.session.execute(select(Org.id, Org.name, Org.timezone).where(Org.slug == ORG_SLUG)).first()
    if org is None:
        org_id = orgs.create_org(ORG_NAME, ORG_SLUG, timezone)
        return Actor(ActorKind.SYSTEM, org_id, ORG_NAME, timezone, Role.ADMIN, "set-up")
    return Actor(ActorKind.SYSTEM, org[0], org[1], org[2], Role.ADMIN, "set-up")


def _admin(actor: Actor, email: str, password: str | None, now: datetime) -> Seeded:
    with reading():
        is_taken = db.session.scalar(select(User.id).where(User.email == email)) is not None
        admin = people.first_admin(actor.org_id)
        if admin is not None or is_taken:
            return Seeded(admin.email if admin else email, None)
    return Seeded(email, people.create_user(actor, email, Role.ADMIN, password=password, now=now)[1])


def _job(actor: Actor, new: NewJob, now: datetime) -> None:
    key = new.key or new.task.rsplit(".", 1)[-1]
    if db.session.scalar(select(Job.id).where(Job.org_id == actor.org_id, Job.key == key)):
        return
    try:
        job_creation.insert(actor, new, now)
    except UnknownTask:
        return
