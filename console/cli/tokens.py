"""`token`: keys for programs."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import click

from console.cli.context import acting, instant, json_option, org_option, print_json, print_table
from console.cli.errors import CommandFailed
from console.cli.group import Suggesting
from console.cli.users import ROLES
from console.core.states import Role

if TYPE_CHECKING:
    from console.core.actor import Actor
    from console.services.account_views import TokenView


@click.group(cls=Suggesting)
def token() -> None:
    """API tokens."""


@token.command()
@click.option("--name", required=True, help="What it is for.")
@click.option("--role", type=ROLES, required=True)
@click.option("--days", type=click.IntRange(1, 36500), help="How long it lasts; without it, until revoked.")
@org_option
def create(name: str, role: str, days: int | None, org: str | None) -> None:
    """Create a token and print it alone, once."""
    with acting(org) as actor:
        from console.core.clock import utc_now
        from console.services import people

        now = utc_now()
        until = now + timedelta(days=days) if days else None
        made = people.create_token(actor, name, Role(role), now=now, expires_at=until)
    click.echo(made.secret)


@token.command("list")
@json_option
@org_option
def list_tokens(as_json: bool, org: str | None) -> None:
    """List the tokens of an org, without their secrets."""
    with acting(org) as actor:
        from console.core.clock import utc_now
        from console.services import people

        found, now = people.list_tokens(actor), utc_now()
    if as_json:
        print_json([_as_json(token, now) for token in found])
        return
    heads = ("ID", "NAME", "ROLE", "TOKEN", "STATE", "OWNER", "LAST USED", "ENDS")
    print_table(heads, [_row(token, now) for token in found], "There are no tokens yet.")


def _row(token: "TokenView", now: datetime) -> tuple[object, ...]:
    shown = (token.id, token.name, token.allows.value, f"{token.prefix}…", token.state(now).value)
    return (*shown, token.owner, instant(token.last_used_at), instant(token.expires_at))


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


def _as_json(token: "TokenView", now: datetime) -> dict[str, object]:
    values = {name: getattr(token, name) for name in token.__dataclass_fields__}
    shown = {name: str(value) if isinstance(value, UUID) else _iso(value) for name, value in values.items()}
    return shown | {"state": token.state(now).value}


def _iso(value: object) -> object:
    return value.isoformat() if hasattr(value, "isoformat") else value
