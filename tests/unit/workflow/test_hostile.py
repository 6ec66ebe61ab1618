"""Definitions and data of no good will: a clear result or a fault, and nothing else."""

from datetime import UTC, datetime
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resumer_daemon.workflow.checks.document import check
from resumer_daemon.workflow.conditions import EXISTENCE, OPERATORS, decide, explain
from resumer_daemon.workflow.context import build, effective
from resumer_daemon.workflow.definition import Definition
from resumer_daemon.workflow.errors import DefinitionError, StepError
from resumer_daemon.workflow.parser import parse_definition
from resumer_daemon.workflow.secret_refs import mask_secrets, resolve_secrets
from resumer_daemon.workflow.templates import Names, render
from resumer_daemon.workflow.values import dump, load, to_text, values_equal

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
NAMES = Names(NOW, "e", "exec_1", "w", "s")
KEYS = Path(__file__).with_name("hostile_keys.txt").read_text().split()
WORDS = Path(__file__).with_name("hostile_words.txt").read_text().splitlines()

texts = st.one_of(
    st.sampled_from(WORDS),
    st.text(max_size=8),
    st.sampled_from(["\0", "\ud800", "\ufdd0T\ufdd1", ""]),
)
scalars = st.one_of(
    st.none(), st.booleans(), texts, st.integers(), st.sampled_from([2**64, -(10**30), 10**4000]),
    st.decimals(allow_nan=False, allow_infinity=False),
)  # fmt: skip
keys = st.one_of(st.sampled_from(KEYS), st.text(max_size=4))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=6)),
    max_leaves=12,
)
objects = st.dictionaries(keys, values, max_size=8)
step_types = st.sampled_from(WORDS[:7])
steps = st.lists(
    st.builds(
        lambda id_, type_, rest: {**rest, "id": id_, "type": type_},
        st.sampled_from("abcd") | texts, step_types | scalars, objects,
    ), max_size=5,
)  # fmt: skip
documents = st.one_of(
    values | st.floats() | st.decimals(),
    st.builds(lambda found, rest: {**rest, "steps": found}, steps, objects),
    st.builds(lambda found, rest: {"definition": {**rest, "steps": found}}, steps, objects),
)
comparisons = st.fixed_dictionaries(
    {"field": texts, "operator": st.sampled_from([*OPERATORS, *EXISTENCE, "like"])},
    optional={"value": values},
)
conditions = st.recursive(
    comparisons | values,
    lambda inner: st.dictionaries(st.sampled_from(["and", "or"]), st.lists(inner, max_size=3)),
    max_leaves=8,
)
contexts = st.dictionaries(st.sampled_from(["order", "a", "b", "now", "order.total"]), values)

generated = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@generated
@given(documents)
def test_any_document_becomes_a_definition_or_is_refused(document):
    try:
        definition = parse_definition(document)
    except DefinitionError:
        return
    assert Definition.model_validate(definition.model_dump()) == definition
    assert [step.id for step in definition.steps] == list(definition.positions)


@generated
@given(documents)
def test_any_document_can_be_checked(document):
    for finding in check(document):
        assert finding.path.startswith("$")
        assert finding.message


@generated
@given(conditions, contexts)
def test_any_condition_is_answered_or_a_fault(condition, context):
    answer, error = None, None
    try:
        answer = decide(condition, context)[0]
    except StepError as fault:
        error = str(fault)
    assert (answer is None) == (error is not None)
    assert explain(condition, context)[-1].error == error


@generated
@given(values, contexts)
def test_any_value_is_rendered_or_a_fault(template, context):
    unresolved: set[str] = set()
    try:
        rendered = render(template, context, NAMES, unresolved)
        text = dump(rendered)
    except StepError:
        return
    assert dump(mask_secrets(rendered)).count("\ufdd0") == 0
    assert render(template, context, NAMES, set()) == rendered
    resolve_secrets(load(text), lambda name: f"<{name}>")


@generated
@given(values)
def test_a_value_that_can_be_written_reads_back_as_the_same(value):
    try:
        text = dump(value)
    except StepError:
        return
    read = load(text)
    assert dump(read) == dump(load(dump(read)))
    assert values_equal(read, load(text))


@generated
@given(values, values)
def test_equality_is_symmetric_and_agrees_with_print(left, right):
    try:
        answers = values_equal(left, right), values_equal(right, left)
    except StepError:
        return
    assert answers[0] == answers[1]
    scalars = all(not isinstance(side, list | dict) for side in (left, right))
    if answers[0] and scalars and left is not None:
        assert to_text(left) == to_text(right)


@generated
@given(values, st.dictionaries(texts, values, max_size=3), values)
def test_any_payload_becomes_a_context(payload, loaded, resume_data):
    context = build(payload, loaded, NOW)
    assert context["_meta"]["version"] == "1.0"
    assert effective(context, resume_data).keys() >= context.keys()
