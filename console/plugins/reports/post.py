"""Renders a report as text and as HTML, and mails it."""

from collections.abc import Sequence
from uuid import UUID

from flask import current_app

from console import Check, Reason, Refusal, Result, Run
from console.core import runfile
from console.core.settings import Settings
from console.plugins.reports.document import Report
from console.services import mail, report_frames


def recipients_of(org_id: str, given: Sequence[str]) -> tuple[str, ...]:
    """The addresses that were given, each once; without any, the org's active admins."""
    if given:
        return tuple({address.casefold(): address for address in given}.values())
    return report_frames.admins(UUID(org_id))


def has_recipients(check: Check) -> Refusal | None:
    """Refuses a report that nobody would get."""
    if recipients_of(check.org_id, check.args.get("recipients") or ()):
        return None
    detail = "No recipient is given, and the workspace has no active admin to whom it could go."
    return Refusal(Reason.MISSING_RECIPIENT, detail)


def send(run: Run, report: Report) -> Result:
    """Mails the report; a dry run writes it to the log besides. Raises as `mail.deliver`."""
    recipients = recipients_of(run.org_id, run.args.recipients)
    text, html = as_text(report), as_html(report)
    run.progress(1, 2, "computed")
    data = {**report.data, "subject": report.subject, "recipients": list(recipients)}
    sent = _mail(run, mail.Message(run.id, recipients, report.subject, text, html))
    if run.dry_run:
        _show(run, recipients, text)
        return Result(f"{report.gist}; would be mailed to {len(recipients)}", data)
    taken = len(recipients) - len(sent.refused)
    refused = f", refused for {len(sent.refused)}" if sent.refused else ""
    more = {"message_id": sent.message_id, "refused": dict(sent.refused)}
    return Result(f"{report.gist}; mailed to {taken}{refused}", {**data, **more})


def _show(run: Run, recipients: Sequence[str], text: str) -> None:
    """The text in the log, part by part: a line of the log is cut at 8 KiB."""
    run.log(f"A real run would mail this to {', '.join(recipients)}.")
    for part in text.split("\n\n"):
        run.log(part.strip("\n"))


def _mail(run: Run, message: mail.Message) -> mail.Delivery:
    if run.dry_run:
        return mail.deliver(message)
    run.log(f"Mailing “{message.subject}” to {', '.join(message.recipients)}.")
    sent = mail.deliver(message)
    for address, answer in sent.refused.items():
        run.log(f"The mail server refused {address}: {answer}")
    run.progress(2, 2, "mailed")
    run.log(f"The mail server took it as {sent.message_id}.")
    return sent


def as_text(report: Report) -> str:
    return _render("reports/mail.txt", report)


def as_html(report: Report) -> str:
    return _render("reports/mail.htm", report)


def _render(template: str, report: Report) -> str:
    """Straight from the environment: the helpers of pages need a request."""
    rendered = current_app.jinja_env.get_template(template).render(report=report, base_url=base_url())
    return rendered.strip() + "\n"


def base_url() -> str | None:
    """How browsers reach the console; None when nobody said so, for a guessed link leads nowhere.

    A worker on the machine of a running `up` finds it there; elsewhere it must be told CONSOLE_BASE_URL.
    """
    settings: Settings = current_app.extensions["console_settings"]
    is_guess = settings.base_url == f"http://localhost:{settings.port}"
    return None if is_guess and runfile.read(settings.home) is None else settings.base_url
