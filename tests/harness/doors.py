"""The three doors to an execution, behind one face: SQL, the command line, HTTP."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, LiteralString, Protocol
from uuid import UUID

import psycopg
from typer.testing import CliRunner

from resumer_daemon.cli.app import app
from tests.harness.client import Answer, Client
from tests.harness.database import Database

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
