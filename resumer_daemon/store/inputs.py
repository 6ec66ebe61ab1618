"""Inputs of a batch beside its executions: rules, cached entities, last steps and CPU time."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import thread_time
from typing import Any, Final
from uuid import UUID

import structlog

from resumer_daemon.config import RecordTarget, Settings
from resumer_daemon.engine.inputs import (
    AdvanceInputs,
    ClaimedExecution,
    Endpoint,
    RecordTable,
    Rule,
)
from resumer_daemon.engine.plan import PinnedDefinition
from resumer_daemon.engine.planner import Definitions
from resumer_daemon.engine.preload import endpoint_of, rule_ids
from resumer_daemon.store.arrays import array
from resumer_daemon.store.session import Session
from resumer_daemon.workflow.context import entity_of, key_of
from resumer_daemon.workflow.values import Json, load

EXECUTION_SECONDS: Final = 0.05
"""CPU seconds of one execution."""

BATCH_SECONDS: Final = 2.0
"""CPU seconds of one batch."""


class CpuAllowance:
    """The CPU time of one batch. When it is used up, each execution still takes one step."""

    def __init__(self) -> None:
        self._end = thread_time() + BATCH_SECONDS
        self._until = 0.0

    def begin(self) -> None:
        """Start the time of the next execution."""
        self._until = min(thread_time() + EXECUTION_SECONDS, self._end)

    def used_up(self) -> bool:
        """Return whether the current execution has used its time."""
        return thread_time() >= self._until


log = structlog.get_logger()

Loaded = Mapping[UUID, Mapping[str, Json]]
Rules = Mapping[UUID | None, Mapping[str, Rule]]


@dataclass(frozen=True, slots=True)
class BatchInputs:
    """The inputs of one batch. `steps`: the last step of each pause of another program."""

    settings: Settings
    now: datetime
    rules: Rules
    loaded: Loaded
    endpoints: Mapping[str, Endpoint]
    records: Mapping[str, RecordTable | Endpoint]
    steps: Mapping[UUID, str]
    allowance: CpuAllowance = field(default_factory=CpuAllowance)

    def for_execution(self, claimed: ClaimedExecution) -> AdvanceInputs:
        """Return the inputs of one execution, whose CPU time begins now."""
        self.allowance.begin()
        return AdvanceInputs(
            now=self.now,
            execution_id=claimed.id,
            execution_key=claimed.key,
            workflow_id=claimed.workflow_key,
            pause_number=claimed.last_pause,
            rules=self.rules.get(claimed.organization, {}),
            loaded=self.loaded.get(claimed.id, {}),
            endpoints=self.endpoints,
            records=self.records,
            notification_templates=self.settings.notification_templates,
            approval_url=self.settings.approval_url,
            default_timeout=self.settings.default_timeout,
            action_errors=self.settings.action_errors,
            stop_before_next_step=claimed.manual_pause is not None,
            steps_began_by=claimed.paused_at,
            out_of_time=self.allowance.used_up,
        )


async def load_inputs(
    session: Session,
    settings: Settings,
    batch: Sequence[ClaimedExecution],
    definitions: Definitions,
    now: datetime,
) -> BatchInputs:
    """Read what these executions need, and run no statement that none of them needs.

    `now` is the database's time. Every deadline counts from it.
    """
    endpoints = {
        name: Endpoint(each.url, each.headers) for name, each in settings.context_endpoints.items()
    }
    return BatchInputs(
        settings,
        now,
        rules=await _rules(session, definitions),
        loaded=await _loaded(session, endpoints, batch, definitions),
        endpoints=endpoints,
        records={entity: _target(each) for entity, each in settings.record_targets.items()},
        steps=await _last_steps(session, batch),
    )


def _target(target: RecordTarget) -> RecordTable | Endpoint:
    if target.table is not None:
        return RecordTable(target.table, target.key, target.columns)
    return Endpoint(target.url or "", target.headers)


async def _rules(session: Session, definitions: Definitions) -> Rules:
    found = (*definitions.pinned.values(), *definitions.current.values())
    named = [rule_ids(each.definition) for each in found if isinstance(each, PinnedDefinition)]
    wanted = frozenset().union(*named)
    if not wanted:
        return {}
    rules: dict[UUID | None, dict[str, Rule]] = defaultdict(dict)
    for row in await session.fetch_all("inputs.read_rules", {"rule_ids": array(wanted)}):
        rules[row["organization_id"]][row["rule_id"]] = _rule(row)
    return rules


def _rule(row: Mapping[str, Any]) -> Rule:
    try:
        definition = load(row["definition"])
    except ValueError as error:
        log.warning("rule_unreadable", rule=row["rule_id"], error=str(error))
        definition = None
    return Rule(row["rule_type"], row["enabled"], definition)


async def _loaded(
    session: Session,
    endpoints: Mapping[str, Endpoint],
    batch: Sequence[ClaimedExecution],
    definitions: Definitions,
) -> Loaded:
    """Read the entities that starting executions load from the service's cache."""
    wanted = [(c, path, key) for c in batch for path, key in _wanted_entities(c, definitions)]
    if not wanted:
        return {}
    rows = await session.fetch_all(
        "inputs.read_context_cache",
        {
            "execution_ids": array(c.id for c, _, _ in wanted),
            "organizations": array(c.organization for c, _, _ in wanted),
            "paths": array(path for _, path, _ in wanted),
            "entities": array(entity_of(path) for _, path, _ in wanted),
            "keys": array(key for _, _, key in wanted),
            "timezone": session.timezone,
        },
    )
    loaded: dict[UUID, dict[str, Json]] = defaultdict(dict)
    for row in rows:
        try:
            loaded[row["execution_id"]][row["path"]] = load(row["data"])
        except ValueError as error:
            log.warning("context_unreadable", path=row["path"], error=str(error))
    for claimed, path, key in wanted:
        if path not in loaded[claimed.id] and not (key and endpoint_of(path, endpoints)):
            log.warning("context_not_loaded", execution=claimed.key, path=path, key=key)
    return loaded


def _wanted_entities(
    claimed: ClaimedExecution, definitions: Definitions
) -> Iterator[tuple[str, str | None]]:
    """Yield each path of `context.load` with the id of its entity in the payload."""
    begins = claimed.status == "pending"
    found = definitions.current.get(claimed.workflow) if begins and claimed.workflow else None
    if not isinstance(found, PinnedDefinition):
        return
    for path in found.definition.context_load:
        yield path, key_of(path, claimed.payload)


async def _last_steps(session: Session, batch: Sequence[ClaimedExecution]) -> Mapping[UUID, str]:
    ids = [c.id for c in batch if c.needs_position]
    if not ids:
        return {}
    rows = await session.fetch_all("inputs.read_last_steps", {"ids": array(ids)})
    return {row["execution_id"]: row["step_id"] for row in rows}
