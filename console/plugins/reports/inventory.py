"""The inventory check: jobs, tasks and processes compared, with what to do about each finding."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from console.plugins.reports.document import Cell, Report, Section, Tile, Tone
from console.plugins.reports.findings import TONES, Finding, Severity, findings
from console.plugins.reports.words import clock, counted, zone_of
from console.services import inventory
from console.services.report_views import ReportFrame

TITLE = "Inventory check"


def report(org_id: UUID, frame: ReportFrame, *, unused_days: int, now: datetime) -> Report:
    """How jobs, tasks and processes stand to each other now; a job is unused after `unused_days`."""
    zone = ZoneInfo(frame.timezone)
    found = inventory.inventory(org_id, unused_for=timedelta(days=unused_days), now=now)
    checks = findings(found, zone, now)
    counts = count(checks)
    details = [Section(item.name, item.heads, item.rows, note=item.note) for item in checks if item.rows]
    unused = f"A job is said to have never run when it was made more than {counted(unused_days, 'day')} ago."
    return Report(
        title=TITLE,
        gist=gist(counts),
        facts=(
            ("Workspace", frame.org_name),
            ("As of", clock(now, zone, now)),
            ("Times", f"{zone_of(zone, now)}, the zone of this report's job"),
        ),
        tiles=_tiles(counts),
        sections=(_overview(checks), *details),
        notes=("A note asks for nothing and counts as ok.", unused),
        data={
            **counts,
            "checks": {item.name: item.severity.value for item in checks},
            "findings": {item.name: item.text for item in checks if item.severity is not Severity.OK},
        },
    )


def count(checks: Sequence[Finding]) -> dict[str, int]:
    """How many checks came to what; together they are all checks."""
    severities = [item.severity for item in checks]
    return {
        "ok": severities.count(Severity.OK) + severities.count(Severity.NOTE),
        "warnings": severities.count(Severity.WARNING),
        "problems": severities.count(Severity.PROBLEM),
    }


def gist(counts: dict[str, int]) -> str:
    """`1 problem, 2 warnings, 9 ok`, or `all 12 checks ok`."""
    bad = [counted(counts[f"{word}s"], word) for word in ("problem", "warning") if counts[f"{word}s"]]
    return ", ".join([*bad, f"{counts['ok']} ok"]) if bad else f"all {counts['ok']} checks ok"


def _tiles(counts: dict[str, int]) -> Sequence[Tile]:
    problems, warnings = counts["problems"], counts["warnings"]
    return (
        Tile("Problems", str(problems), tone=Tone.BAD if problems else Tone.GOOD),
        Tile("Warnings", str(warnings), tone=Tone.WARN if warnings else Tone.GOOD),
        Tile("Checks ok", str(counts["ok"]), tone=Tone.GOOD),
    )


def _overview(checks: Sequence[Finding]) -> Section:
    """All checks, the worst first."""
    worst_first = sorted(checks, key=lambda item: -list(Severity).index(item.severity))
    rows = [
        (Cell(item.name, item.text), Cell(item.severity, item.advice, tone=TONES[item.severity]))
        for item in worst_first
    ]
    return Section("Checks", ("Check", "Finding"), rows)
