"""The checker of chaos, on facts made by hand: each invariant is silent, and speaks once broken."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.chaos.checker import (
    SKEW,
    Execution,
    Facts,
    Intent,
    Receipt,
    Settled,
    Write,
    violations,
)
from tests.chaos.messages import Message, Told

END = datetime.fromtimestamp(100, UTC)


def receipt(place: str, at: float, **changed: object) -> Receipt:
    made = Receipt(at, f"{place}-key", 1, f"{place}-sha", "one", place)
    return replace(made, **changed)  # type: ignore[arg-type]


SENT = [receipt("a", 1), receipt("b", 2), receipt("c", 3)]
STEPS = [("a", "completed"), ("w", "completed"), ("b", "completed"), ("c", "completed")]
WAITED = Execution("one", "wait", "completed", "allowed", END, STEPS, pauses=1)

SOUND = Facts(
    receipts=SENT,
    executions=[WAITED],
    journal=[Intent(each.key, "one", "done") for each in SENT],
    writes=[Write(each.key, "first", "first") for each in SENT],
    ledger=[Settled("asked", "approved", "applied")],
    decided={"asked": "approved"},
    interrupted=0,
    incidents=0,
    told=[],
    messages=[],
)
TOLD = replace(
    SOUND,
    receipts=SENT[:2],
    executions=[replace(WAITED, shape="tells", pauses=0, steps=STEPS[:3])],
    journal=SOUND.journal[:2],
    told=[Told("t-key", "one")],
    messages=[Message("t-key", "one", "delivered")],
)


def with_receipts(*more: Receipt) -> Facts:
    return replace(SOUND, receipts=[*SENT, *more])


def with_execution(**changed: object) -> Facts:
    return replace(SOUND, executions=[replace(WAITED, **changed)])  # type: ignore[arg-type]


def with_ledger(*rows: Settled) -> Facts:
    return replace(SOUND, ledger=rows)


@pytest.mark.parametrize("facts", [SOUND, TOLD], ids=["wait", "tells"])
def test_sound_facts_break_no_invariant(facts: Facts):
    assert violations(facts) == []


ALLOWED: dict[str, Facts] = {
    "an interrupted attempt came twice": replace(with_receipts(receipt("c", 3.5)), interrupted=1),
    "a failed attempt was followed by another": with_receipts(receipt("c", 3.5, attempt=2)),
    "an old attempt came again before a later place": with_receipts(receipt("a", 2.5, attempt=2)),
    "a second decision came late": with_ledger(
        Settled("asked", "approved", "applied"), Settled("asked", "approved", "duplicate")
    ),
    "an attempt came again after the end": with_receipts(receipt("c", 200, attempt=2)),
    "the last place came a little after the end": replace(
        SOUND, receipts=[*SENT[:2], receipt("c", 100 + SKEW / 2)]
    ),
    "a step failed before it was completed": with_execution(steps=[("b", "failed"), *STEPS]),
    "a message came twice": replace(TOLD, told=[*TOLD.told, *TOLD.told]),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_the_checker_allows_that(name: str):
    assert violations(ALLOWED[name]) == []


BROKEN: dict[str, tuple[Facts, list[str]]] = {
    "a decision left no request": (with_ledger(), ["I1 decision asked"]),
    "a decision was held": (
        with_ledger(Settled("asked", "approved", "held")),
        ["I1 decision asked"],
    ),
    "a decision was not settled": (
        with_ledger(Settled("asked", "approved", None)),
        ["I1 decision asked"],
    ),
    "the ledger has the opposite decision": (
        with_ledger(Settled("asked", "rejected", "applied")),
        ["I1 decision asked"],
    ),
    "an execution did not end": (
        with_execution(status="paused", result=None),
        ["I1 one is paused"],
    ),
    "an execution was blocked": (
        with_execution(result="blocked"),
        ["I1 one is completed, blocked"],
    ),
    "a message was not delivered": (
        replace(TOLD, messages=[Message("t-key", "one", "pending")]),
        ["I1 message t-key is pending"],
    ),
    "a message did not come": (replace(TOLD, told=[]), ["I1 Told(key='t-key'"]),
    "a decision was applied twice": (
        with_ledger(*[Settled("asked", "approved", "applied")] * 2),
        ["I2 decision asked was applied 2 times"],
    ),
    "a key had two bodies": (
        with_receipts(receipt("c", 4, attempt=2, sha256="other")),
        ["I3 key c-key came with 2 bodies"],
    ),
    "a key stood for two places": (
        with_receipts(receipt("b", 4, key="c-key", sha256="c-sha", attempt=2)),
        ["I4 key c-key stands for", "I4 one sent b under 2 keys"],
    ),
    "a key stood for two executions": (
        with_receipts(receipt("c", 4, execution="two", attempt=2)),
        ["I4 key c-key stands for"],
    ),
    "an effect came under two keys": (
        with_receipts(receipt("c", 4, key="again", sha256="again")),
        ["I4 one sent c under 2 keys", "I4 key again has no intent"],
    ),
    "an effect is missing": (
        replace(SOUND, receipts=SENT[:2], journal=SOUND.journal[:2]),
        ["I4 one: missing frozenset({'c'})"],
    ),
    "an effect was not in the workflow": (
        replace(
            with_receipts(receipt("x", 4)),
            journal=[*SOUND.journal, Intent("x-key", "one", "done")],
        ),
        ["I4 one: missing frozenset(), extra {'x'}"],
    ),
    "an intent is open": (
        replace(SOUND, journal=[*SOUND.journal[:2], Intent("c-key", "one", "intent")]),
        ["I4 intent c-key of one is intent"],
    ),
    "an intent failed": (
        replace(SOUND, journal=[*SOUND.journal[:2], Intent("c-key", "one", "failed")]),
        ["I4 intent c-key of one is failed"],
    ),
    "an intent is done and never came": (
        replace(SOUND, journal=[*SOUND.journal, Intent("ghost", "one", "done")]),
        ["I4 intent ghost is done, and never came"],
    ),
    "a request came without an intent": (
        replace(SOUND, journal=SOUND.journal[:2]),
        ["I4 key c-key has no intent"],
    ),
    "a step was completed twice": (
        with_execution(steps=[*STEPS, ("b", "completed")]),
        ["I4 one has steps recorded that often: {'b': 2}"],
    ),
    "a pause is missing": (with_execution(pauses=0), ["I4 one has 0 pauses"]),
    "a message has no row": (
        replace(TOLD, messages=[]),
        ["I4 Told(key='t-key'", "I4 one has 0 messages"],
    ),
    "a message was written twice": (
        replace(
            TOLD,
            told=[*TOLD.told, Told("u-key", "one")],
            messages=[*TOLD.messages, Message("u-key", "one", "delivered")],
        ),
        ["I4 one has 2 messages"],
    ),
    "a daemon wrote after another had taken over": (
        replace(SOUND, writes=[*SOUND.writes, Write("c-key", "first", "second")]),
        ["I5 first wrote c-key, whose lease second had taken"],
    ),
    "something began after the end": (
        replace(SOUND, receipts=[*SENT[:2], receipt("c", 101 + SKEW)]),
        ["I7 one began something 6.0 s after its end"],
    ),
    "a place came before the one it follows": (
        replace(SOUND, receipts=[receipt("a", 1), receipt("b", 3), receipt("c", 2)]),
        ["I8 one sent ['c'] too early"],
    ),
    "an attempt came twice and nothing was interrupted": (
        with_receipts(receipt("c", 3.5)),
        ["1 requests too many, where 0 were interrupted"],
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_the_checker_sees_that(name: str):
    facts, expected = BROKEN[name]
    found = violations(facts)
    assert len(found) == len(expected), found
    for line, beginning in zip(found, expected, strict=True):
        assert line.startswith(beginning)
