"""Orgs: every other row belongs to one."""

from difflib import get_close_matches
from functools import cache
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from sqlalchemy import select

from console.core.errors import Invalid, NotFound
from console.core.reasons import Reason
from console.db.people import Org
from console.db.session import db, reading, transaction

LONGEST_ZONE = 60


def zone(name: str, field: str = "timezone") -> ZoneInfo:
    """The zone of this IANA name; raises `Invalid` that names the field, with names that may be meant."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        near = _near(name)
        hint = f"did you mean {', '.join(near)}?" if near else "use a name such as Europe/Berlin"
        text = f"{name[:LONGEST_ZONE]!r} is no known zone; {hint}"
        raise Invalid(
            f"{field}: {text}", reason=Reason.INVALID_SCHEDULE, fields={field: [text]}, suggestions=near
        ) from error


def _near(name: str) -> list[str]:
    """Up to three zones that resemble the name, or whose place does, nearest first."""
    wanted = name[:LONGEST_ZONE].strip().lower().replace(" ", "_")
    whole, places = _zones()
    if wanted in whole:
        return [whole[wanted]]
    near = [whole[found] for found in get_close_matches(wanted, whole, n=3, cutoff=0.7)]
    place = wanted.rpartition("/")[2]
    near += [places[found] for found in get_close_matches(place, places, n=3, cutoff=0.8)]
    return list(dict.fromkeys(near))[:3]


@cache
def _zones() -> tuple[dict[str, str], dict[str, str]]:
    """The zones by their names and by their last parts, in lower case."""
    names = sorted(available_timezones())
    return {name.lower(): name for name in names}, {name.rpartition("/")[2].lower(): name for name in names}


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
