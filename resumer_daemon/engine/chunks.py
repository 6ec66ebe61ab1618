"""Advance through the chunks of a long `foreach`: nothing there waits for the world.

Where the world says `hold`, a flow that waits for nothing stands still instead: a manual pause.
"""

from collections.abc import Mapping
from types import MappingProxyType

from resumer_daemon.engine.advance import advance
from resumer_daemon.engine.branch import Waiting, Ways
from resumer_daemon.engine.outcome import Advance, EffectResult, Effects, Incident, Paused
from resumer_daemon.engine.state import State
from resumer_daemon.engine.world import World
from resumer_daemon.workflow.definition import Definition
from resumer_daemon.workflow.values import Json

CHUNKS = 100
NO_RESULTS: Mapping[str, EffectResult] = MappingProxyType({})


def advance_through(
    definition: Definition,
    state: State,
    context: Mapping[str, Json],
    world: World,
    results: Mapping[str, EffectResult] = NO_RESULTS,
) -> Advance:
    """Advance until there is something to wait for, or until others should move first.

    What each chunk recorded is put together. Where others should move the outcome is `Effects(())`:
    record it, and advance again.
    """
    advanced = advance(definition, state, context, world, results)
    for _ in range(CHUNKS):
        if advanced.outcome != Effects(()):
            return advanced
        if world.hold:
            return advanced._replace(
                outcome=Paused("manual", advanced.state.step, Ways(), Waiting())
            )
        if world.out_of_time() or advanced.written >= world.limits.written:
            return advanced
        more = advance(definition, advanced.state, context, world)
        advanced = more._replace(
            records=advanced.records + more.records,
            writes=advanced.writes + more.writes,
            withdrawn=advanced.withdrawn + more.withdrawn,
            written=advanced.written + more.written,
        )
    limit = CHUNKS * world.limits.chunk
    detail = f"more than {limit:,} steps inside of one step"
    outcome = Incident("step_budget", detail, "make the list shorter, then retry")
    return advanced._replace(outcome=outcome)
