"""Our triggers: there, enabled, and as the settings ask."""

from collections.abc import Sequence

from resumer_daemon.store.doctor.finding import Finding, Patient, broken, well
from resumer_daemon.store.triggers import GUARD, TRIGGERS, firing


async def look(patient: Patient) -> Sequence[Finding]:
    """Look at the triggers, and at the guard of decisions."""
    found = await firing(patient.connection, patient.schema)
    return [
        *(_missing(name) for name in sorted(TRIGGERS - found)),
        *([] if TRIGGERS - found else [well("triggers", "all are there and enabled")]),
        _guard(patient, enabled=GUARD in found),
    ]


def _missing(name: str) -> Finding:
    table = "approval_requests" if "approval" in name else "workflow_executions"
    return broken(
        "triggers",
        f"{name} is missing or disabled",
        "what it should leave is found by the reconciler, up to a lap later",
        f"ALTER TABLE {'events' if 'event' in name else table} ENABLE TRIGGER {name};"
        " where it is gone: resumer-daemon migrate up",
    )


def _guard(patient: Patient, *, enabled: bool) -> Finding:
    asked = patient.settings.decision_guard == "enforce"
    if asked == enabled:
        return well("decision guard", f"RESUMER_DECISION_GUARD={patient.settings.decision_guard}")
    return broken(
        "decision guard",
        f"approvals are {'not ' if asked else ''}refused by the trigger",
        "that is not what RESUMER_DECISION_GUARD says",
        "resumer-daemon migrate up",
    )
