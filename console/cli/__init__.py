"""The command line: one file for each group; every command calls one service."""

import sys

from console.cli.errors import run
from console.cli.group import Suggesting


def main() -> None:
    """Runs the command of this process' arguments and ends the process with its exit code."""
    sys.exit(run(console, sys.argv[1:]))


def _console() -> Suggesting:
    from console.cli import (
        audit,
        chains,
        database,
        doctor,
        explain,
        jobs,
        processes,
        queues,
        run_control,
        runs,
        schedule_edits,
        schedule_files,
        schedules,
        tokens,
        users,
    )

    for command in (*schedule_edits.COMMANDS, *schedule_files.COMMANDS):
        schedules.schedule.add_command(command)
    for command in chains.COMMANDS:
        jobs.job.add_command(command)
    for command in run_control.COMMANDS:
        runs.run.add_command(command)
    group = Suggesting("console", help="Callboard: an operations console for RQ.")
    for command in (
        processes.up,
        processes.web,
        processes.scheduler,
        processes.worker,
        processes.watcher,
        processes.catcher,
        database.migrate,
        database.seed,
        doctor.doctor,
        explain.explain,
        users.user,
        tokens.token,
        jobs.job,
        schedules.schedule,
        runs.run,
        audit.audit,
        queues.queue,
    ):
        group.add_command(command)
    return group


console = _console()
