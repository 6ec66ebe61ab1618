"""The pointer of an execution while it moves: only forward, step by step."""

from resumer_daemon.engine.state import Awaits, Result, State
from resumer_daemon.engine.verdict import Passed


class Pointer:
    """Where the top level stands during one advance."""

    def __init__(self, state: State) -> None:
        self.step = state.step
        self.visits = dict(state.visits)
        self.taken = state.taken
        self.result: Result = state.result
        self.reason = state.reason
        self.awaits: Awaits | None = None

    def enter(self, step_id: str) -> None:
        """Count a step that is run now."""
        self.visits[step_id] = self.visits.get(step_id, 0) + 1
        self.taken += 1

    def follow(self, passed: Passed) -> None:
        """Go the way of a step that is done; a deciding action sets the result."""
        self.step = passed.way
        if passed.result is not None:
            self.result = passed.result
            self.reason = passed.reason
