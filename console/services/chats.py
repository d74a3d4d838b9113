"""Sends to chats and pagers through apprise: to hosted services, whose addresses apprise itself knows.

Schemes that lead wherever the URL says would let a user call private addresses, read files or run programs;
those of self-hosted chats are open where `CONSOLE_ALLOW_PRIVATE_WEBHOOKS` says so, all others never.
"""

import logging
import warnings
from functools import cache
from threading import Lock
from types import ModuleType
from typing import Any
from urllib.parse import parse_qsl

from console.core.errors import Invalid
from console.core.masking import without_parts
from console.core.texts import storable
from console.services import addresses
from console.services.webhooks import NotTaken

HOSTED = (
    "slack", "discord", "tgram", "workflows", "pagerduty", "opsgenie", "pover", "pbul", "gchat",
    "wxteams", "ntfy",
)  # fmt: skip
SELF_HOSTED = ("ntfys", "gotify", "gotifys", "mmost", "mmosts", "rocket", "rockets", "matrix", "matrixs")
OFFICE = (".logic.azure.com", ".powerplatform.com", ".webhook.office.com")
OPTIONS = ("to", "channel", "region", "priority", "topic", "thread", "sound", "title", "mode")
LONGEST_URL = 2000
LONGEST_ANSWER = 300
SECONDS = 5.0
MOST_TARGETS = 5
"""Apprise tells them one by one and rests in between, for up to 5.5 s, while nobody else's chat is told."""
LONGEST_WAIT = 100.0
"""Seconds for one's turn: with the sending itself less than an attempt may take."""
_one_at_a_time = Lock()
"""Apprise says what went wrong in its log alone, which all its senders share."""


def scheme_of(url: str) -> str:
    return url.partition("://")[0].strip().lower() if "://" in url else ""


def service_of(url: str) -> str:
    """What the channel is called without its secrets, such as `Slack`; raises `Invalid` that names `url`."""
    return str(_sender(url).service_name)


@cache
def _apprise() -> ModuleType:
    """Apprise with all its services, which takes a moment and is wanted by few processes.

    It keeps its own log to itself: at error level it writes whole URLs. One of its services warns of a
    module of Python's that later Pythons don't have.
    """
    import apprise

    logger = logging.getLogger("apprise")
    logger.propagate = False
    logger.setLevel(logging.CRITICAL + 1)
    logger.addHandler(logging.NullHandler())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        apprise.Apprise.instantiate("json://localhost", suppress_exceptions=True)
    return apprise


def send(url: str, title: str, text: str, *, is_good: bool) -> str:
    """Sends; raises `NotTaken` with what apprise says of it, and `Invalid`; neither holds a secret."""
    apprise = _apprise()
    if not _one_at_a_time.acquire(timeout=LONGEST_WAIT):
        raise NotTaken("Other messages to chats took too long; this one did not get its turn.")
    try:
        sender = _sender(url)
        tone = apprise.NotifyType.SUCCESS if is_good else apprise.NotifyType.FAILURE
        with apprise.LogCapture(level=logging.WARNING, name="apprise", fmt="%(message)s") as said:
            is_taken = sender.notify(body=text, title=title, notify_type=tone)
            words = " ".join(said.getvalue().split()) if said else ""
    finally:
        _one_at_a_time.release()
    if not is_taken:
        raise NotTaken(f"{sender.service_name} did not take it: {_masked(words, url) or 'no reason given'}")
    return f"{sender.service_name} took it"


def _sender(url: str) -> Any:
    """Apprise's own sender, which follows no redirects and waits at most 5 s; raises `Invalid`."""
    _check(url)
    sender = _apprise().Apprise.instantiate(url, suppress_exceptions=True)
    if sender is None:
        raise _invalid("is not written as this service wants it; see the service's page in apprise's wiki")
    if len(sender) > MOST_TARGETS:
        raise _invalid(f"names more than {MOST_TARGETS} to tell; make another channel for the others")
    if not addresses.may_be_private():
        _check_hosted(sender, scheme_of(url))
    sender.socket_connect_timeout = sender.socket_read_timeout = SECONDS
    sender.redirects = False
    return sender


def offered() -> tuple[str, ...]:
    """The schemes that may be given; self-hosted chats only where private addresses may be called."""
    return HOSTED + (SELF_HOSTED if addresses.may_be_private() else ())


def _check(url: str) -> None:
    scheme = scheme_of(url)
    if scheme not in offered():
        raise _invalid(f"must begin with one of {', '.join(f'{name}://' for name in offered())}")
    if len(url) > LONGEST_URL or not url.isprintable():
        raise _invalid(f"must be one line of at most {LONGEST_URL} characters")
    try:
        # Behind any question mark, for apprise finds one behind a # too.
        names = [name.lower() for name, _ in parse_qsl(url.partition("?")[2], keep_blank_values=True)]
    except ValueError:
        raise _invalid("is not written as a URL") from None
    # Others read files, fetch addresses, or make it wait.
    unknown = next((name for name in names if name not in OPTIONS), None)
    if unknown is not None:
        raise _invalid(f"takes no option but {', '.join(OPTIONS)}")


def _check_hosted(sender: Any, scheme: str) -> None:
    host = str(sender.host or "").lower()
    if scheme == "workflows" and not host.endswith(OFFICE):
        raise _invalid(f"must lead to a host of Microsoft's ({', '.join('*' + name for name in OFFICE)})")
    if scheme == "ntfy" and getattr(sender, "mode", None) != "cloud":
        raise _invalid("must be ntfy://TOPIC, which leads to ntfy.sh; other servers are not open here")


def _invalid(text: str) -> Invalid:
    return Invalid(f"url: {text}", fields={"url": [text]})


def _masked(words: str, url: str) -> str:
    """The words without any part of the URL that may be a secret."""
    return storable(without_parts(words, url.partition("://")[2]), LONGEST_ANSWER)
