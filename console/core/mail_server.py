"""Where mail is handed over, as `SMTP_URL` says it."""

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

SCHEMES = ("smtp", "smtps")
PORTS = {"smtp": 25, "smtps": 465}
LOOPBACK = ("localhost", "127.0.0.1", "::1")
SHORTEST_WAIT, USUAL_WAIT, LONGEST_WAIT = 1, 20, 120
OPTIONS = "takes the options timeout=SECONDS and tls=required"


@dataclass(frozen=True)
class MailServer:
    """One SMTP server; `timeout` is how many seconds each of its answers may take.

    With smtps the connection is encrypted from its first byte, with smtp as soon as the server offers
    it (STARTTLS); `needs_tls` says that nothing is sent before that.
    """

    scheme: Literal["smtp", "smtps"]
    host: str
    port: int
    user: str | None = None
    password: str = field(default="", repr=False)
    timeout: int = USUAL_WAIT
    needs_tls: bool = False

    @property
    def is_local(self) -> bool:
        """Whether what is sent there can't be read on the way."""
        return self.host in LOOPBACK


def parse(url: str) -> MailServer:
    """The server of `smtp[s]://[user:password@]host[:port][?timeout=SECONDS&tls=required]`.

    Raises ValueError without the URL's own words, which may hold a password.
    """
    parts, port = _split(url)
    options = _options(parts.query)
    return MailServer(
        scheme="smtps" if parts.scheme == "smtps" else "smtp",
        host=parts.hostname or "localhost",
        port=port or PORTS[parts.scheme],
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password or ""),
        timeout=_seconds(options.get("timeout", str(USUAL_WAIT))),
        needs_tls="tls" in options,
    )


def _split(url: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("has an invalid host or port") from None
    if parts.scheme not in SCHEMES or not parts.netloc:
        raise ValueError("must begin with smtp:// or smtps://")
    if parts.path not in ("", "/") or parts.fragment:
        raise ValueError(f"has a path, and only {OPTIONS}; escape / ? and # in a password")
    return parts, port


def _options(query: str) -> dict[str, str]:
    try:
        options = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=True)) if query else {}
    except ValueError:
        raise ValueError(OPTIONS) from None
    if not options.keys() <= {"timeout", "tls"} or options.get("tls", "required") != "required":
        raise ValueError(OPTIONS)
    return options


def _seconds(text: str) -> int:
    seconds = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0
    if not SHORTEST_WAIT <= seconds <= LONGEST_WAIT:
        raise ValueError(f"has a timeout that is not {SHORTEST_WAIT} to {LONGEST_WAIT} seconds")
    return seconds
