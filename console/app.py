"""Wires the rooms together: settings, Postgres, Redis, plugins, API and pages."""

from datetime import timedelta
from pathlib import Path

from apiflask import APIFlask
from flask_migrate import Migrate
from werkzeug.middleware.proxy_fix import ProxyFix

from console import api, plugins, web
from console.core import registry
from console.core.settings import Settings, load_settings
from console.core.states import Beating
from console.db import tables  # noqa: F401  (fills the metadata)
from console.db.session import db, engine_options
from console.queue import queues
from console.services import addresses, alert_messages, audit, heartbeats, mail, outbox, vault

ROOT = Path(__file__).resolve().parent.parent
MIGRATIONS = Path(__file__).resolve().parent / "db" / "migrations"
LOGIN_LASTS = timedelta(days=14)


def create_app(settings: Settings | None = None) -> APIFlask:
    """The WSGI application; raises `SettingsError` for a setting that can't be used."""
    settings = settings or load_settings()
    app = APIFlask(
        "console",
        title="Callboard API",
        version="1",
        spec_path="/api/v1/openapi.json",
        docs_path=None,
        template_folder=str(ROOT / "templates"),
        static_folder=str(ROOT / "static"),
    )
    app.config.from_mapping(_config(settings))
    app.extensions["console_settings"] = settings
    if settings.proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=settings.proxies, x_proto=settings.proxies)  # type: ignore[method-assign]
    db.init_app(app)
    Migrate(app, db, directory=str(MIGRATIONS))
    audit.configure(settings.secret_key, settings.former_keys, settings.home)
    queues.configure(settings.redis_url)
    mail.configure(settings.smtp_url, settings.from_email)
    outbox.configure(embedded=settings.outbox)
    vault.configure(settings.secret_key, settings.former_keys)
    addresses.configure(may_be_private=settings.private_webhooks)
    alert_messages.configure(settings.base_url)
    heartbeats.configure(
        {
            Beating.SCHEDULER: (settings.scheduler_yellow, settings.scheduler_red),
            Beating.EXTERNAL_CRON: (settings.cron_yellow, settings.cron_red),
        }
    )
    registry.load([*plugins.TASK_MODULES, *(settings.task_modules or plugins.EXAMPLE_MODULES)])
    plugins.prepare()
    api.register(app)
    web.register(app)
    plugins.register(app)
    return app


def _config(settings: Settings) -> dict[str, object]:
    is_https = settings.base_url.startswith("https://")
    return {
        "SECRET_KEY": settings.secret_key,
        "SQLALCHEMY_DATABASE_URI": settings.database_url,
        "SQLALCHEMY_ENGINE_OPTIONS": engine_options(),
        "SESSION_COOKIE_NAME": "__Host-callboard" if is_https else "callboard",
        "SESSION_COOKIE_SECURE": is_https,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_PATH": "/",
        "PERMANENT_SESSION_LIFETIME": LOGIN_LASTS,
        "MAX_CONTENT_LENGTH": 2 * 1024 * 1024,
        "WTF_CSRF_TIME_LIMIT": None,
        "WTF_CSRF_SSL_STRICT": is_https,
        "TEMPLATES_AUTO_RELOAD": False,
    }
