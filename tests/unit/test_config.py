"""Settings that hold JSON: as text, or in a file."""

import json
from pathlib import Path

import pytest

from resumer_daemon.config import load
from resumer_daemon.errors import SettingsError

TEXTS = {"order_held": "Order {{order.id}} waits"}
URL = "postgresql://localhost/orders"


def test_notification_templates_are_json_or_a_file_of_it(tmp_path: Path):  # C26
    file = tmp_path / "texts.json"
    file.write_text(json.dumps(TEXTS))
    for given in (json.dumps(TEXTS), str(file), TEXTS):
        assert load(database_url=URL, notification_templates=given).notification_templates == TEXTS
    assert load(database_url=URL).notification_templates == {}


@pytest.mark.parametrize("given", ["{", "no/such/file.json", "[]", '{"a": 1}'])
def test_notification_templates_that_are_none_are_named(given: str):  # C26
    with pytest.raises(SettingsError, match="RESUMER_NOTIFICATION_TEMPLATES"):
        load(database_url=URL, notification_templates=given)
