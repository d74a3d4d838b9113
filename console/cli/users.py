"""`user`: the people of an org."""

from dataclasses import asdict

import click

from console.cli.context import acting, json_option, org_option, print_json, print_table
from console.cli.group import Suggesting
from console.core.states import Role

ROLES = click.Choice([role.value for role in Role])


@click.group(cls=Suggesting)
def user() -> None:
    """People and what they may do."""


@user.command()
@click.argument("email")
@click.option("--role", type=ROLES, required=True)
@org_option
def create(email: str, role: str, org: str | None) -> None:
    """Create a user; the generated password is printed once."""
    with acting(org) as actor:
        from console.core.clock import utc_now
        from console.services import people

        person, password = people.create_user(actor, email, Role(role), password=None, now=utc_now())
    click.echo(f"{person.email} is {person.role} of {actor.org_name}. Password, shown this once: {password}")


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
    rows = [(p.email, p.role.value, "active" if p.is_active else "disabled") for p in found]
    print_table(("EMAIL", "ROLE", "STATE"), rows, "There are no users yet.")


@user.command()
@click.argument("email")
@org_option
def disable(email: str, org: str | None) -> None:
    """Disable a user; sessions and tokens end at once."""
    _set_active(email, False, org)


@user.command()
@click.argument("email")
@org_option
def enable(email: str, org: str | None) -> None:
    """Enable a user again."""
    _set_active(email, True, org)


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


def _set_active(email: str, is_active: bool, org: str | None) -> None:
    with acting(org) as actor:
        from console.core.clock import utc_now
        from console.services import people

        person = people.set_active(actor, email, is_active, now=utc_now())
    click.echo(f"{person.email} is {'enabled' if person.is_active else 'disabled'}.")
