import re
from decimal import Decimal
from typing import Any

import pytest

from resumer_daemon.workflow.errors import FieldNotFound, StepError
from resumer_daemon.workflow.values import (
    DEPTH,
    DIGITS,
    MISSING,
    UnreadableJson,
    clean,
    dump,
    find,
    is_deeper,
    load,
    lookup,
    to_text,
    values_equal,
)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("123456789012345678901234567890", 123456789012345678901234567890),
        ("12500.50", Decimal("12500.50")),
        ("0.1", Decimal("0.1")),
        ("1e3", 1000),
        ("1.5e1", 15),
        ("1e-3", Decimal("0.001")),
        ("-0", 0),
        ('{"a":[true,null,"x"]}', {"a": [True, None, "x"]}),
        ('{"a":1,"a":2}', {"a": 2}),
        ('"\\u0000"', "\ufffd"),
        ('"\\ud800 \\udc00"', "\ufffd \ufffd"),
        ('"\\ud83d\\ude00"', "\U0001f600"),
        ('{"\\u0000":1}', {"\ufffd": 1}),
        ('"\\\\u0000"', "\\u0000"),
    ],
)
def test_json_is_read_exactly(text, value):
    read = load(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("{'a': 1}", "not JSON"),
        ("[1,]", "not JSON"),
        ('"\0"', "not JSON"),
        ("NaN", "not JSON: invalid character (line 1, column 1)"),
        ("[1,\n Infinity]", "not JSON: invalid character (line 2, column 2)"),
        ("-Infinity", "not JSON"),
        ("9" * 5000, "more than 4,300 digits"),
        ("0." + "9" * 5000, "more than 4,300 digits"),
        ("1e999999999", "more than 4,300 digits"),
        ("-1e-999999999", "more than 4,300 digits"),
        ("1e99999999999999999999999", "more than 4,300 digits"),
        ("1e4300", "more than 4,300 digits"),
        ("-1e4299", "more than 4,300 digits"),
        ("-" + "9" * 4300, "more than 4,300 digits"),
        ("1e-4300", "more than 4,300 digits"),
        ("0e999999999", "more than 4,300 digits"),
        ("[" * 3000 + "]" * 3000, "nested more than 128 levels deep"),
        ('{"a":' * 100_000, "nested more than 128 levels deep"),
        ("[" * (DEPTH + 1) + "]" * (DEPTH + 1), "nested more than 128 levels deep"),
    ],
    ids=lambda text: text[:20],
)
def test_what_cannot_be_kept_exactly_is_refused_with_the_reason(text, reason):
    with pytest.raises(UnreadableJson, match=re.escape(reason)):
        load(text)


def test_unreadable_is_a_value_error_and_a_fault():
    assert issubclass(UnreadableJson, ValueError)
    assert issubclass(UnreadableJson, StepError)


def test_the_limits_themselves_are_read():
    assert load("9" * DIGITS) == 10**DIGITS - 1
    for text in ("9" * DIGITS, "-1e4298", "9.9e4299", "1e-4298", "1." + "1" * (DIGITS - 1)):
        assert load(dump(load(text))) == load(to_text(load(text)))
    assert is_deeper(load("[" * DEPTH + "]" * DEPTH), DEPTH - 1)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        ({"a": [1, "x"]}, '{"a":[1,"x"]}'),
        (Decimal("12500.50"), "12500.50"),
        (10**30, "1" + "0" * 30),
        ([2**64 - 1, 2**64, -(2**63) - 1], f"[{2**64 - 1},{2**64},{-(2**63) - 1}]"),
        ({"d": Decimal("0.10"), "s": "\ud800\0"}, '{"d":0.10,"s":"\ufffd\ufffd"}'),
        ("ü\U0001f600", '"ü\U0001f600"'),
        ("\0", '"\ufffd"'),
        ("\ud800", '"\ufffd"'),
        ({"\0": "\udfff"}, '{"\ufffd":"\ufffd"}'),
        ("\\u0000", '"\\\\u0000"'),
        ("\\\0", '"\\\\\ufffd"'),
        ("a\nb", '"a\\nb"'),
    ],
)
def test_json_is_written_for_jsonb(value, text):
    assert dump(value) == text


@pytest.mark.parametrize(
    "value", [Decimal("NaN"), Decimal("Infinity"), object(), nested(100_000), [10**5000]]
)
def test_what_is_no_json_is_not_written(value):
    with pytest.raises(UnreadableJson):
        dump(value)


@pytest.mark.parametrize(
    "value", [Decimal("Infinity"), {1: 2}, (1, 2), b"", nested(DEPTH + 1), [10**5000]]
)
def test_what_load_would_never_return_is_not_clean(value):
    with pytest.raises(UnreadableJson):
        clean(value)


def test_cleaning_gives_what_load_would_have_given():
    dirty = {"\0": ["\ud800", 1.5, 10**20, None, True, Decimal("1.0"), {}]}
    assert clean(dirty) == {
        "\ufffd": ["\ufffd", Decimal("1.5"), 10**20, None, True, Decimal(1), {}]
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "x"),
        (None, ""),
        (True, "true"),
        (False, "false"),
        (17, "17"),
        (-0, "0"),
        (10**21, "1" + "0" * 21),
        (Decimal("12500.50"), "12500.5"),
        (Decimal("100.00"), "100"),
        (Decimal("1E+3"), "1000"),
        (Decimal("1E-10"), "0.0000000001"),
        (Decimal("-0.0"), "0"),
        ([1, {"a": None}], '[1,{"a":null}]'),
        ({}, "{}"),
    ],
)
def test_a_value_prints_in_a_text(value, text):
    assert to_text(value) == text


def test_a_number_of_any_length_prints_all_its_digits():
    assert to_text(Decimal("0." + "1" * 60)) == "0." + "1" * 60


def test_equal_numbers_print_the_same():
    for left, right in [(1, Decimal("1.0")), (0, Decimal("-0")), (1000, Decimal("1e3"))]:
        assert values_equal(left, right)
        assert to_text(left) == to_text(right)


def test_equality_is_not_bounded_by_the_stack():
    assert values_equal(nested(10_000), nested(10_000))
    assert not values_equal(nested(10_000), nested(9_999))


def test_a_path_that_leads_nowhere_says_so():
    with pytest.raises(FieldNotFound, match=r"^field not found: order\.total$") as caught:
        lookup("order.total", {"order": {}})
    assert caught.value.path == "order.total"
    assert find("order.total", {"order": {}}) is MISSING
