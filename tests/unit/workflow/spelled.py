"""Short ways to what a single step becomes."""

from typing import Any

from resumer_daemon.workflow.definition import InvalidStep
from resumer_daemon.workflow.parser import parse_definition


def step(written: Any, step_id: str = "s") -> Any:
    return parse_definition({"steps": [{"id": step_id, **written}]}).steps[0]


def error(written: Any) -> str:
    broken = step(written)
    assert isinstance(broken, InvalidStep)
    return broken.error
