"""The cases of `resumer.explain`: for each reason that it can give, rows that have it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from tests.harness import Database
from tests.harness.inbox import awaited
from tests.harness.service import Rows

LONG_AGO = "now() - interval '3 hours 10 minutes'"
LATER = "now() + interval '2 hours 10 minutes'"
KEY = "exec_0001"


@dataclass(frozen=True, slots=True)
class Case:
    """One execution in a database, to be put into the state that a reason is about."""

    database: Database
    rows: Rows
    execution: UUID

    @classmethod
    def of(cls, database: Database) -> "Case":
        """Make an execution of a workflow."""
        rows = Rows.of(database)
        workflow, execution = rows.workflow("flow"), rows.execution()
        database.run(
            "UPDATE workflow_executions SET execution_id = %s, workflow_id = %s", KEY, workflow
        )
        return cls(database, rows, execution)

    def stands(self, status: str, **columns: object) -> None:
        """Let the execution be this, since long ago."""
        given = {"status": status, **columns}
        names = ", ".join(f"{name} = %s" for name in given)
        with self.database.connect(options="-c resumer.own=on") as ours:
            ours.execute(
                f"UPDATE workflow_executions SET {names}, completed_at ="
                f" (CASE WHEN %s IN ('completed', 'failed', 'cancelled') THEN {LONG_AGO} END)"
                " AT TIME ZONE 'UTC'",
                [*given.values(), status],
            )

    def pauses(self, reason: str, **columns: object) -> None:
        """Let it be paused for this, since long ago."""
        self.stands("paused")
        given = {"reason": reason, "step_id": "ask", **columns}
        names, marks = ", ".join(given), ", ".join(["%s"] * len(given))
        self.database.run(
            f"INSERT INTO resumer.pauses (execution_id, number, paused_at, {names})"
            f" VALUES (%s, 1, {LONG_AGO}, {marks})",
            self.execution, *given.values(),
        )  # fmt: skip

    def asks(self, status: str = "pending", expires: str = "NULL", **columns: object) -> UUID:
        """Let it have an approval, asked long ago."""
        given = {"request_id": "appr_0001", "approver_role": "manager", **columns}
        approval = self.rows.approval(self.execution, status, **given)
        self.database.run(
            f"UPDATE approval_requests SET requested_at = {LONG_AGO}, expires_at = {expires}"
            " WHERE id = %s", approval,
        )  # fmt: skip
        return approval

    def request(self, kind: str, **columns: object) -> None:
        """Let there be a request, made long ago."""
        given = {"kind": kind, "actor": "mia", **columns}
        names, marks = ", ".join(given), ", ".join(["%s"] * len(given))
        table, name, value = "resume_requests", "", ""
        if given.get("outcome") not in {None, "held"}:
            table, name = "settled_requests", "id, "
            value = "nextval('resumer.resume_requests_id_seq'), "
        self.database.run(
            f"INSERT INTO resumer.{table} ({name}execution_id, requested_at, due_at, {names})"
            f" VALUES ({value}%s, {LONG_AGO}, {LONG_AGO}, {marks})",
            self.execution, *given.values(),
        )  # fmt: skip

    def leased(self, until: str = LATER, **columns: Any) -> None:
        """Let a daemon hold it."""
        instance = uuid4()
        self.database.run(
            "INSERT INTO resumer.instances (id, host, version, silence)"
            " VALUES (%s, 'node-7', '1', '1 minute')",
            instance,
        )
        given = {"instance": instance, **columns}
        names, marks = ", ".join(given), ", ".join(["%s"] * len(given))
        self.stands("running")
        self.database.run(
            f"INSERT INTO resumer.leases (execution_id, lease_until, recorded_at, {names})"
            f" VALUES (%s, {until}, {LONG_AGO}, {marks})",
            self.execution, *given.values(),
        )  # fmt: skip

    def message(self, state: str) -> None:
        """Let it have sent a notification that was tried in vain."""
        self.database.run(
            "INSERT INTO resumer.outbox (key, execution_id, kind, body, state, attempts, error,"
            f" next_at) VALUES ('k1', %s, 'notify', '{{}}', %s, 3, 'no route to role:manager',"
            f" {LATER})",
            self.execution, state,
        )  # fmt: skip


def _cancelled(case: Case) -> None:
    case.stands("cancelled")
    case.request("cancel", outcome="applied", reason="ordered twice")


def _queued(case: Case) -> None:
    case.stands("pending")
    case.request("start")


def _effect(next_at: str) -> Callable[[Case], None]:
    def make(case: Case) -> None:
        case.leased()
        case.database.run(
            "INSERT INTO resumer.effects (key, execution_id, path, kind, request, delivery, status,"
            " attempts, epoch, error, intended_at, next_at) VALUES ('k1', %s, 'send', 'webhook',"
            f" '{{}}', 'at_least_once', 'intent', 2, 1, '503', {LONG_AGO}, {next_at})",
            case.execution,
        )

    return make


def _held(case: Case) -> None:
    case.pauses(
        "manual",
        manual_pause=Jsonb(
            {"actor": "mia", "reason": "stock count", "before": "approval_required"}
        ),
    )


def _hold(case: Case) -> None:
    case.pauses("waiting_for_event", waiting=Jsonb({"event": "paid"}))
    case.database.run(
        "INSERT INTO resumer.holds (workflow_id, actor, reason, held_at, until)"
        f" VALUES ('flow', 'mia', 'stock count', {LONG_AGO}, {LATER})"
    )


def _incident(case: Case) -> None:
    known = {"cause": "step_budget", "detail": "1,000 steps", "remedy": "mend it, then retry"}
    case.pauses("incident", incident=Jsonb(known))


def _approval(
    status: str = "pending", expires: str = "NULL", **columns: object
) -> Callable[[Case], None]:
    def make(case: Case) -> None:
        case.asks(status, expires, **columns)
        case.pauses("approval_required")

    return make


def _unseen(case: Case) -> None:
    _approval("approved")(case)
    case.database.run("DELETE FROM resumer.resume_requests")


def _refused(case: Case) -> None:
    _approval("approved")(case)
    case.database.run(
        "UPDATE resumer.resume_requests SET outcome = 'held', reason = 'self_approval'"
        " WHERE kind = 'approval'"
    )


def _twice(case: Case) -> None:
    person = uuid4()
    for number in (1, 2):
        case.asks("approved", request_id=f"appr_{number}", approver_id=person)
    case.pauses("approval_required")


def _needed(case: Case) -> None:
    case.asks("approved", request_id="appr_1", approver_id=uuid4())
    case.asks()
    case.pauses("approval_required", waiting=Jsonb({"roles": ["manager", "finance"]}))


def _event(case: Case) -> None:
    waits = {"event": "paid", "match": {"quote.id": 8}}
    case.pauses("waiting_for_event", waiting=Jsonb(waits))


def _not_meant(case: Case) -> None:
    _event(case)
    awaited(case.database, "paid")
    case.database.run(
        """SELECT resumer.emit('paid', '{"quote": {"id": 7}}', %s)""", case.rows.organization
    )
    case.database.run(
        "WITH taken AS (DELETE FROM resumer.event_queue RETURNING *)"
        " INSERT INTO resumer.captured_events (id, event_id, captured_at, missed)"
        f" SELECT id, event_id, {LONG_AGO}, missed FROM taken"
    )
    case.database.run(
        "INSERT INTO resumer.event_keys (key, captured_id)"
        " SELECT resumer.event_key('paid', %s, ''), id FROM resumer.captured_events",
        case.rows.organization,
    )
    case.database.run("UPDATE resumer.pauses SET paused_at = now() - interval '1 day'")


def _time(case: Case) -> None:
    case.pauses("waiting_for_time")
    case.database.run(f"UPDATE resumer.pauses SET waiting = jsonb_build_object('due_at', {LATER})")


def _timer(case: Case) -> None:
    case.pauses("waiting_for_event", next_steps=Jsonb({"timeout": "escalate"}))
    case.request("timeout", pause_number=1, actor=None)
    case.database.run(f"UPDATE resumer.resume_requests SET due_at = {LATER}")


def _request(kind: str, outcome: str | None, **columns: object) -> Callable[[Case], None]:
    def make(case: Case) -> None:
        case.pauses("incident")
        case.request(kind, outcome=outcome, **columns)
        case.database.run("UPDATE resumer.pauses SET paused_at = now() - interval '1 day'")

    return make


def _pause_asked(case: Case) -> None:
    case.leased()
    case.request("pause", outcome="held", reason="stock count")


def _changed(case: Case) -> None:
    case.pauses("waiting_for_event", definition="0123abcd")


def _disabled(case: Case) -> None:
    case.pauses("waiting_for_event")
    case.database.run("UPDATE workflows SET enabled = false")


def _newer(case: Case) -> None:
    case.pauses("waiting_for_event", state=Jsonb({"v": 2, "step": "ask"}))
    case.database.run(
        "INSERT INTO resumer.instances (id, host, version, silence)"
        " VALUES (gen_random_uuid(), 'one.example', '0.1.0', '1 s')"
    )


def _no_listener(case: Case) -> None:
    """The test connects as a worker meanwhile."""
    case.pauses("waiting_for_event")


def _notify_off(case: Case) -> None:
    case.database.run("UPDATE resumer.control SET notify = 'off'")


def _trigger_off(case: Case) -> None:
    case.database.run("ALTER TABLE events DISABLE TRIGGER resumer_event_insert")


CASES: dict[str, Callable[[Case], None]] = {
    "completed": lambda case: case.stands("completed", result="allowed"),
    "failed": lambda case: case.stands("failed", error_message="step not found: ship"),
    "cancelled": _cancelled,
    "another_program_starts": lambda case: case.stands("pending"),
    "queued": _queued,
    "foreign_status": lambda case: case.stands("waiting"),
    "another_program_runs": lambda case: case.stands("running"),
    "waiting_for_capacity": lambda case: case.leased(instance=None),
    "lease_expired": lambda case: case.leased(LONG_AGO),
    "running": lambda case: case.leased(),
    "effect_in_progress": _effect(LONG_AGO),
    "effect_delayed": _effect(LATER),
    "on_hold": _hold,
    "manually_paused": _held,
    "incident": _incident,
    "no_approval": lambda case: case.pauses("approval_required"),
    "approval_missing": _approval(expires=f"({LATER}) AT TIME ZONE 'UTC'"),
    "approval_expired": _approval(expires=f"({LONG_AGO}) AT TIME ZONE 'UTC'"),
    "unrecognised": _approval("Approved "),
    "decision_not_captured": _unseen,
    "approval_refused": _refused,
    "duplicate_approver": _twice,
    "approvals_needed": _needed,
    "waits_for_event": _event,
    "event_not_matched": _not_meant,
    "waits_for_time": _time,
    "pause_without_record": lambda case: case.stands("paused"),
    "timer_set": _timer,
    "pause_requested": _pause_asked,
    "request_open": _request("approval", None, decision="approved", actor=None),
    "request_parked": _request("approval", "held", decision="approved", actor=None),
    "request_failed": _request("retry", "failed"),
    "decision_late": _request("approval", "late", decision="rejected", actor=None),
    "no_daemon": lambda case: case.stands("running"),
    "no_listener": _no_listener,
    "incompatible_state": _newer,
    "notify_off": _notify_off,
    "trigger_off": _trigger_off,
    "definition_changed": _changed,
    "workflow_disabled": _disabled,
    "message_dead": lambda case: case.message("dead"),
    "message_late": lambda case: case.message("pending"),
}
