"""A real Prometheus and Alertmanager report a lag of the daemon, and its end."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.test_alert_rules import FOLDER
from tests.harness import Database, eventually_sync
from tests.harness.monitoring import Watching, watching
from tests.harness.running import Process, process
from tests.harness.service import Service, allow, ask

LONG = 60.0


@pytest.fixture
def service(database: Database) -> Service:
    made = Service(database)
    made.workflow(ask(), allow())
    return made


def impatient(folder: Path) -> Path:
    """Write the shipped rules with `for: 1s`, so that the test is short."""
    rules = yaml.safe_load((FOLDER / "rules.yml").read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            rule["for"] = "1s"
            if rule["alert"] == "ResumerLagging":
                assert rule["expr"].endswith("> 10")
                rule["expr"] = rule["expr"].removesuffix("10") + "1"
    written = folder / "rules.yml"
    written.write_text(yaml.safe_dump(rules))
    return written


def heard(watch: Watching, alert: str, status: str) -> None:
    """Wait until Alertmanager has sent the alert."""
    eventually_sync(
        lambda: (alert, status) in watch.reached, LONG, of=f"{alert} is {status}: {watch.reached}"
    )


def moved(watch: Watching, status: str) -> float:
    """Return the number of moves in Prometheus."""
    found = watch.ask(f'sum(resumer_resumes_total{{outcome="{status}"}})')
    return float(found[0]["value"][1]) if found else 0.0


def test_lag_without_daemon_alerts_and_resolves(
    service: Service, database: Database, tmp_path: Path
):
    settings: dict[str, Any] = {"http_port": 0, "reconcile_interval": "1h"}
    with (
        process(database, tmp_path / "exporter.log", command="exporter") as exporter,
        process(database, tmp_path / "first.log", **settings) as daemon,
    ):
        eventually_sync(daemon.ready)
        eventually_sync(exporter.ready)
        address = daemon.address.removeprefix("http://")
        targets = {
            "resumer": [address],
            "resumer-exporter": [exporter.address.removeprefix("http://")],
        }
        with watching(tmp_path, targets, impatient(tmp_path)) as watch:
            waiting = [service.paused() for _ in range(5)]
            eventually_sync(lambda: moved(watch, "paused") == 5, LONG)
            daemon.signal()
            assert daemon.wait() == 0
            for execution in waiting:
                service.decide(service.asked(execution)[0], "approved")
            heard(watch, "ResumerDown", "firing")
            heard(watch, "ResumerLagging", "firing")
            assert not [alert for alert, _ in watch.reached if "Incident" in alert]
            settings["http_port"] = address.rpartition(":")[2]
            with process(database, tmp_path / "second.log", **settings) as again:
                caught_up(service, waiting, again)
                heard(watch, "ResumerDown", "resolved")
                heard(watch, "ResumerLagging", "resolved")
                eventually_sync(lambda: moved(watch, "completed") == 5, LONG)


def caught_up(service: Service, waiting: list[Any], daemon: Process) -> None:
    for execution in waiting:
        assert service.ended(execution)["result"] == "allowed"
    assert daemon.metric("resumer_oldest_open_request_age_seconds") == 0
