"""Settings: the environment, validated. All errors are reported before anything starts."""

import json
import math
import os
import re
from base64 import b64decode
from collections.abc import Mapping
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import psycopg
from psycopg.conninfo import conninfo_to_dict
from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from resumer_daemon.database_address import SCHEMA, SSLMODE, TIMEZONE, DatabaseAddress, require_tls
from resumer_daemon.durations import EXPECTED, LONGEST, parse_duration
from resumer_daemon.errors import SettingsError

NAME: Final = r"[A-Za-z_][A-Za-z0-9_$]{0,62}"


_USER: Final = re.compile(r"https?:[/\\]*[^/?#\\]*@")


def _without_user(url: str) -> str:
    if _USER.match(url):
        raise ValueError(
            "a URL must not hold a user name or password: send an Authorization header"
        )
    return url


HttpUrl = Annotated[str, Field(pattern=r"^https?://"), AfterValidator(_without_user)]
"""An address that the daemon sends requests to."""


class RecordTarget(BaseModel):
    """A table with its writable columns, or a URL.

    `key` is the column that `entity_id` selects a row by. Headers are templates, and may name
    secrets.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    table: str | None = Field(None, pattern=rf"^{NAME}(\.{NAME})?$")
    key: str = Field("id", pattern=rf"^{NAME}$")
    columns: frozenset[str] = frozenset()
    url: HttpUrl | None = None
    headers: Mapping[str, str] = {}

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.table is None) == (self.url is None) or bool(self.table) != bool(self.columns):
            raise ValueError("expected either a table with its columns, or a url")
        if self.table is not None and self.table.startswith(("resumer.", "pg_")):
            raise ValueError("the table must not be one of resumer or of the server")
        return self


Network: TypeAlias = IPv4Network | IPv6Network


def _read_seconds(value: object) -> object:
    """Parse a duration such as `250ms` or `2d`. A bare number means seconds."""
    if not isinstance(value, str) or value.strip().replace(".", "", 1).isdigit():
        return value
    given = parse_duration(value.strip())
    if given is None:
        raise ValueError(f"expected {EXPECTED}")
    return given


def _json_object(value: object) -> object:
    """Parse JSON text. Return any other value unchanged."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from None


def _networks(value: object) -> object:
    """Parse a list of networks, separated by commas."""
    if isinstance(value, str):
        return tuple(ip_network(entry) for entry in filter(None, map(str.strip, value.split(","))))
    return value


Networks = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_networks)]


def _json_or_file(value: object) -> object:
    """Parse a JSON object, or the file of that path."""
    if not isinstance(value, str) or not value.strip() or value.lstrip().startswith("{"):
        return _json_object(value)
    try:
        return _json_object(Path(value).read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"neither a JSON object nor a readable file: {error}") from None


Seconds = Annotated[float, BeforeValidator(_read_seconds), Field(gt=0, le=LONGEST)]


