"""Whether a failed attempt is followed by another one, and how long before."""

from resumer_daemon.engine.verdict import Broken
from resumer_daemon.workflow.definition import Retry

_LARGEST_POWER = 32


def worth_repeating(retry: Retry, attempt: int, broken: Broken) -> bool:
    """Tell whether a failed attempt is followed by another one."""
    if broken.final or attempt >= retry.max_attempts:
        return False
    return not retry.retry_on or any(_means(entry, broken) for entry in retry.retry_on)


def backoff(retry: Retry, attempt: int) -> float:
    """Return the seconds to wait before this attempt; jitter is the shell's, and only shortens."""
    match retry.backoff:
        case "exponential":
            return 2.0 ** min(attempt - 1, _LARGEST_POWER)
        case "linear":
            return float(attempt)
        case "fixed":
            return 1.0


def _means(entry: str, broken: Broken) -> bool:
    """Tell whether an entry of `retry_on` means this failure."""
    failed_as = broken.retry_class or ""
    if entry in ("*", failed_as):
        return True
    if entry == "5xx" and len(failed_as) == 3 and failed_as.startswith("5"):
        return True
    return bool(entry) and entry.lower() in broken.error.lower()
