"""The dependency audit of `make check`: a finding fails it, and silence is never taken for safety."""

import importlib.util
import json
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / ".ci" / "audit.py"
spec = importlib.util.spec_from_file_location("audit", SCRIPT)
assert spec and spec.loader
audit = importlib.util.module_from_spec(spec)
spec.loader.exec_module(audit)


def report(*packages: dict[str, object]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


SOUND = {"name": "flask", "version": "3.1.3", "vulns": []}
UNKNOWN = {"name": "rq", "skip_reason": "not found"}
UNSOUND = {"name": "jinja2", "version": "2.0", "vulns": [{"id": "CVE-1", "fix_versions": ["2.1"]}]}


def test_a_finding_fails_the_check_and_names_the_package() -> None:
    code, lines = audit.verdict(audit.read(report(SOUND, UNSOUND)))
    assert code == 1
    assert any("jinja2 2.0: CVE-1" in line for line in lines)


def test_no_finding_passes_and_says_how_many_were_looked_at() -> None:
    assert audit.verdict(audit.read(report(SOUND))) == (0, ["audited 1 packages: no known vulnerability"])


def test_a_package_that_the_service_does_not_know_is_named() -> None:
    code, lines = audit.verdict(audit.read(report(SOUND, UNKNOWN)))
    assert code == 0
    assert "rq" in lines[0]


def test_no_answer_and_an_answer_about_nothing_are_said_loudly() -> None:
    for answer in ("", "Traceback", report(UNKNOWN), report()):
        code, lines = audit.verdict(audit.read(answer))
        assert code == 0
        assert "NO AUDIT" in lines[1]
