"""What a file of schedules says of chains: what each entry's `then` changes, all of it checked together.

Links are no part of a job's revisions, in a file as little as on a page: the trail holds each change. A link
to a job that is deleted is in no file, and stays for the day on which the deletion is undone.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice, pairwise
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, and_, func, select, true

from console.core.actor import Actor
from console.core.chain import Link, circles, lengths
from console.core.names import suggest
from console.core.permissions import Permission
from console.core.registry import registry
from console.core.states import Condition, Kind
from console.core.tags import Tag
from console.db.chains import JobLink
from console.db.jobs import Job
from console.db.session import db
from console.services import audit, chains
from console.services.chains import FIELDS, LONGEST_CHAIN, MOST_LINKS
from console.services.schedule_entries import Entry, Mistakes
from console.services.schedule_fields import Follower

MOST_COMPARED = 1000
MOST_HINTED = 10
"""Of so many names that nothing has, similar ones are looked for: it takes a while for each."""
MOST_CIRCLES = 20
LONGEST_SPELLED = 12
Side = tuple[Condition, str]
"""A job that follows, by its key, and when."""


@dataclass(frozen=True)
class LinkChange:
    """What becomes of the links from one job; `before` and `after` are what follows it, in its order.

    `gone` are those that follow it no longer, by their ids.
    """

    key: str
    before: Sequence[Side]
    after: Sequence[Side]
    gone: Sequence[tuple[Condition, UUID]]

    @property
    def added(self) -> list[Side]:
        return [side for side in self.after if side not in self.before]

    @property
    def keys(self) -> set[str]:
        """The jobs that it locks: a new link locks both of its ends."""
        return {self.key, *(key for _, key in self.added)}


@dataclass(frozen=True)
class _Standing:
    """A link as it stands; `key` is None when the job that follows is deleted.

    One that ran once and `is_over` is in no file, so that its link goes only where it is taken out by hand.
    """

    link: Link
    key: str | None
    is_over: bool


@dataclass(frozen=True)
class _Added:
    """A link that a file adds, and where it stands there."""

    link: Link
    entry: Entry
    follower: Follower


def shape(sides: Iterable[Side]) -> dict[str, list[str]]:
    """As a file holds it: `{on_success: [a, b]}`, without a side on which nothing follows."""
    found: dict[str, list[str]] = defaultdict(list)
    for condition, key in sides:
        found[FIELDS[condition]].append(key)
    return {name: found[name] for name in FIELDS.values() if name in found}


def standing(actor: Actor, now: datetime) -> dict[UUID, list[Side]]:
    """What follows each job of the org that something follows, of jobs that a file may hold."""
    return _sides(item for item in _standing(actor, now) if not item.is_over)


def _sides(stands: Iterable[_Standing]) -> dict[UUID, list[Side]]:
    found: dict[UUID, list[Side]] = defaultdict(list)
    for item in stands:
        if item.key is not None:
            found[item.link.from_id].append((item.link.condition, item.key))
    return found


def _standing(actor: Actor, now: datetime) -> list[_Standing]:
    """Every link of the org, of deleted jobs too: to undo that must not close a circle."""
    is_over = and_(Job.kind == Kind.ONCE, func.coalesce(Job.next_run_at < now, true()))
    query = select(
        JobLink.from_job_id, JobLink.to_job_id, JobLink.condition, Job.key, Job.deleted_at, is_over
    )
    query = query.join(Job, Job.id == JobLink.to_job_id).where(JobLink.org_id == actor.org_id)
    return [
        _Standing(Link(row[0], row[1], Condition(row[2])), row[3] if row[4] is None else None, row[5])
        for row in db.session.execute(query.order_by(JobLink.id))
    ]


# What a file comes to ------------------------------------------------------------------------------


def compare(
    actor: Actor, entries: Sequence[Entry], rows: Mapping[str, Job], mistakes: Mistakes, now: datetime
) -> list[LinkChange]:
    """What changes, in the order of the file; adds to the mistakes all that is wrong with it.

    `rows` holds the jobs that are there of all that are `named`; entries without one are new.
    """
    chained = [entry for entry in entries if "then" in entry.given]
    if not chained:
        return []
    ids = {entry.key: uuid4() for entry in entries} | {key: row.id for key, row in rows.items()}
    stands = _standing(actor, now)
    leaving = defaultdict(list)
    for item in stands:
        leaving[item.link.from_id].append(item)
    changes = [_change(entry, leaving[ids[entry.key]]) for entry in chained]
    added: list[_Added] = []
    for entry, change in zip(chained, changes, strict=True):
        _check_names(actor, entry, change, ids, rows, mistakes)
        added += _added(entry, change, ids)
    gone = {Link(ids[item.key], to_id, word) for item in changes for word, to_id in item.gone}
    stay = [item.link for item in stands if item.link not in gone]
    _check_graph(stay, added, {id_: key for key, id_ in ids.items()}, mistakes)
    return [item for item in changes if item.added or item.gone]


def named(entries: Sequence[Entry]) -> list[str]:
    """The keys of all entries and of all jobs that are to follow one."""
    return list(dict.fromkeys(key for entry in entries for key in (entry.key, *_follower_keys(entry))))


def _follower_keys(entry: Entry) -> list[str]:
    return [item.key for item in _followers(entry)]


def _followers(entry: Entry) -> list[Follower]:
    return [item for side in entry.given.get("then", {}).values() for item in side]


def _change(entry: Entry, leaving: Sequence[_Standing]) -> LinkChange:
    """Those that follow already keep their place."""
    then = entry.given["then"]
    wanted = [(condition, item.key) for condition in Condition for item in then.get(condition, ())]
    stands = {
        (item.link.condition, item.key): item.link.to_id
        for item in leaving
        if item.key is not None and (not item.is_over or (item.link.condition, item.key) in wanted)
    }
    stay = [side for side in stands if side in wanted]
    gone = [(side[0], to_id) for side, to_id in stands.items() if side not in wanted]
    return LinkChange(entry.key, list(stands), [*stay, *(side for side in wanted if side not in stay)], gone)


def _added(entry: Entry, change: LinkChange, ids: Mapping[str, UUID]) -> list[_Added]:
    then = entry.given["then"]
    return [
        _Added(Link(ids[entry.key], ids[item.key], condition), entry, item)
        for condition in Condition
        for item in then.get(condition, ())
        if (condition, item.key) in change.added and item.key in ids
    ]


def _check_names(
    actor: Actor,
    entry: Entry,
    change: LinkChange,
    known: Mapping[str, UUID],
    rows: Mapping[str, Job],
    mistakes: Mistakes,
) -> None:
    """Who follows is there or in the file; who is new in it can run; and they are not too many."""
    if len(change.after) > MOST_LINKS:
        text = f"at most {MOST_LINKS} jobs may follow one; these are {len(change.after)}"
        entry.complain(mistakes, "then", text)
    new = {key for _, key in change.added}
    for item in _followers(entry):
        row = rows.get(item.key)
        if item.key not in known:
            hint = _hint(actor, item.key, known) if mistakes.count < MOST_HINTED else ""
            _complain(
                mistakes, entry, item, f"no job has the key {item.key[:200]}, here or in the file{hint}"
            )
        elif item.key in new and row is not None and registry.get(row.task) is None:
            text = f"{item.key} runs {row.task}, a task that is gone, so it could not run"
            _complain(mistakes, entry, item, text)


def _alive(actor: Actor) -> tuple[ColumnElement[bool], ...]:
    return Job.org_id == actor.org_id, Job.deleted_at.is_(None)


def _hint(actor: Actor, key: str, known: Iterable[str]) -> str:
    there = db.session.scalars(select(Job.key).where(*_alive(actor)).limit(MOST_COMPARED))
    near = suggest(key, {*islice(known, MOST_COMPARED), *there})
    return f"; did you mean {', '.join(near)}?" if near else ""


def _complain(mistakes: Mistakes, entry: Entry, item: Follower, text: str) -> None:
    mistakes.add(f"{entry.place}.{item.place}", item.line, text)


def _check_graph(
    stay: Sequence[Link], added: Sequence[_Added], keys: Mapping[UUID, str], mistakes: Mistakes
) -> None:
    """What would stand closes no circle, and no chain is too long; told where such a link stands."""
    if not added:
        return
    links = [*stay, *(item.link for item in added)]
    ways = list(islice(circles(links), MOST_CIRCLES))
    for way in ways:
        pairs = set(pairwise(way))
        last = [item for item in added if (item.link.from_id, item.link.to_id) in pairs][-1]
        at = way.index(last.link.from_id)
        spelled = _spelled([*way[at:], *way[1 : at + 1]], keys)
        _complain(mistakes, last.entry, last.follower, f"this would close a circle: {spelled}")
    if not ways:
        _check_lengths(links, added, mistakes)


def _spelled(way: Sequence[UUID], keys: Mapping[UUID, str]) -> str:
    """`a → b → a`; jobs between those that the file names are looked up."""
    shown = way if len(way) <= LONGEST_SPELLED else [*way[: LONGEST_SPELLED - 2], *way[-2:]]
    rows = db.session.execute(select(Job.id, Job.key).where(Job.id.in_(shown), Job.deleted_at.is_(None)))
    known = {**{row.id: row.key for row in rows}, **keys}
    names = [known.get(id_, "a deleted job") for id_ in shown]
    if len(shown) < len(way):
        names.insert(-2, f"{len(way) - len(shown)} more")
    return " → ".join(names)


def _check_lengths(links: Sequence[Link], added: Sequence[_Added], mistakes: Mistakes) -> None:
    after, before = lengths(links), lengths([link.turned for link in links])
    for item in added:
        count = before[item.link.from_id] + after[item.link.to_id] + 2
        if count > LONGEST_CHAIN:
            text = f"the chain would have {count} jobs in a row; at most {LONGEST_CHAIN} may stand in one"
            _complain(mistakes, item.entry, item.follower, text)


# Putting it in force -------------------------------------------------------------------------------


def write(
    actor: Actor,
    changes: Iterable[LinkChange],
    ids: Mapping[str, UUID],
    *,
    reason: str | None,
    now: datetime,
) -> None:
    """Makes the changes in the caller's transaction, which holds the org's links; `ids` are by key."""
    for change in changes:
        actor.require(Permission.EDIT_CHAINS)
        chains.write(
            actor,
            ids[change.key],
            added=[(condition, ids[key]) for condition, key in change.added],
            gone=change.gone,
            now=now,
        )
        old, new = (
            {field: _keys(of, word) for word, field in FIELDS.items()} for of in (change.before, change.after)
        )
        subject = audit.Subject("job", ids[change.key])
        audit.add(actor, Tag.CHAIN_CHANGED, subject, now=now, old=old, new=new, reason=reason)


def _keys(sides: Sequence[Side], condition: Condition) -> list[str]:
    return [key for word, key in sides if word is condition]
