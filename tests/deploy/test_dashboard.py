"""The dashboard uses existing metrics, and shows all of them."""

import json
import re
from typing import Any

import pytest
import yaml

from tests.harness.monitoring import exported, used
from tests.unit.documents import ROOT

FOLDER = ROOT / "deploy" / "grafana"
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "resumer.json").read_text("utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]
# What Grafana puts in before it asks.
VARIABLES = {"$__rate_interval": "5m", "$__range": "1h", "$instance": ".*"}

each_panel = pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])


def asked(expression: str) -> str:
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


@each_panel
def test_panel_uses_existing_metrics(panel: dict[str, Any]):
    for target in panel["targets"]:
        assert used(target["expr"]) <= exported()
        assert "$" not in asked(target["expr"])


def test_dashboard_shows_every_metric():
    """A metric that no panel shows need not be exported."""
    shown = {re.sub("_(bucket|sum|count)$", "", name) for e in EXPRESSIONS for name in used(e)}
    unseen = {n for n in exported() if n.startswith("resumer_")} - shown
    assert {re.sub("_(bucket|sum|count)$", "", name) for name in unseen} - shown == NOT_SHOWN


NOT_SHOWN = {
    "resumer_build_info",
    "resumer_claim_latency_seconds",  # its two stages are shown
    "resumer_pool_max_connections",
    "resumer_pool_requests_total",
    "resumer_pool_wait_seconds_total",
}


@each_panel
def test_panel_has_a_description(panel: dict[str, Any]):
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"].get("unit") or panel["type"] == "heatmap"


def test_panels_do_not_overlap():
    places = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(places) == len(set(places))
    assert max(x for x, _ in places) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_provisioning_names_dashboard_and_prometheus():
    provider, source = (
        yaml.safe_load((FOLDER / "provisioning" / path).read_text("utf-8"))
        for path in ("dashboards/resumer.yml", "datasources/prometheus.yml")
    )
    assert provider["providers"][0]["options"]["path"] == "/var/lib/grafana/dashboards"
    assert [each["type"] for each in source["datasources"]] == ["prometheus"]
