"""What an advance is told of the world beside its execution: rules, cached entities, the time."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog

from resumer_daemon.config import RecordTarget, Settings
from resumer_daemon.daemon.allowance import Allowance
from resumer_daemon.engine.inputs import Claimed, Endpoint, RecordTable, Rule, World
from resumer_daemon.engine.plan import Program
from resumer_daemon.engine.planner import Programs
from resumer_daemon.engine.preload import endpoint_of, rule_ids
from resumer_daemon.store.arrays import array
from resumer_daemon.store.session import Session
from resumer_daemon.workflow.context import entity_of, key_of
from resumer_daemon.workflow.values import Json, load

log = structlog.get_logger()

Loaded = Mapping[UUID, Mapping[str, Json]]
Rules = Mapping[UUID | None, Mapping[str, Rule]]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The facts of one batch; `steps` is where pauses of other programs stand."""

    settings: Settings
    now: datetime
    rules: Rules
    loaded: Loaded
    endpoints: Mapping[str, Endpoint]
    records: Mapping[str, RecordTable | Endpoint]
    steps: Mapping[UUID, str]
    allowance: Allowance = field(default_factory=Allowance)

    def world(self, claimed: Claimed) -> World:
        """Return what is told of the world to one execution, whose time begins now."""
        self.allowance.begin()
        return World(
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
            hold=claimed.stops is not None,
            steps_after=claimed.paused_at,
            out_of_time=self.allowance.used_up,
        )


async def gather(
    session: Session,
    settings: Settings,
    batch: Sequence[Claimed],
    programs: Programs,
    now: datetime,
) -> Surroundings:
    """Read what these executions need; nothing is asked that none of them needs.

    `now` is the database's time: every deadline is counted from it.
    """
    endpoints = {
        name: Endpoint(each.url, each.headers) for name, each in settings.context_endpoints.items()
    }
    return Surroundings(
        settings,
        now,
        rules=await _rules(session, programs),
        loaded=await _loaded(session, endpoints, batch, programs),
        endpoints=endpoints,
        records={entity: _target(each) for entity, each in settings.records.items()},
        steps=await _last_steps(session, batch),
    )


def _target(target: RecordTarget) -> RecordTable | Endpoint:
    if target.table is not None:
        return RecordTable(target.table, target.key, target.columns)
    return Endpoint(target.url or "", target.headers)


async def _rules(session: Session, programs: Programs) -> Rules:
    found = (*programs.kept.values(), *programs.current.values())
    named = [rule_ids(each.definition) for each in found if isinstance(each, Program)]
    wanted = frozenset().union(*named)
    if not wanted:
        return {}
    cursor = await session.run("read_rules", {"rule_ids": array(wanted)})
    rules: dict[UUID | None, dict[str, Rule]] = defaultdict(dict)
    for row in await cursor.fetchall():
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
    batch: Sequence[Claimed],
    programs: Programs,
) -> Loaded:
    """Read from the service's cache what definitions that begin ask for."""
    wanted = [(c, path, key) for c in batch for path, key in _asked_for(c, programs)]
    if not wanted:
        return {}
    cursor = await session.run(
        "read_context_cache",
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
    for row in await cursor.fetchall():
        try:
            loaded[row["execution_id"]][row["path"]] = load(row["data"])
        except ValueError as error:
            log.warning("context_unreadable", path=row["path"], error=str(error))
    for claimed, path, key in wanted:
        if path not in loaded[claimed.id] and not (key and endpoint_of(path, endpoints)):
            log.warning("context_not_loaded", execution=claimed.key, path=path, key=key)
    return loaded


def _asked_for(claimed: Claimed, programs: Programs) -> Iterator[tuple[str, str | None]]:
    """Yield each path of `context.load` with the id that the payload has for its entity."""
    begins = claimed.status == "pending"
    found = programs.current.get(claimed.workflow) if begins and claimed.workflow else None
    if not isinstance(found, Program):
        return
    for path in found.definition.context_load:
        yield path, key_of(path, claimed.payload)


async def _last_steps(session: Session, batch: Sequence[Claimed]) -> Mapping[UUID, str]:
    ids = [c.id for c in batch if c.to_find]
    if not ids:
        return {}
    cursor = await session.run("read_last_steps", {"ids": array(ids)})
    return {row["execution_id"]: row["step_id"] for row in await cursor.fetchall()}
