"""The processes that were heard of late, and what live workers serve and offer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, or_, select

from console.core.explaining import Clocks, when
from console.core.hops import Clock, Surroundings, clock_of, light_of
from console.core.registry import registry
from console.core.states import Beating, Light
from console.db import pauses
from console.db.operations import Heartbeat
from console.db.pauses import PauseRow
from console.db.session import db, reading
from console.queue import QueueUnavailable, queues
from console.services import heartbeats
from console.services.process_views import Component, Pulse

LIVE_FOR = timedelta(seconds=15)
ORG = "org_id"
ANOTHERS_CRON = "a cron of another org"


@dataclass(frozen=True)
class Fleet:
    """All processes that were seen of late, what the live ones can do, and which queues are paused.

    `clocks` are those on which instants are said, when others than the org's; `redis_is_up` is False only
    for a caller who has asked.
    """

    components: tuple[Component, ...]
    now: datetime
    pauses: Mapping[tuple[UUID, str], PauseRow] = field(default_factory=dict)
    clocks: Clocks | None = None
    redis_is_up: bool = True

    @property
    def live_workers(self) -> list[Component]:
        return [item for item in self.components if item.kind is Beating.WORKER and is_live(item)]

    @property
    def scheduler_age(self) -> timedelta | None:
        """How long ago the freshest scheduler was heard; None when all have stopped or none was."""
        return self._age_of(Beating.SCHEDULER)

    @property
    def cron_age(self) -> timedelta | None:
        """How long ago an external cron last ticked; None when none did in the last 30 days."""
        return self._age_of(Beating.EXTERNAL_CRON)

    def _age_of(self, kind: Beating) -> timedelta | None:
        ages = [item.age for item in self.components if item.kind is kind and item.stopped_at is None]
        return min(ages, default=None)

    @property
    def scheduler(self) -> Light:
        return light_of(Beating.SCHEDULER, self.scheduler_age, heartbeats.thresholds())

    @property
    def cron(self) -> Light | None:
        """The light of the external cron; None when there is none."""
        age = self.cron_age
        return None if age is None else light_of(Beating.EXTERNAL_CRON, age, heartbeats.thresholds())

    @property
    def watcher(self) -> Light:
        """The light of what seals the trail and sends alerts; an external cron does that with each tick."""
        light = light_of(Beating.WATCHER, self._age_of(Beating.WATCHER), heartbeats.thresholds())
        return better(light, self.cron)

    @property
    def clock(self) -> Clock:
        return clock_of(self.scheduler, self.cron)

    def offers(self, task: str) -> bool:
        """Whether a live worker offers the task; when none is alive, whether the console itself knows it.

        A task that the console does not know itself has no arguments, rules or queue here.
        """
        live = self.live_workers
        return registry.get(task) is not None and (not live or any(task in worker.tasks for worker in live))

    def serves(self, queue: str) -> bool:
        return any(queue in worker.queues for worker in self.live_workers)

    def takes(self, queue: str, task: str) -> bool:
        """Whether a ticket is worth pushing: a live worker of the queue offers the task, or none is there."""
        serving = [worker for worker in self.live_workers if queue in worker.queues]
        return not serving or any(task in worker.tasks for worker in serving)

    def surroundings(
        self,
        queue: str,
        task: str,
        worker: str | None,
        beat_at: datetime | None,
        retry_at: datetime | None,
        org_id: UUID | None = None,
    ) -> Surroundings:
        """What a waiting run of this org depends on."""
        live = self.live_workers
        known = registry.get(task)
        return Surroundings(
            queue=queue,
            task_key=known.key if known else task,
            clock=self.clock,
            live_workers=len(live),
            serving_workers=sum(queue in item.queues for item in live),
            offering_workers=sum(task in item.tasks and queue in item.queues for item in live),
            worker_name=worker,
            worker_silence=self.now - beat_at if beat_at else None,
            retry_at=retry_at,
            pause=self.pause_of(org_id, queue),
            redis_is_up=self.redis_is_up,
        )

    def pause_of(self, org_id: UUID | None, queue: str) -> str | None:
        """By whom a queue is paused for this org, since when and why; None while it is not."""
        found = self.pauses.get((org_id, queue)) if org_id is not None else None
        return pause_words(queue, found, self.clocks) if found else None

    def wait_of(self, org_id: UUID | None, queue: str) -> str | None:
        """Why a run queued now would not start: its queue is paused, or no live worker serves it."""
        unserved = None if self.serves(queue) else f"no live worker serves queue {queue}"
        return self.pause_of(org_id, queue) or unserved


def pause_words(queue: str, found: PauseRow, clocks: Clocks | None = None) -> str:
    """`queue messages is paused by Ada since 22 Nov 14:02: the mail server is down`."""
    local = found.paused_at.astimezone(ZoneInfo(found.timezone))
    since = when(found.paused_at, clocks) if clocks else f"{local.day} {local:%b %H:%M}"
    why = f": {found.note}" if found.note else ""
    return f"queue {queue} is paused by {found.paused_by} since {since}{why}"


def is_live(item: Component) -> bool:
    return item.stopped_at is None and item.age < LIVE_FOR


def fleet(now: datetime, org_id: UUID | None = None) -> Fleet:
    """Reads the heartbeats inside the caller's transaction; crons are named to the org whose they are."""
    query = select(Heartbeat).where(
        heartbeats.is_recent(now),
        or_(Heartbeat.stopped_at.is_(None), Heartbeat.kind == "scheduler"),
    )
    rows = db.session.scalars(query.order_by(Heartbeat.kind, Heartbeat.name))
    return Fleet(tuple(_component(row, now, org_id) for row in rows), now, pauses.paused())


