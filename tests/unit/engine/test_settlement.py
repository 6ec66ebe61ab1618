"""All requests of one execution together: which one moves it, and what becomes of each."""

from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from resumer_daemon.engine.event_matching import matches_event
from resumer_daemon.engine.inputs import (
    APPROVAL_DELETED,
    EXTERNAL_DECISION,
    Approval,
    ClaimedExecution,
    Decision,
    Event,
    Manual,
    Pause,
    ResumeRequest,
    TimedOut,
)
from resumer_daemon.engine.settlement import settle
from resumer_daemon.engine.state import Branch, NextSteps, State, StepProgress, WaitCondition

ONE, TWO, OLD = UUID(int=1), UUID(int=2), UUID(int=9)
ANN, BOB = UUID(int=11), UUID(int=12)
PAUSE = Pause(
    1, "approval_required", "ask", NextSteps(), WaitCondition(2), None, None,
    approval_ids=(ONE, TWO), prior_approval_ids=frozenset({OLD}),
)  # fmt: skip
FOREIGN = replace(PAUSE, approval_ids=(), wait=WaitCondition(), prior_approval_ids=frozenset())
INCIDENT = replace(PAUSE, reason="incident")
WAIT = replace(PAUSE, reason="waiting_for_event", wait=WaitCondition(event="paid"), approval_ids=())


def claimed(
    *requests: ResumeRequest, one: str = "pending", two: str = "pending", status: str = "paused",
    pause: Pause | None = PAUSE, **others: Any,
) -> ClaimedExecution:  # fmt: skip
    approvals = (
        Approval(ONE, "appr_1", one, ANN, "r", decided_at="2026-01-31T09:30:00Z"),
        Approval(TWO, "appr_2", two, BOB, "r", decided_at="2026-01-31T09:31:00Z"),
    )
    given = {"approvals": approvals, "resume_data": None, **others}
    return ClaimedExecution(
        id=UUID(int=5), key="exec_1", status=status, workflow=None, workflow_key="w",
        organization=None, context={"order": {"id": 1}}, payload=None, pause=pause, last_pause=1,
        requests=requests, **given,
    )  # fmt: skip


def says(number: int, approval: UUID, decision: str, consumed: str | None = None) -> ResumeRequest:
    return ResumeRequest(number, "approval", approval, decision, consumed=consumed)


APPROVED, REJECTED = says(1, ONE, "approved"), says(2, TWO, "rejected")
SECOND = says(3, TWO, "approved")
CANCEL = ResumeRequest(4, "cancel", actor="ann")
FORCE = ResumeRequest(5, "manual", payload={"force": True}, actor="ann")
PAID = ResumeRequest(6, "event", OLD, pause_number=1, payload={"order": {"id": 1}})
DUE = ResumeRequest(7, "timeout", pause_number=1)
LATER = ResumeRequest(8, "timeout", due=False, due_at="2026-02-01")


