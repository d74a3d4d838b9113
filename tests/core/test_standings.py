"""Which statuses a person may give a job, from where it stands: a table that is read cell by cell."""

import pytest

from console.core.standings import choices
from console.core.states import JobStatus, Kind

ONCE = {
    "scheduled": "paused sent skipped",
    "paused": "scheduled sent skipped",
    "blocked": "paused sent skipped",
    "retrying": "",
    "sent": "",
    "failed": "sent skipped",
    "skipped": "sent",
}
RECURRING = {
    "scheduled": "paused",
    "paused": "scheduled",
    "blocked": "paused",
    "retrying": "paused",
    "sent": "",
    "failed": "",
    "skipped": "",
}


@pytest.mark.parametrize("status", list(JobStatus))
def test_from_each_status_there_is_a_way_only_to_those_that_make_sense(status: JobStatus) -> None:
    def named(kind: Kind, *, is_closed: bool = False, is_ahead: bool = True) -> str:
        return " ".join(choices(kind, status, is_closed=is_closed, is_ahead=is_ahead))

    assert named(Kind.ONCE) == named(Kind.ONCE, is_closed=True, is_ahead=False) == ONCE[status]
    for kind in (Kind.CRON, Kind.INTERVAL, Kind.MANUAL):
        assert named(kind) == RECURRING[status]
    # What a person closed, a person may open again, for as long as its time is to come.
    assert named(Kind.ONCE, is_closed=True) == f"scheduled {ONCE[status]}".strip()
