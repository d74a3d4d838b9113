"""`job chain` and `job sequence`: what follows a job, and several jobs one after the other."""

from typing import TYPE_CHECKING

import click

from console.cli.context import acting, json_option, org_option, print_json
from console.cli.jobs import find

if TYPE_CHECKING:
    from console.core.actor import Actor
    from console.services.chains import Links

WHEN = {"on_success": "after success", "on_failure": "after failure"}


@click.command()
@click.argument("name")
@click.option("--on-success", metavar="A,B", help="The jobs that follow when a run of it succeeds.")
@click.option("--on-failure", metavar="A,B", help="The jobs that follow when a run of it fails.")
@click.option("--clear", is_flag=True, help="Let nothing follow.")
@click.option("--drop-deleted", is_flag=True, help="Remove the links to deleted jobs too.")
@json_option
@org_option
def chain(
    name: str,
    on_success: str | None,
    on_failure: str | None,
    clear: bool,
    drop_deleted: bool,
    as_json: bool,
    org: str | None,
) -> None:
    """Show what follows a job, or set it; a side that is not given stays as it is."""
    given = {"on_success": _names(on_success), "on_failure": _names(on_failure)}
    if clear and any(names is not None for names in given.values()):
        raise click.UsageError("--clear goes without --on-success and --on-failure.")
    with acting(org) as actor:
        if clear:
            given = {"on_success": [], "on_failure": []}
        links = _set(actor, name, given, drop_deleted)
    if as_json:
        from console.api.schemas.chains import ChainOut

        print_json(ChainOut.of(links).model_dump(mode="json"))
        return
    _print(links)


def _print(links: "Links") -> None:
    for field, word in WHEN.items():
        for job in getattr(links, field):
            click.echo(f"{word}: {job.key} ({job.name})")
    for condition, job in links.deleted:
        click.echo(f"{condition.word}: {job.key} ({job.name}), deleted; --drop-deleted removes the link")
    if not (links.on_success or links.on_failure):
        click.echo(f"Nothing follows {links.job.key}.")


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def _set(actor: "Actor", name: str, given: dict[str, list[str] | None], drop_deleted: bool) -> "Links":
    from console.core.clock import utc_now
    from console.services import chains

    job_id = find(actor, name).id
    links = chains.get(actor, job_id)
    if all(names is None for names in given.values()) and not drop_deleted:
        return links
    wanted = {
        field: [str(job.id) for job in getattr(links, field)] if names is None else names
        for field, names in given.items()
    }
    return chains.put(actor, job_id, **wanted, drop_deleted=drop_deleted, now=utc_now())


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@json_option
@org_option
def sequence(names: tuple[str, ...], as_json: bool, org: str | None) -> None:
    """Run several jobs one after the other, each when the one before it has succeeded."""
    with acting(org) as actor:
        from console.core.clock import utc_now
        from console.core.states import Trigger
        from console.services import sequences

        ids = [find(actor, name).id for name in names]
        found = sequences.start(actor, ids, trigger=Trigger.CLI, now=utc_now())
    if as_json:
        from console.api.schemas.chains import SequenceOut

        print_json(SequenceOut.of(found).model_dump(mode="json"))
        return
    for number, run in enumerate(found.runs, 1):
        click.echo(f"{number}. {run.job_name}: {run.state} (run {run.id})")


COMMANDS = (chain, sequence)
