"""Who may give a second person's word in an org, and why somebody else may not."""

from collections.abc import Set
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from sqlalchemy import or_, select

from console.core.actor import Actor
from console.core.permissions import Permission, allows, why_not
from console.core.states import ActorKind, Role
from console.db.people import ApiToken, Membership, User
from console.db.session import db, reading

OWN = "you asked for it yourself"
UNKNOWN = "only an identified person may decide"
ALONE = "Nobody else in this org can approve; an admin adds a person in Settings, People."


def person_of(actor: Actor) -> UUID | None:
    """The person behind the actor: a token's is its owner, a shell's nobody."""
    if actor.id is None or actor.kind is ActorKind.PERSON:
        return actor.id
    owner = select(ApiToken.owner_id).where(ApiToken.id == actor.id)
    return db.session.scalar(select(User.id).where(or_(User.id == actor.id, User.id.in_(owner))))


def people_of(org_id: UUID) -> Set[UUID]:
    """All who may decide in the org and come in, inside the caller's transaction."""
    roles = [role for role in Role if allows(role, Permission.DECIDE_APPROVALS)]
    query = select(User.id).join(Membership, Membership.user_id == User.id)
    query = query.where(Membership.org_id == org_id, Membership.role.in_(roles))
    return frozenset(db.session.scalars(query.where(Membership.disabled_at.is_(None), User.is_active)))


def is_alone(actor: Actor) -> bool:
    """Whether nobody but the actor could approve what the actor asks for."""
    with reading():
        return not Reader.of(actor).others(person_of(actor))


@dataclass(frozen=True)
class Reader:
    """Somebody who reads requests: the `person` behind the actor, and all who may decide in the org."""

    actor: Actor
    person: UUID | None
    approvers: Set[UUID]

    @classmethod
    def of(cls, actor: Actor) -> Self:
        """Inside the caller's transaction."""
        return cls(actor, person_of(actor), people_of(actor.org_id))

    def others(self, requested_by: UUID | None) -> Set[UUID]:
        """Who may decide on what this person asked for."""
        return self.approvers - {requested_by}

    def asked(self, requested_by: UUID | None) -> bool:
        """Whether the reader is who asked."""
        return self.person is not None and requested_by == self.person

    def why_not(self, requested_by: UUID | None) -> str | None:
        """Why the reader may not decide on it, in half a sentence; None when they may."""
        if self.asked(requested_by):
            return OWN
        return why_not(self.actor.role, Permission.DECIDE_APPROVALS) or (None if self.person else UNKNOWN)
