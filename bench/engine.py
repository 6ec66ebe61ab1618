"""Microseconds of the pure engine: a step, a resume, and what JSON costs beside it.

In CPU time, for it waits for nothing, and others may share the machine.
"""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from statistics import median
from typing import Any
from uuid import UUID

from bench.ground import DEFINITION, PAYLOAD, WITHOUT_DECIMALS
from bench.report import Row
from resumer_daemon.engine.advance import advance_once, begin
from resumer_daemon.engine.inputs import AdvanceInputs, DecidedApproval, Decision
from resumer_daemon.engine.outcome import Paused
from resumer_daemon.engine.resume import resume
from resumer_daemon.workflow.parser import parse_definition
from resumer_daemon.workflow.values import Json, dump, load

CALLS, ROUNDS = 2_000, 7
CONTEXT = load(json.dumps(PAYLOAD))
WORLD = AdvanceInputs(datetime.now(UTC), UUID(int=1), "exec_bench", "bench", 1)
DECISION = Decision(DecidedApproval(UUID(int=2), "appr_bench", "approved", None, None, None), ())


def measure() -> list[Row]:
    """Measure and return a row each; the floor of a resume is reading its context."""
    rows = [
        _row("engine: condition step", _steps(_conditions(50)), 50, 10),
        _row("engine: allow step", _steps(_allows(50)), 50, 10),
    ]
    contexts = {
        "with an order of 1.6 KB": PAYLOAD,
        "at 1 KB without decimals": WITHOUT_DECIMALS,
        "at 50 KB without decimals": {**WITHOUT_DECIMALS, "notes": "x" * 50_000},
    }
    for label, context in contexts.items():
        text = json.dumps(context)
        low = _microseconds(partial(_round_trip, text), 1)
        ours = _microseconds(_resume(load(text)), 1)
        rows.append(
            Row(
                f"engine: resume {label} (floor: its JSON)",
                "us",
                low,
                ours,
                ours / low,
                30,
                "<=",
                True,
            )
        )
    return rows


def _round_trip(text: str) -> str:
    return dump(load(text))


def _row(name: str, work: Callable[[], Any], per: int, target: float) -> Row:
    floor = _microseconds(lambda: None, 1)
    ours = _microseconds(work, per)
    return Row(name, "us", floor, ours, ours / floor, target, "<=", absolute=True)


def _conditions(count: int) -> list[Json]:
    condition = {"field": "order.total", "operator": "gt", "value": 1}
    return [
        {"id": f"c{n}", "type": "condition", "condition": condition, "on_true": f"c{n + 1}"}
        for n in range(count - 1)
    ] + [{"id": f"c{count - 1}", "type": "condition", "condition": condition}]


def _allows(count: int) -> list[Json]:
    return [
        {
            "id": f"a{n}",
            "type": "action",
            "action": "allow",
            **({"next": f"a{n + 1}"} if n + 1 < count else {}),
        }
        for n in range(count)
    ]


def _steps(steps: list[Json]) -> Callable[[], Any]:
    definition = parse_definition({"steps": steps})
    state = begin(definition, None)
    return lambda: advance_once(definition, state, CONTEXT, WORLD)


def _resume(context: dict[str, Json]) -> Callable[[], Any]:
    """From the answer to the end: a resume, a condition, an allow."""
    definition = parse_definition(DEFINITION)
    paused = advance_once(definition, begin(definition, None), context, WORLD)
    if not isinstance(paused.outcome, Paused):
        raise TypeError("the definition of the benchmark pauses")
    ways = paused.outcome.next_steps

    def once() -> Any:
        return advance_once(
            definition, resume(definition, paused.state, ways, DECISION), context, WORLD
        )

    return once


def _microseconds(work: Callable[[], Any], per: int) -> float:
    """Return the median microseconds of one call (or of one of `per` things in it)."""
    calls = max(50, CALLS // per)
    found = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(calls):
            work()
        found.append((time.process_time() - began) / calls / per * 1e6)
    return median(found)
