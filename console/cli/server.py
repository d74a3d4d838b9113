"""The web server: gunicorn with threads, whose workers never outlive their master."""

from typing import Any

from apiflask import APIFlask
from gunicorn.app.base import BaseApplication

from console.core.process import die_with_parent

LONGEST_ANSWER_SECONDS = 60


class Server(BaseApplication):
    """Gunicorn inside this process. `bind` is host:port; the app serves in each of the forks."""

    def __init__(self, app: APIFlask, bind: str, processes: int, threads: int, graceful_seconds: int) -> None:
        self._app = app
        self._settings: dict[str, Any] = {
            "bind": bind,
            "workers": processes,
            "threads": threads,
            "worker_class": "gthread",
            "graceful_timeout": graceful_seconds,
            "timeout": LONGEST_ANSWER_SECONDS,
            "accesslog": None,
            "errorlog": "-",
            "loglevel": "warning",
            "proc_name": "callboard",
            "preload_app": True,
            "control_socket_disable": True,
            "post_fork": _end_with_master,
        }
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._settings.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        return self._app


def _end_with_master(server: Any, worker: Any) -> None:
    die_with_parent()
