"""Orgs: every other row belongs to one."""

from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import select

from console.core.errors import Invalid, NotFound
from console.db.people import Org
from console.db.session import db, reading, transaction


def zone(name: str, field: str = "timezone") -> ZoneInfo:
    """The zone of this IANA name; raises `Invalid` that names the field."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        text = f"{name!r} is no known zone; use a name such as Europe/Berlin"
        raise Invalid(f"{field}: {text}", fields={field: [text]}) from error


def create_org(name: str, slug: str, timezone: str) -> UUID:
    """Creates an org; raises `Invalid` for an unknown zone or a slug that is taken."""
    zone(timezone)
    with transaction():
        if db.session.scalar(select(Org.id).where(Org.slug == slug)):
            raise Invalid(f"slug: {slug} is taken", fields={"slug": ["is taken"]})
        org = Org(name=name, slug=slug, timezone=timezone)
        db.session.add(org)
        db.session.flush()
        return org.id


def find_org(slug: str | None) -> Org:
    """The org of this slug, or the only or oldest one; raises `NotFound`."""
    with reading():
        query = select(Org).order_by(Org.created_at, Org.id).limit(1)
        org = db.session.scalar(query.where(Org.slug == slug) if slug else query)
        if org is None:
            what = (
                f"There is no org {slug!r}."
                if slug
                else "There is no org yet: run `python -m console seed --demo`."
            )
            raise NotFound(what)
        db.session.expunge(org)
        return org
