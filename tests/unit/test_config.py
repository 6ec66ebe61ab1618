"""Settings: their forms, their errors, and variables that are none."""

import json
import os
from pathlib import Path

import pytest

from resumer_daemon.config import load_settings, unknown_variables
from resumer_daemon.database_address import read_address
from resumer_daemon.errors import SettingsError

TEXTS = {"order_held": "Order {{order.id}} waits"}
URL = "postgresql://localhost/orders"


def test_notification_templates_are_json_or_a_json_file(tmp_path: Path):  # C26
    file = tmp_path / "texts.json"
    file.write_text(json.dumps(TEXTS))
    for given in (json.dumps(TEXTS), str(file), TEXTS):
        assert (
            load_settings(database_url=URL, notification_templates=given).notification_templates
            == TEXTS
        )
    assert load_settings(database_url=URL).notification_templates == {}


@pytest.mark.parametrize("given", ["{", "no/such/file.json", "[]", '{"a": 1}'])
def test_wrong_notification_templates_are_reported(given: str):  # C26
    with pytest.raises(SettingsError, match="RESUMER_NOTIFICATION_TEMPLATES"):
        load_settings(database_url=URL, notification_templates=given)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("30d", 2_592_000), ("1w", 604_800), ("P2D", 172_800), ("1h30m", 5_400), ("250ms", 0.25),
     ("90", 90), ("1.5", 1.5), (" 5m ", 300), (90, 90)],
)  # fmt: skip
def test_setting_takes_the_durations_of_definitions(given: object, seconds: float):  # C9
    assert load_settings(database_url=URL, ledger_retention=given).ledger_retention == seconds


@pytest.mark.parametrize(
    "given", ["2 days", "soon", "-1h", "0s", "0", "inf", "nan", "1y", "", "1e3"]
)
def test_wrong_duration_of_a_setting_is_reported(given: str):  # C9
    with pytest.raises(SettingsError, match="RESUMER_LEDGER_RETENTION"):
        load_settings(database_url=URL, ledger_retention=given)


def test_duration_of_a_setting_may_have_several_units(monkeypatch):
    monkeypatch.setenv("RESUMER_LEASE", "1h30m")
    assert load_settings(database_url=URL).lease == 5400.0


def test_wrong_secrets_are_reported_together_without_value(monkeypatch):
    monkeypatch.setenv("RESUMER_WEBHOOK_SECRET", "canary")
    monkeypatch.setenv("RESUMER_JWT_SECRET", "canary")
    with pytest.raises(SettingsError) as caught:
        load_settings(database_url="canary://")
    said = str(caught.value)
    assert "RESUMER_DATABASE_URL: not an address" in said
    assert "RESUMER_WEBHOOK_SECRET: expected whsec_" in said
    assert "RESUMER_JWT_SECRET: must have at least 32 characters" in said
    assert "canary" not in said


def test_unknown_variables_are_reported_with_a_suggestion(monkeypatch):
    for name in (
        "RESUMER_POL_INTERVAL", "RESUMER_LEASE", "RESUMER_SECRET_CRM", "RESUMER_HEALTH_URL",
        "RESUMER_SERVICE_HOST", "RESUMER_PORT", "RESUMER_DAEMON_PORT_9464_TCP_ADDR",
    ):  # fmt: skip
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("RESUMER_COLOUR", "1")
    assert unknown_variables() == {
        "RESUMER_COLOUR": None,
        "RESUMER_POL_INTERVAL": "RESUMER_POLL_INTERVAL",
    }


def test_database_url_is_the_only_required_setting(monkeypatch):
    for name in [name for name in os.environ if name.startswith("RESUMER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DATABASE_URL", URL)
    assert read_address(None) == load_settings().address
    assert (
        read_address("host=db.internal") == load_settings(database_url="host=db.internal").address
    )
    assert read_address("nonsense://") is None
    monkeypatch.setenv("RESUMER_SERVICE_SCHEMA", "orders")
    assert read_address(None) is None
