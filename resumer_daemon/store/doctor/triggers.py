"""Our triggers: there, enabled, and as the settings ask."""

from collections.abc import Iterable, Sequence

from resumer_daemon.store.doctor.finding import Finding, Patient, broken, warning, well
from resumer_daemon.store.triggers import GUARD, TRIGGERS, present


async def check_triggers(patient: Patient) -> Sequence[Finding]:
    """Look at the triggers, and at the guard of decisions."""
    found = await present(patient.connection, patient.schema)
    silent = TRIGGERS - found.firing
    return [
        *(_missing(name) for name in sorted(silent - found.disabled)),
        *([_disabled(silent & found.disabled)] if silent & found.disabled else []),
        *([] if silent else [well("triggers", "all are there and enabled")]),
        _guard(patient, enabled=GUARD in found.firing),
    ]


def _missing(name: str) -> Finding:
    return broken(
        "triggers",
        f"{name} is missing",
        "what it should leave is found by the reconciler, up to a lap later",
        "resumer-daemon migrate up",
    )


def _disabled(names: Iterable[str]) -> Finding:
    """Somebody may have switched them off on purpose, such as for a change of the tables."""
    return warning(
        "triggers",
        f"disabled: {', '.join(sorted(names))}",
        "what they should leave is found by the reconciler, up to a lap later, and writes of others"
        " over what is ours are not refused",
        "resumer-daemon migrate triggers on",
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
