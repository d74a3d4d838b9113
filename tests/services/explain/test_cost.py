"""Whoever may see a job may ask why, at a price that its history does not raise.

The situations stand in the files beside this one; what takes processes in `tests/system/test_explain.py`.
"""

from typing import Any

import pytest
from sqlalchemy import event as listening
from sqlalchemy import text

from console.core.errors import NotFound
from console.core.states import Role
from console.db.session import db
from console.services import explain
from tests import factories
from tests.factories import NOON, OrgOf
from tests.services.explain.asking import MINUTE, SLOT, daily

# What it costs -------------------------------------------------------------------------------------


def test_a_job_with_many_runs_costs_as_many_statements_as_one_with_few(org: OrgOf) -> None:
    few, many = daily(org), daily(org, key="many")
    for job, count in ((few, 30), (many, 3000)):
        db.session.execute(
            text(
                "INSERT INTO runs (org_id, job_id, task, queue, trigger, state, revision, args, "
                "requested_by, requested_at, slot, started_at, finished_at, changes) "
                "SELECT :org, :job, 'x', 'q', 'schedule', 'succeeded', 1, '{}', 's', at, at, at, at, '[]' "
                "FROM generate_series(1, :count) AS n, LATERAL (SELECT :at - n * interval '1 min') AS x(at)"
            ),
            {"org": org.id, "job": job.id, "count": count, "at": SLOT},
        )
    db.session.commit()
    counts = []
    for job in (few, many):
        seen: list[str] = []

        def note(*arguments: Any, into: list[str] = seen) -> None:
            into.append(arguments[2])

        listening.listen(db.engine, "before_cursor_execute", note)
        explain.page(org.admin, job.id, SLOT - 10 * MINUTE, now=SLOT)
        listening.remove(db.engine, "before_cursor_execute", note)
        counts.append(len(seen))
    assert counts[0] == counts[1] <= 40


# Whose it is ---------------------------------------------------------------------------------------


def test_another_orgs_job_is_not_found_and_a_viewer_may_ask(org: OrgOf) -> None:
    job = daily(org)
    with pytest.raises(NotFound):
        explain.explain(factories.org().admin, job.id, None, now=NOON)
    viewer = factories.person(org, Role.VIEWER)
    assert explain.explain(viewer, job.id, SLOT, now=SLOT).job_id == job.id
