"""The rules and entities that an advance needs before it starts.

Loading `context.load` is a read, so it is sent again if its result is unknown. The state keeps the
documents that were found until the context is built.
"""

from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

from resumer_daemon.engine.identifiers import digest, effect_key
from resumer_daemon.engine.inputs import AdvanceInputs, ClaimedExecution, Endpoint, Rule
from resumer_daemon.engine.outcome import Effect, EffectResult
from resumer_daemon.workflow.context import build, entity_of, key_of
from resumer_daemon.workflow.definition import ConditionStep, Definition, Step
from resumer_daemon.workflow.errors import StepError
from resumer_daemon.workflow.templates import Names, render_text
from resumer_daemon.workflow.values import Json

CONTEXT_PATH = "context.load/"


def effects_to_load(
    definition: Definition,
    loads: Mapping[str, Json],
    claimed: ClaimedExecution,
    inputs: AdvanceInputs,
) -> tuple[Effect, ...]:
    """Return the requests for documents that are not loaded and have an endpoint."""
    return tuple(
        _load_effect(path, endpoint, key, claimed, inputs)
        for path in definition.context_load
        if path not in loads
        and (endpoint := endpoint_of(path, inputs.endpoints)) is not None
        and (key := key_of(path, claimed.payload)) is not None
    )


def endpoint_of(path: str, endpoints: Mapping[str, Endpoint]) -> Endpoint | None:
    """Return the endpoint of this path, else that of its entity, else None."""
    return endpoints.get(path) or endpoints.get(entity_of(path))


def loaded_documents(results: Mapping[str, EffectResult]) -> dict[str, Json]:
    """Return the documents by path, None for a document that could not be loaded."""
    return {
        path.removeprefix(CONTEXT_PATH): _document_of(result) for path, result in results.items()
    }


def build_context(
    definition: Definition,
    loads: Mapping[str, Json],
    claimed: ClaimedExecution,
    inputs: AdvanceInputs,
) -> dict[str, Json]:
    """Build the context from the payload and the documents, in the order of the definition."""
    found = {path: loads[path] for path in definition.context_load if loads.get(path) is not None}
    return build(claimed.payload, found, inputs.now)


def _load_effect(
    path: str, endpoint: Endpoint, key: str, claimed: ClaimedExecution, inputs: AdvanceInputs
) -> Effect:
    names = Names(inputs.now, inputs.execution_id, inputs.execution_key, inputs.workflow_id, "")
    headers = {
        name: render_text(value, {}, names, set()) for name, value in endpoint.headers.items()
    }
    if claimed.organization is not None:
        headers["X-Organization-ID"] = str(claimed.organization)
    effect_path = f"{CONTEXT_PATH}{path}"
    return Effect(
        path=effect_path,
        key=effect_key(digest(inputs, effect_path, 0, "")),
        kind="context",
        request={
            "method": "GET",
            "url": endpoint.url.replace("{id}", quote(key, safe="")),
            "headers": {"Accept": "application/json"} | headers,
            "body": None,
        },
        attempt=1,
        delivery="at_least_once",
    )


def _document_of(result: EffectResult) -> Json:
    """Return the document in a response, None if it is incomplete or an error."""
    document = result.data.get("response")
    whole = result.error is None and not result.data.get("response_truncated")
    return document if whole and isinstance(document, dict | list) else None


def rule_ids(definition: Definition) -> frozenset[str]:
    """Return the rules that a definition uses, so that they can be read before the advance."""
    return frozenset(_rule_ids(definition.steps))


def condition_of(step: ConditionStep, rules: Mapping[str, Rule]) -> Json:
    """Return the condition of a step, from the step or its rule.

    Raises:
        StepError: The rule is missing, disabled, empty or of another type.
    """
    if step.rule_id is None:
        return step.condition
    rule = rules.get(step.rule_id)
    if rule is None:
        raise StepError(f"rule not found: {step.rule_id}")
    if not rule.enabled:
        raise StepError(f"rule is disabled: {step.rule_id}")
    if rule.rule_type != "condition":
        raise StepError(f"rule is not a condition but of type {rule.rule_type}: {step.rule_id}")
    conditions = rule.definition.get("conditions") if isinstance(rule.definition, dict) else None
    if not isinstance(conditions, list) or not conditions:
        raise StepError(f"rule has no condition: {step.rule_id}")
    return conditions[0]


def _rule_ids(steps: Iterable[Step]) -> Iterator[str]:
    for step in steps:
        match step.type:
            case "condition" if step.rule_id is not None:
                yield step.rule_id
            case "parallel" | "foreach":
                yield from _rule_ids(step.steps)
