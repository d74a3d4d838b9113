"""Chains as graphs: circles in them, their length, and in which column of a drawing each job stands."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from uuid import UUID

from console.core.states import Condition


@dataclass(frozen=True)
class Link:
    """From the job that runs first to the one that follows when that run ends so."""

    from_id: UUID
    to_id: UUID
    condition: Condition

    @property
    def turned(self) -> "Link":
        """The same link, read backwards."""
        return Link(self.to_id, self.from_id, self.condition)


def circle(link: Link, others: Iterable[Link]) -> list[UUID]:
    """The shortest circle that the link closes with the others, from its start back to it; else nothing."""
    if link.from_id == link.to_id:
        return [link.from_id, link.to_id]
    following, came_from = _following(others), {link.to_id: link.from_id}
    queue = [link.to_id]
    for at in queue:
        for to in following[at]:
            if to == link.from_id:
                return _way(at, link.from_id, came_from)
            if to not in came_from:
                came_from[to] = at
                queue.append(to)
    return []


def _way(last: UUID, start: UUID, came_from: Mapping[UUID, UUID]) -> list[UUID]:
    way = [start, last]
    while way[-1] != start:
        way.append(came_from[way[-1]])
    return way[::-1]


def longest(start: UUID, links: Iterable[Link]) -> int:
    """How many links the longest way from the job has; the links must close no circle."""
    return max(steps(start, links).values(), default=0)


def steps(start: UUID, links: Iterable[Link]) -> dict[UUID, int]:
    """How far each job that can be reached stands behind `start`, by the longest way; `start` itself is 0."""
    following = _following(links)
    found = {start: 0}
    for at in _in_order(start, following):
        for to in following[at]:
            found[to] = max(found.get(to, 0), found[at] + 1)
    return found


def circles(links: Iterable[Link]) -> Iterator[list[UUID]]:
    """The circles that stand among the links, each from a job back to it: one at least of each knot.

    There may be as many as links, and each as long as there are jobs: take no more than will be told.
    """
    following = _following(links)
    done: set[UUID] = set()
    for start in list(following):
        yield from _circles_from(start, following, done)


def _circles_from(
    start: UUID, following: Mapping[UUID, Sequence[UUID]], done: set[UUID]
) -> Iterator[list[UUID]]:
    if start in done:
        return
    way, stack = {start: None}, [iter(following.get(start, ()))]
    while stack:
        to = next(stack[-1], None)
        if to is None:
            stack.pop()
            done.add(way.popitem()[0])
        elif to in way:
            jobs = list(way)
            yield [*jobs[jobs.index(to) :], to]
        elif to not in done:
            way[to] = None
            stack.append(iter(following.get(to, ())))


def lengths(links: Iterable[Link]) -> dict[UUID, int]:
    """How many links the longest way from each job has; the links must close no circle."""
    following = _following(links)
    found: dict[UUID, int] = {}
    for at in TopologicalSorter(following).static_order():  # those that follow come first
        found[at] = max((found[to] + 1 for to in following.get(at, ())), default=0)
    return found


def said(following: Mapping[str, Sequence[str]]) -> str:
    """`after success: a, b; after failure: c`, of what follows by the names of the two sides."""
    sides = ((condition.word, following.get(f"on_{condition}", ())) for condition in Condition)
    return "; ".join(f"{word}: {', '.join(names)}" for word, names in sides if names) or "nothing"


def _in_order(start: UUID, following: Mapping[UUID, Sequence[UUID]]) -> list[UUID]:
    """Each job that can be reached, before all that come after it."""
    done: dict[UUID, None] = {}
    stack = [(start, iter(following.get(start, ())))]
    entered = {start}
    while stack:
        at, rest = stack[-1]
        to = next((id_ for id_ in rest if id_ not in entered), None)
        if to is None:
            done[at] = None
            stack.pop()
        else:
            entered.add(to)
            stack.append((to, iter(following.get(to, ()))))
    return list(done)[::-1]


def _following(links: Iterable[Link]) -> dict[UUID, list[UUID]]:
    found: dict[UUID, dict[UUID, None]] = defaultdict(dict)
    for link in links:
        found[link.from_id][link.to_id] = None
    return defaultdict(list, {from_id: list(following) for from_id, following in found.items()})
