"""Names are looked up where nobody else may create: a role that may create in the service's schema
is called by none of our functions, triggers and statements (C35)."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.pq import ExecStatus

from resumer_daemon.engine.outcome import Incident
from resumer_daemon.store import statements
from resumer_daemon.store.quarantine import quarantine
from resumer_daemon.store.session import Database as Store
from resumer_daemon.store.statements import load
from tests.harness import Database, every_vintage
from tests.harness.database import give_rights, member_of, migrate_up
from tests.harness.inbox import WRITES, Writer, fill, written
from tests.harness.plans import numbered
from tests.harness.running import running
from tests.harness.service import Service, allow, ask

OWN = "search_path=pg_catalog, resumer, pg_temp"

# these run for each row that is updated, and a path would take longer than they do: all that they
# name, they name with its schema
EXACT = (
    "resumer.is_guarded(text,text,boolean,boolean,boolean)",
    "resumer.is_ours(uuid,text)",
    "resumer.protect_execution()",
)

TRAPS = """
SET search_path = pg_catalog, public;
CREATE TABLE public.sprung (by name, as_role name);
GRANT ALL ON public.sprung TO PUBLIC;
CREATE FUNCTION public.spring() RETURNS void LANGUAGE sql AS
  $$ INSERT INTO public.sprung VALUES (session_user, current_user) $$;
CREATE FUNCTION public.unnest(uuid[]) RETURNS SETOF uuid LANGUAGE plpgsql AS
  $$ BEGIN PERFORM public.spring(); RETURN QUERY SELECT pg_catalog.unnest($1); END $$;
CREATE FUNCTION public.jsonb_build_object(text, text) RETURNS jsonb LANGUAGE plpgsql AS
  $$ BEGIN PERFORM public.spring(); RETURN NULL; END $$;
CREATE FUNCTION public.make_interval(secs float8) RETURNS interval LANGUAGE plpgsql AS
  $$ BEGIN PERFORM public.spring(); RETURN '0 s'; END $$;
CREATE FUNCTION public.quote_literal(varchar) RETURNS text LANGUAGE plpgsql AS
  $$ BEGIN PERFORM public.spring(); RETURN ''; END $$;
-- an operator for each two types that PostgreSQL itself has no exact operator for
DO $do$
DECLARE
  types text[] := '{varchar,text,bpchar,name,uuid,jsonb,timestamp,timestamptz,interval,int2,int4,
    int8,float8,bool,uuid[],text[],varchar[]}';
  trap record;
BEGIN
  FOR trap IN
    SELECT DISTINCT o.oprname, l.t AS l, r.t AS r,
      CASE WHEN o.oprresult = 'bool'::regtype THEN 'bool' ELSE 'text' END AS gives
    FROM pg_operator o, unnest(types) AS l (t), unnest(types) AS r (t)
    WHERE o.oprnamespace = 'pg_catalog'::regnamespace AND o.oprleft <> 0
      AND o.oprname IN
        ('=', '<>', '<', '<=', '>', '>=', '~~', '->', '->>', '#>', '#>>', '?', '||', '+', '~*')
      AND NOT EXISTS (
        SELECT FROM pg_operator x
        WHERE x.oprname = o.oprname AND x.oprleft = l.t::regtype AND x.oprright = r.t::regtype)
  LOOP
    IF to_regprocedure(format('public.trap_%s(%s, %s)', trap.gives, trap.l, trap.r)) IS NULL THEN
      EXECUTE format(
        'CREATE FUNCTION public.trap_%s (%s, %s) RETURNS %1$s LANGUAGE plpgsql AS'
        ' $$ BEGIN PERFORM public.spring(); RETURN NULL; END $$', trap.gives, trap.l, trap.r);
    END IF;
    IF to_regoperator(format('public.%s(%s, %s)', trap.oprname, trap.l, trap.r)) IS NULL THEN
      EXECUTE format('CREATE OPERATOR public.%s (FUNCTION = public.trap_%s, LEFTARG = %s,'
        ' RIGHTARG = %s)', trap.oprname, trap.gives, trap.l, trap.r);
    END IF;
  END LOOP;
