"""The RQ adapter: run ids go to Redis, and nothing else does."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue
from rq.exceptions import DequeueTimeout, NoSuchJobError
from rq.job import Job as RQJob

from console.core.rehearsal import is_rehearsing
from console.core.states import Priority

LANES = (Priority.HIGH, Priority.NORMAL, Priority.LOW)
_connections: dict[str, Redis] = {}


class QueueUnavailable(Exception):
    """Redis can't be reached; the run waits in Postgres and is pushed later."""


@dataclass(frozen=True)
class Ticket:
    """What is pushed for one run: its id, and the queue and lane that it takes."""

    run_id: UUID
    queue: str
    priority: Priority = Priority.NORMAL

    @property
    def lane(self) -> str:
        return lane(self.queue, self.priority)


def lane(queue: str, priority: Priority) -> str:
    """The RQ queue of a queue's lane: `messages:high`, `messages`, `messages:low`."""
    return queue if priority is Priority.NORMAL else f"{queue}:{priority}"


def lanes(queues: Iterable[str]) -> list[str]:
    """Every lane of the queues in the order in which a worker looks at them."""
    names = list(queues)
    return [lane(name, priority) for priority in LANES for name in names]


class RefusingSerializer:
    """Takes the place of pickle: nothing that lies in Redis is ever turned into an object."""

    @staticmethod
    def dumps(*_: object, **__: object) -> bytes:
        raise TypeError("runs carry their id alone; nothing is serialised")

    @staticmethod
    def loads(*_: object, **__: object) -> object:
        raise TypeError("nothing out of Redis is deserialised")


class RunTicket(RQJob):
    """An RQ job whose id is the run id and whose hash is never read.

    RQ resolves a function name out of the job's hash; here the hash has no part, so that whoever
    can write to Redis can at most ask for a run that Postgres already holds as queued.
    """

    @classmethod
    def fetch(cls, id: str, connection: Redis | None = None, serializer: Any = None) -> "RunTicket":
        """Raises NoSuchJobError for an id that is no UUID."""
        try:
            run_id = UUID(id)
        except ValueError as error:
            raise NoSuchJobError(f"no run id: {id[:80]!r}") from error
        return cls(str(run_id), connection=connection, serializer=RefusingSerializer)

    @property
    def description(self) -> str:
        return f"run {self.id}"

    @description.setter
    def description(self, value: str | None) -> None:
        pass


class RunQueue(Queue):
    """An RQ queue of run ids.

    Taking uses BLPOP over all lanes. A worker that dies right after it loses nothing: the run is
    still `queued` in Postgres, and the scheduler pushes it again.
    """

    job_class = RunTicket

    @classmethod
    def take(cls, lanes: Sequence[str], timeout: float, connection: Redis) -> str | None:
        """The next id of the first lane that has one; None after `timeout` seconds.

        Raises `QueueUnavailable`.
        """
        keys = [f"{cls.redis_queue_namespace_prefix}{name}" for name in lanes]
        try:
            found = cls.lpop(keys, timeout, connection=connection)  # type: ignore[arg-type]
        except DequeueTimeout:
            return None
        except RedisError as error:
            raise QueueUnavailable(str(error)) from error
        return bytes(found[1]).decode("utf-8", "replace") if found else None


def connect(url: str, *, timeout: float = 2.0) -> Redis:
    """A connection that gives up after `timeout` seconds, shared by all who ask for the same."""
    name = f"{url} {timeout}"
    if name not in _connections:
        _connections[name] = Redis.from_url(url, socket_connect_timeout=timeout, socket_timeout=timeout)
    return _connections[name]


class RunQueues:
    """All queues of one Redis, as the services see them."""

    def __init__(self) -> None:
        self._url: str | None = None

    def configure(self, url: str) -> None:
        self._url = url

    @property
    def connection(self) -> Redis:
        if self._url is None:
            raise QueueUnavailable("no REDIS_URL is configured")
        return connect(self._url)

    def push(self, tickets: Sequence[Ticket]) -> None:
        """Pushes all tickets in one pipeline; raises `QueueUnavailable`. A dry run pushes none."""
        if is_rehearsing():
            return
        by_lane: dict[str, list[str]] = defaultdict(list)
        for ticket in tickets:
            by_lane[ticket.lane].append(str(ticket.run_id))
        try:
            with self.connection.pipeline(transaction=False) as pipe:
                for name, ids in by_lane.items():
                    pipe.sadd(RunQueue.redis_queues_keys, f"{RunQueue.redis_queue_namespace_prefix}{name}")
                    pipe.rpush(f"{RunQueue.redis_queue_namespace_prefix}{name}", *ids)
                pipe.execute()
        except RedisError as error:
            raise QueueUnavailable(str(error)) from error

    def waiting(self, queues: Iterable[str]) -> set[str]:
        """The ids that wait in the lanes of the queues; raises `QueueUnavailable`."""
        try:
            with self.connection.pipeline(transaction=False) as pipe:
                for name in lanes(queues):
                    pipe.lrange(f"{RunQueue.redis_queue_namespace_prefix}{name}", 0, -1)
                found = pipe.execute()
        except RedisError as error:
            raise QueueUnavailable(str(error)) from error
        return {item.decode("utf-8", "replace") for ids in found for item in ids}

    def depth(self, queue: str) -> int:
        """How many tickets wait in the queue's lanes; raises `QueueUnavailable`."""
        try:
            with self.connection.pipeline(transaction=False) as pipe:
                for name in lanes([queue]):
                    pipe.llen(f"{RunQueue.redis_queue_namespace_prefix}{name}")
                return sum(pipe.execute())
        except RedisError as error:
            raise QueueUnavailable(str(error)) from error

    def ping(self) -> None:
        """Raises `QueueUnavailable` unless Redis answers."""
        try:
            self.connection.ping()
        except RedisError as error:
            raise QueueUnavailable(str(error)) from error


queues = RunQueues()
