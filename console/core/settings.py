"""Every setting, read once from the environment and checked before anything starts."""

import os
import secrets
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from console.core import mail_server, runfile
from console.core.errors import SettingsError

SHORTEST_SECRET = 16
SHORTEST_PASSWORD = 10
DAY = 86_400


class Environment(BaseSettings):
    """The variables as they were given, each one valid; what is None was not given."""

    model_config = SettingsConfigDict(
        frozen=True, env_ignore_empty=True, hide_input_in_errors=True, extra="ignore"
    )

    database_url: str | None = Field(None, validation_alias="DATABASE_URL", repr=False)
    redis_url: str | None = Field(None, validation_alias="REDIS_URL", repr=False)
    smtp_url: str | None = Field(None, validation_alias="SMTP_URL", repr=False)
    secret_key: str | None = Field(None, validation_alias="SECRET_KEY", repr=False)
    former_keys: Annotated[tuple[str, ...], NoDecode] = Field(
        (), validation_alias="CONSOLE_FORMER_KEYS", repr=False
    )
    home: Path = Field(Path("var"), validation_alias="CONSOLE_HOME")
    port: int = Field(8000, validation_alias="PORT", ge=1, le=65535)
    task_modules: Annotated[tuple[str, ...], NoDecode] = Field((), validation_alias="CONSOLE_TASKS")
    timezone: str = Field("UTC", validation_alias="CONSOLE_TIMEZONE")
    admin_email: str | None = Field(None, validation_alias="CONSOLE_ADMIN_EMAIL")
    admin_password: str | None = Field(None, validation_alias="CONSOLE_ADMIN_PASSWORD", repr=False)
    base_url: str | None = Field(None, validation_alias="CONSOLE_BASE_URL")
    log_format: Literal["text", "json"] = Field("text", validation_alias="LOG_FORMAT")
    proxies: int = Field(0, validation_alias="CONSOLE_PROXIES", ge=0, le=10)
    workers: int = Field(2, validation_alias="CONSOLE_WORKERS", ge=1, le=64)
    outbox: bool = Field(False, validation_alias="CONSOLE_OUTBOX")
    from_email: str = Field("callboard@localhost", validation_alias="CONSOLE_FROM_EMAIL")
    private_webhooks: bool = Field(False, validation_alias="CONSOLE_ALLOW_PRIVATE_WEBHOOKS")
    scheduler_yellow: int = Field(30, validation_alias="CONSOLE_SCHEDULER_YELLOW", ge=1, le=DAY)
    scheduler_red: int = Field(
        120, validation_alias="CONSOLE_SCHEDULER_RED", ge=2, le=DAY, validate_default=True
    )
    cron_yellow: int = Field(900, validation_alias="CONSOLE_CRON_YELLOW", ge=1, le=30 * DAY)
    cron_red: int = Field(3600, validation_alias="CONSOLE_CRON_RED", ge=2, le=30 * DAY, validate_default=True)

    @field_validator("database_url")
    @classmethod
    def _postgres_url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        scheme, _, rest = url.partition("://")
        if scheme not in ("postgres", "postgresql", "postgresql+psycopg") or not rest:
            raise ValueError("must begin with postgresql://")
        _check_port(url)
        return f"postgresql+psycopg://{rest}"

    @field_validator("redis_url")
    @classmethod
    def _redis_url(cls, url: str | None) -> str | None:
        return _checked_url(url, "redis", "rediss", "unix")

    @field_validator("smtp_url")
    @classmethod
    def _smtp_url(cls, url: str | None) -> str | None:
        if url is not None:
            mail_server.parse(url)
        return url

    @field_validator("base_url")
    @classmethod
    def _base_url(cls, url: str | None) -> str | None:
        return _checked_url(url and url.rstrip("/"), "http", "https")

    @field_validator("secret_key")
    @classmethod
    def _long_enough(cls, key: str | None) -> str | None:
        if key is not None and len(key) < SHORTEST_SECRET:
            raise ValueError(f"must have at least {SHORTEST_SECRET} characters")
        return key

    @field_validator("former_keys", mode="before")
    @classmethod
    def _keys(cls, value: Any) -> Any:
        return tuple(value.split()) if isinstance(value, str) else value

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        if home.exists() and not home.is_dir():
            raise ValueError("must be a directory")
        return home.expanduser().resolve()

    @field_validator("task_modules", mode="before")
    @classmethod
    def _modules(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        names = tuple(name.strip() for name in value.split(",") if name.strip())
        for name in names:
            if not all(part.isidentifier() for part in name.split(".")):
                raise ValueError(f"'{name}' is not the name of a Python module")
        return names

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        if name not in available_timezones():
            raise ValueError(f"'{name}' is not a time zone; write it like Europe/Berlin")
        return name

    @field_validator("admin_password")
    @classmethod
    def _long_password(cls, password: str | None) -> str | None:
        if password is not None and len(password) < SHORTEST_PASSWORD:
            raise ValueError(f"must have at least {SHORTEST_PASSWORD} characters")
        return password

    @field_validator("scheduler_red", "cron_red")
    @classmethod
    def _after_yellow(cls, red: int, info: ValidationInfo) -> int:
        """A light turns red after it has turned yellow; a yellow that is invalid is named by itself."""
        name = str(info.field_name).replace("red", "yellow")
        yellow = info.data.get(name)
        if yellow is not None and red <= yellow:
            raise ValueError(f"must be more than CONSOLE_{name.upper()}, which is {yellow}; it is {red}")
        return red

    @field_validator("admin_email", "from_email")
    @classmethod
    def _address(cls, address: str | None) -> str | None:
        if address is not None and (not all(address.partition("@")) or not address.isprintable()):
            raise ValueError("must be an e-mail address")
        return address


class Settings(Environment):
    """Everything that a process of Callboard needs to run; nothing is left open."""

    database_url: str = Field(repr=False)
    redis_url: str = Field(repr=False)
    smtp_url: str = Field(repr=False)
    secret_key: str = Field(repr=False)
    base_url: str


def load_environment() -> Environment:
    """The environment, checked. Raises SettingsError."""
    try:
        return Environment()
    except ValidationError as error:
        raise SettingsError(_one_line(error)) from None


def load_settings() -> Settings:
    """The environment completed by CONSOLE_HOME: its secret key, and the servers of a running `up`.

    Raises SettingsError when a variable is invalid, or when one is missing and nothing is running.
    """
    given = load_environment()
    running = runfile.read(given.home)
    values = given.model_dump()
    for name in ("database_url", "redis_url", "smtp_url"):
        values[name] = values[name] or getattr(running, name, None) or _missing(given.home, name)
    if running and not given.task_modules:
        values["task_modules"] = tuple(filter(None, running.task_modules.split(",")))
    values["secret_key"] = given.secret_key or secret_key(given.home)
    known = running.base_url if running else ""
    values["base_url"] = given.base_url or known or f"http://localhost:{given.port}"
    return Settings.model_construct(**values)


def secret_key(home: Path) -> str:
    """The key kept in CONSOLE_HOME, made on first use; processes that race get the same one."""
    path = home / "secret_key"
    try:
        home.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _keep_new_key(path)
        key = path.read_text().strip()
    except OSError as error:
        raise SettingsError(f"SECRET_KEY is not set and {path} can't be used: {error.strerror}") from None
    if len(key) < SHORTEST_SECRET:
        raise SettingsError(f"SECRET_KEY in {path} is too short: remove the file, or set SECRET_KEY")
    return key


def _keep_new_key(path: Path) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(48))
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _missing(home: Path, name: str) -> str:
    raise SettingsError(f"nothing is running on {home}: start it with make run, or set {name.upper()}")


def _checked_url(url: str | None, *schemes: str) -> str | None:
    if url is None:
        return None
    parts = urlsplit(url)
    if parts.scheme not in schemes or not (parts.netloc or (parts.scheme == "unix" and parts.path)):
        raise ValueError(f"must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    _check_port(url)
    return url


def _check_port(url: str) -> None:
    """Raises ValueError without the URL's own words, which may hold a password."""
    try:
        _ = urlsplit(url).port
    except ValueError:
        raise ValueError("has an invalid port") from None


def _one_line(error: ValidationError) -> str:
    """The first problem as `NAME what is wrong`, without the value, which may be a secret."""
    problem = error.errors(include_input=False, include_url=False)[0]
    text = problem["msg"].removeprefix("Value error, ")
    place = str(problem["loc"][0])
    field = Environment.model_fields.get(place)  # a default that does not fit is named by its field
    return f"{field.validation_alias if field else place}: {text[:1].lower()}{text[1:]}"
