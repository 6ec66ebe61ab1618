"""The context of an execution: the payload, the loaded documents, and computed values."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from resumer_daemon.workflow.templates import rfc3339
from resumer_daemon.workflow.values import Json, find, is_number, to_text

VERSION: Final = "1.0"

_DAYS: Final = "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"
_HIGH_VALUE: Final = 10_000
_MEDIUM_VALUE: Final = 1_000
_NEW_FOR_DAYS: Final = 30
_SECONDS_A_DAY: Final = 86_400


def build(payload: Json, loaded: Mapping[str, Json], now: datetime) -> dict[str, Json]:
    """Return a new context. `loaded` maps each path of `context.load` to its document."""
    context = dict(payload) if isinstance(payload, dict) else {}
    for path, value in loaded.items():
        _put(context, path.split("."), value)
    context["_meta"] = {"version": VERSION, "enriched_at": rfc3339(now)}
    context["_computed"] = _clock(now) | _order(context) | _customer(context, now)
    return context


def entity_of(path: str) -> str:
    """Return the entity of a path of `context.load`."""
    return path.partition(".")[0]


def key_of(path: str, payload: Json) -> str | None:
    """Return the id of a path's entity in the payload: `customer.id`, else `customer_id`.

    An id is a number or a text that is not blank. A blank one would request all entities, and one
    of dots would lead to another URL.
    """
    if not isinstance(payload, dict):
        return None
    entity = entity_of(path)
    for name in (f"{entity}.id", f"{entity}_id"):
        key = find(name, payload)
        if is_number(key) or (isinstance(key, str) and key.strip(". ")):
            return to_text(key)
    return None


OVERRIDDEN: Final = "_approved"
"""In `resume_data`: which way a person took who ended a wait for an approval by force."""


def effective(context: Json, resume_data: Json) -> dict[str, Json]:
    """Return the context that the engine reads: the resume data over the context, key by key.

    During a pause the column has no `approved`. It comes from the deciding approval, or from the
    person who overrode it.
    """
    data = _object(resume_data)
    merged = {**_object(context), **data}
    merged.pop(OVERRIDDEN, None)
    approved = data.get(OVERRIDDEN, _object(data.get("approval")).get("approved"))
    if isinstance(approved, bool):
        merged["approved"] = approved
    return merged


def _put(context: dict[str, Json], parts: list[str], value: Json) -> None:
    *above, last = parts
    for part in above:
        # Copied, because the payload must not change. A value that is not an object is replaced.
        context[part] = dict(_object(context.get(part)))
        context = context[part]
    context[last] = value


def _clock(now: datetime) -> dict[str, Json]:
    moment = now.replace(tzinfo=UTC) if now.tzinfo is None else now.astimezone(UTC)
    return {
        "current_time": rfc3339(now),
        "current_hour": moment.hour,
        "current_day_of_week": _DAYS[moment.weekday()],
        "current_date": moment.date().isoformat(),
    }


def _order(context: Mapping[str, Json]) -> dict[str, Json]:
    total = find("order.total", context)
    if not is_number(total):
        return {}
    return {
        "order_is_high_value": bool(total >= _HIGH_VALUE),
        "order_is_medium_value": bool(_MEDIUM_VALUE <= total < _HIGH_VALUE),
        "order_is_low_value": bool(total < _MEDIUM_VALUE),
    }


def _customer(context: Mapping[str, Json], now: datetime) -> dict[str, Json]:
    created = _moment(find("customer.created_at", context))
    if created is None:
        return {}
    aware = now.replace(tzinfo=UTC) if now.tzinfo is None else now
    days = int((aware - created).total_seconds() / _SECONDS_A_DAY)
    return {"customer_account_age_days": days, "customer_is_new": days < _NEW_FOR_DAYS}


def _moment(written: Json) -> datetime | None:
    if not isinstance(written, str):
        return None
    try:
        moment = datetime.fromisoformat(written.strip())
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _object(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}
