"""The trail as it is read: entries by filter, newest first, each with its place in the chain."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, or_, select

from console.core.actor import Actor
from console.core.permissions import Permission
from console.core.tags import Tag
from console.db.approvals import Approval
from console.db.jobs import Job
from console.db.people import Membership, User
from console.db.runs import Run
from console.db.session import db, reading
from console.db.trail import AuditEntry, AuditLink
from console.services import paging

ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class AuditFilter:
    """Which entries: all that match every given part.

    `actor` is part of a name, or a whole id; `object_id` is whole. Both instants belong to the time between.
    """

    tag: Tag | None = None
    actor: str | None = None
    object_kind: str | None = None
    object_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def as_json(self) -> dict[str, str]:
        """What is given, for the trail itself."""
        given = {
            "tag": self.tag,
            "actor": self.actor,
            "object_kind": self.object_kind,
            "object_id": self.object_id,
            "from": self.since,
            "to": self.until,
        }
        texts = {name: getattr(value, "isoformat", lambda v=value: str(v))() for name, value in given.items()}
        return {name: texts[name] for name, value in given.items() if value is not None}


@dataclass(frozen=True)
class EntryView:
    """One entry; `position` and `hash` are its place in the chain, None until it is sealed."""

    number: int
    at: datetime
    tag: str
    actor_kind: str
    actor_id: UUID | None
    actor_name: str
    address: str | None
    object_kind: str
    object_id: str
    old: Any
    new: Any
    reason: str | None
    request_id: str | None
    position: int | None
    hash: str | None

    @property
    def label(self) -> str:
        """What happened, in words."""
        try:
            return Tag(self.tag).label
        except ValueError:  # of a newer version, or of a plugin that is gone
            return self.tag


@dataclass(frozen=True)
class EntryPage:
    """One page of entries, newest first; `names` are by the object's id: jobs, runs, requests and people."""

    entries: Sequence[EntryView]
    names: Mapping[str, str]
    next_cursor: str | None
    as_of: datetime


def page(actor: Actor, wanted: AuditFilter, *, cursor: str | None, limit: int, now: datetime) -> EntryPage:
    """Entries of the actor's org, newest first; raises `Forbidden`, or `Invalid` for `cursor` or `limit`."""
    actor.require(Permission.READ_AUDIT)
    query = entries(actor, wanted).order_by(AuditEntry.number.desc())
    if cursor:
        query = query.where(AuditEntry.number < int(str(paging.decode(cursor, "n")[0])))
    with reading():
        rows = db.session.execute(query.limit(paging.check_limit(limit) + 1)).all()
        found = [view(row) for row in rows[:limit]]
        names = _names(actor, found)
    more = len(rows) > limit
    return EntryPage(found, names, paging.encode(found[-1].number) if more else None, now)


def _names(actor: Actor, found: Sequence[EntryView]) -> Mapping[str, str]:
    """What the objects of these entries are called now, as far as they are still there."""
    jobs, runs, people, asked = (_ids(found, kind) for kind in ("job", "run", "user", "approval"))
    queries = (
        select(Job.id, Job.name).where(Job.org_id == actor.org_id, Job.id.in_(jobs)),
        select(Run.id, Job.name)
        .join(Job, Job.id == Run.job_id)
        .where(Run.org_id == actor.org_id, Run.id.in_(runs)),
        select(Approval.id, Job.name)
        .join(Job, Job.id == Approval.job_id)
        .where(Approval.org_id == actor.org_id, Approval.id.in_(asked)),
        select(User.id, User.email)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.org_id == actor.org_id, User.id.in_(people)),
    )
    return {str(id_): name for query in queries for id_, name in db.session.execute(query)}


def _ids(found: Sequence[EntryView], kind: str) -> list[UUID]:
    texts = {entry.object_id for entry in found if entry.object_kind == kind}
    return [UUID(text) for text in texts if ID.fullmatch(text)]


def entries(actor: Actor, wanted: AuditFilter) -> Select[AuditEntry, int, bytes]:
    """The statement for what matches, each entry with its link if it has one."""
    is_link = (AuditLink.org_id == AuditEntry.org_id) & (AuditLink.number == AuditEntry.number)
    query = select(AuditEntry, AuditLink.position, AuditLink.hash).outerjoin(AuditLink, is_link)
    return query.where(*_held(actor, wanted))


def _held(actor: Actor, wanted: AuditFilter) -> list[ColumnElement[bool]]:
    held: list[ColumnElement[bool]] = [AuditEntry.org_id == actor.org_id]
    for column, value in (
        (AuditEntry.tag, wanted.tag.value if wanted.tag else None),
        (AuditEntry.object_kind, wanted.object_kind),
        (AuditEntry.object_id, wanted.object_id),
    ):
        if value is not None:
            held.append(column == value)
    if wanted.actor:
        held.append(_is_actor(wanted.actor))
    if wanted.since:
        held.append(AuditEntry.at >= wanted.since)
    if wanted.until:
        held.append(AuditEntry.at <= wanted.until)
    return held


def _is_actor(wanted: str) -> ColumnElement[bool]:
    named = AuditEntry.actor_name.icontains(wanted, autoescape=True)
    try:
        return or_(named, AuditEntry.actor_id == UUID(wanted))
    except ValueError:
        return named


def view(row: Row[AuditEntry, int, bytes]) -> EntryView:
    """A row of `entries`."""
    entry, position, hash_ = row
    return EntryView(
        number=entry.number,
        at=entry.at,
        tag=entry.tag,
        actor_kind=entry.actor_kind,
        actor_id=entry.actor_id,
        actor_name=entry.actor_name,
        address=entry.address,
        object_kind=entry.object_kind,
        object_id=entry.object_id,
        old=entry.old,
        new=entry.new,
        reason=entry.reason,
        request_id=entry.request_id,
        position=position,
        hash=bytes(hash_).hex() if hash_ is not None else None,
    )
