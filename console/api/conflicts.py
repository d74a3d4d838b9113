"""The answer to a stale save: theirs, mine and the common ancestor, field by field."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from flask import Response
from pydantic import BaseModel

from console.api import problems
from console.api.blueprint import PREFIX, api
from console.api.revision_seen import tag
from console.api.schemas.conflict import StaleProblem
from console.services.conflicts import StaleRevision


@contextmanager
def handing_back(body: BaseModel) -> Iterator[None]:
    """Lets a stale save be refused with the draft as it was sent."""
    try:
        yield
    except StaleRevision as error:
        sent = body.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={"revision"})
        raise StaleRevision(replace(error.conflict, yours=sent)) from None


def of_stale_revision(error: StaleRevision) -> Response:
    response = problems.answer(StaleProblem.of(error, f"{PREFIX}/docs#{error.reason}"))
    response.headers.update(tag(error.conflict.current.revision))
    return response


api.register_error_handler(StaleRevision, of_stale_revision)
