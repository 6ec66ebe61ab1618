"""The commands as people and scripts use them: what they print, and the code they end with."""

import json
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from resumer_daemon.cli.app import app
from tests.harness import Database, every_vintage
from tests.harness.dump import dumped
from tests.harness.running import running
from tests.harness.service import Service, allow, ask

DONE, REFUSED, USAGE, UNREACHABLE = 0, 1, 2, 3
NOBODY = "postgresql://somebody:s3cret@127.0.0.1:1/nowhere"


def run(url: str | None, *arguments: str, code: int = DONE, **settings: str) -> str:
    """Run a command; return what it printed, in one line whatever the terminal is."""
    cleared = {"RESUMER_DATABASE_URL": url, "DATABASE_URL": None}
    named = {f"RESUMER_{name.upper()}": value for name, value in settings.items()}
    ended = CliRunner().invoke(app, arguments, env=cleared | named)
    assert ended.exit_code == code, f"{ended.exit_code}: {ended.output} {ended.exception!r}"
    return " ".join(ended.output.split())


@pytest.fixture
def service(database: Database) -> Service:
    made = Service(database)
    made.workflow(ask(timeout="1h"), allow())
    return made


@every_vintage
def test_migrate_goes_up_and_down_and_tells_where_it_is(unmigrated: Database):
    url = unmigrated.url
    before = json.loads(run(url, "migrate", "status", "--json"))
    assert {entry["applied_at"] for entry in before} == {None}
    assert "CREATE TABLE resumer.resume_requests" in run(url, "migrate", "up", "--sql")
    planned = run(url, "migrate", "up", "--dry-run")
    assert "No table of the service is scanned or rewritten." in planned
    assert "CREATE TABLE" not in planned
    assert json.loads(run(url, "migrate", "status", "--json")) == before
    printed = run(url, "migrate", "up")
    assert all(entry["name"] in printed for entry in before)
    after = json.loads(run(url, "migrate", "status", "--json"))
    assert all(entry["applied_at"] for entry in after)
    assert before[0]["name"] in run(url, "migrate", "status")
    assert "nothing to do" in run(url, "migrate", "up")
    asked = run(url, "migrate", "down", code=1)  # nobody said yes
    assert "0 executions are paused" in asked
    assert "0 daemons are connected" in asked
    assert "including the decision history?" in asked
    assert "migrations would be undone" in run(url, "migrate", "down", "--dry-run")
    assert "nothing to do" in run(url, "migrate", "up")
    run(url, "migrate", "down", "--yes")
    assert json.loads(run(url, "migrate", "status", "--json")) == before


def test_repair_creates_functions_and_triggers_again(database: Database):
    before = dumped(database, "catalogue")
    database.run("DROP FUNCTION resumer.sequences")
    database.run("DROP TRIGGER resumer_event_insert ON events")
    assert "repaired functions/sequences" in run(database.url, "migrate", "repair")
    assert dumped(database, "catalogue") == before


@pytest.mark.parametrize("vintage", ["v1"])
def test_up_says_that_rights_are_missing_where_the_roles_are_there(unmigrated: Database):
    url = unmigrated.url
    to_run = "run `resumer-daemon migrate grants`"
    run(url, "migrate", "grants")  # the roles belong to the server: other tests may have made them
    assert to_run in run(url, "migrate", "up")
    run(url, "migrate", "grants")
    assert to_run not in run(url, "migrate", "up")
    unmigrated.run("DROP FUNCTION resumer.sequences")
    unmigrated.run("DELETE FROM resumer.migrations WHERE name = 'functions/sequences'")
    assert to_run in run(url, "migrate", "up")


@every_vintage
def test_an_execution_is_started_listed_approved_and_shown(service: Service, database: Database):
    url = database.url
    with running(database):
        key = run(url, "start", "flow", "--payload", '{"order": {"id": "A-1"}}')
        [(execution,)] = database.run("SELECT resumer.find(%s)", key)
        service.until(execution, "paused")
        [listed] = json.loads(run(url, "list", "--status", "paused", "--json"))
        assert listed["id"] == str(execution)
        assert (listed["paused_for"], listed["paused_at_step"]) == ("approval_required", "ask")
        assert listed["asked"] == ["manager"]
        assert listed["execution_id"] in run(url, "list")
        [request] = service.asked(execution)
        approver = str(uuid4())
        decided = json.loads(
            run(url, "approve", request, "--as", approver, "--reason", "as always", "--json")
        )
        assert (decided["request_id"], decided["decision"]) == (request, "approved")
        service.ended(execution)
    shown = json.loads(run(url, "show", listed["execution_id"], "--json"))
    assert (shown["status"], shown["result"]) == ("completed", "allowed")
    assert [step["step"] for step in shown["steps"]] == ["ask", "release"]
    assert [a["decision_reason"] for a in shown["approvals"]] == ["as always"]
    assert [p["resumed_by"] for p in shown["pauses"]] == ["approval"]
    assert ("approval", "approved", "applied") in [
        (r["kind"], r["decision"], r["outcome"]) for r in shown["requests"]
    ]
    assert shown["resume_data"]["approval"]["approver_id"] == approver
    story = run(url, "show", str(execution))
    assert request in story
    assert "(as always)" in story
    assert json.loads(run(url, "list", "--status", "paused", "--json")) == []


def test_a_rejection_is_written_with_its_reason(service: Service, database: Database):
    with running(database):
        execution = service.paused()
        [request] = service.asked(execution)
        said = run(database.url, "reject", request, "--reason", "no")
        left = database.run("SELECT id FROM resumer.requests WHERE decision = 'rejected'")
        assert left == [(int(said.removeprefix(f"{request}: rejected, request ")),)]
        assert service.ended(execution)["result"] == "blocked"


