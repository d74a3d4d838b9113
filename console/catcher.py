"""The mail catcher: an SMTP server for this machine alone whose messages end in the outbox page."""

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

log = logging.getLogger(__name__)


class Catcher:
    """Takes one message: hand it to the outbox, and accept it only when it is kept there."""

    def __init__(self, app: Flask) -> None:
        self._app = app

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
