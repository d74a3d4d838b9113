"""What the console is for: each plugin brings tasks, pages and demonstration jobs; none knows another."""

from datetime import datetime

from flask import Flask

from console.core.actor import Actor
from console.plugins import messages
from console.services.job_creation import NewJob

TASK_MODULES = (
    "console.plugins.messages.tasks",
    "console.plugins.messages.setting_tasks",
    "console.plugins.maintenance.tasks",
    "console.plugins.reports.tasks",
)

EXAMPLE_MODULES = ("console.plugins.examples.tasks",)
"""What is loaded when CONSOLE_TASKS names nothing."""

REPORT_ZONE = "Asia/Ho_Chi_Minh"


def prepare() -> None:
    """Imports the plugins' tables, and the calls that they hang on the API before it is registered."""
    messages.prepare()


def register(app: Flask) -> None:
    """Adds the plugins' pages and navigation to the app."""
    messages.register(app)


def demo_jobs() -> list[NewJob]:
    """The jobs of the demonstration workspace; every one of them runs and does what it says."""
    return [
        NewJob(task="send_test_email_to_self"),
        NewJob(task="perform_system_health_check", schedule={"type": "interval", "every_seconds": 1800}),
        NewJob(task="cleanup_old_runs", schedule={"type": "daily", "hour": 3, "minute": 30}),
        NewJob(task="verify_audit_trail", schedule={"type": "daily", "hour": 4, "minute": 0}),
        NewJob(task="count_slowly"),
        NewJob(task="empty_outbox"),
        *_reports(),
    ]


def fill_demo(actor: Actor, now: datetime) -> None:
    """What the demonstration workspace holds apart from those jobs, in the caller's transaction."""
    from console.plugins.messages import demo

    demo.fill(actor, now)


def _reports() -> list[NewJob]:
    """The reports of the team in Ho Chi Minh City, whose morning this is wherever the console runs."""
    schedules = {
        "morning_intelligence_report": {"type": "daily", "hour": 9, "minute": 15},
        "inventory_health_check": {"type": "interval", "every_seconds": 21600},
        "weekly_summary_report": {"type": "weekly", "weekday": 0, "hour": 8, "minute": 0},
    }
    return [NewJob(task=task, schedule=shape, timezone=REPORT_ZONE) for task, shape in schedules.items()]
