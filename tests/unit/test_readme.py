"""The documents say what the program is: tables, commands, paths, links and snippets."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args
from uuid import UUID

import psycopg
import pytest

from resumer_daemon.config import load_settings as load_settings
from resumer_daemon.daemon.failures import Cause
from resumer_daemon.daemon.maintenance import background_tasks
from resumer_daemon.engine.planner import UnreadableCause
from resumer_daemon.engine.steps.basic import GATE
from resumer_daemon.engine.vocabulary import RequestOutcome
from resumer_daemon.store.statements import TEXTS
from resumer_daemon.workflow.checks.document import check
from resumer_daemon.workflow.conditions import decide
from resumer_daemon.workflow.context import build
from resumer_daemon.workflow.errors import StepError
from resumer_daemon.workflow.parser import parse_definition
from resumer_daemon.workflow.templates import Names, render
from resumer_daemon.workflow.values import Json, dump, load
from tests.harness import Database
from tests.unit import documents
from tests.unit.documents import DOCUMENTS, ROOT, Block, between, blocks, prose, rows

README = ROOT / "README.md"
WORKFLOWS = ROOT / "docs" / "workflows.md"
NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
NAMES = Names(NOW, UUID(int=1), "exec_0001", "order_approval", "ship")
LONGEST = 160  # with a session each of SQL, a shell and HTTP

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


@pytest.mark.parametrize("name", documents.GENERATED)
def test_generated_table_matches_the_code(name: str):
    document, generate = documents.GENERATED[name]
    expected = generate()
    assert between(document, name) == expected, f"make tables writes {document.name} anew"


def test_readme_is_short():
    lines = README.read_text("utf-8").splitlines()
    assert len([line for line in lines if not line.startswith("|")]) <= LONGEST


@each_document
def test_named_commands_exist(document: Path):
    known = documents.commands()
    for words in _lines("resumer-daemon", document):
        name = next((n for n in (" ".join(words[:2]), *words[:1]) if n in known), None)
        assert name or not words or words == ["migrate"], f"no command: {' '.join(words)}"
        options = {option for p in known[name].params for option in p.opts} if name else set()
        unknown = {w.split("=")[0] for w in words if w.startswith("--")} - options - {"--help"}
        assert not unknown, f"{name} has no {unknown}"


@each_document
def test_named_make_targets_exist(document: Path):
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    named = {words[0] for words in _lines("make", document) if words}
    assert named <= set(targets)


def _lines(program: str, document: Path) -> Iterator[list[str]]:
    """Return the words that follow a program's name, in code that is to be typed."""
    typed = [line for b in blocks(document) if b.form == "sh" for line in b.text.splitlines()]
    for line in (*typed, *re.findall("`([^`]+)`", prose(document))):
        found = re.search(rf"(?:^|[ =]){program}(?= |$)((?: +(?:--)?\w[\w=.-]*)*)", line)
        if found and not line.startswith("docker build"):
            yield found[1].split()


@each_document
def test_links_have_a_target(document: Path):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(document)):
        if not target.startswith("https://"):
            path, _, heading = target.partition("#")
            file = document.parent / path if path else document
            assert file.exists(), target
            assert not heading or heading in _headings(file), target


