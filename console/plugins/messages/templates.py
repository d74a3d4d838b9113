"""An org's templates: one for each planned type, in versions that are never overwritten."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import insert

from console.core.actor import Actor
from console.core.errors import Invalid, Refused
from console.core.permissions import Permission
from console.core.reasons import Reason
from console.core.states import MessageType
from console.core.tags import Tag
from console.db.session import db, reading, transaction
from console.plugins.messages import templating
from console.plugins.messages.default_templates import DEFAULTS
from console.plugins.messages.models import MessageTemplate
from console.plugins.messages.templating import Words
from console.plugins.messages.views import PLANNED
from console.services import audit

BUILT_IN = 0
LONGEST_REASON = 500
HISTORY = 100


@dataclass(frozen=True)
class Template:
    """A version of a type's template; 0 is the built-in one. `html` is empty when it has none.

    `actor`, `reason` and `created_at` say who made it, why and when; the built-in one has none of them.
    """

    message_type: MessageType
    version: int
    subject: str
    text: str
    html: str
    actor: str | None = None
    reason: str | None = None
    created_at: datetime | None = None

    @property
    def words(self) -> Words:
        return Words(self.subject, self.text, self.html)


class StaleTemplate(Refused):
    """Somebody saved the template since you read it; nothing was changed."""

    reason = Reason.STALE_REVISION

    def __init__(self, current: Template, seen: int) -> None:
        by = f"{current.actor} saved" if current.actor else "In force is"
        super().__init__(
            f"{by} version {current.version} of this template, and yours began from version {seen}. "
            "Compare both and save again; nothing was changed."
        )
        self.current = current


def current(org_id: UUID, message_type: MessageType) -> Template:
    """The template in force, inside the caller's transaction; raises `Invalid` for a type without one."""
    row = db.session.scalar(_of(org_id, message_type).limit(1))
    return _view(row) if row else built_in(message_type)


def built_in(message_type: MessageType) -> Template:
    """The template that holds until an org writes its own; raises `Invalid` for a type without one."""
    if message_type not in DEFAULTS:
        word = "a free message has its own words, and no template"
        raise Invalid(f"message_type: {word}", fields={"message_type": [word]})
    words = DEFAULTS[message_type]
    return Template(message_type, BUILT_IN, words.subject, words.text, words.html)


def get(actor: Actor, message_type: MessageType) -> Template:
    """As `current`, of the actor's org."""
    with reading():
        return current(actor.org_id, message_type)


def overview(actor: Actor) -> Sequence[Template]:
    """The template in force of every type that has one."""
    with reading():
        return [current(actor.org_id, message_type) for message_type in PLANNED]


def history(actor: Actor, message_type: MessageType) -> Sequence[Template]:
    """The newest versions, at most 100, and the built-in one after them."""
    with reading():
        rows = db.session.scalars(_of(actor.org_id, message_type).limit(HISTORY)).all()
        return [*(_view(row) for row in rows), built_in(message_type)]


def version(actor: Actor, message_type: MessageType, number: int) -> Template:
    """That version; raises `Invalid` that names `version` when there is none."""
    with reading():
        return _version(actor, message_type, number)


def save(
    actor: Actor,
    message_type: MessageType,
    words: Words,
    *,
    seen: int,
    reason: str | None = None,
    now: datetime,
) -> Template:
    """Makes these words the next version; words that stand already make none, and answer what stands.

    `seen` is the version that the caller saw. Raises `Forbidden`, `Invalid` that names `subject`,
    `text` or `html` with the line, and `StaleTemplate` when somebody else was first.
    """
    actor.require(Permission.EDIT_MESSAGES)
    words = words.tidied()
    templating.check(words)
    with transaction():
        return write(actor, message_type, words, seen, reason, now)


def restore(actor: Actor, message_type: MessageType, number: int, *, seen: int, now: datetime) -> Template:
    """Makes the words of an older version, or of the built-in one, the next version; raises as `save`."""
    actor.require(Permission.EDIT_MESSAGES)
    with transaction():
        words = _version(actor, message_type, number).words
        templating.check(words)
        return write(actor, message_type, words, seen, f"restored {named(number)}", now)


def named(number: int) -> str:
    """What a version is called in a sentence."""
    return f"version {number}" if number else "the built-in template"


def _of(org_id: UUID, message_type: MessageType) -> Select[MessageTemplate]:
    query = select(MessageTemplate).where(
        MessageTemplate.org_id == org_id, MessageTemplate.message_type == message_type
    )
    return query.order_by(MessageTemplate.version.desc())


def _version(actor: Actor, message_type: MessageType, number: int) -> Template:
    if number == BUILT_IN:
        return built_in(message_type)
    query = _of(actor.org_id, message_type).where(MessageTemplate.version == number)
    row = db.session.scalar(query)
    if row is None:
        word = f"there is no version {number} of this template"
        raise Invalid(f"version: {word}", fields={"version": [word]})
    return _view(row)


def write(
    actor: Actor, message_type: MessageType, words: Words, seen: int, reason: str | None, now: datetime
) -> Template:
    before = current(actor.org_id, message_type)
    if before.words == words:  # a save that was sent twice, or two who want the same
        return before
    if before.version != seen:
        raise StaleTemplate(before, seen)
    made = _insert(actor, before, words, (reason or "").strip()[:LONGEST_REASON] or None, now)
    if made is None:  # another one of this number was first, and has committed by now
        raise StaleTemplate(current(actor.org_id, message_type), seen)
    subject = audit.Subject("template", message_type.value)
    old, new = _audited(before), _audited(made)
    audit.add(actor, Tag.TEMPLATE_CHANGED, subject, now=now, old=old, new=new, reason=made.reason)
    return made


def _insert(
    actor: Actor, before: Template, words: Words, reason: str | None, now: datetime
) -> Template | None:
    values = {
        "org_id": actor.org_id,
        "message_type": before.message_type,
        "version": before.version + 1,
        "subject": words.subject,
        "body": words.text,
        "html": words.html,
        "actor": actor.name,
        "reason": reason,
        "created_at": now,
    }
    added = insert(MessageTemplate).values(values).on_conflict_do_nothing()
    row = db.session.scalar(added.returning(MessageTemplate))
    return _view(row) if row else None


def _audited(template: Template) -> Mapping[str, Any]:
    words = {"subject": template.subject, "text": template.text, "html": template.html}
    return {"version": template.version, **words}


def _view(row: MessageTemplate) -> Template:
    return Template(
        MessageType(row.message_type),
        row.version,
        row.subject,
        row.body,
        row.html,
        row.actor,
        row.reason,
        row.created_at,
    )
