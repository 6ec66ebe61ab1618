"""How far one step has come between two advances: what must not be done again, and no more."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal, TypeAlias

from resumer_daemon.engine.branch import Branch
from resumer_daemon.workflow.values import Json

Reply: TypeAlias = Literal["approved", "rejected", "expired", "event", "timeout"]
"""What ended the pause of a step inside a container, or a wait that has no way for its timeout."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Progress:
    """One step under way, or one member that has ended.

    `began` and `clock` are when this attempt began: by the calendar, and in seconds of the run.
    `results` are the actions of its list that are done, `pending` the effect that is not, `asked`
    the approvals it created. `waits` is what a step inside of a container waits for; `reply` is
    what ended that, with the decision's reason in `note`.
    `ended`, `error`, `failed_as` and `final` tell how a member ended. `item`, `at` and `taken` say
    where a `foreach` stands: the item, the step of its body, how many steps the item has taken,
    and `rested` how many of them before the last resume.
    """

    attempt: int = 1
    began: datetime = EPOCH
    clock: float = 0.0
    results: tuple[Json, ...] = ()
    unresolved: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    pending: Mapping[str, Json] | None = None
    waits: Branch | None = None
    reply: Reply | None = None
    note: str | None = None
    ended: Literal["passed", "failed"] | None = None
    error: str | None = None
    failed_as: str | None = None
    final: bool = False
    item: int = 0
    at: int = 0
    taken: int = 0
    rested: int = 0

    @property
    def sends(self) -> bool:
        """Tell whether an effect of its list is handed over."""
        return self.pending is not None and not self.pending.get("failed")

    def to_json(self) -> dict[str, Json]:
        """Return the form that is stored: what says nothing is left out."""
        stored: dict[str, Json] = {}
        for name, default in _DEFAULTS.items():
            value = getattr(self, name)
            if value != default:
                stored[name] = _written(value)
        return stored

    @classmethod
    def from_json(cls, stored: Mapping[str, Json]) -> "Progress":
        """Read what `to_json` wrote; unknown keys are of a newer version, and ignored."""
        known = {name: stored[name] for name in _DEFAULTS if name in stored}
        if "began" in known:
            known["began"] = datetime.fromisoformat(known["began"])
        if "clock" in known:
            known["clock"] = float(known["clock"])
        if "waits" in known:
            known["waits"] = Branch.from_json(known["waits"])
        for name in _TUPLES.intersection(known):
            known[name] = tuple(known[name])
        return cls(**known)


def exact(seconds: float) -> Decimal:
    """Return a float as the JSON number that reads back as the same float."""
    return Decimal(repr(seconds))


def _written(value: object) -> Json:
    match value:
        case float():
            return exact(value)
        case Branch():
            return value.to_json()
        case tuple():
            return list(value)
        case datetime():
            return value.isoformat()
        case _:
            return value


_DEFAULTS: Mapping[str, object] = {each.name: each.default for each in fields(Progress)}
_TUPLES = frozenset({"results", "unresolved", "asked"})
