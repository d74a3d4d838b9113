"""`explain`: why a job ran, did not run, is late, or can't run now."""

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import click

from console.cli.context import acting, json_option, org_option, print_json, printable

if TYPE_CHECKING:
    from console.core.actor import Actor
    from console.core.explaining import Clocks, Evidence, Explanation


@click.command()
@click.argument("name")
@click.option("--at", metavar="ISO", help="The minute to explain; without an offset on the job's own clocks.")
@json_option
@org_option
def explain(name: str, at: str | None, as_json: bool, org: str | None) -> None:
    """Say why a job ran or did not in a minute, or without --at what stands in its way now."""
    with acting(org) as actor:
        found, clocks = _explained(actor, name, at)
        if as_json:
            from console.api.schemas.explain import ExplainOut

            print_json(ExplainOut.of(found).model_dump(mode="json"))
            return
    click.echo(f"{found.word}: {printable(found.summary)}")
    if found.advice:
        click.echo(f"What to do: {found.advice}")
    for item in found.evidence:
        click.echo(f"- {_line(found, item)}")
    if not clocks.are_one:
        click.echo(
            f"Times are on the job's clocks ({clocks.job}), and in brackets on the org's ({clocks.org})."
        )


def _line(found: "Explanation", item: "Evidence") -> str:
    """One piece with its source; what the summary has said is not said again."""
    said = "(said above)" if found.has_said(item) else printable(item.text)
    code = f"{item.reason_code} " if item.reason_code else ""
    return f"{code}{said} [{printable(item.source)}]"


def _explained(actor: "Actor", name: str, at: str | None) -> "tuple[Explanation, Clocks]":
    from console.core.clock import utc_now
    from console.services import explain, job_names

    try:
        job_id = UUID(name.strip())  # a deleted job can be explained too, and has no other name
    except ValueError:
        job_id = job_names.find(actor, name, now=utc_now()).id
    instant = _instant(actor, job_id, at) if at is not None else None
    found = explain.explain(actor, job_id, instant, now=utc_now())
    return found, explain.clocks_of(actor, job_id)


def _instant(actor: "Actor", job_id: UUID, text: str) -> datetime:
    """An instant with its offset, or a time on the job's clocks."""
    from console.core.local_time import LOCAL, instant_of
    from console.services import explain

    try:
        if LOCAL.fullmatch(text.strip()):
            return instant_of(text.strip(), explain.clocks_of(actor, job_id).job)
        found = datetime.fromisoformat(text.strip())
    except ValueError as error:
        said = str(error) if LOCAL.fullmatch(text.strip()) else "write it like 2030-01-31T09:15:00+07:00"
        raise click.BadParameter(said, param_hint="--at") from None
    if found.tzinfo is None:
        raise click.BadParameter("write it like 2030-01-31T09:15:00+07:00", param_hint="--at")
    return found
