"""What lives while a job is asked about."""

import pytest
from apiflask import APIFlask

from .asking import SLOT, alive


@pytest.fixture(autouse=True)
def _registered(app: APIFlask) -> None:
    """A worker and a scheduler live while most of it happens."""
    alive(SLOT)
