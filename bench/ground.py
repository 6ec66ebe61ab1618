"""The ground that floor and daemon stand on: a server with default durability, and its rows."""

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import psycopg

from resumer_daemon.embedded.server import EmbeddedPostgres
from resumer_daemon.engine.advance import advance_once, begin
from resumer_daemon.engine.inputs import AdvanceInputs
from resumer_daemon.store import migrate
from resumer_daemon.workflow.parser import parse_definition

DEFINITION = {
    "steps": [
        {
            "id": "ask",
            "type": "action",
            "action": "block",
            "requires": {"type": "approval", "role": "manager"},
            "on_true": "is_small",
        },
        {
            "id": "is_small",
            "type": "condition",
            "condition": {"field": "order.total", "operator": "lt", "value": 1000000},
            "on_true": "allow",
        },
        {"id": "allow", "type": "action", "action": "allow"},
    ]
}
# As a context: about 1.6 KB of JSON text, of which 15 numbers have decimals.
LINES = [
    {
        "line": number,
        "sku": f"SKU-{40_000 + number * 137}",
        "name": f"Office chair, model {number}, adjustable, black",
        "quantity": number * 2,
        "unit_price": round(89.95 + number * 3.37, 2),
    }
    for number in range(1, 11)
]
PAYLOAD = {
    "order": {
        "id": "A-10442",
        "currency": "EUR",
        "customer": {
            "id": "C-2281",
            "name": "Example Trading GmbH",
            "email": "purchasing@example.com",
            "address": {"street": "Hauptstrasse 12", "city": "Berlin", "postal_code": "10115"},
        },
        "lines": LINES,
        "subtotal": 12489.4,
        "discount": 624.47,
        "tax_rate": 0.19,
        "tax": 2254.34,
        "total": 14119.27,
    }
}
WITHOUT_DECIMALS = {"order": {"id": "A-1", "total": 12000}, "notes": "x" * 900}


@contextmanager
def server(**more: str) -> Iterator[EmbeddedPostgres]:
    """Start a server whose data is kept as PostgreSQL keeps it by default: fsync on.

    `RESUMER_PG_BIN` is the folder of its programs, where it shall not be the embedded one.
    """
    given = os.environ.get("RESUMER_PG_BIN")
    binaries = None if given is None else Path(given)
    settings = {"max_wal_size": "4GB", **more}
    with (
        TemporaryDirectory(prefix="resumer-bench-") as folder,
        EmbeddedPostgres(Path(folder) / "data", settings=settings, binaries=binaries) as running,
    ):
        yield running


def database(running: EmbeddedPostgres, name: str, schema: Path | None = None) -> str:
    """Make a migrated database and return its address."""
    with psycopg.connect(running.url(), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    url = running.url(name)
    if schema is not None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(schema.read_bytes())
    asyncio.run(migrate.up(url))
    return url


PAUSED = """
WITH made AS (
  INSERT INTO workflow_executions (execution_id, status, context, paused_reason{column})
  SELECT gen_random_uuid()::text, 'paused', %(context)s, 'approval_required'{owner}
  FROM generate_series(1, %(count)s)
  RETURNING id
), asked AS (
  INSERT INTO approval_requests (request_id, execution_id, status, approver_role{column})
  SELECT gen_random_uuid()::text, id, 'pending', 'manager'{owner} FROM made
  RETURNING id, execution_id
), paused AS (
  INSERT INTO resumer.pauses
    (execution_id, number, reason, step_id, next_steps, waiting, state, definition, approval_ids)
  SELECT execution_id, 1, 'approval_required', 'ask', '{{"approved": "is_small"}}',
    '{{"approvals": 1}}', %(state)s, 'bench', ARRAY[id]
  FROM asked
)
SELECT execution_id, id FROM asked"""
KEPT = "INSERT INTO resumer.definitions VALUES ('bench', %s) ON CONFLICT DO NOTHING"


OWNER = {"column": ", organization_id", "owner": ", (SELECT id FROM organizations)"}
NOBODY = {"column": "", "owner": ""}
VINTAGE_5 = Path(__file__).parent.parent / "tests" / "data" / "schema_v5.sql"


def pause(
    url: str, count: int, *, context: dict[str, Any] = PAYLOAD, vacuum: bool = True
) -> list[tuple[Any, Any]]:
    """Make paused executions as the daemon would leave them; return (execution, approval)."""
    facts = {"context": json.dumps(context), "count": count, "state": json.dumps(_state())}
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET resumer.own = 'on'")
        connection.execute(KEPT, [json.dumps(DEFINITION)])
        [[owned]] = connection.execute("SELECT to_regclass('organizations') IS NOT NULL")
        paused = PAUSED.format(**OWNER if owned else NOBODY)
        rows = connection.execute(paused.encode(), facts).fetchall()
        if vacuum:
            connection.execute("VACUUM ANALYZE")
    return rows


def clear(url: str) -> None:
    """Take away what a round has left: a daemon would first mend what the floor leaves undone."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "TRUNCATE workflow_executions, step_executions, approval_requests, audit_log,"
            " resumer.pauses, resumer.resume_requests, resumer.settled_requests"
        )


def _state() -> dict[str, Any]:
    """Return the state that the engine leaves at the pause of the definition above."""
    definition = parse_definition(DEFINITION)
    world = AdvanceInputs(datetime.now(UTC), UUID(int=1), "bench", "bench")
    return advance_once(definition, begin(definition, None), {}, world).state.to_json()