def _headings(document: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", prose(document), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in titles}


@each_document
def test_named_paths_exist(document: Path):
    top = {path.name for path in ROOT.iterdir()}
    for named in re.findall(r"`([\w.-]+(?:/[\w.-]*)*)`", prose(document)):
        is_path = named.split("/")[0] in top or named.endswith(("/", ".sql", ".py", ".md", ".json"))
        assert not is_path or (ROOT / named).exists(), named


def _source(pattern: str) -> set[str]:
    """Return what a pattern finds in the program."""
    files = (ROOT / "resumer_daemon").rglob("*.py")
    return {name for file in files for name in re.findall(pattern, file.read_text("utf-8"))}


def _named(document: str, marker: str) -> set[str]:
    return {row[0] for row in rows(between(ROOT / "docs" / document, marker))}


def test_metrics_page_lists_every_log_event():
    assert _named("metrics.md", "events") == _source(r'\b(?:log\.\w+|_wait_to_retry)\(\s*"(\w+)"')


def test_operating_page_lists_every_background_task():
    settings = load_settings(database_url="postgresql://h/d")
    made: Any = SimpleNamespace(found=None, facts=None)
    assert _named("operating.md", "tasks") == {
        t.name for t in background_tasks(settings, made, made, made)
    }


def test_operating_page_lists_every_incident_cause():
    of_batches = {*get_args(Cause), *get_args(UnreadableCause)}
    written = _source(r'\bIncident\(\s*"(\w+)"') | {GATE}
    assert _named("operating.md", "causes") == written | of_batches


def test_design_page_lists_every_outcome():
    assert _named("design.md", "outcomes") == set(get_args(RequestOutcome))


def test_design_page_lists_every_table(database: Database):
    tables = database.run("SELECT tablename FROM pg_tables WHERE schemaname = 'resumer'")
    assert _named("design.md", "tables") == {name for (name,) in tables}


@pytest.mark.parametrize("tour", ["tour", "pause tour"])
def test_guided_tour_names_existing_code(tour: str):
    for where, names, _ in rows(between(ROOT / "docs" / "design.md", tour)):
        text = (ROOT / where).read_text("utf-8")
        for name in re.findall(r"[\w.]+", names):
            pattern = rf"(?:def|class|FUNCTION|TRIGGER|VIEW) (?:resumer\.)?{name}\b"
            assert re.search(pattern, text), name


def test_sql_page_names_existing_functions(database: Database):
    functions = database.run(
        "SELECT proname || '(' || array_to_string(proargnames[:pronargs], ', ') || ')' FROM pg_proc"
        " WHERE pronamespace = 'resumer'::regnamespace"
    )
    assert _named("sql-api.md", "functions") <= {signature for (signature,) in functions}


SNIPPETS = [block for block in blocks(WORKFLOWS) if block.form == "json"]


@pytest.mark.parametrize("block", SNIPPETS, ids=range(len(SNIPPETS)))
def test_definition_in_the_documents_has_no_errors(block: Block):
    written = load(block.text)
    document = {"steps": written} if isinstance(written, list) else written
    if "definition" not in document:
        document = {"trigger": {"type": "manual"}, **document}
    assert parse_definition(document).steps
    assert [f for f in check(document) if f.severity == "error"] == []


def _context() -> dict[str, Json]:
    [payload] = [block for block in blocks(WORKFLOWS) if block.form == 'json title="payload"']
    return build(load(payload.text), {}, NOW)


@pytest.mark.parametrize(("condition", "answer"), rows(between(WORKFLOWS, "conditions")))
def test_condition_in_the_documents_has_the_shown_answer(condition: str, answer: str):
    try:
        holds: Any = str(decide(load(condition), _context())[0]).lower()
    except StepError as fault:
        holds = f"error: {fault}"
    assert holds == answer


@pytest.mark.parametrize(("template", "becomes"), rows(between(WORKFLOWS, "templates")))
def test_template_in_the_documents_becomes_the_shown_value(template: str, becomes: str):
    assert dump(render(load(template), _context(), NAMES, set())) == becomes


def _understood(connection: psycopg.Connection, statement: str) -> None:
    """Run a statement; that the execution of the document is not there is understood, too."""
    try:
        with connection.transaction():
            connection.execute(statement.encode())
    except psycopg.DatabaseError as refusal:
        if refusal.sqlstate != "RZ404":
            raise


def test_sql_in_the_documents_runs(database: Database):
    example = load((ROOT / "examples" / "high_value_order_approval.json").read_text("utf-8"))
    with database.connect() as connection:
        for document in DOCUMENTS:
            for block in (b for b in blocks(document) if b.form == "sql"):
                with connection.transaction(force_rollback=True):
                    connection.execute(
                        "INSERT INTO workflows (workflow_id, version, name, definition)"
                        " VALUES (%s, %s, %s, %s::jsonb)",
                        [
                            example["workflow_id"],
                            example["version"],
                            example["name"],
                            dump(example),
                        ],
                    )
                    for statement in re.split(r"(?<=;)\n", block.text):
                        _understood(connection, statement)


def test_readme_names_each_table_that_the_daemon_may_use():
    granted = re.findall(
        r"\('resumer_daemon', '([A-Z ]+)', '(\w+)'", TEXTS["grants.missing_grants"]
    )
    introduction = README.read_text("utf-8").partition("## Try it")[0]
    sentences = re.sub(r"\s+", " ", introduction).split(". ")
    [reads] = [each for each in sentences if each.startswith("It reads")]
    [writes] = [each for each in sentences if each.startswith("It writes")]
    written = {table for verbs, table in granted if "INSERT" in verbs or "UPDATE" in verbs}
    assert set(re.findall("`(\\w+)`", writes)) == written
    read = {table for verbs, table in granted if verbs == "SELECT"}
    assert {*re.findall("`(\\w+)`", reads), *written} == read | written
