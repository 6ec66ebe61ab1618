"""Settings that hold JSON: as text, or in a file."""

import json
from pathlib import Path

import pytest

from resumer_daemon.config import load_settings
from resumer_daemon.errors import SettingsError

TEXTS = {"order_held": "Order {{order.id}} waits"}
URL = "postgresql://localhost/orders"


def test_notification_templates_are_json_or_a_file_of_it(tmp_path: Path):  # C26
    file = tmp_path / "texts.json"
    file.write_text(json.dumps(TEXTS))
    for given in (json.dumps(TEXTS), str(file), TEXTS):
        assert (
            load_settings(database_url=URL, notification_templates=given).notification_templates
            == TEXTS
        )
    assert load_settings(database_url=URL).notification_templates == {}


@pytest.mark.parametrize("given", ["{", "no/such/file.json", "[]", '{"a": 1}'])
def test_notification_templates_that_are_none_are_named(given: str):  # C26
    with pytest.raises(SettingsError, match="RESUMER_NOTIFICATION_TEMPLATES"):
        load_settings(database_url=URL, notification_templates=given)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("30d", 2_592_000), ("1w", 604_800), ("P2D", 172_800), ("1h30m", 5_400), ("250ms", 0.25),
     ("90", 90), ("1.5", 1.5), (" 5m ", 300), (90, 90)],
)  # fmt: skip
def test_a_setting_takes_the_durations_that_a_definition_takes(given: object, seconds: float):  # C9
    assert load_settings(database_url=URL, ledger_retention=given).ledger_retention == seconds


@pytest.mark.parametrize(
    "given", ["2 days", "soon", "-1h", "0s", "0", "inf", "nan", "1y", "", "1e3"]
)
def test_a_setting_that_is_no_duration_is_named(given: str):  # C9
    with pytest.raises(SettingsError, match="RESUMER_LEDGER_RETENTION"):
        load_settings(database_url=URL, ledger_retention=given)
