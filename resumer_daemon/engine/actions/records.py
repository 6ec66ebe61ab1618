"""Records: written to the table that the settings name, sent to their URL, or put into the outbox.

What goes to a table is an effect that stays in the database: the shell writes it in the transaction
that records its result, so it is there exactly once, and a failure is the step's.
"""

from urllib.parse import quote

from resumer_daemon.engine.actions.attempt import attempt
from resumer_daemon.engine.actions.messages import put
from resumer_daemon.engine.actions.task import Task
from resumer_daemon.engine.world import Endpoint, RecordTable
from resumer_daemon.workflow.errors import Fault
from resumer_daemon.workflow.secret_refs import secrets_in
from resumer_daemon.workflow.values import Json


def create_record(task: Task) -> dict[str, Json] | None:
    """Make a new record; None while there is no result."""
    body = {"entity": task.needed("entity"), "data": task.value("data")}
    match task.walk.world.records.get(body["entity"]):
        case RecordTable() as table:
            return attempt(task, "record", lambda: _row(task, table, body))
        case Endpoint() as endpoint:
            return attempt(task, "webhook", lambda: _record_request(task, "POST", endpoint, body))
        case None:
            return put(task, "create_record", body)


def update_record(task: Task) -> dict[str, Json] | None:
    """Change a record; None while there is no result."""
    body = {
        "entity": task.needed("entity"),
        "entity_id": task.needed("entity_id"),
        "data": task.value("data"),
    }
    match task.walk.world.records.get(body["entity"]):
        case RecordTable() as table:
            return attempt(task, "record", lambda: _row(task, table, body))
        case Endpoint() as endpoint:
            return attempt(task, "webhook", lambda: _record_request(task, "PATCH", endpoint, body))
        case None:
            return put(task, "update_record", body)


def _row(task: Task, table: RecordTable, body: dict[str, Json]) -> dict[str, Json]:
    """Return what is to be written, of columns that may be."""
    data = body["data"]
    if not isinstance(data, dict) or not data:
        raise Fault(f"{task.act.type} needs data: an object with columns of {table.name}")
    if forbidden := sorted(data.keys() - table.columns):
        raise Fault(f"{task.act.type}: not among the columns allowed: {', '.join(forbidden)}")
    if secrets_in(body):
        raise Fault(f"{task.act.type}: secrets are in what is sent, never in a table")
    return {"table": table.name, "key": table.key, **body}


def _record_request(
    task: Task, method: str, endpoint: Endpoint, body: dict[str, Json]
) -> dict[str, Json]:
    headers = {name: task.rendered(value) for name, value in endpoint.headers.items()}
    identity = quote(str(body.get("entity_id", "")), safe="")
    url = endpoint.url.replace("{id}", identity)
    return {"method": method, "url": url, "headers": headers, "body": body}
