"""With too few database connections no effect is sent that could not be recorded."""

import asyncio
import json
from typing import Any

import pytest
from psycopg import sql
from typer.testing import CliRunner

from resumer_daemon.cli.app import app
from tests.harness import Database, eventually_sync
from tests.harness.database import give_rights, member_of
from tests.harness.receiver import answering, receiver
from tests.harness.running import Running, running
from tests.harness.service import Service


def limit(database: Database, name: str, connections: int) -> None:
    with database.connect() as administrator:
        administrator.execute(
            sql.SQL("ALTER ROLE {} CONNECTION LIMIT {}").format(sql.Identifier(name), connections)
        )


# C55
async def test_webhook_waits_until_its_result_can_be_recorded(database: Database):
    service = Service(database)
    give_rights(database.url)
    settings: dict[str, Any] = {
        "lease": "6s",
        "effect_deadline": "2s",
        "drain_timeout": "1s",
        "http_allow": "localhost",
    }
    async with receiver(answering()) as here:
        act = {"type": "webhook", "url": here.url()}
        service.workflow({"id": "send", "type": "execute", "execute": [act]})

        def work() -> None:
            with member_of(database, "resumer_daemon") as login:
                [(name,)] = login.run("SELECT current_user")
                with running(login, allow_superuser="false", **settings) as daemon:
                    limit(database, name, 2)
                    end_pools(database, name)
                    execution = service.start()
                    eventually_sync(
                        lambda: database.run(
                            "SELECT 1 FROM resumer.effects WHERE status = 'intent'"
                        )
                    )
                    eventually_sync(lambda: waits(daemon), of="it tried to get a connection")
                    assert here.requests == []
                    limit(database, name, -1)
                    assert service.ended(execution)["result"] == "executed"

        await asyncio.to_thread(work)
    assert len(here.requests) == 1


def end_pools(database: Database, name: str) -> None:
    """End the daemon's sessions except those of its worker and its listener."""
    database.run(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = %s"
        " AND application_name NOT IN ('resumer-worker', 'resumer-listener')",
        name,
    )


def waits(daemon: Running) -> bool:
    return daemon.metric("resumer_pool_errors_total") > 0


# C55
@pytest.mark.parametrize(("connections", "verdict"), [(2, "error"), (9, "warning"), (100, None)])
def test_doctor_reports_a_low_connection_limit(
    database: Database, connections: int, verdict: str | None
):
    give_rights(database.url)
    with member_of(database, "resumer_daemon") as login:
        [(name,)] = login.run("SELECT current_user")
        limit(database, name, connections)
        told = CliRunner().invoke(
            app,
            ["doctor", "--json"],
            env={"RESUMER_DATABASE_URL": login.url, "RESUMER_DATABASE_SSLMODE": "prefer"},
        )
    found = [
        each["verdict"]
        for each in json.loads(told.stdout)["checks"]
        if each["check"] == "connections" and "may have" in each["what"]
    ]
    assert found == ([] if verdict is None else [verdict])
