"""Whatever is sent, the answer is one that the description knows, and never a 500."""

from collections.abc import Mapping
from datetime import timedelta, timezone

import pytest
import schemathesis
from apiflask import APIFlask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import positive_data_acceptance

from .conftest import Org, make_approval, make_event, make_job
from .test_description import CONTRACT

# A cursor of the right shape may be none that was handed out, a text one that Postgres can't hold.
BEYOND_SCHEMAS = [positive_data_acceptance]
TASK = "greet_somebody"
EXAMPLES = 50

# Formats as the standard has them reach from year 1 to 9999, and an offset carries the edges beyond.
EDGES = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1969-12-31T23:59:59Z"]
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS = st.datetimes(timezones=OFFSETS).map(lambda instant: instant.isoformat())
DATES = st.dates().map(lambda date: date.isoformat())
MOMENTS = st.sampled_from(EDGES) | INSTANTS
schemathesis.openapi.format("date-time", MOMENTS)
schemathesis.openapi.format("date", st.sampled_from(["0001-01-01", "9999-12-31"]) | DATES)


def test_the_whole_description_gets_two_thousand_cases_at_least() -> None:
    assert len(CONTRACT) * EXAMPLES >= 2000


@pytest.mark.parametrize(("method", "path"), sorted(CONTRACT))
def test_every_answer_is_as_described(app: APIFlask, org: Org, method: str, path: str) -> None:
    description = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app)
    headers = {"Authorization": f"Bearer {org.admin.token}"}
    job_id = make_job(app, org, schedule={"type": "once", "at": "2199-01-01T00:00:00Z"})
    known = {"job_id": str(job_id), "event_id": str(make_event(app, org)), "name": TASK, "number": 1}
    known["queue"] = "default"
    known["approval_id"] = str(make_approval(app, org, job_id))

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=description[path][method].as_strategy(), is_known=st.booleans(), at=MOMENTS)
    def conforms(case: schemathesis.Case, is_known: bool, at: str) -> None:
        if is_known:
            _name_what_is_there(case, known, at)
        case.call_and_validate(headers=headers, excluded_checks=BEYOND_SCHEMAS)

    conforms()


def _name_what_is_there(case: schemathesis.Case, known: Mapping[str, str | int], at: str) -> None:
    """Lets what is behind the look for a job or task be reached as well."""
    for name in known.keys() & case.path_parameters.keys():
        case.path_parameters[name] = known[name]
    if case.query:
        case.query.pop("job", None)
    if not isinstance(case.body, dict):
        return
    for name in ("task", "task_name"):
        if name in case.body:
            case.body[name] = TASK
    case.body.pop("revision", None)
    if "task" in case.body:
        case.body["schedule"] = {"type": "once", "at": at}