class ContextEndpoint(BaseModel):
    """An address for `context.load`. Headers are templates and may name secrets."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: HttpUrl
    headers: Mapping[str, str] = {}

    @model_validator(mode="before")
    @classmethod
    def _bare_url(cls, value: object) -> object:
        return {"url": value} if isinstance(value, str) else value


Routes = Annotated[Mapping[str, SecretStr], NoDecode, BeforeValidator(_json_object)]
Texts = Annotated[Mapping[str, str], NoDecode, BeforeValidator(_json_or_file)]
Records = Annotated[Mapping[str, RecordTarget], NoDecode, BeforeValidator(_json_object)]
Endpoints = Annotated[Mapping[str, ContextEndpoint], NoDecode, BeforeValidator(_json_object)]


class Settings(BaseSettings):
    """Every setting with its default. The environment name is `RESUMER_` and the field's name."""

    model_config = SettingsConfigDict(env_prefix="RESUMER_", extra="ignore", frozen=True)

    database_url: SecretStr = Field(
        validation_alias=AliasChoices("RESUMER_DATABASE_URL", "DATABASE_URL", "database_url"),
        description="Address of the service's database. Without it, `DATABASE_URL` is used.",
    )
    listen_url: SecretStr | None = Field(
        None,
        description="Direct address for LISTEN, needed when `RESUMER_DATABASE_URL` leads to a"
        " transaction pooler.",
    )
    database_sslmode: Literal["verify-full", "verify-ca", "require", "prefer", "disable"] = Field(
        SSLMODE,
        description="TLS mode for servers on other machines, unless the address has an `sslmode`.",
    )
    service_schema: str = Field(SCHEMA, description="Schema of the service's tables.")
    service_timezone: str = Field(
        TIMEZONE, description="Time zone of the service's timestamp columns that have no zone."
    )
    allow_superuser: bool = Field(
        False,
        description="Allows the daemon to run as a superuser or with BYPASSRLS. For development"
        " only.",
    )
    notify: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Use of NOTIFY by the triggers. `auto` turns it off when two-phase commit is"
        " enabled.",
    )
    decision_guard: Literal["off", "audit", "enforce"] = Field(
        "off",
        description="Check of approvers. `audit` holds an approval if the requester gave it, if it"
        " names no approver, if the approver is of another organisation, or if it came after the"
        " expiry. `enforce` also rejects such writes; it needs `migrate up` with the same setting.",
    )
    closed_status: str = Field(
        "expired",
        min_length=1,
        max_length=50,
        description="Status of approval requests that the daemon closes because nothing waits for"
        " them any more.",
    )
    http_host: str = Field("127.0.0.1", description="Address on which HTTP listens.")
    http_port: int = Field(9464, ge=0, le=65535, description="Port of HTTP. 0 chooses a free port.")
    http_rate_limit: float = Field(
        50.0, gt=0, description="HTTP requests per second and caller. A burst may have as many."
    )
    http_connections: int = Field(
        100, ge=1, le=10_000, description="Largest number of HTTP connections."
    )
    http_trusted_proxies: Networks = Field(
        (),
        description="Networks of trusted proxies, such as `10.1.0.0/16, ::1`. `X-Forwarded-For` is"
        " read only from these. The client is the rightmost address outside of them.",
    )
    jwt_secret: SecretStr | None = Field(
        None,
        min_length=32,
        description="Secret that verifies the service's JWTs (HS256), at least 32 bytes.",
    )
    legacy_permissions: bool = Field(
        False,
        description="Lets `execution:cancel` also permit pause and resume, as older services"
        " expect.",
    )
    log_format: Literal["console", "json"] = Field(
        "console", description="Log format: `console` for people, `json` for programs."
    )
    otlp_endpoint: str | None = Field(
        None,
        pattern=r"^https?://",
        description="Receiver of traces, OTLP over HTTP, such as `http://collector:4318`. Needs the"
        " extra `otel`.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Lowest level that is logged."
    )
    batch_size: int = Field(
        200, ge=1, le=5000, description="Largest number of executions in one transaction."
    )
    document_bytes: int = Field(
        8 << 20,
        ge=1 << 10,
        le=64 << 20,
        description="Largest payload, context or `resume_data`, in bytes of JSON text. `start` and"
        " `emit` refuse larger ones. An execution that has a larger one becomes an incident.",
    )
    poll_interval: Seconds = Field(
        5.0, description="How often the daemon polls while LISTEN works."
    )
    poll_only_interval: Seconds = Field(
        0.5, description="How often the daemon polls while LISTEN does not work."
    )
    ping_interval: Seconds = Field(
        30.0, description="Interval at which the listener verifies that notifications arrive."
    )
    ping_deadline: Seconds = Field(
        5.0, description="Time within which a test notification must arrive."
    )
    reconcile_interval: Seconds = Field(
        30.0, description="Interval at which the reconciler compares the tables with the inbox."
    )
    adopt_within: Seconds = Field(
        86_400.0,
        description="Largest age of an execution that the service ended as blocked and that"
        " becomes a pause. Older ones are imported history, see `resumer-daemon adopt`.",
    )
    ledger_retention: Seconds | None = Field(
        None,
        description="Time after the end of an execution for which its settled requests, webhooks,"
        " messages and the states of its pauses are kept, such as `720h`. Without it they"
        " are kept as long as the execution.",
    )
    lease: Seconds = Field(
        60.0,
        description="Time for which a daemon may run an execution outside a transaction before"
        " another daemon may take it over.",
    )
    drain_timeout: Seconds = Field(
        20.0,
        validate_default=True,
        description="Time that a stopping daemon gives to running work. Must be shorter than"
        " `RESUMER_LEASE`.",
    )
    effect_deadline: Seconds = Field(
        30.0,
        description="Time limit for one attempt of a webhook, from connecting to the last byte.",
    )
    http_allow: str = Field(
        "",
        description="Hosts and networks that webhooks may reach besides public addresses, such as"
        " `erp.local, 10.1.0.0/16`.",
    )
    webhook_secret: SecretStr | None = Field(
        None, description="Secret that signs webhooks in the Standard Webhooks form: `whsec_...`."
    )
    secrets_dir: Path | None = Field(
        None,
        description="Folder of secrets. `secrets.NAME` is the file `ORGANIZATION/NAME` there, for"
        " executions of that organisation, else the file NAME, else the variable"
        " `RESUMER_SECRET_NAME`.",
    )
    context_endpoints: Endpoints = Field(
        {},
        description="Sources of `context.load` for what is not cached, by entity or path:"
        ' `{"customer": "https://crm.example/customers/{id}"}`, or with headers'
        ' `{"url": ..., "headers": {"Authorization": "Bearer {{secrets.CRM}}"}}`.',
    )
    context_attempts: int = Field(
        3, ge=1, le=10, description="Largest number of attempts to load one part of a context."
    )
    context_timeout: Seconds = Field(5.0, description="Time limit for one such attempt.")
    notification_routes: Routes = Field(
        {},
        description="Channels of notifications by recipient pattern, of which the first match wins:"
        ' `{"*@*": "mailtos://user:pass@smtp.example?to={recipient}",'
        ' "slack:*": "slack://A/B/C/{target}"}`. Without it, another program reads the outbox.',
    )
    notification_templates: Texts = Field(
        {},
        description="Texts that `notify` names as `template`, as JSON or the path of a JSON file:"
        ' `{"order_held": "Order {{order.id}} waits for {{team}}"}`.',
    )
    record_targets: Records = Field(
        {},
        description="Targets of `create_record` and `update_record`, by entity: a table of this"
        ' database `{"invoice": {"table": "invoices", "columns": ["total", "state"]}}` (`key`, by'
        ' default `id`, names a row), or `{"ticket": {"url": "https://desk.example/tickets/{id}"}}`'
        " with `headers`. Other entities go to the outbox.",
    )
    notification_attempts: int = Field(
        10,
        ge=1,
        le=100,
        description="Number of attempts after which an undelivered notification is dead.",
    )
    concurrency: int = Field(
        64, ge=1, le=1000, description="Largest number of effects in progress at once."
    )
    pool_size: int = Field(4, ge=1, le=50, description="Connections that record effects.")
    default_timeout: Seconds | None = Field(
        None, description="Timeout of executions whose definition has none."
    )
    action_errors: Literal["fail", "record"] = Field(
        "fail",
        description="Effect of a failed action on its step. `record` only records the failure, as"
        " the service does.",
    )
    route_events: bool = Field(
        False, description="Starts workflows from events. Off, because the service does it."
    )
    capture_events: bool = Field(
        True,
        description="Captures events that a workflow waits for. If off, a wait for an event ends"
        " only by its timeout, and `RESUMER_ROUTE_EVENTS` must be off too.",
    )
    audit: bool = Field(True, description="Writes to the service's `audit_log`, if it has one.")
    approval_url: str = Field(
        "",
        description="Address that `approval_url` renders as. `{id}` is replaced by the id of the"
        " approval request.",
    )

    @field_validator("database_url")
    @classmethod
    def _not_empty(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().strip():  # libpq would try a local socket
            raise ValueError(REQUIRED)
        return value

    @field_validator("database_url", "listen_url")
    @classmethod
    def _an_address(cls, value: SecretStr | None) -> SecretStr | None:
        try:
            conninfo_to_dict("" if value is None else value.get_secret_value())
        except psycopg.Error:  # its message quotes the address, which may hold a password
            raise ValueError(
                "not an address: expected postgresql://user@host:5432/database"
            ) from None
        return value

    @field_validator("webhook_secret")
    @classmethod
    def _signing_keys(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            webhook_keys(value.get_secret_value())
        return value

    @field_validator("closed_status")
    @classmethod
    def _closes(cls, status: str) -> str:
        if status in ("pending", "approved"):
            raise ValueError(f"a closed request cannot have the status {status}")
        return status

    @field_validator("service_timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"unknown time zone {value!r}") from error
        return value

    @field_validator("drain_timeout")
    @classmethod
    def _shorter_than_the_lease(cls, value: float, info: ValidationInfo) -> float:
        if value >= info.data.get("lease", math.inf):
            raise ValueError("drain_timeout must be shorter than lease (RESUMER_LEASE)")
        return value

    def secret(self, name: str, organization: UUID | None = None) -> str:
        """Return the secret of that name for an organisation.

        A secret of the organisation comes before a common one. Other organisations cannot read it.

        Raises:
            LookupError: There is no such secret.
        """
        folders = [] if self.secrets_dir is None else [self.secrets_dir]
        if organization is not None:
            folders = [folder / str(organization) for folder in folders] + folders
        for folder in folders:
            if (file := folder / name).is_file():
                return file.read_text("utf-8").rstrip("\n")
        return os.environ[f"RESUMER_SECRET_{name.upper()}"]

    @field_validator("capture_events")
    @classmethod
    def _events_that_are_routed(cls, value: bool, info: ValidationInfo) -> bool:
        if not value and info.data.get("route_events", False):
            raise ValueError(
                "capture_events must be on if route_events is on (RESUMER_ROUTE_EVENTS)"
            )
        return value

    @property
    def event_capture(self) -> Literal["awaited", "all", "off"]:
        """Return the events that the trigger on the service's table captures."""
        if not self.capture_events:
            return "off"
        return "all" if self.route_events else "awaited"

    @property
    def url(self) -> str:
        """The URL of the database with its password. Never print it."""
        return require_tls(self.database_url.get_secret_value(), self.database_sslmode)

    @property
    def address(self) -> DatabaseAddress:
        """The database's address, for commands that need no other setting."""
        return DatabaseAddress(self.url, self.service_schema, self.service_timezone)

    @property
    def listening_url(self) -> str:
        """The URL for LISTEN with its password. Never print it."""
        given = self.listen_url or self.database_url
        return require_tls(given.get_secret_value(), self.database_sslmode)


def webhook_keys(secrets: str) -> tuple[bytes, ...]:
    """Return the keys that sign webhooks: a new one and an old one while they are exchanged.

    Raises:
        ValueError: A secret is malformed. The message does not quote it.
    """
    keys = tuple(_webhook_key(secret) for secret in secrets.split())
    if not keys:
        raise ValueError(WEBHOOK_FORMAT)
    return keys


WEBHOOK_FORMAT: Final = "expected whsec_ and the base64 of 24 to 64 bytes"


def _webhook_key(secret: str) -> bytes:
    try:
        key = b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        raise ValueError(WEBHOOK_FORMAT) from None
    if not secret.startswith("whsec_") or not 24 <= len(key) <= 64:
        raise ValueError(WEBHOOK_FORMAT)
    return key


_BESIDE: Final = re.compile(
    r"RESUMER_(?:SECRET_\w+|TEST_\w+|FAULT\w*|FAILPOINT\w*|HEALTH_URL|PG_BIN)"
    # what Kubernetes sets for a service of this name
    r"|RESUMER_(?:\w+_)?(?:SERVICE_(?:HOST|PORT)\w*|PORT(?:_\d+_\w+)?)"
)


def unknown_variables() -> dict[str, str | None]:
    """Return the variables `RESUMER_...` that are not settings, each with the nearest setting."""
    known = {f"RESUMER_{name.upper()}" for name in Settings.model_fields}
    names = sorted(name for name in os.environ if name.startswith("RESUMER_"))
    return {
        name: next(iter(get_close_matches(name.upper(), known, 1, 0.8)), None)
        for name in names
        if name.upper() not in known and not _BESIDE.fullmatch(name.upper())
    }


def load_settings(**flags: Any) -> Settings:
    """Read the environment. Flags that are not None override it.

    Raises:
        SettingsError: The message names every invalid setting, and quotes no secret.
    """
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        wrong = [f"  {_name(e['loc'])}: {_why(e)}" for e in error.errors(include_input=False)]
        raise SettingsError("invalid settings:\n" + "\n".join(wrong)) from None


REQUIRED: Final = "required: postgresql://user@host:5432/database, or --database-url"


def _name(location: tuple[int | str, ...]) -> str:
    """Return the variable of a setting, and the place inside of its value."""
    if not location:
        return "RESUMER_*"
    name, *inside = map(str, location)
    name = name if name.isupper() else f"RESUMER_{name.upper()}"
    return ": ".join([name, *([".".join(inside)] if inside else [])])


def _why(error: Mapping[str, Any]) -> str:
    if error["type"] == "missing":  # only the address has no default
        return REQUIRED
    if error["type"] == "too_short":  # of a secret, whose characters pydantic calls items
        return f"must have at least {error['ctx']['min_length']} characters"
    return str(error["msg"]).removeprefix("Value error, ")