def test_a_decision_that_is_not_possible_is_refused(service: Service, database: Database):
    with running(database):
        execution = service.paused()
        [request] = service.asked(execution)
    url = database.url
    assert "no approval request 'nobody'" in run(url, "approve", "nobody", code=REFUSED)
    run(url, "approve", request, "--as", "not a uuid", code=USAGE)
    run(url, "approve", request)
    assert "approved already" in run(url, "reject", request, code=REFUSED)
    late = service.approval(execution, "pending", expires_at="2020-01-01")
    assert "expired at" in run(url, "approve", late, code=REFUSED)
    assert service.decisions(execution) == [("approved", None)]


def test_a_start_that_is_not_possible_is_refused(service: Service, database: Database):
    url = database.url
    assert "no workflow 'nothing'" in run(url, "start", "nothing", code=REFUSED)
    assert "version 9" in run(url, "start", "flow", "--version", "9", code=REFUSED)
    assert "not JSON" in run(url, "start", "flow", "--payload", "{", code=USAGE)
    database.run("UPDATE workflows SET enabled = false")
    assert "disabled" in run(url, "start", "flow", code=REFUSED)
    assert database.run("SELECT count(*) FROM workflow_executions") == [(0,)]


def test_a_start_may_take_the_payload_of_another_execution(service: Service, database: Database):
    first = run(database.url, "start", "flow", "--payload", '{"order": 1}')
    again = run(database.url, "start", "flow", "--payload-of", first)
    assert (first[:5], again != first) == ("exec_", True)
    payloads = database.run("SELECT trigger_payload FROM workflow_executions")
    assert payloads == [({"order": 1},), ({"order": 1},)]
    both = ("--payload", "{}", "--payload-of", first)
    assert "not both" in run(database.url, "start", "flow", *both, code=USAGE)


@pytest.mark.parametrize("vintage", ["v5"])
def test_a_workflow_of_several_organisations_needs_one_to_be_named(
    service: Service, database: Database
):
    [(other,)] = database.run(
        "INSERT INTO organizations (name, slug) VALUES ('other', 'other') RETURNING id"
    )
    service.workflow(allow(), organization=other)
    assert "2 organisations" in run(database.url, "start", "flow", code=REFUSED)
    run(database.url, "start", "flow", "--organization", str(other))
    assert database.run("SELECT organization_id FROM workflow_executions") == [(other,)]


def test_what_is_not_there_is_refused(database: Database):
    assert "no execution 'exec_x'" in run(database.url, "show", "exec_x", code=REFUSED)


def test_names_that_look_like_markup_are_printed_as_they_are(service: Service, database: Database):
    workflow = service.workflow(ask(), name="[/red]")
    service.insert(
        "workflow_executions", workflow_id=workflow, execution_id="[/bold]", status="[blink]",
        result="[/]", error_message="[/dim] [link=http://x]",
    )  # fmt: skip
    assert "[/bold] [/red] [blink] [/]" in run(database.url, "list")
    assert "[/bold] [/red]: [blink]" in run(database.url, "show", "[/bold]")
    assert "no execution '[/x]'" in run(database.url, "show", "[/x]", code=REFUSED)
    assert "no approval request '[/y]'" in run(database.url, "approve", "[/y]", code=REFUSED)


@every_vintage
@pytest.mark.parametrize("command", ["list", "stats", "incidents", "approve appr_x", "pause x"])
def test_a_database_that_is_not_migrated_is_told_in_one_sentence(
    unmigrated: Database, command: str
):
    said = run(unmigrated.url, *command.split(), code=REFUSED)
    assert said == "error: the database is not migrated: run `resumer-daemon migrate up`"


def test_doctor_has_one_finding_where_the_database_is_not_migrated(unmigrated: Database):
    found = json.loads(run(unmigrated.url, "doctor", "--json", code=REFUSED))["checks"]
    wrong = [each for each in found if each["verdict"] == "error"]
    assert [(each["check"], each["remedy"]) for each in wrong] == [
        ("migrations", "resumer-daemon migrate up")
    ]


@pytest.mark.parametrize(
    "command",
    [
        ("list",),
        ("show", "exec_x"),
        ("start", "flow"),
        ("approve", "appr_x"),
        ("reject", "appr_x"),
        ("migrate", "up"),
        ("migrate", "down", "--yes"),
        ("migrate", "status"),
    ],
    ids=" ".join,
)
def test_without_a_database_a_command_ends_with_3_and_tells_no_secret(command: tuple[str, ...]):
    printed = run(NOBODY, *command, code=UNREACHABLE)
    assert "cannot connect to the database" in printed
    assert "s3cret" not in printed


@pytest.mark.parametrize("command", [("run",), ("list",), ("migrate", "up"), ("start", "flow")])
def test_wrong_settings_are_all_named_at_once(command: tuple[str, ...]):
    wrong = {
        "poll_interval": "never",
        "http_port": "99999",
        "service_timezone": "Mars/Olympus",
        "notify": "perhaps",
        "lease": "1s",
    }
    printed = run(NOBODY, *command, code=USAGE, **wrong)
    for name in wrong:
        assert f"RESUMER_{name.upper()}" in printed
    assert "s3cret" not in printed


def test_settings_that_do_not_go_together_are_wrong():
    printed = run(NOBODY, "run", code=USAGE, lease="5s", drain_timeout="10s")
    assert "drain_timeout must be shorter than lease" in printed


def test_without_any_address_the_setting_is_named():
    assert "RESUMER_DATABASE_URL" in run(None, "list", code=USAGE)


def test_an_unknown_option_is_a_matter_of_usage():
    run(NOBODY, "list", "--no-such-option", code=USAGE)
