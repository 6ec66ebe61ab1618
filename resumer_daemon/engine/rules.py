"""What a condition step asks: its own condition, or that of a rule."""

from collections.abc import Iterable, Iterator, Mapping

from resumer_daemon.engine.world import Rule
from resumer_daemon.workflow.definition import ConditionStep, Definition, Step
from resumer_daemon.workflow.errors import Fault
from resumer_daemon.workflow.values import Json


def rule_ids(definition: Definition) -> frozenset[str]:
    """Return the rules that a definition may ask for, so that they can be read beforehand."""
    return frozenset(_rule_ids(definition.steps))


def condition_of(step: ConditionStep, rules: Mapping[str, Rule]) -> Json:
    """Return the condition that a step asks.

    Raises:
        Fault: Its rule is missing, disabled, empty or of another type.
    """
    if step.rule_id is None:
        return step.condition
    rule = rules.get(step.rule_id)
    if rule is None:
        raise Fault(f"rule not found: {step.rule_id}")
    if not rule.enabled:
        raise Fault(f"rule is disabled: {step.rule_id}")
    if rule.rule_type != "condition":
        raise Fault(f"rule is no condition but of type {rule.rule_type}: {step.rule_id}")
    conditions = rule.definition.get("conditions") if isinstance(rule.definition, dict) else None
    if not isinstance(conditions, list) or not conditions:
        raise Fault(f"rule has no condition: {step.rule_id}")
    return conditions[0]


def _rule_ids(steps: Iterable[Step]) -> Iterator[str]:
    for step in steps:
        match step.type:
            case "condition" if step.rule_id is not None:
                yield step.rule_id
            case "parallel" | "foreach":
                yield from _rule_ids(step.steps)
