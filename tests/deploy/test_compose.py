"""The compose file names existing files and services, and its stand-in service works."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.harness import Database, eventually_sync
from tests.harness.running import running
from tests.unit.documents import ROOT

FOLDER = ROOT / "deploy" / "compose"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PROMETHEUS = ROOT / "deploy" / "prometheus"

each_service = pytest.mark.parametrize("name", SERVICES)


@each_service
def test_mounted_files_exist(name: str):
    for volume in SERVICES[name].get("volumes", []):
        source = volume.split(":")[0]
        assert source in COMPOSE["volumes"] or (FOLDER / source).exists(), volume


@each_service
def test_dependencies_of_a_service_are_services(name: str):
    assert set(SERVICES[name].get("depends_on", {})) <= set(SERVICES)


@each_service
def test_ports_are_bound_to_loopback(name: str):
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


def test_daemons_run_read_only_without_capabilities():
    for name in ("migrate", "daemon", "exporter"):
        assert SERVICES[name]["read_only"] is True
        assert SERVICES[name]["cap_drop"] == ["ALL"]
        assert SERVICES[name]["security_opt"] == ["no-new-privileges:true"]


def test_prometheus_scrapes_existing_services():
    text = (PROMETHEUS / "prometheus.yml").read_text()
    assert set(re.findall(r"names: \[(\w+)\]|\"(\w+):\d+\"", text)) <= {
        (name, "") for name in SERVICES
    } | {("", name) for name in SERVICES}


def statements(name: str) -> list[str]:
    text = (FOLDER / "service" / name).read_text("utf-8")
    return [part for part in re.split(r"(?<=;)\s*\n|\s*\\gset\n", text) if part.strip()]


def test_executions_of_the_stand_in_pause_and_end(database: Database):
    document = Path(ROOT / "examples" / "high_value_order_approval.json").read_text()
    with running(database), database.connect() as service:

        def play(name: str) -> None:
            begun = ""
            for statement in statements(name):
                given = statement.replace(
                    ":'definition'", "$definition$" + document + "$definition$"
                )
                cursor = service.execute(given.replace(":'begun'", f"'{begun}'").encode())
                if "AS begun" in statement:
                    [(begun,)] = cursor.fetchall()

        def of(status: str, result: str | None) -> int:
            [(count,)] = database.run(
                "SELECT count(*) FROM workflow_executions"
                " WHERE status = %s AND result IS NOT DISTINCT FROM %s",
                status,
                result,
            )
            return int(count)

        play("workflow.sql")
        play("workflow.sql")
        assert database.run("SELECT count(*) FROM workflows") == [(1,)]
        for _ in range(3):
            play("round.sql")
        eventually_sync(lambda: of("paused", None) >= 3 and of("completed", "blocked") == 0)
        database.run(
            "UPDATE approval_requests SET requested_at = requested_at - interval '1 minute'"
        )

        def somebody_decided() -> bool:
            play("round.sql")
            return of("completed", "allowed") >= 2

        eventually_sync(somebody_decided)