END $do$
"""


@pytest.fixture
def trapped(unmigrated: Database) -> Database:
    """A database that was full of traps before we were installed."""
    unmigrated.run(TRAPS)
    migrate_up(unmigrated.url)
    give_rights(unmigrated.url)
    return unmigrated


def beside_traps(database: Database) -> Database:
    """Return the database for the test itself, which must not step into them."""
    with database.connect() as connection:
        connection.execute("SET search_path = pg_catalog")
        connection.execute("CREATE SCHEMA seen")
        for table in statements.SERVICE_TABLES:
            if connection.execute("SELECT to_regclass(%s)", [f"public.{table}"]).fetchone() != (
                None,
            ):
                view = sql.SQL("CREATE VIEW seen.{0} AS SELECT * FROM public.{0}")
                connection.execute(view.format(sql.Identifier(table)))
    path = "-c search_path=pg_catalog,seen"
    return replace(database, url=make_conninfo(database.url, options=path))


def sprung(database: Database) -> list[tuple[Any, ...]]:
    return database.run("SELECT DISTINCT by, as_role FROM public.sprung")


def test_each_function_of_ours_looks_up_names_in_no_schema_of_others(database: Database):
    paths = database.run(
        "SELECT p.oid::regprocedure::text,"
        " (SELECT s FROM unnest(p.proconfig) AS s WHERE s LIKE 'search_path=%')"
        " FROM pg_proc p WHERE p.pronamespace = 'resumer'::regnamespace"
    )
    assert len(paths) > 30
    trusted = {OWN, "search_path=pg_catalog, pg_temp"}
    assert sorted(name for name, path in paths if path not in trusted) == sorted(EXACT)


# all that a function without a path might find before that of PostgreSQL: what is exact, too
FIRST = """
CREATE SCHEMA first;
CREATE TABLE first.sprung (as_role name);
GRANT USAGE ON SCHEMA first TO PUBLIC;
GRANT ALL ON first.sprung TO PUBLIC;
CREATE FUNCTION first.spring() RETURNS text LANGUAGE plpgsql AS
  $$ BEGIN INSERT INTO first.sprung VALUES (current_user); RETURN NULL; END $$;
CREATE FUNCTION first.current_setting(text, boolean) RETURNS text LANGUAGE plpgsql AS
  $$ BEGIN RETURN first.spring(); END $$;
CREATE FUNCTION first.set_config(text, text, boolean) RETURNS text LANGUAGE plpgsql AS
  $$ BEGIN RETURN first.spring(); END $$;
CREATE FUNCTION first.format(text, VARIADIC text[]) RETURNS text LANGUAGE plpgsql AS
  $$ BEGIN RETURN first.spring(); END $$;
CREATE FUNCTION first.concat_ws(text, VARIADIC text[]) RETURNS text LANGUAGE plpgsql AS
  $$ BEGIN RETURN first.spring(); END $$;
CREATE FUNCTION first.pg_column_size(anyelement) RETURNS integer LANGUAGE plpgsql AS
  $$ BEGIN PERFORM first.spring(); RETURN 0; END $$;
DO $do$
DECLARE
  op record;
  t text;
BEGIN
  FOR op IN SELECT * FROM unnest('{=,<>,<,>,*=,*<>,+,->,->>}'::text[]) AS o (name) LOOP
    FOREACH t IN ARRAY '{varchar,text,uuid,jsonb,timestamp,timestamptz,int4,bool,record}'::text[]
    LOOP
      EXECUTE format('CREATE FUNCTION first.%I (l %2$s, r %2$s) RETURNS bool LANGUAGE plpgsql AS'
        ' $$ BEGIN PERFORM first.spring(); RETURN false; END $$', 'trap ' || op.name, t);
      EXECUTE format('CREATE OPERATOR first.%s'
        ' (FUNCTION = first.%I, LEFTARG = %3$s, RIGHTARG = %3$s)', op.name, 'trap ' || op.name, t);
    END LOOP;
  END LOOP;
END $do$;
CREATE FUNCTION first.careless() RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS
  $$ BEGIN RETURN 'a'::text = 'b'; END $$;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA first TO PUBLIC;
