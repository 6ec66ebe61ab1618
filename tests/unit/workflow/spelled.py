"""Short ways to what a single step becomes."""

from typing import Any

from resumer_daemon.workflow.definition import BrokenStep
from resumer_daemon.workflow.parser import normalise


def step(written: Any, step_id: str = "s") -> Any:
    return normalise({"steps": [{"id": step_id, **written}]}).steps[0]


def error(written: Any) -> str:
    broken = step(written)
    assert isinstance(broken, BrokenStep)
    return broken.error
