"""N effects cost N + 1 commits, and none is left as an intent."""

import asyncio

import pytest

from tests.harness import Database
from tests.harness.receiver import answering, receiver
from tests.harness.running import running
from tests.harness.service import Service, allow

WATCHED = ("workflow_executions", "step_executions", "resumer.effects", "resumer.leases")


def watch(database: Database) -> None:
    """Write down which transactions change anything of an execution from now on."""
    database.run("CREATE TABLE written (by bigint)")
    database.run(
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN INSERT INTO public.written VALUES (txid_current()); RETURN NULL; END $$"
    )
    for table in WATCHED:
        database.run(
            f"CREATE TRIGGER noted AFTER INSERT OR UPDATE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION note()"
        )


@pytest.mark.parametrize("effects", [0, 1, 4])
async def test_effects_cost_one_commit_each_and_one_more(database: Database, effects: int):
    service = Service(database)
    async with receiver(answering()) as here:
        act = {"type": "webhook", "url": here.url()}
        steps = [
            {"id": f"s{n}", "type": "execute", "execute": [act], "next": f"s{n + 1}"}
            for n in range(effects)
        ]
        service.workflow(*steps, allow(f"s{effects}"))

        def work() -> None:
            with running(database, http_allow="localhost"):
                execution = service.start()
                assert service.ended(execution)["result"] == "allowed"

        watch(database)
        await asyncio.to_thread(work)
    [(commits,)] = database.run("SELECT count(DISTINCT by) FROM written")
    assert commits - 1 == effects + 1  # one is of who started it
    left = "SELECT status FROM resumer.effects WHERE status <> 'done'"
    assert database.run(left) == []
