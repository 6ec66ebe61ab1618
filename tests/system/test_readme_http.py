"""The sessions of the documents over HTTP print what the documents show."""

from pathlib import Path

import pytest

from resumer_daemon.workflow.values import load
from tests.harness import Database, eventually_sync
from tests.harness.running import running
from tests.harness.service import Service
from tests.harness.shell import session, shape, shell
from tests.harness.tools import tool
from tests.unit.documents import ROOT, blocks

EXAMPLE = load((ROOT / "examples" / "high_value_order_approval.json").read_text("utf-8"))
OPEN = "SELECT 1 FROM resumer.requests WHERE outcome IS NULL AND due_at <= now()"
PAYLOAD = {"order": {"id": "A-7", "total": 12500}, "customer": {"tier": "silver"}}


@pytest.mark.parametrize("document", [ROOT / "README.md", ROOT / "docs" / "http-api.md"])
def test_session_over_http_prints_what_is_shown(database: Database, document: Path):
    for program in ("curl", "jq"):
        tool(program)
    [block] = [b for b in blocks(document) if b.form == 'console title="HTTP"']
    service = Service(database)
    service.workflow(name=EXAMPLE["workflow_id"], definition=EXAMPLE)
    with running(database) as daemon, shell(database.url) as typed:
        service.paused(EXAMPLE["workflow_id"], PAYLOAD)
        for command, expected in session(block.text):
            printed = typed(command.replace("http://127.0.0.1:9464", daemon.address))
            assert shape(printed) == shape(expected), command
            eventually_sync(lambda: not database.run(OPEN))
