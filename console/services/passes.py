"""The steps of one pass over all that is due, whichever clock makes it: a scheduler or an external cron.

Each step commits by itself and then pushes its tickets, so that a pass that is cut short loses nothing.
"""

from datetime import datetime

from console.core.states import Trigger
from console.services import dispatch, pushing


def acknowledge(batches: int | None = None) -> bool:
    """Marks the newest revisions as those that are acted on; whether all are after so many batches."""
    done = 0
    while batches is None or done < batches:
        if dispatch.acknowledge() < dispatch.BATCH:
            return True
        done += 1
    return False


def retry(*, now: datetime) -> int:
    """Queues up to `dispatch.BATCH` attempts that are due again; answers how many."""
    tickets = dispatch.retry_due(now=now)
    pushing.push_tickets(tickets, now=now)
    return len(tickets)


def release(*, now: datetime) -> int:
    """Stops what gives way to a held run, and lets go what need not be held any longer; how many."""
    tickets = dispatch.release(now=now)
    pushing.push_tickets(tickets, now=now)
    return len(tickets)


def decide(*, scheduler: str, now: datetime, trigger: Trigger = Trigger.SCHEDULE) -> dispatch.Dispatched:
    """Decides the due slots of one batch of jobs; nothing is due any more when it answers that none was."""
    done = dispatch.dispatch(scheduler=scheduler, now=now, trigger=trigger)
    pushing.push_tickets(done.tickets, now=now)
    return done


def sweep(*, now: datetime, may_recover: bool) -> int:
    """Settles lost runs, and pushes those that start again with all that Redis lost; how many were lost.

    `may_recover` says that the workers had the time of a lease to say that they live since Postgres
    was last away.
    """
    lost = dispatch.recover(now=now) if may_recover else 0
    pushing.push_missing(now=now)
    return lost
