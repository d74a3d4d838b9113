"""A real HTTP server in a thread of the test's process: keeps what is posted to it, answers as told."""

import json
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass(frozen=True)
class Posted:
    """One request: its path, headers in lower case, and body."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """`answers` are the statuses of the next requests, 200 when none is left; `headers` go with each.

    With `echo` the body repeats the path, as many a server's page of errors does. With `drip` the answer
    comes a byte each tenth of a second, until the client has enough of it.
    """

    port: int = 0
    posts: list[Posted] = field(default_factory=list)
    answers: deque[int] = field(default_factory=deque)
    headers: dict[str, str] = field(default_factory=dict)
    echo: bool = False
    drip: bool = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/secret-path?key=secret-query"


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a port of its own."""
    told = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            told.posts.append(Posted(self.path, headers, body))
            if told.drip:
                return self._drip()
            self.send_response(told.answers.popleft() if told.answers else 200)
            for name, value in told.headers.items():
                self.send_header(name, value)
            said = f"Cannot POST {self.path}".encode() if told.echo else b"{}"
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def _drip(self) -> None:
            try:
                for byte in b"HTTP/1.1 200 OK\r\n" + b"X-Slow: 1\r\n" * 100:
                    self.wfile.write(bytes([byte]))
                    time.sleep(0.1)
            except OSError:
                pass

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    told.port = server.server_port
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
