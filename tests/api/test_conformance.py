"""Whatever is sent, the answer is one that the description knows, and never a 500."""

import pytest
import schemathesis
from apiflask import APIFlask
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from .conftest import Org
from .test_description import CONTRACT

# A cursor of the right shape may be none that was handed out, a text one that Postgres can't hold.
BEYOND_SCHEMAS = [positive_data_acceptance]


@pytest.mark.parametrize(("method", "path"), sorted(CONTRACT))
def test_every_answer_is_as_described(app: APIFlask, org: Org, method: str, path: str) -> None:
    description = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app)
    headers = {"Authorization": f"Bearer {org.admin.token}"}

    @settings(
        max_examples=25,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=description[path][method].as_strategy())
    def conforms(case: schemathesis.Case) -> None:
        case.call_and_validate(headers=headers, excluded_checks=BEYOND_SCHEMAS)

    conforms()