@pytest.mark.parametrize(
    ("stands", "answer", "outcomes"),
    [
        (claimed(APPROVED, one="approved"), None, {1: "held"}),
        (claimed(APPROVED, SECOND, one="approved", two="approved"), "approved",
         {1: "applied", 3: "applied"}),
        (claimed(APPROVED, REJECTED, one="approved", two="rejected"), "rejected",
         {1: "superseded", 2: "applied"}),
        (claimed(APPROVED, says(2, TWO, "expired"), one="approved", two="expired"), "expired",
         {1: "superseded", 2: "applied"}),
        # It flipped before the claim: as it stands now it counts, whatever it said in between.
        (claimed(APPROVED, says(2, ONE, "rejected"), one="rejected"), "rejected",
         {1: "superseded", 2: "applied"}),
        (claimed(says(1, ONE, "rejected"), says(2, ONE, "approved"), one="approved"), None,
         {1: "held", 2: "held"}),
        (claimed(APPROVED, says(2, ONE, "rejected"), says(3, ONE, "approved"),
                 SECOND._replace(id=4), one="approved", two="approved"), "approved",
         {1: "superseded", 2: "superseded", 3: "applied", 4: "applied"}),
        (claimed(APPROVED, one="pending"), None, {1: "held"}),
        (claimed(APPROVED, SECOND, one="approved", two="approved", pause=FOREIGN), "approved",
         {1: "applied", 3: "applied"}),
        # No decision at all.
        (claimed(says(1, ONE, "Approved "), one="Approved "), None, {1: "unrecognised"}),
        (claimed(says(1, ONE, "yes"), REJECTED, one="yes", two="rejected"), "rejected",
         {1: "unrecognised", 2: "applied"}),
        # Used by an earlier pause, or gone.
        (claimed(says(1, OLD, "rejected", "approved")), None, {1: "late"}),
        (claimed(says(1, OLD, "approved", "approved")), None, {1: "duplicate"}),
        (claimed(says(1, OLD, "rejected", "approved"), REJECTED, two="rejected"), "rejected",
         {1: "late", 2: "applied"}),
        (claimed(says(1, ONE, APPROVAL_DELETED)), None, {1: "superseded"}),
        (claimed(says(1, OLD, APPROVAL_DELETED, "approved")), None, {1: "late"}),
        # A decision comes before people and time; a person must say that they mean it.
        (claimed(FORCE, REJECTED, two="rejected"), "rejected", {5: "superseded", 2: "applied"}),
        (claimed(FORCE, APPROVED, one="approved"), Manual, {5: "applied", 1: "superseded"}),
        (claimed(FORCE._replace(payload={"data": {"approved": True}})), None, {5: "failed"}),
        (claimed(FORCE._replace(payload={"force": "true"})), None, {5: "failed"}),
        # Waits.
        (claimed(PAID, DUE, pause=WAIT), Event, {6: "applied", 7: "superseded"}),
        (claimed(DUE, PAID, pause=WAIT), TimedOut, {7: "applied", 6: "superseded"}),
        (claimed(PAID, LATER, pause=WAIT), Event, {6: "applied", 8: "superseded"}),
        (claimed(PAID._replace(payload={"order": {"id": 2}}), pause=WAIT), None, {6: "superseded"}),
        (claimed(PAID._replace(pause_number=0), DUE._replace(pause_number=0), pause=WAIT), None,
         {6: "superseded", 7: "applied"}),
        (claimed(APPROVED, one="approved", pause=WAIT), None, {1: "held"}),
        (claimed(FORCE._replace(payload=None), pause=WAIT), Manual, {5: "applied"}),
        # What a person holds stays where it is.
        (claimed(APPROVED, SECOND, one="approved", two="approved",
                 pause=replace(PAUSE, reason="manual")), None, {1: "held", 3: "held"}),
        (claimed(PAID, DUE, APPROVED, one="approved", pause=INCIDENT), None,
         {6: "held", 7: "held", 1: "held"}),
        (claimed(FORCE, pause=INCIDENT), None, {5: "failed"}),
        # Where nothing is paused.
        (claimed(APPROVED, one="approved", status="running", pause=None), None, {1: "held"}),
        (claimed(APPROVED, FORCE, CANCEL, DUE, status="completed", pause=None), None,
         {1: "too_late", 5: "too_late", 4: "too_late", 7: "superseded"}),
        (claimed(says(1, ONE, "rejected", "approved"), status="failed", pause=None), None,
         {1: "late"}),
    ],
)  # fmt: skip
def test_requests_are_settled_together(stands, answer, outcomes) -> None:
    settlement = settle(stands)
    assert settlement.outcomes == outcomes
    if isinstance(settlement.resolution, Decision):
        assert settlement.resolution.deciding.decision == answer
    else:
        assert (
            settlement.resolution is None
            if answer is None
            else isinstance(settlement.resolution, answer)
        )


@pytest.mark.parametrize("status", ["pending", "running", "paused", "waiting"])
def test_a_cancel_comes_before_everything(status) -> None:
    pause = PAUSE if status == "paused" else None
    both = {"one": "approved", "two": "approved"}
    settlement = settle(claimed(APPROVED, SECOND, CANCEL, status=status, pause=pause, **both))
    assert settlement.cancelled
    assert settlement.outcomes == {1: "superseded", 3: "superseded", 4: "applied"}


