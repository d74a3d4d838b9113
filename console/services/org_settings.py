"""What an org has settled for itself: its name, its zone, and how long an approval may wait."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from console.core.actor import Actor
from console.core.errors import Invalid, NotFound
from console.core.permissions import Permission
from console.core.tags import Tag
from console.core.texts import storable
from console.db.operations import Setting
from console.db.people import Org
from console.db.session import db, reading, transaction
from console.services import audit
from console.services.orgs import zone

APPROVAL_HOURS = "approval_hours"
LONGEST_NAME = 100
LONGEST_APPROVAL = 24 * 30


@dataclass(frozen=True)
class OrgSettings:
    """The settings of one org; those that nobody has touched have their defaults.

    `approval_hours` is how long a request waits for a second person before it expires, in hours, 1 to 720.
    """

    name: str
    timezone: str
    approval_hours: int = 24

    @property
    def approval_lasts(self) -> timedelta:
        return timedelta(hours=self.approval_hours)

    @property
    def as_texts(self) -> dict[str, str | int]:
        return {"name": self.name, "timezone": self.timezone, APPROVAL_HOURS: self.approval_hours}


def get(org_id: UUID) -> OrgSettings:
    """The settings of this org; raises `NotFound`. Within a transaction it is part of it."""
    with reading():
        org = db.session.get(Org, org_id)
        if org is None:
            raise NotFound("There is no such org.")
        return _settings(org)


def _settings(org: Org) -> OrgSettings:
    rows = db.session.execute(select(Setting.name, Setting.value).where(Setting.org_id == org.id))
    kept: dict[str, Any] = {name: value for name, value in rows}
    hours = kept.get(APPROVAL_HOURS)
    default = OrgSettings(org.name, org.timezone)
    return OrgSettings(org.name, org.timezone, hours if isinstance(hours, int) else default.approval_hours)


def change(
    actor: Actor, name: str, timezone: str, approval_hours: str | int, *, now: datetime
) -> OrgSettings:
    """Changes the settings of the actor's org; what stays as it was leaves no entry in the trail.

    Raises `Forbidden`, or `Invalid` that names each field that can't be used.
    """
    actor.require(Permission.EDIT_ORG)
    wanted = _checked(name, timezone, approval_hours)
    with transaction():
        org = db.session.get(Org, actor.org_id, with_for_update={"key_share": True})
        if org is None:
            raise NotFound("There is no such org.")
        before = _settings(org)
        if before != wanted:
            org.name, org.timezone = wanted.name, wanted.timezone
            _keep(org.id, APPROVAL_HOURS, wanted.approval_hours, now)
            old, new = _differences(before, wanted)
            audit.add(actor, Tag.ORG_CHANGED, audit.Subject("org", org.id), now=now, old=old, new=new)
    return wanted


def _keep(org_id: UUID, name: str, value: Any, now: datetime) -> None:
    row = insert(Setting).values(org_id=org_id, name=name, value=value, changed_at=now)
    kept = row.on_conflict_do_update(
        index_elements=["org_id", "name"], set_={"value": value, "changed_at": now}
    )
    db.session.execute(kept)


def _differences(
    before: OrgSettings, after: OrgSettings
) -> tuple[dict[str, str | int], dict[str, str | int]]:
    old, new = before.as_texts, after.as_texts
    changed = [name for name in old if old[name] != new[name]]
    return {name: old[name] for name in changed}, {name: new[name] for name in changed}


def _checked(name: str, timezone: str, approval_hours: str | int) -> OrgSettings:
    fields: dict[str, list[str]] = {}
    called = " ".join(storable(name, LONGEST_NAME + 1).split())
    if not called or len(called) > LONGEST_NAME or not called.isprintable():
        fields["name"] = [f"1 to {LONGEST_NAME} characters on one line"]
    suggestions: list[str] = []
    try:
        zone(timezone.strip())
    except Invalid as error:
        fields |= error.fields
        suggestions = error.suggestions
    hours = _hours(approval_hours)
    if hours is None:
        fields[APPROVAL_HOURS] = [f"a whole number of hours, 1 to {LONGEST_APPROVAL}"]
    if fields or hours is None:
        text = "; ".join(f"{field}: {', '.join(texts)}" for field, texts in fields.items())
        raise Invalid(text, fields=fields, suggestions=suggestions)
    return OrgSettings(called, timezone.strip(), hours)


def _hours(typed: str | int) -> int | None:
    text = str(typed).strip()
    if not (text.isascii() and text.isdecimal() and len(text) < 6):
        return None
    return int(text) if 1 <= int(text) <= LONGEST_APPROVAL else None
