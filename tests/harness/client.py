"""The ways to an execution: SQL, the command line, HTTP, and credentials of every kind for HTTP."""

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, LiteralString, Protocol
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import UUID, uuid4

import jwt
import psycopg
from typer.testing import CliRunner

from resumer_daemon.api.auth import Permission
from resumer_daemon.cli.app import app
from resumer_daemon.store.tokens import fingerprint
from tests.harness.database import Database
from tests.harness.service import Service


@dataclass(frozen=True, slots=True)
class Answer:
    """A response."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.text)

    @property
    def problem(self) -> dict[str, Any]:
        """The body, which must be a problem of the answer's status."""
        assert self.headers["content-type"] == "application/problem+json", self
        assert self.json["status"] == self.status, self
        assert {"type", "title", "detail"} <= self.json.keys(), self
        return dict(self.json)


@dataclass(frozen=True, slots=True)
class Client:
    """Asks with one bearer, or with none."""

    address: str
    bearer: str | None = None

    def get(self, path: str, **headers: str) -> Answer:
        """Look at something under `/api/v1`."""
        return self.ask("GET", path, None, **headers)

    def post(self, path: str, body: object = None, **headers: str) -> Answer:
        """Ask for something under `/api/v1`."""
        data = b"" if body is None else json.dumps(body).encode()
        return self.ask("POST", path, data, **headers)

    def ask(self, method: str, path: str, data: bytes | None = None, **headers: str) -> Answer:
        """Send a request; `_` in the name of a header stands for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.bearer is not None:
            named = {"Authorization": f"Bearer {self.bearer}", **named}
        url = f"{self.address}/api/v1{path}"
        sent = {"Content-Type": "application/json", **named}
        request = Request(url, data, sent, method=method)  # noqa: S310
        try:
            with urlopen(request, timeout=20) as answer:  # noqa: S310
                return Answer(answer.status, _lower(answer.headers), answer.read().decode())
        except HTTPError as error:
            with error:
                return Answer(error.code, _lower(error.headers), error.read().decode())


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


Move = Literal["pause", "resume", "cancel", "retry"]
ACTOR = "token:mia"  # by HTTP the token is the actor; at the other doors anybody says who it is


class Refused(Exception):
    """The door does not open; the message says why."""


class Door(Protocol):
    """The moves that a person makes through any door; the requests are mia's."""

    def status(self, execution: UUID) -> dict[str, Any]:
        """Return how an execution stands."""
        ...

    def explain(self, execution: UUID) -> dict[str, Any]:
        """Return why it stands so."""
        ...

    def ask(self, move: Move, execution: UUID, reason: str | None, **more: Any) -> None:
        """Ask for a move. Raises Refused."""
        ...


@dataclass(frozen=True, slots=True)
class Sql:
    """psql."""

    database: Database

    def status(self, execution: UUID) -> dict[str, Any]:
        return self._document("SELECT resumer.status(%s)", execution)

    def explain(self, execution: UUID) -> dict[str, Any]:
        return self._document("SELECT resumer.explain(%s)", execution)

    def ask(self, move: Move, execution: UUID, reason: str | None, **more: Any) -> None:
        calls: Mapping[Move, LiteralString] = {
            "pause": "SELECT resumer.pause(%s, actor => %s, reason => %s)",
            "resume": "SELECT resumer.resume(%s, actor => %s, reason => %s, pause_number => %s,"
            " force => %s)",
            "cancel": "SELECT resumer.cancel(%s, actor => %s, reason => %s)",
            "retry": "SELECT resumer.retry(%s, actor => %s, reason => %s, pause_number => %s)",
        }
        seen = [more.get("pause_number")] if move in ("resume", "retry") else []
        forced = [more.get("force", False)] if move == "resume" else []
        try:
            self.database.run(calls[move], execution, ACTOR, reason, *seen, *forced)
        except psycopg.Error as error:
            raise _refused(error) from error

    def _document(self, statement: LiteralString, execution: UUID) -> dict[str, Any]:
        try:
            [(document,)] = self.database.run(statement, execution)
        except psycopg.Error as error:
            raise _refused(error) from error
        return dict(document)


def _refused(error: psycopg.Error) -> Exception:
    """Return a refusal of ours as one; anything else is what it is."""
    return Refused(str(error)) if (error.sqlstate or "").startswith("RZ") else error


