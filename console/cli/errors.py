"""How a command ends: 0 well, 1 refused or failed, 2 wrongly used; an error is one line on stderr."""

import sys

import click

from console.core.errors import ConsoleError, SettingsError
from console.core.reasons import Reason


class CommandFailed(Exception):
    """The command did not do what was asked; the text says why."""

    def __init__(self, sentence: str, reason: Reason | None = None) -> None:
        self.reason = reason
        super().__init__(sentence)


def run(command: click.Command, arguments: list[str]) -> int:
    """Runs a command; returns its exit code."""
    try:
        _check_readable(arguments)
        return _code(command.main(arguments, prog_name="python -m console", standalone_mode=False))
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.ClickException as error:
        return complain(error.format_message(), code=error.exit_code)
    except click.Abort:
        return 130
    except CommandFailed as error:
        return complain(str(error), error.reason)
    except ConsoleError as error:
        return complain(error.detail, error.reason)
    except SettingsError as error:
        return complain(str(error))
    except BrokenPipeError:
        sys.stderr.close()
        return 1


def _check_readable(arguments: list[str]) -> None:
    for argument in arguments:
        if any("\ud800" <= letter <= "\udfff" for letter in argument):
            raise click.UsageError("an argument is not valid UTF-8")


def _code(answer: object) -> int:
    return answer if isinstance(answer, int) else 0


def complain(sentence: str, reason: Reason | None = None, code: int = 1) -> int:
    """One line on standard error; returns the exit code."""
    mark = f"error [{reason}]" if reason else "error"
    click.echo(f"{mark}: {' '.join(sentence.split())}", err=True)
    return code
