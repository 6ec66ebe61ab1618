"""Code of the service that runs in our transactions: it is planned as elsewhere, and known."""

from typer.testing import CliRunner

from resumer_daemon.cli.app import app
from tests.harness import Database, every_vintage
from tests.harness.running import running
from tests.harness.service import Service, allow, ask

JOINS = """
CREATE TABLE lines AS SELECT n AS id, n % 8000 AS item FROM generate_series(1, 16000) AS n;
ANALYZE lines;
CREATE TABLE seen (plan text, cache_mode text);
CREATE FUNCTION counts() RETURNS trigger LANGUAGE plpgsql AS $f$
DECLARE
  line text;
BEGIN
  FOR line IN EXPLAIN SELECT count(*) FROM public.lines a JOIN public.lines b ON b.item = a.item
  LOOP
    INSERT INTO public.seen VALUES (line, current_setting('plan_cache_mode'));
  END LOOP;
  RETURN NULL;
END
$f$;
CREATE TRIGGER counts AFTER UPDATE ON workflow_executions FOR EACH ROW EXECUTE FUNCTION counts()
"""


@every_vintage
def test_a_trigger_of_the_service_is_planned_as_elsewhere(database: Database, vintage: str):  # P12
    service = Service(database)
    service.workflow(ask(), allow())
    database.run(JOINS)
    with running(database):
        execution = service.paused()
        service.decide(service.asked(execution)[0], "approved")
        assert service.ended(execution)["result"] == "allowed"
    plans = {plan.strip(" ->").split("  ")[0] for (plan,) in database.run("SELECT plan FROM seen")}
    assert "Hash Join" in plans
    assert "Nested Loop" not in plans
    assert database.run("SELECT DISTINCT cache_mode FROM seen") == [("auto",)]


def test_doctor_lists_the_triggers_of_others(database: Database):  # P12
    database.run(JOINS)
    settings = {
        "RESUMER_DATABASE_URL": database.url,
        "RESUMER_DATABASE_SSLMODE": "prefer",
        "RESUMER_ALLOW_SUPERUSER": "true",
    }
    told = CliRunner().invoke(app, ["doctor"], env=settings).output
    assert "counts on workflow_executions runs public.counts" in " ".join(told.split())
