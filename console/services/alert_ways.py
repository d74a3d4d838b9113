"""The ways by which messages go out: what may be given for each kind, and what may be shown of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from email.headerregistry import Address
from secrets import token_urlsafe

from console.core.alerts import ChannelKind
from console.core.errors import Invalid
from console.core.texts import storable
from console.services import addresses, chats, vault

LONGEST_NAME = 80
MOST_RECIPIENTS = 20
SHORTEST_SECRET = 16
LONGEST_SECRET = 200


@dataclass(frozen=True)
class ChannelGiven:
    """What somebody wants a channel to be; None leaves as it is what there is.

    `recipients` are of mail, `url` of webhooks and apprise, `secret` signs webhooks.
    """

    name: str | None = None
    kind: ChannelKind | None = None
    recipients: Sequence[str] | None = None
    url: str | None = None
    secret: str | None = None


@dataclass(frozen=True)
class Way:
    """A channel opened for sending."""

    kind: ChannelKind
    recipients: tuple[str, ...] = ()
    url: str = ""
    secret: str = ""


def new_secret() -> str:
    """A secret of 256 bits for a webhook."""
    return f"whsec_{token_urlsafe(32)}"


def invalid(field: str, text: str) -> Invalid:
    """That names the field."""
    return Invalid(f"{field}: {text}. Nothing was saved.", fields={field: [text]})


def named(given: str | None) -> str:
    """The name of a channel or rule, in single spaces; raises `Invalid` that names `name`."""
    name = " ".join((given or "").split())
    if not name:
        raise invalid("name", "is required")
    if len(name) > LONGEST_NAME:
        raise invalid("name", f"at most {LONGEST_NAME} characters")
    return name


def merged(held: Way, given: ChannelGiven) -> Way:
    """What is held with what is given in its place; raises `Invalid` for what does not belong or can't be."""
    if held.kind is ChannelKind.MAIL:
        _only(given, "recipients")
        return Way(
            held.kind, _recipients(given.recipients if given.recipients is not None else held.recipients)
        )
    url = given.url.strip() if given.url else held.url
    if not url:
        raise invalid("url", "is required")
    if held.kind is ChannelKind.APPRISE:
        _only(given, "url")
        chats.service_of(url)
        return Way(held.kind, url=url)
    _only(given, "url", "secret")
    if given.url:
        _check_address(url)
    return Way(held.kind, url=url, secret=_secret(given.secret or held.secret or new_secret()))


def _only(given: ChannelGiven, *names: str) -> None:
    for name in ("recipients", "url", "secret"):
        if name not in names and getattr(given, name):
            raise invalid(name, "does not belong to a channel of this kind")


def _check_address(url: str) -> None:
    try:
        addresses.place(url)
    except (addresses.PrivateAddress, addresses.NotFoundThere) as error:
        raise Invalid(f"url: {error.detail} Nothing was saved.", fields={"url": [error.detail]}) from None


def _secret(secret: str) -> str:
    if not SHORTEST_SECRET <= len(secret) <= LONGEST_SECRET or not secret.isprintable():
        raise invalid("secret", f"must have {SHORTEST_SECRET} to {LONGEST_SECRET} characters")
    return secret


def _recipients(given: Sequence[str]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(text.strip() for text in given if text.strip()))
    if not found:
        raise invalid("recipients", "name at least one address")
    if len(found) > MOST_RECIPIENTS:
        raise invalid("recipients", f"at most {MOST_RECIPIENTS} addresses")
    for text in found:
        if not _is_address(text):
            raise invalid("recipients", f"“{storable(text, 60)}” is no mail address")
    return found


def _is_address(text: str) -> bool:
    try:
        address = Address(addr_spec=text)
    except (ValueError, IndexError):
        return False
    return (
        bool(address.username and address.domain)
        and text.isprintable()
        and "," not in text
        and " " not in text
    )


def target(way: Way) -> str:
    """What may be shown: mail's recipients, a webhook's host, and the name of a chat's service."""
    if way.kind is ChannelKind.MAIL:
        return ", ".join(way.recipients)
    if way.kind is ChannelKind.APPRISE:
        return f"{chats.service_of(way.url)} ({chats.scheme_of(way.url)}://…)"
    parts = addresses.parsed(way.url)
    return f"{parts.scheme}://{parts.netloc}/…"


def locked(way: Way) -> str | None:
    """The secrets of the way, encrypted; None when it has none."""
    values = {"url": way.url, "secret": way.secret}
    return vault.locked(values) if way.url else None
