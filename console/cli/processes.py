"""The processes: `up` for all on one machine, and each of its parts alone."""

import click

from console.cli.context import make_app

HOST = "127.0.0.1"
PROCESSES = 2
THREADS = 8
GRACEFUL_SECONDS = 1


@click.command()
@click.option("--with-parent", is_flag=True, hidden=True, help="Stop when the starting process is gone.")
def up(with_parent: bool) -> int:
    """Start everything on this machine and keep it running until Ctrl-C."""
    from console.up import up as start

    return start(with_parent)


@click.command()
@click.option("--bind", metavar="HOST", default=HOST, show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), help="Instead of PORT.")
def web(bind: str, port: int | None) -> None:
    """Serve the pages and the API."""
    from console.cli.server import Server

    app = make_app()
    settings = app.extensions["console_settings"]
    _log(settings.log_format)
    host = f"[{bind}]" if ":" in bind else bind
    Server(app, f"{host}:{port or settings.port}", PROCESSES, THREADS, GRACEFUL_SECONDS).run()


@click.command()
def scheduler() -> None:
    """Turn due slots into runs."""
    from console import scheduler as process

    app = make_app()
    _log(app.extensions["console_settings"].log_format)
    process.main(app)


@click.command()
@click.option("--queues", metavar="A,B", help="The queues to serve; all that the tasks name when left out.")
@click.option("--name", metavar="N", help="The worker's name; unique among all workers.")
def worker(queues: str | None, name: str | None) -> None:
    """Execute runs."""
    from console import worker as process

    names = [part.strip() for part in (queues or "").split(",") if part.strip()]
    if queues is not None and not names:
        raise click.BadParameter("names no queue", param_hint="--queues")
    app = make_app()
    _log(app.extensions["console_settings"].log_format)
    process.main(app, names or None, name)


@click.command()
def watcher() -> None:
    """Seal the audit trail, end what has expired, and send alerts."""
    from console import watcher as process

    app = make_app()
    _log(app.extensions["console_settings"].log_format)
    process.main(app)


@click.command(hidden=True)
@click.option("--port", type=click.IntRange(1, 65535), required=True)
def catcher(port: int) -> None:
    """Catch mail on this machine and show it in the outbox."""
    from console import catcher as process

    app = make_app()
    _log(app.extensions["console_settings"].log_format)
    process.run(app, port)


def _log(log_format: str) -> None:
    from console import logs

    logs.configure(log_format)