def test_a_decision_that_nobody_reported_counts_and_leaves_its_row() -> None:
    settlement = settle(claimed(APPROVED, one="approved", two="approved"))
    assert settlement.outcomes == {1: "applied"}
    assert [each.id for each in settlement.unrequested_approvals] == [TWO]


def test_what_expires_among_several_is_expired_and_the_others_keep_their_timers() -> None:
    dated = [
        Approval(ONE, "appr_1", "pending", expires_at="2026-01-31", expired=True),
        Approval(TWO, "appr_2", "pending", expires_at="2026-02-28"),
        Approval(OLD, "appr_9", "pending", expires_at="2026-01-01", expired=True),
    ]
    settlement = settle(claimed(approvals=tuple(dated)))
    assert settlement.overdue == (ONE,)
    assert [each.id for each in settlement.without_timer] == [TWO]


def test_an_approval_that_comes_while_it_lasts_may_stand_for_one_that_was_deleted() -> None:
    added = Approval(UUID(int=3), "appr_3", "approved", BOB)
    first = Approval(ONE, "appr_1", "approved", ANN)
    request = says(7, added.id, "approved")
    assert settle(claimed(APPROVED, request, approvals=(first, added))).resolution is not None
    assert settle(claimed(APPROVED, approvals=(first,))).resolution is None


@pytest.mark.parametrize(("firm", "decides"), [(1, True), (2, False), (None, False)])
def test_what_was_counted_at_another_program_s_pause_and_deleted_is_needed_no_more(
    firm: int | None, decides: bool
) -> None:
    first = Approval(ONE, "appr_1", "approved", ANN)
    pause = replace(PAUSE, wait=WaitCondition(2, minimum=firm))
    settlement = settle(claimed(APPROVED, pause=pause, approvals=(first,)))
    assert (settlement.resolution is not None) == decides


SAYS = ResumeRequest(10, "adopt", decision=EXTERNAL_DECISION)
SEEN = ResumeRequest(10, "adopt")
STANDS_ALONE = replace(FOREIGN, state=State("ask", awaits="approval"))
OURS = replace(FOREIGN, state=State("ask", awaits="approval", progress={"ask": StepProgress()}))


@pytest.mark.parametrize(
    ("word", "pause", "answer", "outcome"),
    [
        (True, STANDS_ALONE, {"approved": True}, "applied"),
        (False, STANDS_ALONE, {"approved": False}, "applied"),
        ("true", STANDS_ALONE, None, "unrecognised"),
        (1, STANDS_ALONE, None, "unrecognised"),
        (None, STANDS_ALONE, None, "unrecognised"),
        (True, OURS, None, "superseded"),
        (True, replace(STANDS_ALONE, reason="manual"), None, "held"),
    ],
)
def test_the_word_in_the_row_of_another_program_is_a_decision(word, pause, answer, outcome) -> None:
    settlement = settle(claimed(SAYS, pause=pause, resume_data={"approved": word}))
    assert settlement.outcomes == {SAYS.id: outcome}
    if answer is None:
        assert settlement.resolution is None
    else:
        assert isinstance(settlement.resolution, Manual)
        assert settlement.resolution.data == answer


def test_an_approval_comes_before_the_word_in_the_row() -> None:
    settlement = settle(
        claimed(SAYS, REJECTED, two="rejected", pause=STANDS_ALONE, resume_data={"approved": True})
    )
    assert isinstance(settlement.resolution, Decision)


@pytest.mark.parametrize("data", [None, [], {"note": 1}])
def test_a_word_that_is_gone_again_was_none(data) -> None:
    settlement = settle(claimed(SAYS, pause=STANDS_ALONE, resume_data=data))
    assert settlement.outcomes == {SAYS.id: "unrecognised"}


def test_a_word_that_was_left_there_by_an_earlier_pause_is_none() -> None:
    settlement = settle(claimed(SEEN, pause=STANDS_ALONE, resume_data={"approved": True}))
    assert settlement.outcomes == {SEEN.id: "superseded"}


def test_a_request_that_was_applied_before_is_not_applied_again() -> None:
    again = says(1, ONE, "approved", consumed="approved")
    settlement = settle(claimed(again, SECOND, one="approved", two="approved"))
    assert settlement.outcomes == {1: "duplicate", 3: "applied"}