"""


def test_a_function_without_a_path_names_the_schema_of_everything(
    database: Database, writer: Writer
):
    """Functions on a writer's path never run with the rights of our functions' owner."""
    rights = [("postgres",)]
    assert (
        database.run("SELECT DISTINCT proowner::regrole::text FROM pg_proc WHERE prosecdef")
        == rights
    )
    database.run(FIRST)
    with database.connect() as connection:
        fill(connection, 0, 2)
    with writer.connect() as connection, database.connect() as holder:
        connection.execute("SET search_path = first, pg_catalog, public")
        for tables in (
            "",
            "resumer.pauses, resumer.leases",
            "resumer.resume_requests, resumer.pauses",
        ):
            with holder.transaction():
                if tables:
                    holder.execute(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE")
                for write in WRITES:
                    with connection.transaction(force_rollback=True):
                        connection.execute("SAVEPOINT before")
                        connection.execute(written(write))
                        [sprung] = connection.execute(
                            "SELECT coalesce(string_agg(as_role, ','), '') FROM first.sprung"
                        ).fetchall()
                        assert "postgres" not in sprung[0], (write, tables)
        connection.execute("SELECT careless()")
    assert database.run("SELECT as_role FROM first.sprung") == rights


def test_an_operator_of_the_service_s_schema_is_not_called_by_approve(database: Database):
    """The exploit as it was reported."""
    give_rights(database.url)
    service = Service(database)
    service.workflow(ask(), allow())
    with running(database):
        request = service.asked(execution := service.paused())[0]
        with member_of(database, "resumer_operator") as attacker:
            database.run("GRANT CREATE ON SCHEMA public TO PUBLIC")
            attacker.run(
                "CREATE FUNCTION public.steal(varchar, text) RETURNS boolean LANGUAGE plpgsql AS $$"
                " BEGIN INSERT INTO resumer.tokens (name, sha256, permissions)"
                " VALUES ('stolen', 'x', '{}');"
                " RETURN $1::text OPERATOR(pg_catalog.=) $2; END $$"
            )
            attacker.run(
                "CREATE OPERATOR public.="
                " (FUNCTION = public.steal, LEFTARG = varchar, RIGHTARG = text)"
            )
            attacker.run("SELECT resumer.approve(%s)", request)
            assert service.ended(execution)["result"] == "allowed"
    assert database.run("SELECT name FROM resumer.tokens") == []


@every_vintage
def test_nothing_that_was_laid_in_the_service_s_schema_is_called(trapped: Database):
    service = Service(beside_traps(trapped))
    service.workflow(ask(), allow())
    service.workflow({"id": "wait", "type": "wait", "wait": {"event": "paid"}}, name="waits")
    with (
        member_of(trapped, "resumer_daemon") as bound,
        member_of(trapped, "resumer_operator") as operator,
        running(bound, allow_superuser="false", route_events="true"),
    ):
        approved, rejected, cancelled, held = [service.paused() for _ in range(4)]
        waiting = service.paused("waits")
        operator.run("SELECT resumer.approve(%s)", service.asked(approved)[0])
        operator.run("SELECT resumer.reject(%s)", service.asked(rejected)[0])
        operator.run("SELECT resumer.emit('paid')")
        operator.run("SELECT resumer.cancel(%s)", cancelled)
        operator.run("SELECT resumer.pause(%s)", held)
        operator.run("SELECT resumer.hold('flow'), resumer.release('flow')")
        started = operator.run("SELECT resumer.start('flow')")[0][0]
        for execution in (approved, rejected, cancelled, waiting):
            service.ended(execution)
        service.until(started, "paused")
        service.decide(service.asked(started)[0], "approved")
        service.ended(started)
        service.database.run(
            "UPDATE approval_requests SET expires_at = '2020-01-01' WHERE execution_id = %s", held
        )
        for look in ("inbox", "lag", "ledger", "incidents"):
            operator.run(f"SELECT * FROM resumer.{look}")
        for execution in (approved, held, waiting, cancelled):
            operator.run("SELECT resumer.status(%s), resumer.explain(%s)", execution, execution)
    assert sprung(trapped) == []


AT_THE_SERVICE = frozenset(
    {
        "connection.apply_settings",
        "connection.backend_pid",
        "connection.ping",
        "doctor.limits",
        "gauges.limit_scrape",
        "instances.disable_timeouts",
        "migrate.prepare",
        "migrate.read_bound_triggers",
        "quarantine.stop_unread",
        "record.apply_incidents",
        "record.apply_manual_pauses",
        "record.expire_approvals",
        "record.insert_approvals",
        "record.insert_audit",
        "record.insert_steps",
        "record.lift_incidents",
        "record.lift_manual_pauses",
        "record.revert_foreign_writes",
        "record.update_executions",
        "record.withdraw_approvals",
        "session.apply_settings",
        "session.use_own_path",
        "session.use_service_path",
    }
)


@pytest.mark.parametrize("vintage", ["v1", "v5"])
async def test_each_statement_depends_on_nothing_that_was_laid_in_the_service_s_schema(
    trapped: Database,
):
    """Those that run on the path of role and database are parsed under it: they must be exact."""
    session = await Store(trapped.url).session()
    features = session.features
    await session.connection.close()
    found: dict[str, list[str]] = {}
    inexact = b"SELECT FROM public.workflow_executions e WHERE e.status = 'paused'"
    with trapped.connect(prepare_threshold=None) as connection:
        connection.execute("SET search_path = public, pg_temp")
        assert _traps_of(connection, inexact) == [
            "operator public.=(character varying,character varying)"
        ]
        for name in sorted(AT_THE_SERVICE):
            connection.execute("SET search_path = public, pg_temp")
            used = _traps_of(connection, load(name, features, "public"))
            if used:
                found[name] = used
    assert found == {}


def _traps_of(connection: psycopg.Connection[Any], query: bytes) -> list[str]:
    """Return what of schema public a statement is made of, other than tables of the service."""
    text, _ = numbered(query)
    server = connection.pgconn
    answer = server.prepare(b"looked_at", text)
    assert answer.status == ExecStatus.COMMAND_OK, answer.error_message.decode()
    [(types,)] = connection.execute(
        "SELECT parameter_types::pg_catalog.text[] FROM pg_prepared_statements"
    ).fetchall()
    connection.execute("DEALLOCATE looked_at")
    body = b"\n".join(line for line in text.splitlines() if not line.startswith(b"--"))
    given = ", ".join(types).encode()
    connection.execute(
        b"CREATE FUNCTION resumer.looked_at(%s) RETURNS void LANGUAGE sql BEGIN ATOMIC\n%s;\nEND"
        % (given, body)
    )
    connection.execute("SET search_path = pg_catalog")  # what is not on it is told with its schema
    used = connection.execute(
        "SELECT pg_describe_object(refclassid, refobjid, refobjsubid) FROM pg_depend"
        " WHERE classid = 'pg_proc'::regclass AND refclassid <> 'pg_class'::regclass"
        " AND objid = 'resumer.looked_at'::regproc"
    ).fetchall()
    connection.execute("DROP FUNCTION resumer.looked_at")
    return [what for (what,) in used if "public" in what and not what.startswith("schema")]


NOTES = """
CREATE SCHEMA app;
CREATE TABLE app.notes (about name, path text DEFAULT current_setting('search_path'));
CREATE FUNCTION app.note() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN INSERT INTO notes (about) VALUES (TG_TABLE_NAME); RETURN NULL; END $$;
CREATE TRIGGER app_note BEFORE INSERT OR UPDATE ON public.workflow_executions
  FOR EACH STATEMENT EXECUTE FUNCTION app.note();
