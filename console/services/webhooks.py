"""Posts signed JSON to an address of a user's choice: no redirects, no proxies, five seconds in all."""

import hmac
import http.client
import json
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from threading import Timer
from typing import Any

from console.core.errors import ConsoleError
from console.core.masking import without_parts
from console.core.texts import storable
from console.services import addresses
from console.services.addresses import Place

TIMEOUT = 5.0
LONGEST_ANSWER = 300
LONGEST_READ = 4000
"""More than is kept: a secret must not be cut off in its middle before it is taken out."""
SIGNATURE = "X-Callboard-Signature"
DELIVERY = "X-Callboard-Delivery"
AGENT = "Callboard-Webhook/1"


class NotTaken(ConsoleError):
    """The receiver did not take the message."""

    status = 502


def signature(secret: str, at: datetime, body: bytes) -> str:
    """`t=SECONDS,v1=HEX`: HMAC-SHA256 under the secret of the seconds, a dot and the body, as Stripe does it.

    The receiver computes it again, compares in constant time, and refuses what is older than five minutes.
    """
    stamp = int(at.timestamp())
    digest = hmac.new(secret.encode(), f"{stamp}.".encode() + body, sha256).hexdigest()
    return f"t={stamp},v1={digest}"


def post(url: str, secret: str, payload: Mapping[str, Any], *, delivery: str, now: datetime) -> str:
    """Posts the payload and answers what was said, such as `200 OK`.

    Raises `NotTaken` with the receiver's answer, and what `addresses.place` raises; never with the URL in it.
    """
    place = addresses.place(url)
    body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    headers = {
        "Host": place.authority,
        "Content-Type": "application/json",
        "User-Agent": AGENT,
        DELIVERY: delivery,
        SIGNATURE: signature(secret, now, body),
        "Connection": "close",
    }
    connection = _Pinned(place)
    alarm = Timer(TIMEOUT, connection.cut)
    alarm.daemon = True
    alarm.start()
    try:
        connection.request("POST", place.target, body, headers)
        return _judged(connection.getresponse(), place)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotTaken(_said(error, connection.is_cut)) from None
    finally:
        alarm.cancel()
        connection.close()


class _Pinned(http.client.HTTPConnection):
    """A connection to the address that was looked at, whatever the name says by now."""

    def __init__(self, place: Place) -> None:
        super().__init__(place.host, place.port, timeout=TIMEOUT)
        self._place = place
        self.is_cut = False

    def connect(self) -> None:
        self.sock = self._reached()
        if self._place.scheme == "https":
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(self.sock, server_hostname=self._place.host)
        self._go_on()

    def _reached(self) -> socket.socket:
        """To the first address that answers; raises OSError of the last one when none does."""
        *others, last = self._place.addresses
        for address in others:
            self._go_on()
            with suppress(OSError):
                return socket.create_connection((address, self._place.port), TIMEOUT / 2)
        self._go_on()
        return socket.create_connection((last, self._place.port), TIMEOUT)

    def _go_on(self) -> None:
        """Raises TimeoutError when it was cut while there was nothing to cut yet."""
        if self.is_cut:
            raise TimeoutError

    def cut(self) -> None:
        """Ends it for a receiver that takes its time, byte by byte."""
        self.is_cut = True
        with suppress(OSError, AttributeError):
            self.sock.shutdown(socket.SHUT_RDWR)


def _judged(answer: http.client.HTTPResponse, place: Place) -> str:
    """What was said, without the path and query: many a receiver repeats them, and they may be secret."""
    reason = without_parts(answer.reason, place.target)
    said = storable(f"{answer.status} {reason}".strip(), LONGEST_ANSWER)
    if 200 <= answer.status < 300:
        return said
    if 300 <= answer.status < 400:
        raise NotTaken(f"The receiver answered {said}; redirects are not followed. Enter its final address.")
    text = " ".join(answer.read(LONGEST_READ).decode("utf-8", "replace").split())
    text = without_parts(text, place.target)
    raise NotTaken(f"The receiver answered {said}{': ' + storable(text, LONGEST_ANSWER) if text else ''}")


def _said(error: Exception, is_cut: bool) -> str:
    if is_cut or isinstance(error, TimeoutError):
        return f"The receiver did not answer within {TIMEOUT:.0f} s."
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"The receiver's certificate is not trusted: {error.verify_message}."
    reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
    return f"The receiver can't be reached: {storable(reason, LONGEST_ANSWER)}."
