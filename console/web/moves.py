"""How far many jobs are moved, or to when: read out of a form."""

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from console.core.errors import Invalid
from console.core.schedule import parse
from console.services import bulk_edits
from console.services.bulk_edits import Action, Wish
from console.web.drafts import Draft
from console.web.schedule_shape import invalid, shape, whole

FIELDS = ("how", "amount", "unit", "direction", "at")
MINUTES = {"minutes": 1, "hours": 60, "days": 24 * 60}
AT_LENGTH = 40


def wish_of(form: Mapping[str, str], place: ZoneInfo) -> Wish:
    """To reschedule by `amount` of `unit`, or to `at` on the clock of the place.

    Raises `Invalid` that names `amount` or `at`. A time that comes twice means the first of the two.
    """
    if form.get("how") == "to":
        typed = Draft(type="once", at=form.get("at", "").strip()[:AT_LENGTH], timezone=str(place))
        return Wish(Action.RESCHEDULE, send_at=parse(shape(typed)).at)
    minutes = whole(form.get("amount", "1").strip()[:AT_LENGTH], "amount") * MINUTES.get(
        form.get("unit", "days"), 1
    )
    wish = Wish(Action.RESCHEDULE, minutes=-minutes if form.get("direction") == "earlier" else minutes)
    try:
        bulk_edits.check(wish)
    except Invalid:
        raise invalid("amount", "must lie between a minute and 366 days") from None
    return wish
