"""What somebody may not do and tried: it stands on the trail, though nothing else has changed."""

from datetime import datetime

import structlog

from console.core.actor import Actor
from console.core.errors import Unavailable
from console.core.tags import Tag
from console.db.session import transaction
from console.services import audit

log = structlog.get_logger()


def record(actor: Actor, what: str, sentence: str, *, now: datetime) -> None:
    """An entry of its own, in a transaction of its own; `what` is the request, such as `POST /jobs/bulk`.

    While Postgres is away there is a line in the log instead: the answer to the request matters more.
    """
    try:
        with transaction():
            audit.add(actor, Tag.ACCESS_REFUSED, audit.Subject("request", what), now=now, reason=sentence)
    except Unavailable:
        log.warning(
            "A refusal is not on the trail, for Postgres can't be reached.",
            action="audit.refusal",
            actor=actor.name,
            request=what,
        )
