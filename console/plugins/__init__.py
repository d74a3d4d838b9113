"""What the console is for: each plugin brings tasks, pages and demonstration jobs; none knows another."""

from flask import Flask

from console.services.jobs import NewJob

TASK_MODULES = ("console.plugins.messages.tasks", "console.plugins.maintenance.tasks")

EXAMPLE_MODULES = ("console.plugins.examples.tasks",)
"""What is loaded when CONSOLE_TASKS names nothing."""


def register(app: Flask) -> None:
    """Adds the plugins' pages and navigation to the app."""


def demo_jobs() -> list[NewJob]:
    """The jobs of the demonstration workspace; every one of them runs and does what it says."""
    return [
        NewJob(task="send_test_email_to_self"),
        NewJob(task="perform_system_health_check", schedule={"type": "interval", "every_seconds": 1800}),
        NewJob(task="cleanup_old_runs", schedule={"type": "daily", "hour": 3, "minute": 30}),
        NewJob(task="count_slowly"),
    ]
