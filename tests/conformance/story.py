"""Tell a workflow case as a story: what is done, what is recorded, where it stops. No database.

Between any two parts of a story the state goes through JSON, as it does through the database.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from msgspec.structs import asdict

from resumer_daemon.engine.advance import advance_once, begin
from resumer_daemon.engine.inputs import (
    AdvanceInputs,
    DecidedApproval,
    Decision,
    Event,
    Limits,
    Manual,
    Resolution,
    Rule,
    TimedOut,
)
from resumer_daemon.engine.outcome import (
    Advance,
    Completed,
    EffectResult,
    Effects,
    Failed,
    Incident,
    OutboxMessage,
    Paused,
    StepRecord,
    Write,
)
from resumer_daemon.engine.resume import (
    resume,
    resume_data_after,
    resume_data_at_pause,
    resume_inside,
)
from resumer_daemon.engine.state import NextSteps, State
from resumer_daemon.workflow.context import effective
from resumer_daemon.workflow.parser import parse_definition
from resumer_daemon.workflow.values import Json, dump, load

START = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
EXECUTION = UUID("00000000-0000-4000-8000-000000000001")
APPROVER = UUID("00000000-0000-4000-8000-00000000000a")


@dataclass
class Shell:
    """The least that a shell must do: keep the state, number the pauses, hand in what came."""

    case: Mapping[str, Json]
    state: State = field(init=False)
    ways: NextSteps = field(default_factory=NextSteps)
    resume_data: dict[str, Json] = field(default_factory=dict)
    pauses: int = 0
    now: datetime = START
    asks: bool = False

    def __post_init__(self) -> None:
        self.definition = parse_definition(
            self.case.get("definition", {"steps": self.case.get("steps")})
        )
        time_left = self.case.get("time_left")
        self.state = begin(self.definition, None if time_left is None else float(time_left))

    def tell(self, part: Mapping[str, Json]) -> Advance:
        """Do what a part of the story does, and advance."""
        if "given" in part:
            answer = _answer(part["given"], self.now, asks=self.asks)
            self._resume(answer, part.get("of"))
        elapsed = float(part.get("elapsed", 0))
        self.now += timedelta(seconds=elapsed)
        advanced = advance_once(
            self.definition,
            self.state,
            effective(self.case.get("context", {}), self.resume_data),
            self._world(elapsed, hold=part.get("hold", False)),
            {path: _result(told) for path, told in part.get("results", {}).items()},
        )
        self.state = State.from_json(load(dump(advanced.state.to_json())))
        assert self.state == advanced.state
        if isinstance(advanced.outcome, Paused | Incident):
            self.pauses += 1
            self.ways = getattr(advanced.outcome, "next_steps", NextSteps())
            self.asks = getattr(advanced.outcome, "reason", None) == "approval_required"
            self.resume_data = resume_data_at_pause(self.resume_data)
        return advanced

    def _resume(self, answer: Resolution, step: str | None) -> None:
        self.resume_data = resume_data_after(
            self.resume_data, answer, number=self.pauses, at=self.now
        )
        branches = [b for b in self.state.branches if step is None or b.step_id == step]
        if branches and not (isinstance(answer, Manual) and answer.trigger == "retry"):
            self.state = resume_inside(self.state, {branches[0].path: answer})
        else:
            self.state = resume(self.definition, self.state, self.ways, answer)

    def _world(self, elapsed: float, *, hold: bool) -> AdvanceInputs:
        world = self.case.get("world", {})
        return AdvanceInputs(
            now=self.now,
            execution_id=EXECUTION,
            execution_key="exec_0001",
            workflow_id="order_approval",
            pause_number=self.pauses,
            elapsed=elapsed,
            rules={name: Rule(**rule) for name, rule in world.get("rules", {}).items()},
            approval_url=world.get("approval_url", ""),
            notification_templates=world.get("notification_templates", {}),
            action_errors=world.get("action_errors", "fail"),
            limits=Limits(**world.get("limits", {})),
            stop_before_next_step=hold,
        )


def told(advanced: Advance) -> dict[str, Json]:
    """Return what an advance came to, in the words of a story."""
    return {
        "path": [_step(record) for record in advanced.records],
        "outputs": {record.step_id: dict(record.output) for record in advanced.records},
        "seconds": {record.step_id: record.seconds for record in advanced.records},
        "writes": [_write(write) for write in advanced.writes],
        **_outcome(advanced),
    }


def _step(record: StepRecord) -> str:
    return record.step_id if record.error is None else f"{record.step_id}: {record.error}"


def _write(write: Write) -> dict[str, Json]:
    if isinstance(write, OutboxMessage):
        return {"kind": write.kind, "key": write.key, **write.body}
    return {"kind": "approval", **_plain(asdict(write))}


def _outcome(advanced: Advance) -> dict[str, Json]:
    match advanced.outcome:
        case Completed(result, reason):
            return {"ends": result, "reason": reason}
        case Failed(error):
            return {"ends": f"failed: {error}"}
        case Incident(cause, detail):
            return {"incident": cause, "detail": detail}
        case Effects(effects):
            return {"sends": [_plain(asdict(effect)) for effect in effects]}
        case Paused(reason, step_id, ways, waiting, asked, branches):
            return {
                "pauses": f"{reason} at {step_id}",
                "ways": _plain(_as_named(ways)),
                "waiting": _plain(asdict(waiting)),
                "asked": len(asked),
                "branches": [branch.step_id for branch in branches],
            }


def _plain(values: Mapping[str, object]) -> dict[str, Json]:
    return {name: _text(value) for name, value in values.items()}


def _text(value: object) -> Json:
    match value:
        case datetime():
            return value.replace(microsecond=0).isoformat().replace("+00:00", "Z")
        case UUID():
            return str(value)
        case tuple():
            return list(value)
        case _:
            return value


def _result(told: Json) -> EffectResult:
    """Read `200`, a status, or `{"error": ..., "as": ...}`."""
    if isinstance(told, int):
        return EffectResult(data={"status_code": told, "response": ""})
    return EffectResult(
        told.get("error"), told.get("as"), told.get("data", {}), told.get("sent", True)
    )


def _answer(given: Json, now: datetime, *, asks: bool) -> Resolution:
    kind, value = next(iter(given.items())) if isinstance(given, dict) else (given, None)
    match kind:
        case "approved" | "rejected" | "expired":
            approver = None if kind == "expired" else APPROVER
            decided = DecidedApproval(UUID(int=7), "appr_7", kind, approver, value, now.isoformat())
            return Decision(decided, (decided,))
        case "event":
            return Event(value)
        case "timeout":
            return TimedOut()
        case "manual":
            given = value or {}
            approves = given.get("approved") is not False if asks else None
            return Manual("manual", "ann", "by hand", given, approves=approves)
        case "retry":
            return Manual("retry", "ann", "mended")
    raise ValueError(f"no answer: {given}")


def _as_named(steps: NextSteps) -> dict[str, Json]:
    """Return the next steps under the names of the stored form."""
    stored = steps.to_json()
    return {
        name: stored.get(name) for name in ("approved", "refused", "expired", "timeout", "event")
    }
