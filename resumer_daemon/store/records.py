"""Records of entities that are mapped to tables: written where their result is recorded."""

from collections.abc import Mapping

from psycopg import sql

from resumer_daemon.engine.outcome import EffectResult
from resumer_daemon.store.session import Session
from resumer_daemon.workflow.values import Json, dump

FAULTS = ("22", "42")  # classes of SQLSTATE that another attempt does not mend: data, names


async def write(session: Session, request: Mapping[str, Json]) -> EffectResult:
    """Write one record in the transaction at hand; a refusal is a result."""
    named = request["table"].split(".")
    place = named if len(named) > 1 else [session.schema, *named]
    facts = {
        "table": sql.Identifier(*place).as_string(),
        "key": request["key"],
        "identity": request.get("entity_id"),
        "data": dump(request["data"]),
        "search_path": session.service_path.path,
    }
    cursor = await session.run("write_record", facts)
    row = await cursor.fetchone()
    if row is None:
        raise LookupError("a function has always an answer")
    if row["error"] is None:
        return EffectResult(data={"id": row["written"]})
    state = row["failed_as"]
    failed_as = "fault" if state.startswith(FAULTS) else state
    return EffectResult(f"record refused ({state}): {row['error']}", failed_as, sent=False)
