"""The reference names every call, and its examples work as they stand."""

import re
import shlex
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path

import requests
from apiflask import APIFlask
from flask.testing import FlaskClient
from sqlalchemy import text

from console.db.session import db
from tests.factories import one, rows

from .conftest import Org

REFERENCE = Path(__file__).resolve().parent.parent.parent / "docs" / "reference" / "api.md"
FIRST_JOB = "SELECT id FROM jobs ORDER BY created_at LIMIT 1"
EXAMPLES = re.findall(r"^```sh\n(.*?)^```", REFERENCE.read_text(), re.MULTILINE | re.DOTALL)


def test_every_call_is_named(client: FlaskClient) -> None:
    named = {
        (method, "/api/v1" + re.sub(r"{\w+}", "{}", path))
        for method, path in re.findall(r"^\| `([A-Z]+) (/[^`?]+)", REFERENCE.read_text(), re.MULTILINE)
    }
    paths = client.get("/api/v1/openapi.json").json["paths"]
    there = {(method.upper(), re.sub(r"{\w+}", "{}", path)) for path in paths for method in paths[path]}
    assert named == there


def run(line: str, folder: Path) -> requests.Response:
    """As much of curl as the examples use; not every machine has the real one."""
    curl = ArgumentParser(exit_on_error=False)
    curl.add_argument("-X", default="GET")
    curl.add_argument("-H", action="append")
    curl.add_argument("-d")
    curl.add_argument("--data-binary")
    curl.add_argument("-o")
    curl.add_argument("url")
    name, *words = shlex.split(line)
    assert name == "curl"
    given = curl.parse_args(words)
    headers = dict(header.split(": ", 1) for header in given.H)
    body = given.d
    if given.data_binary:
        body = (folder / given.data_binary.removeprefix("@")).read_bytes()
    answer = requests.request(given.X, given.url, headers=headers, data=body, timeout=30)
    if given.o:
        (folder / given.o).write_bytes(answer.content)
    return answer


def lines(example: str) -> Iterator[str]:
    yield from (line for line in example.replace("\\\n", " ").splitlines() if line.strip())


def unknown_run(org: Org) -> str:
    """A run of the only job whose end is unknown."""
    job_id = one(FIRST_JOB)
    run_id = org.operator.post(f"/scheduler/jobs/{job_id}/send-now").json["id"]
    db.session.execute(text("UPDATE runs SET state = 'unknown'"))
    db.session.commit()
    return str(run_id)


def test_the_examples_work_one_after_the_other(app: APIFlask, org: Org, port: int, tmp_path: Path) -> None:
    base = f"http://127.0.0.1:{port}/api/v1"
    known = {
        "$AUTH": f"Authorization: Bearer {org.operator.token}",
        "$JSON": "Content-Type: application/json",
        "$YAML": "Content-Type: application/yaml",
        "$API": base,
    }
    for line in (line for example in EXAMPLES for line in lines(example)):
        if "$JOB" in line:
            known["$JOB"] = str(one(FIRST_JOB))
        if "$RUN" in line:
            known["$RUN"] = unknown_run(org)
        for name, value in known.items():
            line = line.replace(name, value)
        answer = run(line, tmp_path)
        # No worker is alive here, so a dry run is accepted and waits.
        expected = (202,) if "dry_run" in line else (200, 201)
        assert answer.status_code in expected, f"{line}: {answer.text}"
    assert rows("SELECT status, schedule, revision FROM jobs ORDER BY created_at LIMIT 1") == [
        ("paused", {"type": "daily", "hour": 8, "minute": 45}, 9)
    ]
