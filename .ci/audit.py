"""Ask pip-audit whether a pinned package has a known vulnerability: `audit.py requirements.txt`.

Exit 1 for a finding. A service that can't be reached, or that does not know a package, is no finding
and no all-clear either: that is said loudly, and the exit code is 0, since a check must work offline.
"""

import json
import subprocess
import sys
from dataclasses import dataclass

SERVICES = ("osv", "pypi")


@dataclass(frozen=True)
class Audit:
    """What one service said: `name version id` for each finding, and the names that it does not know."""

    findings: tuple[str, ...]
    audited: int
    unknown: tuple[str, ...]


def read(report: str) -> Audit | None:
    """The meaning of pip-audit's JSON; None when it is no report, as when the service is out of reach."""
    try:
        packages = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return None
    findings = tuple(
        f"{package['name']} {package['version']}: {entry['id']}, fixed in {entry['fix_versions'] or 'none'}"
        for package in packages
        for entry in package.get("vulns", ())
    )
    unknown = tuple(package["name"] for package in packages if "skip_reason" in package)
    return Audit(findings, len(packages) - len(unknown), unknown)


def ask(service: str, requirements: str) -> Audit | None:
    command = [sys.executable, "-m", "pip_audit", "-r", requirements, "--no-deps", "--disable-pip"]
    command += ["--format", "json", "--progress-spinner", "off", "--timeout", "15", "-s", service]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)  # noqa: S603
    except subprocess.TimeoutExpired:
        return None
    return read(done.stdout)


def verdict(audit: Audit | None) -> tuple[int, list[str]]:
    """The exit code and the lines to print."""
    if audit is None or not audit.audited:
        return 0, [
            "!" * 72,
            "!! NO AUDIT: no vulnerability service could be reached. Nothing was checked.",
            "!" * 72,
        ]
    lines = [f"!! not audited, unknown to the service: {', '.join(audit.unknown)}"] if audit.unknown else []
    if audit.findings:
        return 1, [*lines, "known vulnerabilities:", *(f"  {finding}" for finding in audit.findings)]
    return 0, [*lines, f"audited {audit.audited} packages: no known vulnerability"]


def best(requirements: str) -> Audit | None:
    """The answer of the first service that knows anything at all."""
    for service in SERVICES:
        audit = ask(service, requirements)
        if audit is not None and audit.audited:
            return audit
    return None


if __name__ == "__main__":
    code, lines = verdict(best(sys.argv[1]))
    print("\n".join(lines))
    sys.exit(code)