def _component(row: Heartbeat, now: datetime, org_id: UUID | None) -> Component:
    kind = Beating(row.kind)
    age = max(now - row.beat_at, timedelta(0))
    is_others = kind is Beating.EXTERNAL_CRON and row.details.get(ORG) != str(org_id)
    return Component(
        kind=kind,
        name=ANOTHERS_CRON if is_others else row.name,
        host=row.host,
        pid=row.pid,
        light=light_of(kind, None if row.stopped_at else age, heartbeats.thresholds()),
        started_at=row.started_at,
        last_seen=row.beat_at,
        age=age,
        stopped_at=row.stopped_at,
        queues=tuple(row.queues),
        tasks=tuple(row.tasks),
        run_id=row.run_id,
        details=row.details,
    )


def listing(*, now: datetime, org_id: UUID | None = None) -> list[Component]:
    """Every scheduler and worker of the last day that has not ended in good order, and crons of 30 days."""
    with reading():
        return list(fleet(now, org_id).components)


def pulse(*, now: datetime, org_id: UUID | None = None) -> Pulse:
    """The heartbeat of the whole: the better one of scheduler and external cron, live workers, and Redis."""
    with reading():
        seen = fleet(now, org_id)
        freshest = db.session.scalar(
            select(func.max(Heartbeat.beat_at)).where(Heartbeat.kind == Beating.SCHEDULER)
        )
    ticks = [item.last_seen for item in seen.components if item.kind is Beating.EXTERNAL_CRON]
    workers = len(seen.live_workers)
    is_up = redis_is_up()
    return Pulse(
        status=_worst(better(seen.scheduler, seen.cron), Light.GREEN if workers and is_up else Light.RED),
        last_seen=freshest,
        age=max(now - freshest, timedelta(0)) if freshest else None,
        scheduler=seen.scheduler,
        live_workers=workers,
        redis_is_up=is_up,
        components=seen.components,
        as_of=now,
        clock=seen.clock,
        cron=seen.cron,
        ticked_at=max(ticks, default=None),
        watcher=seen.watcher,
    )


def better(scheduler: Light, cron: Light | None) -> Light:
    """The light of the better of the two clocks; one of them is enough."""
    return min((light for light in (scheduler, cron) if light is not None), key=list(Light).index)


def _worst(*lights: Light) -> Light:
    order = list(Light)
    return max(lights, key=order.index)


def redis_is_up() -> bool:
    """Whether Redis answers, which takes up to 2 s to find out when it hangs."""
    try:
        queues.ping()
    except QueueUnavailable:
        return False
    return True


def unserved_queues(seen: Pulse) -> list[str]:
    """Queues of known tasks that no live worker serves."""
    live = [item for item in seen.components if item.kind is Beating.WORKER and is_live(item)]
    served = {queue for worker in live for queue in worker.queues}
    return [queue for queue in registry.queues() if queue not in served]
