"""Load what a batch needs beside its executions: definitions, rules, cached entities, the time.

Definitions and rules are parsed once. They are found by fingerprint and never change.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic, thread_time
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
from resumer_daemon.engine.plan import DefinitionCopy, PinnedDefinition, Plan
from resumer_daemon.engine.planner import Definitions, Found, InvalidDefinition
from resumer_daemon.engine.preload import endpoint_of, rule_ids
from resumer_daemon.store.arrays import array
from resumer_daemon.store.session import Session
from resumer_daemon.workflow.context import entity_of, key_of
from resumer_daemon.workflow.errors import DefinitionError
from resumer_daemon.workflow.parser import parse_definition
from resumer_daemon.workflow.values import Json, load

EACH: Final = 0.05
TURN: Final = 2.0


class CpuAllowance:
    """The CPU time of one batch. When it is used up, each execution still takes one step."""

    def __init__(self) -> None:
        self._end = thread_time() + TURN
        self._until = 0.0

    def begin(self) -> None:
        """Start the time of the next execution."""
        self._until = min(thread_time() + EACH, self._end)

    def used_up(self) -> bool:
        """Return whether the current execution has used its time."""
        return thread_time() >= self._until


CAPACITY = 1_000
KEPT = 3_600.0
"""Seconds until a definition in use is stored again; an unused one is deleted after days."""


class DefinitionCache:
    """A cache of parsed definitions, and the texts of those that may not be stored yet."""

    def __init__(self) -> None:
        self._found: OrderedDict[str, Found] = OrderedDict()
        self._copies: dict[str, DefinitionCopy] = {}
        self._kept: dict[str, float] = {}

    async def programs(self, session: Session, batch: Sequence[ClaimedExecution]) -> Definitions:
        """Return the definitions that these executions may run on; read those not cached."""
        hashes = {c.pause.definition for c in batch if c.pause and c.pause.definition}
        await self._read(session, hashes)
        current = {c.workflow for c in batch if c.workflow and _needs_current(c)}
        return Definitions(
            {h: self._found[h] for h in hashes if h in self._found},
            await self._current(session, current),
        )

    async def kept_copy(self, session: Session, fingerprint: str) -> Found:
        """Return the definition with this fingerprint."""
        await self._read(session, {fingerprint})
        return self._found.get(
            fingerprint, InvalidDefinition("the copy of its definition was deleted")
        )

    async def _read(self, session: Session, hashes: Set[str]) -> None:
        missing = [h for h in hashes if not isinstance(self._found.get(h), PinnedDefinition)]
        if not missing:
            return
        for row in await session.fetch_all("inputs.read_definitions", {"hashes": array(missing)}):
            self._keep(row["sha256"], row["definition"])

    async def _current(self, session: Session, workflows: Iterable[UUID]) -> dict[UUID, Found]:
        ids = list(workflows)
        if not ids:
            return {}
        rows = await session.fetch_all("inputs.read_workflows", {"ids": array(ids)})
        return {row["id"]: self._take(row) for row in rows}

    def _take(self, row: Mapping[str, Any]) -> Found:
        fingerprint: str = row["sha256"]
        if fingerprint not in self._found:
            self._keep(fingerprint, row["definition"])
        if monotonic() - self._kept.get(fingerprint, -KEPT) >= KEPT:
            found = self._found[fingerprint]
            awaits = (
                found.definition.awaited if isinstance(found, PinnedDefinition) else frozenset()
            )
            self._copies[fingerprint] = DefinitionCopy(row["definition"], awaits)
        return self._found[fingerprint]

    def _keep(self, fingerprint: str, text: str) -> None:
        self._found[fingerprint] = parse(fingerprint, text)
        while len(self._found) > CAPACITY:
            forgotten, _ = self._found.popitem(last=False)
            self._copies.pop(forgotten, None)
            self._kept.pop(forgotten, None)

    @property
    def copies(self) -> Mapping[str, DefinitionCopy]:
        """Current definitions that no committed pause has kept for an hour."""
        return self._copies

    def mark_stored(self, plans: Iterable[Plan]) -> None:
        """Note that plans are committed, and with them the definitions they paused with."""
        for plan in plans:
            if (
                plan.definition_sha256 is not None
                and self._copies.pop(plan.definition_sha256, None) is not None
            ):
                self._kept[plan.definition_sha256] = monotonic()


def parse(fingerprint: str, text: str) -> Found:
    """Parse the text of a definition, or return why it is invalid."""
    try:
        return PinnedDefinition(fingerprint, parse_definition(load(text)))
    except (DefinitionError, ValueError) as error:
        return InvalidDefinition(f"definition refused: {error}")


def _needs_current(claimed: ClaimedExecution) -> bool:
    if claimed.status == "pending" or claimed.needs_position:
        return True
    return claimed.status == "paused" and claimed.pause is not None and not claimed.pause.definition


log = structlog.get_logger()

Loaded = Mapping[UUID, Mapping[str, Json]]
Rules = Mapping[UUID | None, Mapping[str, Rule]]


@dataclass(frozen=True, slots=True)
class BatchInputs:
    """The facts of one batch; `steps` is where pauses of other programs stand."""

    settings: Settings
    now: datetime
    rules: Rules
    loaded: Loaded
    endpoints: Mapping[str, Endpoint]
    records: Mapping[str, RecordTable | Endpoint]
    steps: Mapping[UUID, str]
    allowance: CpuAllowance = field(default_factory=CpuAllowance)

    def world(self, claimed: ClaimedExecution) -> AdvanceInputs:
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
    programs: Definitions,
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
        rules=await _rules(session, programs),
        loaded=await _loaded(session, endpoints, batch, programs),
        endpoints=endpoints,
        records={entity: _target(each) for entity, each in settings.record_targets.items()},
        steps=await _last_steps(session, batch),
    )


def _target(target: RecordTarget) -> RecordTable | Endpoint:
    if target.table is not None:
        return RecordTable(target.table, target.key, target.columns)
    return Endpoint(target.url or "", target.headers)


async def _rules(session: Session, programs: Definitions) -> Rules:
    found = (*programs.pinned.values(), *programs.current.values())
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
    programs: Definitions,
) -> Loaded:
    """Read the entities that starting executions load from the service's cache."""
    wanted = [(c, path, key) for c in batch for path, key in _asked_for(c, programs)]
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


def _asked_for(
    claimed: ClaimedExecution, programs: Definitions
) -> Iterator[tuple[str, str | None]]:
    """Yield each path of `context.load` with the id of its entity in the payload."""
    begins = claimed.status == "pending"
    found = programs.current.get(claimed.workflow) if begins and claimed.workflow else None
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
