"""`queue`: what waits in each queue, and pausing and resuming them."""

from typing import TYPE_CHECKING

import click

from console.cli.context import acting, json_option, org_option, print_json, print_table
from console.cli.group import Suggesting

if TYPE_CHECKING:
    from console.services.queue_pauses import QueueView


@click.group(cls=Suggesting)
def queue() -> None:
    """Queues: what waits and runs in each, and which are paused."""


@queue.command("list")
@json_option
@org_option
def list_queues(as_json: bool, org: str | None) -> None:
    """List queues, by name."""
    with acting(org) as actor:
        from console.api.schemas.run_control import QueueOut
        from console.core.clock import utc_now
        from console.services import queue_pauses

        found = queue_pauses.listing(actor, now=utc_now())
        shapes = [QueueOut.of(item).model_dump(mode="json") for item in found]
    if as_json:
        print_json(shapes)
        return
    rows = [(item.name, item.waiting, item.running, item.workers, _paused(item)) for item in found]
    print_table(("QUEUE", "WAITING", "RUNNING", "WORKERS", "PAUSED"), rows, "There are no queues.")


def _paused(item: "QueueView") -> str | None:
    if item.pause is None:
        return None
    return f"by {item.pause.by}" + (f": {item.pause.note}" if item.pause.note else "")


@queue.command()
@click.argument("name")
@click.option("--note", help="Why; whatever waits in it says so.")
@org_option
def pause(name: str, note: str | None, org: str | None) -> None:
    """Let nothing more start out of a queue; what runs goes on."""
    with acting(org) as actor:
        from console.core.clock import utc_now
        from console.services import queue_pauses

        paused = queue_pauses.pause(actor, name, note, now=utc_now())
    click.echo(f"Queue {paused.name} is paused; {paused.waiting} wait, {paused.running} run on.")


@queue.command()
@click.argument("name")
@org_option
def resume(name: str, org: str | None) -> None:
    """Let what waited in a queue start."""
    with acting(org) as actor:
        from console.core.clock import utc_now
        from console.services import queue_pauses

        resumed = queue_pauses.resume(actor, name, now=utc_now())
    click.echo(f"Queue {resumed.name} is resumed; {resumed.waiting} waited.")
