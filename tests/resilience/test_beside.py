"""The service's statements, randomly interleaved, beside two daemons; `make beside` runs 10,000."""

import pytest

from tests.beside.checker import violations
from tests.beside.run import play, run
from tests.harness import Database

COUNT, SEED = 160, 20260131


@pytest.mark.parametrize("vintage", ["v1", "v5"])
def test_what_should_pause_pauses_and_is_resumed_once(database: Database):
    cases, wrong = run(database, COUNT, SEED)
    assert wrong == []
    assert len(cases) == COUNT


@pytest.mark.parametrize("vintage", ["v1"])
def test_without_its_triggers_executions_are_lost_and_that_is_seen(database: Database):
    database.run("ALTER TABLE workflow_executions DISABLE TRIGGER USER")
    cases = play(database, COUNT, SEED, [])
    assert any("never paused" in wrong for wrong in violations(cases, database))
