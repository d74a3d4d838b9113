"""`user`: the people of an org."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from console.cli.context import Command, acting, instant, json_option, org_option, print_json, print_table
from console.cli.group import Suggesting
from console.core.states import Role

if TYPE_CHECKING:
    from console.services.account_views import Person

ROLES = click.Choice([role.value for role in Role])


@click.group(cls=Suggesting)
def user() -> None:
    """People and what they may do."""


@user.command()
@click.argument("email")
@click.option("--role", type=ROLES, required=True)
@click.option("--name", help="What the org calls them.")
@org_option
def create(email: str, role: str, name: str | None, org: str | None) -> None:
    """Add a user to an org; the generated password is printed once."""
    with acting(org) as actor:
        from console.core.clock import utc_now
        from console.services import people

        person, password = people.create_user(
            actor, email, Role(role), password=None, now=utc_now(), name=name
        )
    said = f"{person.email} is {person.role} of {actor.org_name}."
    kept = "The account was there already and keeps its password."
    click.echo(f"{said} Password, shown this once: {password}" if password else f"{said} {kept}")


@user.command("list")
@json_option
@org_option
def list_users(as_json: bool, org: str | None) -> None:
    """List the users of an org."""
    with acting(org) as actor:
        from console.services import people

        found = people.list_people(actor)
    if as_json:
        print_json([asdict(person) for person in found])
        return
    rows = [(p.email, p.name, p.role.value, _state(p), instant(p.last_seen_at)) for p in found]
    print_table(("EMAIL", "NAME", "ROLE", "STATE", "LAST SEEN"), rows, "There are no users yet.")


def _state(person: "Person") -> str:
    if person.is_shut_out:
        return "closed"
    return "active" if person.is_active else "disabled"


@user.command()
@click.argument("email")
@click.argument("role", type=ROLES)
@org_option
def role(email: str, role: str, org: str | None) -> None:
    """Give a user another role in an org, at once."""
    with acting(org) as actor:
        from console.core.clock import utc_now
        from console.services import members, people

        wanted = people.PersonChange(role=Role(role))
        person = people.change(actor, members.find(actor, email).id, wanted, now=utc_now())
    click.echo(f"{person.email} is {person.role} now.")


def everywhere_option(command: Command) -> Command:
    return click.option("--everywhere", is_flag=True, help="In every org, not in one alone.")(command)


@user.command()
@click.argument("email")
@everywhere_option
@org_option
def disable(email: str, everywhere: bool, org: str | None) -> None:
    """Disable a user in an org; sessions and tokens there end at once."""
    _set_active(email, False, everywhere, org)


@user.command()
@click.argument("email")
@everywhere_option
@org_option
def enable(email: str, everywhere: bool, org: str | None) -> None:
    """Enable a user again."""
    _set_active(email, True, everywhere, org)


@user.command()
@click.argument("email")
@org_option
def password(email: str, org: str | None) -> None:
    """Set a new password, printed once; the user's sessions end."""
    with acting(org) as actor:
        from console.core.clock import utc_now
        from console.services import people

        made = people.set_password(actor, email, None, now=utc_now())
    click.echo(f"{email.strip().lower()} has a new password, shown this once: {made}")


def _set_active(email: str, is_active: bool, everywhere: bool, org: str | None) -> None:
    with acting(org) as actor:
        from console.core.clock import utc_now
        from console.services import people

        if everywhere:
            person = people.set_shut_out(actor, email, not is_active, now=utc_now())
        else:
            person = people.set_active(actor, email, is_active, now=utc_now())
    state = "enabled" if is_active else "disabled"
    click.echo(f"{person.email} is {state} in {'every org' if everywhere else actor.org_name}.")
