"""Points of time on the clock of a run, which counts the seconds that an execution really runs."""

from resumer_daemon.frozen import frozen

_UNITS = (("h", 3600.0), ("m", 60.0))


@frozen
class Limit:
    """Until when something must be done, and how long it was given."""

    at: float
    allowed: float

    def error(self) -> str:
        """Return what a step or an execution fails with that is not done by then."""
        return f"timed out after {spoken(self.allowed)}"


def earlier(one: Limit | None, other: Limit | None) -> Limit | None:
    """Return the limit that comes first."""
    if one is None or other is None:
        return one or other
    return one if one.at <= other.at else other


def spoken(seconds: float) -> str:
    """Return a duration as Go writes it: `1h30m`, `45s`, `1.5s`, `250ms`."""
    if 0 < seconds < 1:
        return f"{seconds * 1000:g}ms"
    text = ""
    for unit, size in _UNITS:
        if seconds >= size:
            text += f"{int(seconds // size)}{unit}"
            seconds %= size
    return f"{text}{seconds:.9g}s" if seconds or not text else text
