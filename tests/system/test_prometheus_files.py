"""Prometheus' own programs accept the files in deploy/."""

from pathlib import Path

import yaml

from tests.deploy.test_alert_rules import FOLDER, RULES
from tests.deploy.test_dashboard import EXPRESSIONS, asked
from tests.harness.tools import said


def test_promtool_accepts_every_rule():
    assert f"{len(RULES)} rules found" in said(
        "promtool", "check", "rules", str(FOLDER / "rules.yml")
    )


def test_alerts_fire_only_in_their_scenarios():
    assert "SUCCESS" in said("promtool", "test", "rules", str(FOLDER / "tests.yml"))


def test_promtool_accepts_every_dashboard_expression(tmp_path: Path):
    rules = [
        {"record": f"panel:{number}", "expr": asked(expression)}
        for number, expression in enumerate(EXPRESSIONS)
    ]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"{len(rules)} rules found" in said("promtool", "check", "rules", str(file))


def test_prometheus_and_alertmanager_accept_their_configuration():
    said("promtool", "check", "config", str(FOLDER / "prometheus.yml"))
    said("amtool", "check-config", str(FOLDER / "alertmanager.yml"))
