"""Status and heartbeat: what runs, and whether anything is there to run it."""

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from console.api.schemas.common import Instant, Out
from console.core.states import Beating, Light
from console.services import workers
from console.services.process_views import Component, Pulse
from console.services.tasks import TaskStatus

CLOCKS = (Beating.SCHEDULER, Beating.EXTERNAL_CRON)
Age = Annotated[float | None, Field(description="Seconds since the last beat; null without one.")]


class TaskRunOut(Out):
    """The newest run of a task; `timestamp` is null when it never ran."""

    timestamp: Instant | None
    relative_time: str
    status: str


class TaskStatusOut(Out):
    """A task that has a job or ever ran."""

    schedule_name: str
    task_path: str
    name: str
    category: str
    status: str
    is_registered: bool
    next_run_at: Instant | None
    last_run: TaskRunOut

    @classmethod
    def of(cls, task: TaskStatus) -> "TaskStatusOut":
        return cls(
            schedule_name=task.schedule_name,
            task_path=task.task_path,
            name=task.name,
            category=task.category,
            status=task.status,
            is_registered=task.is_registered,
            next_run_at=task.next_run_at,
            last_run=TaskRunOut(
                timestamp=task.last_run_at,
                relative_time=task.last_run_relative,
                status=task.last_run_state,
            ),
        )


class ProcessOut(Out):
    """One process that sends heartbeats."""

    name: str
    host: str
    pid: int
    status: Light
    last_seen: Instant
    age_seconds: float
    queues: list[str]

    @classmethod
    def of(cls, component: Component) -> "ProcessOut":
        return cls(
            name=component.name,
            host=component.host,
            pid=component.pid,
            status=component.light,
            last_seen=component.last_seen,
            age_seconds=component.age.total_seconds(),
            queues=list(component.queues),
        )


class ComponentOut(Out):
    """One part of the console, as healthy as the healthiest of its processes."""

    status: Light
    last_seen: Instant | None
    age_seconds: Age
    processes: list[ProcessOut]


class HeartbeatOut(Out):
    """Proof of life: `scheduler`, `worker` and `redis` are always among the components.

    `external_cron` is there when one has ticked in the last 30 days; `last_seen` and `age_seconds` are
    those of the better one of the two clocks.
    """

    status: Light = Field(
        description="The worst of the components'; of `scheduler` and `external_cron` the better one counts."
    )
    last_seen: Instant | None
    age_seconds: Age
    components: dict[str, ComponentOut]

    @classmethod
    def of(cls, pulse: Pulse) -> "HeartbeatOut":
        kinds = {Beating.SCHEDULER, Beating.WORKER, *(component.kind for component in pulse.components)}
        components = {str(kind): _part(kind, pulse) for kind in sorted(kinds)}
        redis = Light.GREEN if pulse.redis_is_up else Light.RED
        components["redis"] = ComponentOut(status=redis, last_seen=None, age_seconds=None, processes=[])
        clock = workers.better(pulse.scheduler, pulse.cron)
        others = [part.status for name, part in components.items() if name not in CLOCKS]
        is_cron = pulse.cron is clock and pulse.scheduler is not clock
        last_seen = pulse.ticked_at if is_cron else pulse.last_seen
        return cls(
            status=max((clock, *others), key=list(Light).index),
            last_seen=last_seen,
            age_seconds=_seconds(max(pulse.as_of - last_seen, timedelta(0)) if last_seen else None),
            components=components,
        )


def _part(kind: Beating, pulse: Pulse) -> ComponentOut:
    processes = [component for component in pulse.components if component.kind is kind]
    alive = [process for process in processes if process.stopped_at is None] or processes
    newest = max(alive, key=lambda process: process.last_seen, default=None)
    light = newest.light if newest and newest.stopped_at is None else Light.RED
    return ComponentOut(
        status=light,
        last_seen=newest.last_seen if newest else None,
        age_seconds=_seconds(newest.age) if newest else None,
        processes=[ProcessOut.of(process) for process in alive if process.stopped_at is None],
    )


def _seconds(age: timedelta | None) -> float | None:
    return age.total_seconds() if age is not None else None


class StatusOut(Out):
    """Every task that has a job or ever ran, and the heartbeat."""

    tasks: list[TaskStatusOut]
    heartbeat: HeartbeatOut
    as_of: Instant

    @classmethod
    def of(cls, tasks: list[TaskStatus], pulse: Pulse, now: datetime) -> "StatusOut":
        shown = [TaskStatusOut.of(task) for task in tasks]
        return cls(tasks=shown, heartbeat=HeartbeatOut.of(pulse), as_of=now)
