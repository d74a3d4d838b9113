"""Why the planner did what it did, in the words of history, trail and row."""

from console.core.reasons import Reason
from console.plugins.messages.naming import local_and_home
from console.plugins.messages.plan_views import Does, Step
from console.plugins.messages.views import EventView

CREATED = "planned with its event"
EVENT_DELETED = "planned: the event was deleted"


def reason(event: EventView, step: Step, home: str, *, is_deleted: bool = False) -> str:
    """The sentence that stands in history and trail; `home` is the org's zone."""
    if step.does is Does.WITHDRAW:
        return EVENT_DELETED if is_deleted else "planned: nobody asks for this message any more"
    if step.closed is Reason.HAS_LOAD_IN_TIME and event.load_in_at:
        known = local_and_home(event.load_in_at, event.timezone, home)
        return f"planned: the load-in time is known, {known}"
    if step.closed:
        return f"planned: {note(event, step, home)}"
    start = f"the event starts {local_and_home(event.starts_at, event.timezone, home)}"
    if step.does in (Does.MOVE, Does.OPEN):
        return f"planned: {start}"
    if step.readdresses and step.seat:
        return f"planned: it goes to {step.seat.recipient or 'nobody'} now"
    return f"planned: “{event.name}” {start.removeprefix('the event ')}"


def note(event: EventView, step: Step, home: str) -> str | None:
    """What the row says beside the reason code of one that the planner has closed."""
    if step.closed is not Reason.IN_THE_PAST or step.at is None:
        return None
    return f"its time, {local_and_home(step.at, event.timezone, home)}, has passed"
