"""What plugins bring: tasks, and links in the navigation. Filled by imports, read by everyone."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from uuid import UUID

from console.core.actor import Actor
from console.core.errors import SettingsError, UnknownTask
from console.core.names import find, key_of, suggest, title_of
from console.core.reasons import Reason
from console.core.states import Priority
from console.core.task import (
    Backoff,
    NoParams,
    Params,
    Task,
    TaskAbout,
    TaskCheck,
    TaskFunction,
    TaskPreview,
)

QUEUE_NAME = re.compile(r"^[a-z][a-z0-9_-]{0,40}$")


@dataclass(frozen=True)
class NavItem:
    """A link in the navigation; `endpoint` is Flask's name for the page.

    On pages of the blueprints `places` it shows where one is.
    """

    title: str
    endpoint: str
    order: int
    places: tuple[str, ...] = ()


@dataclass(frozen=True)
class SubjectPages:
    """Where what jobs are about is seen and changed: Flask's names for the pages, which take `argument`."""

    noun: str
    show: str
    edit: str
    argument: str


@dataclass(frozen=True)
class Subjects:
    """What the jobs of an actor's org are about, for the table's filter and for its export.

    `offered` takes the id that is chosen and now, and answers ids with labels, nearest first and the
    chosen one among them. `named` answers the names of these ids, inside the caller's transaction.
    """

    offered: Callable[[Actor, UUID | None, datetime], Sequence[tuple[UUID, str]]]
    named: Callable[[Actor, Collection[UUID]], Mapping[UUID, str]]


Restoring = Callable[[Actor, Collection[UUID], datetime, datetime], AbstractContextManager[None]]
"""Stands around the return of jobs that were deleted, in its transaction.

It takes the ids of what they are about, since when they were away, and now.
"""


class Registry:
    """All tasks by path, and the navigation."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}
        self._nav: dict[str, NavItem] = {}
        self.subject_pages: SubjectPages | None = None
        self.subjects: Subjects | None = None
        self.restoring: Restoring | None = None
        self.mends: dict[Reason, str] = {}

    def add_mends(self, endpoint: str, reasons: Iterable[Reason]) -> None:
        """Says on which page, by Flask's name for it, what leads to these reasons can be changed."""
        self.mends.update(dict.fromkeys(reasons, endpoint))

    def add(self, task: Task) -> None:
        """Registers a task; raises ValueError when another function has the same path."""
        known = self._tasks.get(task.path)
        if known is not None and known.function.__code__ is not task.function.__code__:
            raise ValueError(f"two tasks are called {task.path}")
        self._tasks[task.path] = task

    def add_nav(self, item: NavItem) -> None:
        self._nav[item.endpoint] = item

    def add_subjects(self, subjects: Subjects) -> None:
        self.subjects = subjects

    @property
    def nav(self) -> list[NavItem]:
        return sorted(self._nav.values(), key=lambda item: item.order)

    def all(self) -> list[Task]:
        return sorted(self._tasks.values(), key=lambda task: (task.category, task.title))

    def paths(self) -> list[str]:
        return sorted(self._tasks)

    def offered(self) -> list[str]:
        """Every path under which a job may name a task: the present and the former ones."""
        former = {path for task in self._tasks.values() for path in task.aliases}
        return sorted(former.union(self._tasks))

    def queues(self) -> list[str]:
        return sorted({task.queue for task in self._tasks.values()})

    def get(self, path: str) -> Task | None:
        """The task of this path or of this former path."""
        found = self._tasks.get(path)
        if found is not None:
            return found
        return next((task for task in self._tasks.values() if path in task.aliases), None)

    def _former(self) -> dict[str, str]:
        """The former paths of all tasks with the keys that they had."""
        return {path: key_of(path) for task in self._tasks.values() for path in task.aliases}

    def resolve(self, name: str) -> Task:
        """The task that `name` means in any spelling; raises `UnknownTask` with suggestions."""
        known = {task.path: task.key for task in self._tasks.values()}
        path = find(name, known) or find(name, self._former())
        task = self.get(path) if path else None
        if task is None:
            near = suggest(name, known.values())
            hint = f" Did you mean {', '.join(near)}?" if near else ""
            raise UnknownTask(
                f"No task is called “{name[:200]}”.{hint}",
                fields={"task_name": ["no such task"]},
                suggestions=near,
            )
        return task


registry = Registry()


def task(
    *,
    title: str | None = None,
    category: str = "General",
    queue: str = "default",
    priority: str = "normal",
    timeout: int = 300,
    retries: Backoff | None = None,
    idempotent: bool = False,
    dry_run: bool = False,
    critical: bool = False,
    sends: bool = False,
    params: type[Params] = NoParams,
    requires: TaskCheck | None = None,
    rules: TaskCheck | None = None,
    aliases: Iterable[str] = (),
    preview: TaskPreview | None = None,
    about: TaskAbout | None = None,
) -> Callable[[TaskFunction], TaskFunction]:
    """Registers a function as a task.

    `timeout` is in seconds. `idempotent` says that the function may be started again after it was
    cut off. `sends` makes its button read “Send now”. `requires` says what must hold for any run,
    `rules` what must hold for a scheduled one. `aliases` are former dotted paths. `preview` shows the
    message that a run would send, and raises when it can't be made; `about` reads out of a job's
    arguments what the job is about.
    Raises ValueError for a queue name or timeout that can't be used.
    """
    if not QUEUE_NAME.match(queue):
        raise ValueError(f"queue {queue!r}: use lower-case letters, digits, - and _")
    if timeout < 1:
        raise ValueError("timeout: at least 1 second")

    def register(function: TaskFunction) -> TaskFunction:
        key = key_of(function.__name__)
        registry.add(
            Task(
                path=f"{function.__module__}.{function.__name__}",
                key=key,
                title=title or title_of(key),
                category=category,
                description=(function.__doc__ or "").strip().split("\n\n")[0],
                queue=queue,
                priority=Priority(priority),
                timeout=timeout,
                retries=retries,
                idempotent=idempotent,
                dry_run=dry_run,
                critical=critical,
                sends=sends,
                params=params,
                requires=requires,
                rules=rules,
                aliases=tuple(aliases),
                function=function,
                preview=preview,
                about=about,
            )
        )
        return function

    return register


def load(modules: Iterable[str]) -> None:
    """Imports the modules whose tasks register themselves; raises `SettingsError` that names the module."""
    for module in modules:
        try:
            import_module(module)
        except Exception as error:
            said = " ".join(f"{type(error).__name__}: {error}".split())
            raise SettingsError(f"CONSOLE_TASKS: {module} can't be imported: {said}") from error
