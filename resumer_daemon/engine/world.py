"""What the engine is told of the world, for it asks nothing itself."""

from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import datetime
from typing import Literal
from uuid import UUID

from resumer_daemon.frozen import frozen
from resumer_daemon.workflow.definition import NESTED, WIDEST
from resumer_daemon.workflow.values import Json


@frozen
class Rule:
    """A row of `rules` as it is now; a missing rule is absent from `World.rules`."""

    rule_type: str
    enabled: bool
    definition: Json


@frozen
class Endpoint:
    """Where a resource of `context.load` is had over HTTP: `{id}` in the URL is its entity's id.

    Headers are templates, so that they can name secrets.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)


@frozen
class RecordTable:
    """Where records of an entity are rows: the table, the column that names one, what is written.

    Only these columns may be.
    """

    name: str
    key: str
    columns: frozenset[str]


@frozen
class Limits:
    """The caps that keep a stranger's definition bounded (settings; defaults of the semantics).

    `chunk` is how many steps inside of a `foreach` one advance runs before the shell records them,
    `written` how many characters of records and messages.
    """

    step_budget: int = 1_000
    items: int = 10_000
    depth: int = NESTED
    width: int = WIDEST
    chunk: int = 1_000
    written: int = 4_000_000


def never() -> bool:
    """Say that there is all the time in the world."""
    return False


@frozen
class World:
    """The facts of one advance. `elapsed` is the seconds run since the state was recorded.

    `now` is the time of the database. `steps_after`: all steps of earlier advances began by then.

    `hold`: stop before the next step, for a person wants the execution to pause. `out_of_time`
    tells whether others should move first: then the flow stops before a step of the top level or of
    a `foreach`, and goes on from there. Members of a `parallel` begin together.
    """

    now: datetime
    execution_id: UUID
    execution_key: str
    workflow_id: str
    pause_number: int = 0
    elapsed: float = 0.0
    rules: Mapping[str, Rule] = field(default_factory=dict)
    loaded: Mapping[str, Json] = field(default_factory=dict)
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    records: Mapping[str, RecordTable | Endpoint] = field(default_factory=dict)
    notification_templates: Mapping[str, str] = field(default_factory=dict)
    approval_url: str = ""
    default_timeout: float | None = None
    action_errors: Literal["fail", "record"] = "fail"
    limits: Limits = Limits()
    hold: bool = False
    steps_after: datetime | None = None
    out_of_time: Callable[[], bool] = never
