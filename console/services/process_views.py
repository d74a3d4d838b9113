"""What services answer of the processes that send heartbeats, at one instant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from console.core.hops import Clock
from console.core.states import Beating, Light


@dataclass(frozen=True)
class Component:
    """One process that sends heartbeats."""

    kind: Beating
    name: str
    host: str
    pid: int
    light: Light
    started_at: datetime
    last_seen: datetime
    age: timedelta
    stopped_at: datetime | None
    queues: Sequence[str]
    tasks: Sequence[str]
    run_id: UUID | None
    details: Mapping[str, Any]


@dataclass(frozen=True)
class Pulse:
    """The heartbeat pills: the scheduler's light and the number of live workers, and whether Redis answers.

    `last_seen` and `age` are the scheduler's. `cron` and `ticked_at` are those of the external cron, None
    when none ticked within 30 days; `clock` says which of the two turns due slots into runs just now.
    `watcher` is the light of what seals the trail and sends alerts.
    """

    status: Light
    last_seen: datetime | None
    age: timedelta | None
    scheduler: Light
    live_workers: int
    redis_is_up: bool
    components: Sequence[Component]
    as_of: datetime
    clock: Clock
    cron: Light | None
    ticked_at: datetime | None
    watcher: Light = Light.GREEN

    @property
    def is_cron_alone(self) -> bool:
        """Whether an external cron ticks, and no scheduler was heard that did not end in good order."""
        schedulers = (item for item in self.components if item.kind is Beating.SCHEDULER)
        return self.clock is Clock.EXTERNAL_CRON and all(item.stopped_at for item in schedulers)
