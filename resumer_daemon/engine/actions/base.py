"""The parts that all actions share: rendered parameters, identity, attempts and failures.

An effect is rendered once, so all attempts send the same request.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from resumer_daemon.engine.identifiers import digest, effect_key
from resumer_daemon.engine.outcome import EffectResult
from resumer_daemon.engine.runtime import Deadline, Run, Scope, earlier
from resumer_daemon.engine.state import StepProgress, exact
from resumer_daemon.workflow.definition import Action, Step
from resumer_daemon.workflow.errors import StepError
from resumer_daemon.workflow.secret_refs import mask_secrets
from resumer_daemon.workflow.templates import Names, render, render_text, render_url
from resumer_daemon.workflow.values import Json


class ActionFailed(Exception):
    """An action failed. Another attempt may succeed, unless it is `final`."""

    def __init__(
        self, error: str, retry_class: str | None, shown: dict[str, Json], *, final: bool = False
    ) -> None:
        super().__init__(error)
        self.retry_class = retry_class
        self.shown = shown
        self.final = final


@dataclass(slots=True)
class Task:
    """One action to run, with its step. `index` is its position in the list."""

    action: Action
    index: int
    step: Step
    scope: Scope
    run: Run
    progress: StepProgress
    names: Names
    unresolved: set[str] = field(default_factory=set)

    @property
    def path(self) -> str:
        """The path of this action in the definition."""
        return f"{self.scope.path}#{self.index}"

    def digest(self) -> bytes:
        """Return the hash that the ids of this action are made of."""
        return digest(self.run.inputs, self.scope.path, self.scope.visit, str(self.index))

    def value(self, name: str) -> Json:
        """Return a rendered parameter, None if it is missing."""
        given = self.action.params.get(name)
        if given is None:
            return None
        return render(given, self.scope.context, self.names, self.unresolved)

    def text(self, name: str) -> str | None:
        """Return a parameter rendered as text, None if it is missing or empty."""
        given = self.action.params.get(name)
        if given is None:
            return None
        return self.rendered(given) or None

    def rendered(self, given: Json) -> str:
        """Return a template rendered as text."""
        return render_text(given, self.scope.context, self.names, self.unresolved)

    def needed(self, name: str) -> str:
        """Return a required parameter as text.

        Raises:
            StepError: It is missing or empty.
        """
        return self._given(name, self.text(name))

    def url(self) -> str:
        """Return the parameter `url`, with references percent-encoded.

        Raises:
            StepError: It is missing, empty or invalid.
        """
        given = self.action.params.get("url")
        if given is None:
            raise self.needs("url")
        url = render_url(given, self.scope.context, self.names, self.unresolved)
        return self._given("url", url)

    def _given(self, name: str, text: str | None) -> str:
        if text is None or not text.strip():
            raise self.needs(name)
        return text

    def needs(self, name: str) -> StepError:
        """Return the error of an action without a required parameter."""
        return StepError(f"{self.action.type} needs {name}")


def recordable(**parameters: Json) -> dict[str, Json]:
    """Return rendered parameters to record, without secrets and missing ones."""
    return {name: mask_secrets(value) for name, value in parameters.items() if value is not None}


def run_effect(
    task: Task, kind: Literal["webhook", "record"], render: Callable[[], dict[str, Json]]
) -> dict[str, Json] | None:
    """Send an effect, or return its result. None while there is no result.

    `render` makes the request, and is called once for all attempts.

    Raises:
        ActionFailed: The effect failed.
        StepError: A parameter is missing or invalid.
    """
    pending = task.progress.pending
    if pending is None:
        pending = {"key": effect_key(task.digest()), "kind": kind, "request": render()}
        _begin_attempt(task, pending, attempt=1)
    elif pending.get("failed"):
        _begin_attempt(task, pending, attempt=pending["attempt"] + 1)
    elif (result := task.run.results.get(task.path)) is not None:
        return _with_result(task, pending, result)
    return None  # `Run` returns effects in flight again


def _begin_attempt(task: Task, pending: Mapping[str, Json], attempt: int) -> None:
    """Begin an attempt. A later advance finds it in flight."""
    deadline = _deadline(task)
    if deadline is not None and deadline.at <= task.run.clock + task.scope.delay:
        raise ActionFailed(deadline.error(), "timeout", recordable(**pending["request"]))
    pending = {name: pending[name] for name in ("key", "kind", "request")} | {"attempt": attempt}
    if task.scope.delay:
        pending["delay"] = exact(task.scope.delay)
    if task.step.delivery != "at_least_once":
        pending["delivery"] = task.step.delivery
    if deadline is not None:
        pending["until"] = exact(deadline.at)
    task.progress.pending = pending
    task.run.add_effect(task.scope.path, len(task.progress.results), pending)


def _deadline(task: Task) -> Deadline | None:
    timeout = task.step.timeout
    if timeout is None:
        return task.scope.deadline
    return earlier(Deadline(task.progress.clock + timeout, timeout), task.scope.deadline)


def _with_result(task: Task, pending: Mapping[str, Json], result: EffectResult) -> dict[str, Json]:
    seen = recordable(**pending["request"]) | dict(result.data)
    status = result.data.get("status_code")
    error, failed_as = result.error, result.retry_class
    if error is None and isinstance(status, int) and not 200 <= status <= 299:
        error, failed_as = f"webhook answered {status}", str(status)
    if error is None:
        task.progress.pending = None
        return seen
    task.progress.pending = {**pending, "failed": True}
    at_most_once = task.step.delivery == "at_most_once" and result.sent
    raise ActionFailed(error, failed_as, seen, final=at_most_once or failed_as == "fault")
