"""The actions of an `execute` list, each by its type."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from resumer_daemon.engine.actions.approval import create_approval_request
from resumer_daemon.engine.actions.messages import notify
from resumer_daemon.engine.actions.records import create_record, update_record
from resumer_daemon.engine.actions.task import Task, shown
from resumer_daemon.engine.actions.webhook import webhook
from resumer_daemon.workflow.errors import Fault
from resumer_daemon.workflow.values import Json

Action: TypeAlias = Callable[[Task], dict[str, Json] | None]


def carry_out(task: Task) -> dict[str, Json] | None:
    """Do an action and return its rendered parameters; None while its effect has no result.

    Raises:
        ActionFailed: It has failed, and may be repeated.
        Fault: It has failed, and repeating it would change nothing.
    """
    action = _ACTIONS.get(task.act.type)
    if action is None:
        raise Fault(f"unknown action type: {task.act.type or 'no type is given'}")
    return action(task)


def _log(task: Task) -> dict[str, Json]:
    return shown(message=task.text("message"))


_ACTIONS: Final[Mapping[str, Action]] = {
    "log": _log,
    "notify": notify,
    "webhook": webhook,
    "http_request": webhook,
    "create_record": create_record,
    "update_record": update_record,
    "create_approval_request": create_approval_request,
}
