"""What the tests of the schedule editor share: its form, as a browser reads and sends it."""

from html.parser import HTMLParser
from typing import Any

from werkzeug.test import TestResponse

from console.services.views import JobView
from tests.factories import one, rows
from tests.web.conftest import Visitor, part, words

DAILY = {"type": "daily", "hour": 7, "minute": 0}


class Form(HTMLParser):
    """What the browser would send of the editor's form."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self.focused: str | None = None
        self.invalid: list[str] = []
        self._select: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        name = found.get("name")
        if tag == "select" and name:
            self._select = name
        elif tag == "option" and self._select:
            if "selected" in found or self._select not in self.values:
                self.values[self._select] = str(found.get("value") or "")
        elif (
            tag == "input" and name and (found.get("type") not in ("checkbox", "radio") or "checked" in found)
        ):
            self.values[name] = found.get("value") or ""
        if name and "autofocus" in found:
            self.focused = name
        if name and found.get("aria-invalid"):
            self.invalid.append(name)

    def handle_data(self, data: str) -> None:
        if self._select and not self.values.get(self._select):
            self.values[self._select] = data.strip()

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = None


def form_in(answer: TestResponse) -> Form:
    found = Form()
    found.feed(answer.text[answer.text.index('id="editor-') :])
    return found


def opened(visitor: Visitor, job: JobView, region: str = "") -> dict[str, str]:
    """What stands in the form; units of a select without values are read as they are shown."""
    path = f"/fragments/jobs/{job.id}/schedule?region={region}" if region else f"/jobs/{job.id}/schedule"
    answer = visitor.get(path)
    assert answer.status_code == 200
    return form_in(answer).values


def send(visitor: Visitor, job: JobView, fields: dict[str, str], *, htmx: bool = False) -> TestResponse:
    return visitor.post(f"/jobs/{job.id}/schedule", fields, htmx=htmx)


def fault_of(answer: TestResponse, job: JobView, field: str) -> str:
    return words(part(answer, f"ed-{job.id}-{field}-error"))


def state(job: JobView) -> tuple[Any, ...]:
    (row,) = rows(
        "SELECT schedule, timezone, status, overlap, next_run_at, revision FROM jobs WHERE id = :id",
        id=job.id,
    )
    return tuple(row)


def counted() -> tuple[int, int]:
    return one("SELECT count(*) FROM job_revisions"), one("SELECT count(*) FROM audit_entries")
