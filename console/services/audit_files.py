"""The trail as a file: JSON Lines or CSV, oldest first; who took it stands on the trail."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import func, select

from console.core import delimited
from console.core.actor import Actor
from console.core.permissions import Permission
from console.core.tags import Tag
from console.db.session import db, reading, transaction
from console.db.trail import AuditEntry
from console.services import audit, audit_lists
from console.services.audit_lists import AuditFilter, EntryView

AT_ONCE = 1_000
COLUMNS = tuple(item.name for item in fields(EntryView))


class Format(StrEnum):
    """How a file is written."""

    JSONL = "jsonl"
    CSV = "csv"

    @property
    def mimetype(self) -> str:
        return "text/csv" if self is Format.CSV else "application/x-ndjson"


@dataclass(frozen=True)
class Export:
    """What is to be written: everything that matches up to the entry `until`, read as it is written."""

    actor: Actor
    wanted: AuditFilter
    format: Format
    until: int
    as_of: datetime

    @property
    def name(self) -> str:
        """The name of the file."""
        return f"audit-{self.as_of:%Y-%m-%d}.{self.format}"

    def text(self) -> Iterator[str]:
        """The file, in pages of 1,000 entries, each in a transaction of its own."""
        if self.format is Format.CSV:
            yield delimited.written(COLUMNS)
        for page in self._pages():
            yield "".join(_line(entry, self.format) for entry in page)

    def _pages(self) -> Iterator[Sequence[EntryView]]:
        query = audit_lists.entries(self.actor, self.wanted).where(AuditEntry.number <= self.until)
        query = query.order_by(AuditEntry.number).limit(AT_ONCE)
        after: int | None = None
        while True:
            with reading():
                part = query.where(AuditEntry.number > after) if after is not None else query
                page = [audit_lists.view(row) for row in db.session.execute(part)]
            if page:
                yield page
                after = page[-1].number
            if len(page) < AT_ONCE:
                return


def export(actor: Actor, wanted: AuditFilter, kind: Format, *, now: datetime) -> Export:
    """What a file of all entries that match holds; puts the export itself on the trail, after them.

    Raises `Forbidden`.
    """
    actor.require(Permission.READ_AUDIT)
    with transaction():
        newest = select(func.max(AuditEntry.number)).where(AuditEntry.org_id == actor.org_id)
        until = db.session.scalar(newest) or 0
        new = {"format": kind, "until_number": until, **wanted.as_json()}
        audit.add(actor, Tag.AUDIT_EXPORTED, audit.Subject("audit", actor.org_id), now=now, new=new)
    return Export(actor, wanted, kind, until, now)


def _line(entry: EntryView, kind: Format) -> str:
    values = asdict(entry) | {"at": entry.at.isoformat()}
    if kind is Format.JSONL:
        return json.dumps(values, ensure_ascii=False, default=str) + "\n"
    cells = [_json(value) if name in ("old", "new") else value for name, value in values.items()]
    return delimited.written(cells)


def _json(value: Any) -> str | None:
    return json.dumps(value, ensure_ascii=False) if value is not None else None