def test_three_looks_leave_one_timer_for_an_approval() -> None:
    dated = Approval(ONE, "appr_1", "pending", expires_at="2026-02-28")
    assert [each.id for each in settle(claimed(approvals=(dated,))).without_timer] == [ONE]
    armed = ResumeRequest(1, "timeout", ONE, due=False, due_at="2026-02-28")
    for _ in range(2):
        assert settle(claimed(armed, approvals=(dated,))).without_timer == ()
    moved = armed._replace(due_at="2026-02-01")
    assert [each.id for each in settle(claimed(moved, approvals=(dated,))).without_timer] == [ONE]


def test_a_wish_to_pause_outlives_a_move_that_was_asked_for_before_it() -> None:
    settlement = settle(claimed(FORCE, ResumeRequest(9, "pause")))
    assert isinstance(settlement.resolution, Manual)
    assert settlement.outcomes == {FORCE.id: "applied"}


@pytest.mark.parametrize(
    ("request_", "outcome"),
    [
        (ResumeRequest(7, "timeout", ONE), "applied"),
        (ResumeRequest(7, "retry"), "failed"),
        (ResumeRequest(7, "retry", pause_number=0), "superseded"),
        (ResumeRequest(7, "timeout", pause_number=0), "applied"),
        (PAID._replace(id=7, pause_number=0), "superseded"),
    ],
    ids=["timer of an approval", "retry", "earlier retry", "earlier timer", "earlier event"],
)
def test_what_is_not_meant_for_a_wait_does_not_end_it(
    request_: ResumeRequest, outcome: str
) -> None:
    settlement = settle(claimed(request_, pause=WAIT))
    assert settlement.resolution is None
    assert settlement.outcomes == {7: outcome}


def test_an_event_is_meant_for_a_wait_where_every_path_agrees() -> None:
    match = {"order.id": 7, "kind": "full"}
    assert matches_event(match, {}, {"order": {"id": 7}, "kind": "full"})
    assert not matches_event(match, {}, {"order": {"id": 7}, "kind": "part"})
    assert not matches_event(match, {}, {"order": {"id": 7}})


def test_an_event_does_not_end_a_wait_for_a_time() -> None:
    time = replace(WAIT, reason="waiting_for_time", wait=WaitCondition())
    settlement = settle(claimed(PAID._replace(decision="paid"), pause=time))
    assert settlement.resolution is None
    assert settlement.outcomes == {PAID.id: "superseded"}


@pytest.mark.parametrize(("kind", "ends"), [("a", True), ("b", False)])
def test_every_path_of_a_match_must_agree(kind: str, ends: bool) -> None:
    match = WaitCondition(event="paid", match={"order.id": 1, "kind": "a"})
    event = PAID._replace(payload={"order": {"id": 1}, "kind": kind})
    settlement = settle(claimed(event, pause=replace(WAIT, wait=match)))
    assert (settlement.resolution is not None) == ends


# C31
@pytest.mark.parametrize("match", [{"order.id": "{n}"}, {"tenant": "t", "order.id": "{n}"}, {}])
def test_thousands_of_events_are_compared_with_one_wait_each(match, monkeypatch) -> None:
    compared = []

    def counted(*given: Any) -> bool:
        compared.append(given)
        return matches_event(*given)

    monkeypatch.setattr("resumer_daemon.engine.event_matching.matches_event", counted)
    many = range(2_000)
    waits = {f"all/{n}": {p: v.format(n=n) for p, v in match.items()} for n in many}
    done = {
        path: StepProgress(
            branch=Branch(
                path, "s", "waiting_for_event", NextSteps(), WaitCondition(event="paid", match=each)
            )
        )
        for path, each in waits.items()
    }
    requests = [
        ResumeRequest(n, "event", UUID(int=n), "paid", payload={"tenant": "t", "order": {"id": n}})
        for n in reversed(many)
    ]
    pause = replace(WAIT, state=State("all", progress=done))
    settled = settle(replace(claimed(*requests, pause=pause), context={}))
    assert len(settled.resolutions) == 2_000
    assert all(
        matches_event(waits[path], {}, answer.payload)
        for path, answer in settled.resolutions.items()
        if isinstance(answer, Event)
    )
    assert len(compared) <= 2_000
