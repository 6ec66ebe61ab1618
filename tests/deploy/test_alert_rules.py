"""Every alert has a scenario in which it fires, one in which it nearly fires, and a section."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.harness.monitoring import exported, used
from tests.unit.documents import ROOT

FOLDER = ROOT / "deploy" / "prometheus"
RUNBOOK = ROOT / "docs" / "runbook.md"
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((FOLDER / "rules.yml").read_text())["groups"]
    for rule in group["rules"]
]
SCENARIOS: list[dict[str, Any]] = yaml.safe_load((FOLDER / "tests.yml").read_text())["tests"]
PAGE = "https://docs.example/resumer-daemon/runbook.html"
QUIET = [scenario for scenario in SCENARIOS if scenario["name"].startswith("quiet")]

each_alert = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])


@each_alert
def test_alert_fires_in_its_scenario(rule: dict[str, Any]):
    expected = [
        sample["labels"]
        for scenario in SCENARIOS
        for test in scenario["promql_expr_test"]
        for sample in test["exp_samples"]
    ]
    assert [labels for labels in expected if f'alertname="{rule["alert"]}"' in labels]


@each_alert
def test_quiet_scenario_feeds_the_metrics_of_each_alert(rule: dict[str, Any]):
    needed = used(rule["expr"]) or {"up"}
    fed = {series["series"].split("{")[0] for quiet in QUIET for series in quiet["input_series"]}
    assert needed <= fed


def test_quiet_scenario_has_no_alert():
    assert QUIET
    assert not [t for quiet in QUIET for t in quiet["promql_expr_test"] if t["exp_samples"]]


@each_alert
def test_alert_uses_existing_metrics(rule: dict[str, Any]):
    assert used(rule["expr"]) <= exported()


@each_alert
def test_alert_links_to_its_runbook_section(rule: dict[str, Any]):
    name = rule["alert"]
    assert rule["annotations"]["runbook_url"] == f"{PAGE}#{name.lower()}"
    text = RUNBOOK.read_text("utf-8")
    section = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert section, f"docs/runbook.md has no section {name}"
    assert "**Do**" in section[1] or "| Do |" in section[1]
    assert {"summary", "description"} <= set(rule["annotations"])


def test_runbook_sections_are_the_alerts():
    headings = re.findall(r"^## (\w+)$", RUNBOOK.read_text("utf-8"), re.MULTILINE)
    assert headings == [rule["alert"] for rule in RULES]


@pytest.mark.parametrize("name", ["rules.yml", "prometheusrule.yaml"])
def test_make_alerts_sets_the_address_of_the_runbook(name: str, tmp_path: Path):
    command = ["make", "-f", str(ROOT / "Makefile"), "alerts", "DOCS_URL=https://wiki.acme.test/r"]
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    written = (tmp_path / "build" / "alerts" / name).read_text("utf-8")
    assert written.count("runbook_url: https://wiki.acme.test/r/runbook.html#") == len(RULES)
    assert "docs.example" not in written
