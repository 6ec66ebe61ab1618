from uuid import UUID

from resumer_daemon.engine.inputs import DecidedApproval, Decision, Event, Manual, TimedOut
from resumer_daemon.engine.resume import resume_data_after, resume_data_at_pause
from tests.unit.engine.driver import NOW

ANN = UUID(int=10)
FIRST = DecidedApproval(UUID(int=1), "appr_1", "approved", ANN, "fine", "2026-01-31T09:00:00Z")
SECOND = DecidedApproval(UUID(int=2), "appr_2", "rejected", None, None, None)


def test_a_decision_leaves_who_decided_what() -> None:
    data = resume_data_after({}, Decision(FIRST, (FIRST,)), number=1, at=NOW)
    fact = {
        "id": str(FIRST.id),
        "request_id": "appr_1",
        "decision": "approved",
        "approved": True,
        "approver_id": str(ANN),
        "reason": "fine",
        "decided_at": "2026-01-31T09:00:00Z",
    }
    assert data == {
        "approval": fact,
        "approvals": [fact],
        "approved": True,
        "resume": {
            "trigger": "approval",
            "actor": str(ANN),
            "reason": "fine",
            "data": None,
            "number": 1,
        },
        "resumed_at": "2026-01-31T09:30:00Z",
    }


def test_approvals_accumulate_oldest_first_each_once() -> None:
    data = resume_data_after({}, Decision(FIRST, (FIRST,)), number=1, at=NOW)
    data = resume_data_after(data, Decision(SECOND, (FIRST, SECOND)), number=2, at=NOW)
    assert [each["request_id"] for each in data["approvals"]] == ["appr_1", "appr_2"]
    assert data["approval"]["decision"] == "rejected"
    assert data["approved"] is False
    assert data["resume"]["number"] == 2


def test_what_was_in_the_column_before_is_no_trouble() -> None:
    data = resume_data_after(
        {"approvals": "none", "note": 1}, Decision(FIRST, (FIRST,)), number=1, at=NOW
    )
    assert len(data["approvals"]) == 1
    assert data["note"] == 1


def test_an_event_stays_in_its_own_place() -> None:
    data = resume_data_after({}, Event({"approved": True}), number=3, at=NOW, actor="service")
    assert data["resume_event"] == {"approved": True}
    assert data["resume"]["trigger"] == "event"
    assert data["resume"]["actor"] == "service"
    assert "approved" not in data


def test_a_timeout_brings_nothing_but_itself() -> None:
    data = resume_data_after({"note": 1}, TimedOut(), number=1, at=NOW)
    assert data["note"] == 1
    assert data["resume"]["trigger"] == "timeout"


def test_manual_data_goes_under_the_names_of_the_list() -> None:
    brought = {
        "approved": True, "approval": {"approved": True}, "approvals": [], "resume_event": 1,
        "resume": 2, "resumed_at": 3, "order": {"total": 5},
    }  # fmt: skip
    data = resume_data_after(
        {}, Manual("manual", "ann", "checked", brought), number=1, at=NOW, actor="x", reason="y"
    )
    assert data == {
        "order": {"total": 5},
        "resume": {
            "trigger": "manual",
            "actor": "ann",
            "reason": "checked",
            "data": brought,
            "number": 1,
        },
        "resumed_at": "2026-01-31T09:30:00Z",
    }


def test_a_retry_says_so() -> None:
    data = resume_data_after({}, Manual("retry", "ann", None), number=1, at=NOW)
    assert data["resume"]["trigger"] == "retry"


def test_what_it_is_given_is_left_alone() -> None:
    before = {"approvals": [{"id": "x"}]}
    resume_data_after(before, Decision(FIRST, (FIRST,)), number=1, at=NOW)
    assert before == {"approvals": [{"id": "x"}]}


def test_a_pause_takes_approved_out() -> None:
    assert resume_data_at_pause({"approved": True, "approval": {"approved": True}}) == {
        "approval": {"approved": True}
    }