CREATE TRIGGER app_note AFTER INSERT OR UPDATE ON public.approval_requests
  FOR EACH ROW EXECUTE FUNCTION app.note();
"""


@pytest.mark.parametrize("when", ["before", "while"])
def test_a_trigger_of_the_service_finds_what_the_path_of_the_database_leads_to(
    database: Database, when: str
):  # P7: also where it is created while a daemon runs
    service = Service(database)
    service.workflow(ask(), allow())
    path = "ALTER DATABASE {} SET search_path = app, public"
    with database.connect() as administrator:
        administrator.execute(sql.SQL(path).format(sql.Identifier(database.name)))
    if when == "before":
        database.run(NOTES)
    with running(database):
        if when == "while":
            service.ended(_approved(service))
            database.run(NOTES)
        service.ended(_approved(service))
    assert {about for (about,) in database.run("SELECT about FROM app.notes")} == {
        "workflow_executions",
        "approval_requests",
    }


def _approved(service: Service) -> UUID:
    execution = service.paused()
    service.database.run("SELECT resumer.approve(%s)", service.asked(execution)[0])
    return execution


async def test_an_execution_is_set_apart_on_the_path_of_the_service_s_triggers(database: Database):
    # P7: else what cannot be written for a foreign trigger could not be set apart either
    service = Service(database)
    service.workflow(ask(), allow())
    with running(database):
        execution = service.paused()
    path = "ALTER DATABASE {} SET search_path = app, public"
    with database.connect() as administrator:
        administrator.execute(sql.SQL(path).format(sql.Identifier(database.name)))
    database.run(NOTES)
    session = await Store(database.url).session()
    async with session.connection:
        await quarantine(
            session, execution, Incident("turn_failed", "as the server says it", "retry")
        )
    assert service.standing(execution) == ("paused", "incident")
    assert database.run("SELECT about FROM app.notes") == [("workflow_executions",)]
