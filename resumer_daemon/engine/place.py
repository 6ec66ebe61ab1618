"""Where in the definition, and for which item, a step is tried."""

from collections.abc import Mapping
from typing import NamedTuple

from resumer_daemon.engine.branch import PAUSE, Ways
from resumer_daemon.engine.clock import Limit
from resumer_daemon.workflow.values import Json


class Place(NamedTuple):
    """One place in one run; a tuple, for each step of each advance makes one.

    `context` is what the step sees, an item in its scope included. `following` is the next step
    in the list. `container` is the top-level step that this is inside of, None at the top level.
    `flows`: ways are followed here. `delay` is the backoff of the retry that leads here.
    """

    path: str
    visit: int
    context: Mapping[str, Json]
    following: str | None = None
    container: str | None = None
    flows: bool = True
    depth: int = 0
    limit: Limit | None = None
    delay: float = 0.0

    @property
    def branch(self) -> str:
        """The path under which what waits here is known."""
        return PAUSE if self.container is None else self.path

    def ways(self, ways: Ways) -> Ways:
        """Return where the answer to a pause leads: inside of a container always on with that."""
        if self.container is None:
            return ways
        return Ways(*(self.container,) * 5)
