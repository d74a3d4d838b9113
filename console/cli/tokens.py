"""`token`: keys for programs."""

from typing import TYPE_CHECKING
from uuid import UUID

import click

from console.cli.context import acting, json_option, org_option, print_json, print_table
from console.cli.errors import CommandFailed
from console.cli.group import Suggesting
from console.cli.users import ROLES
from console.core.states import Role

if TYPE_CHECKING:
    from console.core.actor import Actor
    from console.services.views import TokenView


@click.group(cls=Suggesting)
def token() -> None:
    """API tokens."""


@token.command()
@click.option("--name", required=True, help="What it is for.")
@click.option("--role", type=ROLES, required=True)
@org_option
def create(name: str, role: str, org: str | None) -> None:
    """Create a token and print it alone, once."""
    with acting(org) as actor:
        from console.core.clock import utc_now
        from console.services import people

        made = people.create_token(actor, name, Role(role), now=utc_now())
    click.echo(made.secret)


@token.command("list")
@json_option
@org_option
def list_tokens(as_json: bool, org: str | None) -> None:
    """List the tokens of an org, without their secrets."""
    with acting(org) as actor:
        from console.services import people

        found = people.list_tokens(actor)
    if as_json:
        print_json([_as_json(token) for token in found])
        return
    rows = [(t.id, t.name, t.role.value, f"{t.prefix}…", _state(t), _instant(t.last_used_at)) for t in found]
    print_table(("ID", "NAME", "ROLE", "TOKEN", "STATE", "LAST USED"), rows, "There are no tokens yet.")


@token.command()
@click.argument("which", metavar="ID|NAME|PREFIX")
@org_option
def revoke(which: str, org: str | None) -> None:
    """End a token at once."""
    with acting(org) as actor:
        from console.core.clock import utc_now
        from console.services import people

        found = _find(actor, which)
        people.revoke_token(actor, found.id, now=utc_now())
    click.echo(f"Token {found.name} ({found.prefix}…) is revoked.")


def _find(actor: "Actor", which: str) -> "TokenView":
    """The one token in force of this id, name or prefix, or the revoked one of this id."""
    from console.services import people

    tokens = people.list_tokens(actor)
    found = [token for token in tokens if str(token.id) == which.lower()]
    if not found:
        alive = [token for token in tokens if not token.is_revoked]
        found = [token for token in alive if token.name == which or _shows(which, token)]
    if not found:
        raise CommandFailed(f"No token in force has the id, name or prefix {which}.")
    if len(found) > 1:
        raise CommandFailed(f"{len(found)} tokens are called {which}; name the id of one.")
    return found[0]


def _shows(which: str, token: "TokenView") -> bool:
    return which.rstrip("…") == token.prefix


def _state(token: "TokenView") -> str:
    return "revoked" if token.is_revoked else "in force"


def _instant(instant: object) -> str | None:
    return str(instant)[:19] if instant else None


def _as_json(token: "TokenView") -> dict[str, object]:
    values = {name: getattr(token, name) for name in token.__dataclass_fields__}
    return {name: str(value) if isinstance(value, UUID) else _iso(value) for name, value in values.items()}


def _iso(value: object) -> object:
    return value.isoformat() if hasattr(value, "isoformat") else value
