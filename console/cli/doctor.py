"""`doctor`: what is wrong here, and what to do about it."""

from dataclasses import asdict, dataclass

import click

from console.cli.context import json_option, make_app, print_json
from console.core.errors import ConsoleError, SettingsError


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `advice` says what to do when it is not well."""

    name: str
    ok: bool
    text: str
    advice: str


@click.command()
@json_option
def doctor(as_json: bool) -> int:
    """Look at every part and say what to do about what is wrong; exit 1 when something is."""
    findings = _findings()
    if as_json:
        print_json({"ok": all(f.ok for f in findings), "checks": [asdict(f) for f in findings]})
    else:
        for finding in findings:
            click.echo(_line(finding))
    return 0 if all(finding.ok for finding in findings) else 1


def _line(finding: Finding) -> str:
    text = f"{'ok   ' if finding.ok else 'WRONG'} {finding.name}: {finding.text}"
    return text if finding.ok or not finding.advice else f"{text} → {finding.advice}"


def _findings() -> list[Finding]:
    from console.core.clock import utc_now
    from console.services import health

    try:
        app = make_app()
    except SettingsError as error:
        return [Finding("settings", False, str(error), "Correct it, or start Callboard with make run.")]
    found = [Finding("settings", True, "Every setting can be used.", "")]
    with app.app_context():
        try:
            checks = health.doctor(now=utc_now())
        except ConsoleError as error:
            return [*found, Finding("postgres", False, error.detail, "See that the database runs.")]
    return found + [Finding(check.name, check.ok, check.text, check.advice) for check in checks]
