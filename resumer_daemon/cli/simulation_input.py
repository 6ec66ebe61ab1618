"""The input of `simulate`: an execution in the database, or a definition in a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from msgspec.structs import replace

from resumer_daemon.cli.common import open_session, settings
from resumer_daemon.config import Settings
from resumer_daemon.engine.adoption import adopt_pause
from resumer_daemon.engine.inputs import AdvanceInputs, ClaimedExecution
from resumer_daemon.engine.outcome import Incident
from resumer_daemon.engine.plan import PinnedDefinition
from resumer_daemon.engine.planner import Definitions, Found, InvalidDefinition
from resumer_daemon.errors import OperationRefused
from resumer_daemon.store import queries
from resumer_daemon.store.claim import select_without_lock
from resumer_daemon.store.definition_cache import DefinitionCache, parse
from resumer_daemon.store.inputs import BatchInputs, load_inputs
from resumer_daemon.store.queries import read_snapshot
from resumer_daemon.workflow.definition import Definition
from resumer_daemon.workflow.values import Json, load

_NOTHING: Final = Definition(steps=())


@dataclass(frozen=True, slots=True)
class Subject:
    """An execution, what it runs on, and the world as it is now. `row`: as `show` has it."""

    definition: Definition
    claimed: ClaimedExecution
    world: AdvanceInputs
    row: Mapping[str, Any]


def from_file(file: Path, payload: Json, chosen: Settings) -> Subject:
    """Return a new execution of the definition in a file.

    Raises:
        OperationRefused: The definition cannot be run.
    """
    try:
        text = file.read_bytes().decode()
    except UnicodeDecodeError as wrong:
        raise OperationRefused(f"definition refused: not UTF-8 at byte {wrong.start}") from None
    pinned = _usable(parse("", text))
    claimed = ClaimedExecution(
        id=UUID(int=0),
        key="exec_simulated",
        status="pending",
        workflow=None,
        workflow_key=str(load(text).get("workflow_id", "")),
        organization=None,
        context=None,
        resume_data=None,
        payload={} if payload is None else payload,
        pause=None,
        last_pause=0,
        requests=(),
        approvals=(),
    )
    batch_inputs = BatchInputs(
        chosen, datetime.now(UTC), rules={}, loaded={}, endpoints={}, records={}, steps={}
    )
    return Subject(pinned.definition, claimed, batch_inputs.for_execution(claimed), {})


async def from_database(key: str, url: str | None) -> Subject:
    """Return an execution in its present state.

    Raises:
        OperationRefused: It does not exist, cannot be read, or its definition cannot be run.
    """
    chosen = settings(database_url=url)
    async with open_session(url, reads=True) as session, read_snapshot(session):
        row = await queries.show_execution(session, key)
        batch = await select_without_lock(session, row["id"])
        if batch.unreadable:
            raise OperationRefused(f"{key} cannot be read: {batch.unreadable[0].why}")
        if batch.newer:
            raise OperationRefused(f"{key} cannot be read: a newer version wrote its state")
        [claimed] = batch.claimed
        definitions = await DefinitionCache().load_definitions(session, [claimed])
        batch_inputs = await load_inputs(session, chosen, [claimed], definitions, batch.now)
    claimed = replace(claimed, hold=None)  # as if it were not on hold
    world = replace(batch_inputs.for_execution(claimed), stop_before_next_step=False)
    if claimed.status not in ("pending", "paused"):
        return Subject(_NOTHING, claimed, world, row)
    pinned = _usable(_definition_of(definitions, claimed))
    if claimed.status == "paused" and claimed.pause is None:
        claimed = _adopted(claimed, pinned, batch_inputs.steps.get(claimed.id))
    return Subject(pinned.definition, claimed, world, row)


def _definition_of(definitions: Definitions, claimed: ClaimedExecution) -> Found:
    """Return the copy that it paused with, or else the definition as it is now."""
    if claimed.pause is not None and claimed.pause.definition is not None:
        return definitions.of_pause(claimed.pause)
    return definitions.of_workflow(claimed.workflow)


def _usable(found: Found) -> PinnedDefinition:
    if isinstance(found, InvalidDefinition):
        raise OperationRefused(found.why)
    return found


def _adopted(
    claimed: ClaimedExecution, pinned: PinnedDefinition, last_step: str | None
) -> ClaimedExecution:
    """Return another program's pause as a daemon would take it over."""
    taken = adopt_pause(claimed, pinned, last_step, claimed.used_approval_ids)
    if taken is None:
        raise OperationRefused("it is no pause: the service has blocked it")
    if isinstance(taken, Incident):
        raise OperationRefused(f"{taken.detail}; {taken.remedy}")
    return replace(claimed, pause=taken.as_read(), last_pause=taken.number)
