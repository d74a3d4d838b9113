"""The mail catcher: an SMTP server for this machine alone whose messages end in the outbox page.

It refuses recipients of two domains, so that every outcome can be seen without a server of one's own.
"""

import asyncio
import logging
import signal
from datetime import UTC, datetime

from aiosmtpd.smtp import SMTP, Envelope, Session
from flask import Flask

from console.services import outbox

HOST = "127.0.0.1"
LARGEST_MESSAGE = 10 * 1024 * 1024
ACCEPTED = "250 2.0.0 Message kept in the outbox"
FAILED = "451 4.3.0 The message could not be kept; try again later"
REFUSED = {
    "bounce.example": "550 5.1.1 There is no such mailbox; the catcher refuses everybody at bounce.example",
    "busy.example": "451 4.3.2 Busy, try again later; the catcher is so to everybody at busy.example",
}

log = logging.getLogger(__name__)


class Catcher:
    """Takes one message: refuse recipients of two domains, accept it only when the outbox keeps it."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        refusal = REFUSED.get(address.rpartition("@")[2].lower())
        if refusal is None:
            envelope.rcpt_tos.append(address)
        return refusal or "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        try:
            await asyncio.to_thread(self._record, envelope)
        except Exception:
            log.exception("A message could not be kept.", extra={"action": "catcher.failed"})
            return FAILED
        return ACCEPTED

    def _record(self, envelope: Envelope) -> None:
        raw = envelope.original_content or b""
        sender, recipients = envelope.mail_from or "", tuple(envelope.rcpt_tos)
        with self._app.app_context():
            outbox.record(raw, sender, recipients, datetime.now(UTC))


def run(app: Flask, port: int) -> None:
    """Serve on 127.0.0.1 until SIGTERM or SIGINT. Raises OSError when the port is taken."""
    asyncio.run(serve(app, port))


async def serve(app: Flask, port: int) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stopped.set)
    server = await loop.create_server(lambda: _protocol(app, loop), HOST, port)
    async with server:
        await stopped.wait()


def _protocol(app: Flask, loop: asyncio.AbstractEventLoop) -> SMTP:
    return SMTP(
        Catcher(app), hostname="callboard", data_size_limit=LARGEST_MESSAGE, enable_SMTPUTF8=True, loop=loop
    )