@dataclass(frozen=True, slots=True)
class Command:
    """A shell."""

    database: Database

    def status(self, execution: UUID) -> dict[str, Any]:
        told = json.loads(self._run("show", str(execution), "--json"))
        reasons = [p["reason"] for p in told["pauses"] if p["resumed_at"] is None]
        return {**told, "paused_reason": reasons[0] if reasons else None}

    def explain(self, execution: UUID) -> dict[str, Any]:
        return dict(json.loads(self._run("explain", str(execution), "--json")))

    def ask(self, move: Move, execution: UUID, reason: str | None, **more: Any) -> None:
        given = [] if reason is None else ["--reason", reason]
        forced = ["--force"] if more.get("force") else []
        seen = ["--pause", str(more["pause_number"])] if "pause_number" in more else []
        self._run(move, str(execution), "--as", ACTOR, *given, *forced, *seen)

    def _run(self, *arguments: str) -> str:
        ended = CliRunner().invoke(
            app, arguments, env={"RESUMER_DATABASE_URL": self.database.url, "COLUMNS": "500"}
        )
        if ended.exit_code == 1:
            raise Refused(ended.output)
        assert ended.exit_code == 0, ended.output
        return ended.stdout


@dataclass(frozen=True, slots=True)
class Http:
    """A program, or curl."""

    client: Client

    def status(self, execution: UUID) -> dict[str, Any]:
        return dict(self._taken(self.client.get(f"/executions/{execution}/status")).json)

    def explain(self, execution: UUID) -> dict[str, Any]:
        return dict(self._taken(self.client.get(f"/executions/{execution}/explain")).json)

    def ask(self, move: Move, execution: UUID, reason: str | None, **more: Any) -> None:
        body = more if reason is None else {"reason": reason, **more}
        self._taken(self.client.post(f"/executions/{execution}/{move}", body))

    def _taken(self, answer: Answer) -> Answer:
        if answer.status >= 400:
            assert answer.status in (404, 409), answer
            raise Refused(answer.problem["detail"])
        return answer


ALL = tuple(permission.scope for permission in Permission)
SECRET = "the service's secret, which nobody else has and which is long enough"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Holders:
    """Makes credentials of one organisation, or of none."""

    database: Database
    organization: UUID | None = None

    @classmethod
    def of(cls, database: Database) -> "Holders":
        """Make those of the organisation that is there from the beginning, if there is one."""
        of = Service(database).organization() if database.vintage == "v5" else None
        return cls(database, of)

    def token(self, scopes: Sequence[str] = ALL, *, lasts: str = "1 hour", name: str = "") -> str:
        """Make a token of ours, `lasts` from now on."""
        text = f"resumer_{uuid4().hex}"
        self.database.run(
            "INSERT INTO resumer.tokens (name, sha256, permissions, organization_id, expires_at)"
            " VALUES (%s, %s, %s, %s, now() + %s::interval)",
            name or text,
            fingerprint(text),
            list(scopes),
            self.organization,
            lasts,
        )
        return text

    def revoked(self) -> str:
        """Make a token that was revoked."""
        text = self.token()
        self.database.run(
            "UPDATE resumer.tokens SET revoked_at = now() WHERE sha256 = %s", fingerprint(text)
        )
        return text

    def key(self, scopes: Sequence[str] | None = ALL, **values: object) -> str:
        """Make a key of the service."""
        text = f"sk_{uuid4().hex}"
        owner = {} if self.organization is None else {"organization_id": self.organization}
        filled = {"key_hash": fingerprint(text), "key_prefix": "sk_", "name": "console"}
        listed = None if scopes is None else list(scopes)
        Service(self.database).insert("api_keys", **filled, scopes=listed, **owner, **values)
        return text

    def jwt(self, permissions: object = ALL, **claims: object) -> str:
        """Make a JWT of the service for an hour; a claim that is None is left out."""
        filled = {
            "sub": "mia",
            "permissions": permissions,
            "exp": int(time.time()) + 3600,
            "organization_id": None if self.organization is None else str(self.organization),
            **claims,
        }
        kept = {name: value for name, value in filled.items() if value is not None}
        return jwt.encode(kept, SECRET, algorithm="HS256")

    def unsigned(self) -> str:
        """Make a JWT that says it needs no signature."""
        _, body, _ = self.jwt().split(".")
        head = urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
        return f"{head}.{body}."

    def forged(self, algorithm: str = "HS256", secret: str = SECRET) -> str:
        """Make a JWT of another algorithm, or with another secret."""
        claims = jwt.decode(self.jwt(), options={"verify_signature": False})
        return jwt.encode(claims, secret, algorithm=algorithm)
