"""Entries per second of 20 writers with the trail sealed beside them, and of plain INSERTs of such rows.

With `--long N`: how long each request of a page takes that verifies a trail of N entries.
"""

import json
import logging
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from statistics import median
from threading import Event
from time import perf_counter
from uuid import uuid4

from sqlalchemy import text

from bench.stage import Stage, stage, timed, verdict
from console.core import trail
from console.core.clock import utc_now
from console.core.tags import Tag
from console.db.session import db, transaction
from console.services import audit, sealing, verifying
from tests.factories import one

WRITERS, EACH = 20, 250
ENTRIES = WRITERS * EACH
BAR = 1000
AT = datetime(2030, 1, 1, tzinfo=UTC)
NEW = {"name": "Sweep the stage", "schedule": {"type": "daily", "hour": 9, "minute": 15}, "revision": 7}
OLD = {"name": "Sweep", "schedule": {"type": "daily", "hour": 7, "minute": 0}}
PLAIN = text(
    """
    INSERT INTO plain (org_id, at, tag, actor_kind, actor_name, object_kind, object_id, old, new, reason)
    VALUES (:org, :at, 'job:changed', 'system', 'bench', 'job', 'sweep',
            CAST(:old AS jsonb), CAST(:new AS jsonb), 'the bench')
    """
)


def written_by_all(on: Stage, write: Callable[[], None]) -> float:
    """Seconds that 20 writers take for all entries, each in a transaction of its own."""

    def work(_: int) -> None:
        with on.app.app_context():
            for _ in range(EACH):
                with transaction():
                    write()
            db.session.remove()

    def everybody() -> None:
        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(work, range(WRITERS)))

    return timed(everybody)


def ours(on: Stage) -> float:
    """Entries per second, each with its MAC, while a sealer gives each its place in the chain."""
    subject, is_over = audit.Subject("job", "sweep"), Event()

    def seal() -> None:
        with on.app.app_context():
            while not is_over.wait(2.0):
                sealing.seal(utc_now())
            db.session.remove()

    def write() -> None:
        audit.add(on.actor, Tag.JOB_CHANGED, subject, now=utc_now(), old=OLD, new=NEW, reason="the bench")

    with ThreadPoolExecutor(1) as beside:
        beside.submit(seal)
        seconds = written_by_all(on, write)
        is_over.set()
    return ENTRIES / seconds


def theirs(on: Stage) -> float:
    """Rows per second of as many plain INSERTs into a table like it."""
    columns = "LIKE audit_entries INCLUDING ALL EXCLUDING CONSTRAINTS"
    db.session.execute(text(f"CREATE TABLE plain ({columns})"))
    db.session.execute(text("ALTER TABLE plain DROP uid, DROP mac"))
    db.session.commit()
    old, new = json.dumps(OLD), json.dumps(NEW)

    def write() -> None:
        db.session.execute(PLAIN, {"org": on.actor.org_id, "at": utc_now(), "old": old, "new": new})

    seconds = written_by_all(on, write)
    assert one("SELECT count(*) FROM plain") == ENTRIES
    return ENTRIES / seconds


def fill(on: Stage, count: int) -> None:
    """Entries with their MACs, as `audit.add` writes them, in one COPY."""
    keys, columns = audit.means().ring.present, (*trail.FIELDS, "mac")
    row: dict[str, object] = {name: None for name in columns}
    row |= {"org_id": str(on.actor.org_id), "at": trail.microseconds(AT), "tag": "job:changed", "new": [NEW]}
    row |= {"actor_kind": "system", "actor_name": "bench", "object_kind": "job", "object_id": "sweep"}
    connection = db.engine.raw_connection()
    with connection.cursor().copy(f"COPY audit_entries ({', '.join(columns)}) FROM STDIN") as copy:
        for _ in range(count):
            row["uid"] = str(uuid4())
            mac = keys.mac(trail.canonical([row[name] for name in trail.FIELDS]))
            said = {**row, "at": AT, "new": json.dumps(NEW), "mac": mac}
            copy.write_row([said[name] for name in columns])
    connection.commit()
    connection.close()


def long_trail(on: Stage, count: int) -> None:
    """The requests of a page, one after the other, and all of it in one turn."""
    fill(on, count)
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE audit_entries"))
    sealing_seconds = timed(lambda: sealing.seal_all(on.actor.org_id, now=utc_now()))
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    now, took = utc_now(), []
    begun = perf_counter()
    step = verifying.begin(on.actor, now=now)
    while True:
        took.append(perf_counter() - begun)
        if isinstance(step, verifying.Verification):
            break
        begun = perf_counter()
        step = verifying.go_on(on.actor, step.checkpoint, now=now)
    assert step.ok and step.entries == count
    print(f"{count:,} entries sealed in {sealing_seconds:.0f} s", flush=True)
    print(
        f"verified in {sum(took):.0f} s, {count / sum(took):.0f} entries per second, by {len(took)} requests:"
    )
    print(f"the first {took[0]:.1f} s, the last {took[-1]:.1f} s, half of them at most {median(took):.1f} s")


def main() -> None:
    logging.disable(logging.INFO)
    if "--long" in sys.argv:
        with stage() as on:
            long_trail(on, int(sys.argv[sys.argv.index("--long") + 1]))
        return
    with stage() as on:
        plain, mine = theirs(on), ours(on)
        sealing_seconds = timed(lambda: sealing.seal_all(on.actor.org_id, now=utc_now()))
        found = []
        seconds = timed(lambda: found.append(verifying.examine(on.actor.org_id)))
    assert found[0].ok and found[0].entries == ENTRIES
    met = "met" if mine >= BAR else "NOT MET"
    print(f"entries per second of {WRITERS} writers, sealed beside: {mine:.0f} (at least {BAR}: {met})")
    print(f"plain INSERTs of the same rows: {plain:.0f}; the rest sealed in {sealing_seconds:.2f} s")
    print(f"verified: {ENTRIES / seconds:.0f} entries per second")
    verdict("of the speed of plain INSERTs", mine / plain, 0.4, at_least=True)


if __name__ == "__main__":
    main()
